//! A fixed VHD: the disk and a footer of 512 bytes.
//!
//! Format: Microsoft, "Virtual Hard Disk Image Format Specification" 1.0. Its creator is written as `win `, since readers
//! take the size from the geometry fields for creators they do not know, which rounds it. The disk's size must be a multiple
//! of 1 MiB, as Azure asks for; a [`crate::image::config::MiB`] is.

use super::identity::Uuid;

/// Seconds from 1970 to 2000, where the format's clock starts.
const YEAR_2000: u64 = 946_684_800;

/// The footer of a disk of `bytes` bytes, made at `epoch` in seconds since 1970.
pub fn footer(bytes: u64, identity: Uuid, epoch: u64) -> [u8; 512] {
    let mut footer = [0; 512];
    let mut put = |at: usize, field: &[u8]| footer[at..at + field.len()].copy_from_slice(field);
    put(0, b"conectix");
    put(8, &2_u32.to_be_bytes());
    put(12, &0x0001_0000_u32.to_be_bytes());
    put(16, &u64::MAX.to_be_bytes());
    put(24, &u32::try_from(epoch.saturating_sub(YEAR_2000)).unwrap_or(u32::MAX).to_be_bytes());
    put(28, b"win ");
    put(32, &0x000a_0000_u32.to_be_bytes());
    put(36, b"Wi2k");
    put(40, &bytes.to_be_bytes());
    put(48, &bytes.to_be_bytes());
    put(56, &geometry(bytes / 512));
    put(60, &2_u32.to_be_bytes());
    put(68, &identity.0);
    let sum: u32 = footer.iter().map(|byte| u32::from(*byte)).sum();
    footer[64..68].copy_from_slice(&(!sum).to_be_bytes());
    footer
}

/// Cylinders, heads and sectors a track, by the specification's own steps.
fn geometry(sectors: u64) -> [u8; 4] {
    let sectors = u32::try_from(sectors).unwrap_or(u32::MAX).min(65535 * 16 * 255);
    let (mut track, mut heads) = (255, 16);
    let mut rows = sectors / track;
    if sectors < 65535 * 16 * 63 {
        track = 17;
        rows = sectors / track;
        heads = rows.div_ceil(1024).max(4);
        if rows >= heads * 1024 || heads > 16 {
            (track, heads) = (31, 16);
            rows = sectors / track;
        }
        if rows >= heads * 1024 {
            (track, heads) = (63, 16);
            rows = sectors / track;
        }
    }
    let [.., high, low] = (rows / heads).to_be_bytes();
    [high, low, heads.to_be_bytes()[3], track.to_be_bytes()[3]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_footer_sums_up() {
        let footer = footer(64 << 20, Uuid([7; 16]), YEAR_2000 + 5);
        let mut zeroed = footer;
        zeroed[64..68].fill(0);
        let sum: u32 = zeroed.iter().map(|byte| u32::from(*byte)).sum();
        assert_eq!(u32::from_be_bytes(footer[64..68].try_into().unwrap()), !sum);
        assert_eq!(footer[24..28], [0, 0, 0, 5]);
    }

    #[test]
    fn geometry_follows_the_specification() {
        assert_eq!(geometry((1 << 30) / 512), [0x08, 0x20, 16, 63]);
        assert_eq!(geometry((64 << 20) / 512), [0x03, 0xc3, 8, 17]);
    }
}
