//! The physical layout of a disk: sectors, numbers, types and identifiers of its partitions. Pure.
//!
//! In: the checked [`Disk`] and a [`Seed`]. Out: a [`Layout`] from which tables, file systems, fstab and the boot loader's
//! configuration are written, so that all of them agree.

use super::config::{BootType, Disk, FileSystem, MountBy, Partition, PartitionFlag, TableType};
use super::identity::{Seed, Uuid};

/// Bytes of a sector; all supported formats have this one.
pub const SECTOR: u64 = 512;

/// A disk with all its numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Kind of partition table.
    pub table: TableType,
    /// Size of the disk in bytes.
    pub bytes: u64,
    /// GUID of a GPT.
    pub disk_guid: Uuid,
    /// Signature of an MBR.
    pub signature: u32,
    /// In the order of their places; the number of a partition is its index plus one.
    pub slots: Vec<Slot>,
}

/// One partition on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// What the configuration says of it.
    pub partition: Partition,
    /// First byte on the disk.
    pub start: u64,
    /// Size in bytes.
    pub bytes: u64,
    /// GUID of its type.
    pub type_guid: Uuid,
    /// Its type in an MBR.
    pub type_byte: u8,
    /// True for the partition that an MBR marks as active.
    pub active: bool,
    /// GUID of the partition in a GPT.
    pub guid: Uuid,
    /// What `root=PARTUUID=` takes: the GUID, or the MBR's signature and the number.
    pub part_uuid: String,
    /// UUID of its file system; for FAT only the first four bytes count, see [`Slot::file_system_uuid`].
    pub file_system: Uuid,
}

const TYPE_LINUX: [u8; 16] = 0x0fc6_3daf_8483_4772_8e79_3d69_d847_7de4_u128.to_be_bytes();
const TYPE_ESP: [u8; 16] = 0xc12a_7328_f81f_11d2_ba4b_00a0_c93e_c93b_u128.to_be_bytes();
const TYPE_BIOS_GRUB: [u8; 16] = 0x2168_6148_6449_6e6f_744e_6565_6445_4649_u128.to_be_bytes();
const TYPE_BASIC_DATA: [u8; 16] = 0xebd0_a0a2_b9e5_4433_87c0_68b6_b726_99c7_u128.to_be_bytes();

impl Layout {
    /// The layout of `disk` for a system that starts by `boot`.
    pub fn new(disk: &Disk, boot: BootType, seed: Seed) -> Self {
        let signature = seed.serial("disk signature");
        let slot = |(index, partition): (usize, &Partition)| slot(index, partition, signature, seed);
        let mut slots: Vec<Slot> = disk.partitions.iter().enumerate().map(slot).collect();
        // A BIOS may refuse an MBR disk without an active partition.
        if boot == BootType::Legacy
            && !slots.iter().any(|slot| slot.active)
            && let Some(root) = slots.iter_mut().find(|slot| slot.partition.mount_point() == Some("/"))
        {
            root.active = true;
        }
        let disk_guid = seed.uuid("disk");
        let mut layout = Self { table: disk.table, bytes: disk.size.bytes(), disk_guid, signature, slots };
        if layout.table == TableType::Gpt {
            for slot in &mut layout.slots {
                slot.part_uuid = slot.guid.to_string();
            }
        }
        layout
    }

    /// The partition that is mounted at `point`.
    pub fn mounted_at(&self, point: &str) -> Option<&Slot> {
        self.slots.iter().find(|slot| slot.partition.mount_point() == Some(point))
    }

    /// Number of the partition that holds a BIOS's boot loader.
    pub fn bios_grub(&self) -> Option<&Slot> {
        self.slots.iter().find(|slot| slot.partition.has(PartitionFlag::BiosGrub))
    }
}

fn slot(index: usize, partition: &Partition, signature: u32, seed: Seed) -> Slot {
    let number = index + 1;
    let purpose = |kind: &str| format!("{kind} {number} {}", partition.id);
    let (type_guid, type_byte) = types(partition);
    Slot {
        start: partition.start.bytes(),
        bytes: partition.size().bytes(),
        type_guid: Uuid(partition.type_guid.unwrap_or(type_guid)),
        type_byte,
        active: partition.has(PartitionFlag::Boot) && !partition.is_esp(),
        guid: seed.uuid(&purpose("partition")),
        part_uuid: format!("{signature:08x}-{number:02x}"),
        file_system: seed.uuid(&purpose("file system")),
        partition: partition.clone(),
    }
}

fn types(partition: &Partition) -> ([u8; 16], u8) {
    let is_fat = partition.format.is_some_and(|format| format != FileSystem::Ext4);
    match () {
        () if partition.is_esp() => (TYPE_ESP, 0xef),
        () if partition.has(PartitionFlag::BiosGrub) => (TYPE_BIOS_GRUB, 0xda),
        () if is_fat => (TYPE_BASIC_DATA, 0x0c),
        () => (TYPE_LINUX, 0x83),
    }
}

impl Slot {
    /// The UUID of its file system as `blkid` tells it.
    pub fn file_system_uuid(&self) -> String {
        match self.partition.format {
            Some(FileSystem::Ext4) | None => self.file_system.to_string(),
            Some(_) => {
                let serial = self.fat_serial();
                format!("{:04X}-{:04X}", serial >> 16, serial & 0xffff)
            }
        }
    }

    /// The serial number of its FAT file system.
    pub fn fat_serial(&self) -> u32 {
        let [a, b, c, d, ..] = self.file_system.0;
        u32::from_be_bytes([a, b, c, d])
    }

    /// Its name in fstab.
    pub fn fstab_name(&self) -> String {
        match self.partition.mount.as_ref().map(|mount| mount.by) {
            Some(MountBy::Uuid) => format!("UUID={}", self.file_system_uuid()),
            Some(MountBy::PartLabel) => format!("PARTLABEL={}", self.partition.label),
            Some(MountBy::PartUuid) | None => format!("PARTUUID={}", self.part_uuid),
        }
    }
}
