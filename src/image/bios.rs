//! GRUB for a BIOS: `boot.img` in the first sector, `core.img` in the BIOS boot partition or behind an MBR.
//!
//! In: the two images as the package `grub2-pc` installs them. Out: the same bytes that GRUB's `grub-bios-setup` writes
//! without Reed-Solomon codes (`util/setup.c`): the place of the core in `boot.img`, and the list of the core's further
//! blocks at the end of its first sector. The partition table stays as it is; the core finds `grub.cfg` by itself.

use super::partition::{Layout, SECTOR};
use super::sparse::SparseFile;

/// Where `grub2-pc` installs its images, relative to the root.
pub const FOLDER: &str = "usr/lib/grub/i386-pc";

/// From here to [`CODE_END`] stand disk signature and partition table, which are not GRUB's.
const CODE_END: usize = 0x1b8;
/// A first sector's place of a BIOS parameter block, which no partitioned disk has; `boot.img` leaves it empty.
const CORE_SECTOR: usize = 0x5c;
/// A jump that keeps the drive number the BIOS gives; on hard disks it is replaced, as some give a wrong one.
const DRIVE_CHECK: usize = 0x66;
/// Paragraph to which the second sector of the core is loaded.
const CORE_SEGMENT: u16 = 0x820;

/// Why GRUB cannot be put on a disk.
#[derive(Debug, thiserror::Error)]
pub enum BiosError {
    /// An image of GRUB is not what it should be.
    #[error("`/{FOLDER}/{name}` {wrong}")]
    Image {
        /// Its name.
        name: &'static str,
        /// What is wrong with it.
        wrong: String,
    },
    /// There is too little room.
    #[error("`/{FOLDER}/core.img` needs {needed} bytes, and {place} has {room}")]
    Room {
        /// Size of the core.
        needed: u64,
        /// Where it goes.
        place: &'static str,
        /// Size of that place.
        room: u64,
    },
    /// The disk image cannot be written.
    #[error("cannot write the boot loader into the disk image")]
    Write(#[source] std::io::Error),
}

/// Writes `boot` (`boot.img`) and `core` (`core.img`) onto a disk whose partition table is there.
pub fn install(disk: &mut SparseFile, layout: &Layout, boot: &[u8], core: &[u8]) -> Result<(), BiosError> {
    let (place, start, room) = if let Some(slot) = layout.bios_grub() {
        ("the partition with the flag bios_grub", slot.start, slot.bytes)
    } else {
        let first = layout.slots.first().map_or(layout.bytes, |slot| slot.start);
        ("the gap before the first partition", SECTOR, first - SECTOR)
    };
    let needed = core.len() as u64;
    if needed > room {
        return Err(BiosError::Room { needed, place, room });
    }
    let sector = boot_sector(boot, start / SECTOR)?;
    disk.write_at(0, &sector).map_err(BiosError::Write)?;
    disk.write_at(start, &placed_core(core, start / SECTOR)?).map_err(BiosError::Write)
}

/// The code of the first sector, for a core that starts at sector `core_sector`.
fn boot_sector(boot: &[u8], core_sector: u64) -> Result<Vec<u8>, BiosError> {
    let wrong = |wrong: &str| BiosError::Image { name: "boot.img", wrong: wrong.to_owned() };
    if boot.len() != 512 || boot[510..] != [0x55, 0xaa] {
        return Err(wrong("is no boot sector of 512 bytes"));
    }
    if boot[DRIVE_CHECK] != 0xeb {
        return Err(wrong("has no drive check where GRUB 2 has it"));
    }
    let mut sector = boot[..CODE_END].to_vec();
    sector[CORE_SECTOR..CORE_SECTOR + 8].copy_from_slice(&core_sector.to_le_bytes());
    sector[DRIVE_CHECK..DRIVE_CHECK + 2].copy_from_slice(&[0x90, 0x90]);
    Ok(sector)
}

/// The core with its list of blocks: one run of sectors, directly behind the first.
fn placed_core(core: &[u8], start: u64) -> Result<Vec<u8>, BiosError> {
    let sectors = (core.len() as u64).div_ceil(SECTOR);
    let more = u16::try_from(sectors.saturating_sub(1)).ok().filter(|more| *more > 0);
    let more = more.ok_or_else(|| BiosError::Image {
        name: "core.img",
        wrong: format!("has {} bytes: a core has between 2 and 65536 sectors", core.len()),
    })?;
    let mut placed = core.to_vec();
    placed[500..508].copy_from_slice(&(start + 1).to_le_bytes());
    placed[508..510].copy_from_slice(&more.to_le_bytes());
    placed[510..512].copy_from_slice(&CORE_SEGMENT.to_le_bytes());
    Ok(placed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_sector_names_the_core() {
        let mut boot = vec![0x11; 512];
        boot[DRIVE_CHECK] = 0xeb;
        boot[510..].copy_from_slice(&[0x55, 0xaa]);
        let sector = boot_sector(&boot, 2048).unwrap();
        assert_eq!((sector.len(), &sector[0x5c..0x64]), (CODE_END, &2048_u64.to_le_bytes()[..]));
        assert_eq!(sector[0x66..0x68], [0x90, 0x90]);
        assert!(boot_sector(&[0; 512], 1).is_err());
    }

    #[test]
    fn the_core_lists_its_other_sectors() {
        let placed = placed_core(&[0; 1300], 2048).unwrap();
        assert_eq!(placed[500..512], [0x01, 0x08, 0, 0, 0, 0, 0, 0, 2, 0, 0x20, 0x08]);
        assert!(placed_core(&[0; 512], 2048).is_err());
    }
}
