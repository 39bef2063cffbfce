//! The checksums that metadata give: SHA-256, SHA-384 or SHA-512. Weaker ones are refused.

use std::fmt;
use std::io::{self, Read};
use std::path::Path;

use crate::digest::{KeyBuilder, Sha256};
use crate::regular;

/// What a file's content must have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Checksum {
    /// Its SHA-256.
    Sha256(Sha256),
    /// A longer member of the family.
    Long(LongKind, String),
}

/// The longer checksums.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names are those of the algorithms")]
pub enum LongKind {
    Sha384,
    Sha512,
}

impl LongKind {
    /// The algorithm as metadata write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    fn digits(self) -> usize {
        match self {
            Self::Sha384 => 96,
            Self::Sha512 => 128,
        }
    }
}

impl Checksum {
    /// The checksum `text` of `algorithm`.
    ///
    /// # Errors
    /// The algorithm is none of these, or the text is no checksum of it; in words.
    pub fn read(algorithm: &str, text: &str) -> Result<Self, String> {
        let text = text.trim();
        let kind = match algorithm {
            "sha256" => {
                return text
                    .parse()
                    .map(Self::Sha256)
                    .map_err(|error: crate::digest::ParseDigestError| error.to_string());
            }
            "sha384" => LongKind::Sha384,
            "sha512" => LongKind::Sha512,
            other => return Err(format!("a {other} checksum; sha256, sha384 or sha512 is needed")),
        };
        let digits = kind.digits();
        if text.len() != digits || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(format!("`{text}` is not a {algorithm} checksum: {digits} hexadecimal digits are expected"));
        }
        Ok(Self::Long(kind, text.to_ascii_lowercase()))
    }

    /// The checksum `text`, whose length tells its algorithm.
    pub fn of_digits(text: &str) -> Result<Self, String> {
        let algorithm = match text.trim().len() {
            96 => "sha384",
            128 => "sha512",
            _ => "sha256",
        };
        Self::read(algorithm, text)
    }

    /// What names the file here, in the cache and in build keys: its SHA-256, or a digest that stands for a longer checksum.
    pub fn digest(&self) -> Sha256 {
        match self {
            Self::Sha256(digest) => *digest,
            Self::Long(kind, digits) => KeyBuilder::new("checksum").field(kind.name(), digits).finish(),
        }
    }

    /// Its SHA-256, where that is what it is.
    pub fn sha256(&self) -> Option<Sha256> {
        match self {
            Self::Sha256(digest) => Some(*digest),
            Self::Long(..) => None,
        }
    }

    /// True when it is that of `bytes`.
    pub fn is_of(&self, bytes: &[u8]) -> bool {
        self.is_of_reader(&mut &*bytes).unwrap_or(false)
    }

    /// True when it is that of the content of the file `path`.
    pub fn is_of_file(&self, path: &Path) -> io::Result<bool> {
        self.is_of_reader(&mut regular::open(path)?)
    }

    fn is_of_reader(&self, reader: &mut impl Read) -> io::Result<bool> {
        Ok(match self {
            Self::Sha256(digest) => Sha256::of_reader(reader)?.0 == *digest,
            Self::Long(LongKind::Sha384, digits) => hashed::<sha2::Sha384>(reader)? == *digits,
            Self::Long(LongKind::Sha512, digits) => hashed::<sha2::Sha512>(reader)? == *digits,
        })
    }
}

/// The hexadecimal digits of all that `reader` gives.
fn hashed<H: sha2::Digest>(reader: &mut impl Read) -> io::Result<String> {
    let mut hasher = H::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            read => hasher.update(&buffer[..read]),
        }
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256(digest) => write!(f, "{digest}"),
            Self::Long(kind, digits) => write!(f, "{}:{digits}", kind.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABC_384: &str =
        "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7";

    #[test]
    fn a_checksum_is_that_of_its_content_alone() {
        let sha256 = Sha256::of_bytes(b"abc").to_string();
        let sha512 = hashed::<sha2::Sha512>(&mut &b"abc"[..]).unwrap();
        for (algorithm, text) in [("sha256", sha256.as_str()), ("sha384", ABC_384), ("sha512", &sha512)] {
            let checksum = Checksum::read(algorithm, &text.to_uppercase()).unwrap();
            assert!(checksum.is_of(b"abc") && !checksum.is_of(b"abd"), "{algorithm}");
            assert_eq!(Checksum::of_digits(text).unwrap(), checksum);
            assert!(Checksum::read(algorithm, &text[1..]).is_err());
        }
        assert_ne!(Checksum::of_digits(ABC_384).unwrap().digest(), Checksum::of_digits(&sha512).unwrap().digest());
    }

    #[test]
    fn weak_and_unknown_ones_are_refused() {
        for algorithm in ["md5", "sha", "sha1", "sha224", "crc32"] {
            assert!(Checksum::read(algorithm, "00").unwrap_err().contains("sha256, sha384 or sha512 is needed"));
        }
        assert!(Checksum::read("sha512", &"g".repeat(128)).unwrap_err().contains("128 hexadecimal digits"));
    }
}
