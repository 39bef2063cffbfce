//! A whole disk: table, file systems, boot loader and blobs, written into one sparse file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::bios::{self, BiosError};
use super::config::{Blob, BootType, FileSystem};
use super::ext4;
use super::fat::{self, Volume};
use super::partition::{Layout, Slot};
use super::rootfs::Rootfs;
use super::sparse::SparseFile;
use super::table;

/// What the disk is made of.
#[derive(Clone, Copy)]
pub struct Content<'a> {
    /// Its partitions.
    pub layout: &'a Layout,
    /// How it starts.
    pub boot: BootType,
    /// Bytes at fixed places.
    pub blobs: &'a [Blob],
    /// The installed tree.
    pub rootfs: &'a Rootfs,
    /// Time of file systems, in seconds since 1970.
    pub epoch: u64,
}

/// Why a disk could not be written.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// The file for it cannot be written.
    #[error("cannot write the disk image `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file system does not take its content.
    #[error("cannot fill partition `{id}` of {} MiB", bytes >> 20)]
    FileSystem {
        /// ID of the partition.
        id: String,
        /// Its size.
        bytes: u64,
        /// What is wrong: mostly that there is too little room.
        source: io::Error,
    },
    /// The boot loader does not fit.
    #[error(transparent)]
    Bios(#[from] BiosError),
    /// What starts the image is not installed.
    #[error("the image starts by {boot}, and no package has `{file}`")]
    NoLoader {
        /// `UEFI` or `BIOS`.
        boot: &'static str,
        /// What is missing.
        file: String,
    },
    /// A blob cannot be read.
    #[error("cannot read `{}`, which is written onto the disk", path.display())]
    Blob {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Writes the disk into the file `path`.
pub fn write(content: Content<'_>, path: &Path) -> Result<SparseFile, DiskError> {
    check_loader(content)?;
    let fault = |source| DiskError::Write { path: path.to_owned(), source };
    let mut disk = SparseFile::create(path, content.layout.bytes).map_err(fault)?;
    let points: Vec<&str> = content.layout.slots.iter().filter_map(|slot| slot.partition.mount_point()).collect();
    for slot in &content.layout.slots {
        write_file_system(&mut disk, slot, &points, content).map_err(|source| DiskError::FileSystem {
            id: slot.partition.id.clone(),
            bytes: slot.bytes,
            source,
        })?;
    }
    table::write(&mut disk, content.layout).map_err(fault)?;
    if content.boot == BootType::Legacy {
        let [boot, core] = bios_images(content.rootfs).map_err(fault)?;
        bios::install(&mut disk, content.layout, &boot, &core)?;
    }
    for blob in content.blobs {
        let bytes = fs::read(&blob.path).map_err(|source| DiskError::Blob { path: blob.path.clone(), source })?;
        disk.write_at(blob.offset, &bytes).map_err(fault)?;
    }
    Ok(disk)
}

fn write_file_system(disk: &mut SparseFile, slot: &Slot, points: &[&str], content: Content<'_>) -> io::Result<()> {
    let rootfs = content.rootfs;
    let entries = slot.partition.mount_point().map_or_else(Vec::new, |point| rootfs.below(point, points));
    match slot.partition.format {
        None => Ok(()),
        Some(FileSystem::Ext4) => ext4::write(disk, slot, (rootfs, &entries), content.epoch),
        Some(wanted) => {
            let label = slot.partition.label.clone();
            let volume = Volume { wanted, bytes: slot.bytes, serial: slot.fat_serial(), label };
            fat::write(disk.window(slot.start, slot.bytes), &volume, rootfs, &entries)
        }
    }
}

/// `boot.img` and `core.img`; both are there, see [`check_loader`].
fn bios_images(rootfs: &Rootfs) -> io::Result<[Vec<u8>; 2]> {
    let read = |name: &str| Ok::<_, io::Error>(rootfs.read(&format!("{}/{name}", bios::FOLDER))?.unwrap_or_default());
    Ok([read("boot.img")?, read("core.img")?])
}

fn check_loader(content: Content<'_>) -> Result<(), DiskError> {
    let rootfs = content.rootfs;
    match content.boot {
        BootType::None => Ok(()),
        BootType::Legacy => {
            let files = ["boot.img", "core.img"].map(|name| format!("{}/{name}", bios::FOLDER));
            let missing = files.into_iter().find(|file| rootfs.entry(file).is_none());
            missing.map_or(Ok(()), |file| Err(DiskError::NoLoader { boot: "BIOS", file: format!("/{file}") }))
        }
        BootType::Efi => {
            let is_loader = |path: &str| {
                let name = path.to_ascii_uppercase();
                name.strip_suffix(".EFI").is_some_and(|stem| stem.starts_with("BOOT/EFI/EFI/BOOT/BOOT"))
            };
            if rootfs.entries().any(|(path, _)| is_loader(path)) {
                return Ok(());
            }
            Err(DiskError::NoLoader { boot: "UEFI", file: "/boot/efi/EFI/BOOT/BOOTX64.EFI".to_owned() })
        }
    }
}

impl DiskError {
    /// What the user can do.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::FileSystem { .. } => "make the partition larger: MaxSize, and End of the partition or 0".to_owned(),
            Self::NoLoader { boot: "UEFI", .. } => "add `grub2-efi-binary` to a package list".to_owned(),
            Self::Bios(BiosError::Room { .. }) => "start the first partition, or the next one, later".to_owned(),
            _ => return None,
        })
    }
}
