//! Identifiers of an image: UUIDs, serial numbers and salts, each derived from the image's seed and from what it is for.
//!
//! The seed is a digest of what goes into the image, so that the same inputs give the same identifiers and another
//! image gets others.

use std::fmt;

use crate::digest::{KeyBuilder, Sha256};

/// What identifiers are derived from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(pub Sha256);

/// A UUID of version 4's form, its bytes in the order of its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uuid(pub [u8; 16]);

impl Seed {
    fn bytes(self, purpose: &str) -> Sha256 {
        KeyBuilder::new("image identifier").field("seed", self.0.as_bytes()).field("purpose", purpose).finish()
    }

    /// The UUID for `purpose`.
    pub fn uuid(self, purpose: &str) -> Uuid {
        let digest = self.bytes(purpose);
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest.as_bytes()[..16]);
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        Uuid(bytes)
    }

    /// The serial number for `purpose`, never 0.
    pub fn serial(self, purpose: &str) -> u32 {
        let digest = self.bytes(purpose);
        let [a, b, c, d, ..] = *digest.as_bytes();
        u32::from_le_bytes([a, b, c, d]).max(1)
    }

    /// Sixteen letters and digits for `purpose`.
    pub fn salt(self, purpose: &str) -> String {
        self.bytes(purpose).to_string()[..16].to_owned()
    }
}

impl Uuid {
    /// The bytes as Microsoft's formats store them: the first three groups with the lowest byte first.
    pub fn to_mixed_endian(self) -> [u8; 16] {
        let mut bytes = self.0;
        bytes[..4].reverse();
        bytes[4..6].reverse();
        bytes[6..8].reverse();
        bytes
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            if [4, 6, 8, 10].contains(&at) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_follow_seed_and_purpose() {
        let seed = Seed(Sha256::of_bytes(b"a"));
        assert_eq!(seed.uuid("disk"), seed.uuid("disk"));
        assert_ne!(seed.uuid("disk"), seed.uuid("root"));
        assert_ne!(seed.uuid("disk"), Seed(Sha256::of_bytes(b"b")).uuid("disk"));
        let text = seed.uuid("disk").to_string();
        assert_eq!((text.len(), &text[14..15]), (36, "4"));
    }

    #[test]
    fn microsoft_stores_the_first_groups_reversed() {
        let uuid = Uuid(*b"\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff");
        assert_eq!(uuid.to_mixed_endian(), *b"\x33\x22\x11\x00\x55\x44\x77\x66\x88\x99\xaa\xbb\xcc\xdd\xee\xff");
    }
}
