//! SHA-256 digests of bytes, files and lists of values.
//!
//! A digest is how Drydock names everything: sources, RPMs, image layers, build keys. [`KeyBuilder`] turns a list of
//! named fields into one digest; each field is written with its length, so that no two lists of fields give one text.

use std::fmt;
use std::io::{self, Read, Write};
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use crate::regular;

/// A SHA-256 digest, written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha256([u8; 32]);

/// The text is not 64 hexadecimal digits.
#[derive(Debug, thiserror::Error)]
#[error("`{text}` is not a SHA-256 digest: 64 hexadecimal digits are expected")]
pub struct ParseDigestError {
    text: String,
}

impl Sha256 {
    /// The digest of `bytes`.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// The digest of all that `reader` gives, and the number of bytes it gave.
    pub fn of_reader(reader: &mut impl Read) -> io::Result<(Self, u64)> {
        let mut hashing = HashingWriter::new(io::sink());
        let bytes = io::copy(reader, &mut hashing)?;
        Ok((hashing.finish().1, bytes))
    }

    /// The digest of the content of the file `path`.
    pub fn of_file(path: &Path) -> io::Result<Self> {
        Ok(Self::of_reader(&mut regular::open(path)?)?.0)
    }

    /// The digest as OCI writes it: `sha256:` and the hexadecimal digits.
    pub fn to_oci(self) -> String {
        format!("sha256:{self}")
    }

    /// The first twelve digits, for people.
    pub fn short(self) -> String {
        self.to_string()[..12].to_owned()
    }

    /// The 32 bytes of the digest.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sha256({self})")
    }
}

impl FromStr for Sha256 {
    type Err = ParseDigestError;

    /// Reads 64 hexadecimal digits in either case, with or without OCI's `sha256:` before them.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ParseDigestError { text: text.to_owned() };
        let digits = text.strip_prefix("sha256:").unwrap_or(text).as_bytes();
        if digits.len() != 64 {
            return Err(wrong());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let nibble = |digit: u8| char::from(digit).to_digit(16).and_then(|n| u8::try_from(n).ok());
            *byte = nibble(pair[0]).ok_or_else(wrong)? << 4 | nibble(pair[1]).ok_or_else(wrong)?;
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for Sha256 {
    type Error = ParseDigestError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Sha256> for String {
    fn from(digest: Sha256) -> Self {
        digest.to_string()
    }
}

/// A writer that passes bytes on and hashes them on their way.
pub struct HashingWriter<W> {
    inner: W,
    hasher: sha2::Sha256,
}

impl<W: Write> HashingWriter<W> {
    /// A writer into `inner` that has hashed nothing yet.
    pub fn new(inner: W) -> Self {
        Self { inner, hasher: sha2::Sha256::new() }
    }

    /// The inner writer, and the digest of all bytes that went through.
    pub fn finish(self) -> (W, Sha256) {
        (self.inner, Sha256(self.hasher.finalize().into()))
    }
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Builds a digest from named fields; the order of the calls counts.
pub struct KeyBuilder {
    hasher: sha2::Sha256,
}

impl KeyBuilder {
    /// A key of kind `kind`; keys of two kinds never agree.
    pub fn new(kind: &str) -> Self {
        Self { hasher: sha2::Sha256::new() }.field("kind", kind)
    }

    /// Adds the field `name` with its value.
    #[must_use]
    pub fn field(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        for part in [name.as_bytes(), value.as_ref()] {
            self.hasher.update((part.len() as u64).to_le_bytes());
            self.hasher.update(part);
        }
        self
    }

    /// The digest of everything added.
    pub fn finish(self) -> Sha256 {
        Sha256(self.hasher.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_reads_back_what_it_writes() {
        let digest = Sha256::of_bytes(b"abc");
        assert_eq!(digest.to_string(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(digest.to_oci().parse::<Sha256>().unwrap(), digest);
        assert_eq!(digest.to_string().to_uppercase().parse::<Sha256>().unwrap(), digest);
        assert!("ba78".parse::<Sha256>().is_err());
        assert!("+a7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".parse::<Sha256>().is_err());
    }

    #[test]
    fn fields_cannot_run_into_each_other() {
        let key = |a: &str, b: &str| KeyBuilder::new("t").field("a", a).field("b", b).finish();
        assert_ne!(key("xy", "z"), key("x", "yz"));
    }
}
