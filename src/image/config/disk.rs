//! The disk of an image: table type, size and partitions, sorted and without overlap.
//!
//! Rules of Azure Linux's `disk.go`, `partition.go` and `configuration.go`, and those that its tools find out late or
//! never: what a partition is formatted as, where it is mounted, and that all of it lies on the disk.

use std::fmt;
use std::path::PathBuf;

use super::inputs::Inputs;
use super::mount::{self, Mount};
use super::{Faults, raw};
use crate::printable;

/// A size or place on a disk, in units of 1,048,576 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MiB(pub u64);

impl MiB {
    /// The same in bytes; at most [`u64::MAX`], which is more than any disk of a configuration has.
    pub fn bytes(self) -> u64 {
        self.0.saturating_mul(1 << 20)
    }
}

impl fmt::Display for MiB {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} MiB", self.0)
    }
}

/// Kind of partition table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the kinds")]
pub enum TableType {
    Gpt,
    Mbr,
}

/// A disk with at least one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// Kind of partition table.
    pub table: TableType,
    /// Size of the whole disk.
    pub size: MiB,
    /// In the order of their places, none overlapping another or the partition table.
    pub partitions: Vec<Partition>,
    /// Bytes that are written at fixed places after everything else.
    pub blobs: Vec<Blob>,
}

/// One partition: the half-open range `start..end`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Unique name within the configuration.
    pub id: String,
    /// Name in a GPT, ASCII, at most 35 characters; may be empty.
    pub label: String,
    /// Where it starts, at least 1 MiB.
    pub start: MiB,
    /// Where it ends.
    pub end: MiB,
    /// What it is formatted as.
    pub format: Option<FileSystem>,
    /// GUID of its type, as written in text; None to follow flags, mount point and format.
    pub type_guid: Option<[u8; 16]>,
    /// Its flags, without repetition.
    pub flags: Vec<PartitionFlag>,
    /// Where it is mounted.
    pub mount: Option<Mount>,
}

/// A file system that can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileSystem {
    /// FAT12, FAT16 or FAT32, whichever fits the size.
    Fat,
    /// FAT16.
    Fat16,
    /// FAT32.
    Fat32,
    /// ext4.
    Ext4,
}

/// A mark on a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartitionFlag {
    /// The EFI system partition.
    Esp,
    /// Holds the boot loader's core for a BIOS.
    BiosGrub,
    /// The active partition of an MBR; on a GPT it comes with `esp` and says nothing more.
    Boot,
}

/// Bytes of a file at a fixed place of the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// The file.
    pub path: PathBuf,
    /// First byte on the disk.
    pub offset: u64,
    /// The file's size.
    pub bytes: u64,
}

impl Partition {
    /// True when it carries `flag`.
    pub fn has(&self, flag: PartitionFlag) -> bool {
        self.flags.contains(&flag)
    }

    /// True for the EFI system partition, marked by its flag or by its type.
    pub fn is_esp(&self) -> bool {
        self.has(PartitionFlag::Esp) || self.type_guid.is_some() && self.type_guid == guid(ESP)
    }

    /// Its size.
    pub fn size(&self) -> MiB {
        MiB(self.end.0 - self.start.0)
    }

    /// Its mount point, if it is mounted.
    pub fn mount_point(&self) -> Option<&str> {
        self.mount.as_ref().map(|mount| mount.point.as_str())
    }
}

impl Disk {
    /// The index of the partition that is mounted at `point`.
    pub fn mounted_at(&self, point: &str) -> Option<usize> {
        self.partitions.iter().position(|partition| partition.mount_point() == Some(point))
    }
}

/// The disk of a configuration, or None when it has no partitions; faults are noted.
pub(super) fn checked(
    raw: &mut raw::Disk,
    system: &raw::System,
    inputs: &mut Inputs,
    faults: &mut Faults,
) -> Option<Disk> {
    if raw.partitions.is_empty() {
        if !system.partition_settings.is_empty() {
            faults.add("SystemConfigs[0].PartitionSettings", "mounts partitions, and Disks[0].Partitions is empty");
        }
        return None;
    }
    let table = match raw.partition_table_type.as_str() {
        "gpt" => TableType::Gpt,
        "mbr" => TableType::Mbr,
        other => {
            faults.add("Disks[0].PartitionTableType", format!("is `{other}`, `gpt` or `mbr` is expected"));
            return None;
        }
    };
    let size = MiB(raw.max_size);
    if size.0 == 0 {
        faults.add("Disks[0].MaxSize", "must be above 0: it is the size of the disk in MiB");
        return None;
    }
    check_size(raw, size, faults);
    let places: Vec<String> = (0..raw.partitions.len()).map(|at| format!("Disks[0].Partitions[{at}]")).collect();
    let mut order: Vec<usize> = (0..raw.partitions.len()).collect();
    order.sort_by_key(|at| raw.partitions[*at].start);
    let ends = ends(raw, &order, table);
    let mut partitions = Vec::new();
    for (at, end) in order.iter().zip(ends) {
        partitions.extend(partition(&raw.partitions[*at], end, &places[*at], faults));
    }
    let mut disk = Disk { table, size, partitions, blobs: blobs(raw, inputs, faults) };
    check_places(&disk, faults);
    check_kind_of_table(&disk, faults);
    mount::read_settings(&mut disk, system, faults);
    Some(disk)
}

/// The largest disk: what a VHDX can hold.
const LARGEST: MiB = MiB(64 << 20);

/// The largest fixed VHD that Hyper-V and Azure take.
const LARGEST_VHD: MiB = MiB(2040 << 10);

fn check_size(raw: &raw::Disk, size: MiB, faults: &mut Faults) {
    let makes_vhd = raw.artifacts.iter().any(|artifact| artifact.r#type == "vhd");
    if size > LARGEST {
        faults.add("Disks[0].MaxSize", format!("is {size}; a disk has at most {LARGEST} (64 TiB)"));
    } else if makes_vhd && size > LARGEST_VHD {
        faults.add("Disks[0].MaxSize", format!("is {size}; a vhd has at most {LARGEST_VHD} (2040 GiB), use vhdx"));
    }
}

/// The end of each partition, in the order of their starts. An end of 0, and one at the disk's very end, means all that
/// is left: up to the next partition, or to the last MiB, where a GPT has its second copy.
fn ends(raw: &raw::Disk, order: &[usize], table: TableType) -> Vec<MiB> {
    let last = raw.max_size - u64::from(table == TableType::Gpt);
    let next_start = |at: usize| order.get(at + 1).map_or(last, |next| raw.partitions[*next].start);
    let end = |(at, index): (usize, &usize)| match raw.partitions[*index].end {
        0 => next_start(at),
        end if end == raw.max_size => last,
        end => end,
    };
    order.iter().enumerate().map(end).map(MiB).collect()
}

fn partition(raw: &raw::Partition, end: MiB, place: &str, faults: &mut Faults) -> Option<Partition> {
    let id = raw.id.clone();
    if id.is_empty() {
        faults.add(place, "must have an ID");
        return None;
    }
    if !printable::is_file_name(&id) {
        faults.add(format!("{place}.ID"), format!("is {id:?}; it has no `/` and no control character"));
    }
    if !raw.name.is_ascii() || raw.name.len() > 35 || raw.name.contains(|letter: char| letter.is_ascii_control()) {
        faults.add(format!("{place}.Name"), "must be ASCII without control characters, of at most 35 characters");
    }
    let flags = flags(raw, place, faults);
    // Azure Linux formats this partition and writes the boot loader over it.
    let format = if flags.contains(&PartitionFlag::BiosGrub) { None } else { format(raw, place, faults) };
    let (label, type_guid) = (raw.name.clone(), type_guid(raw, place, faults));
    Some(Partition { id, label, start: MiB(raw.start), end, format, type_guid, flags, mount: None })
}

fn format(raw: &raw::Partition, place: &str, faults: &mut Faults) -> Option<FileSystem> {
    match raw.fs_type.as_str() {
        "" => None,
        "fat32" => Some(FileSystem::Fat32),
        "fat16" => Some(FileSystem::Fat16),
        "vfat" => Some(FileSystem::Fat),
        "ext4" => Some(FileSystem::Ext4),
        other => {
            faults.add(format!("{place}.FsType"), format!("is `{other}`; fat32, fat16, vfat or ext4 is expected"));
            None
        }
    }
}

fn flags(raw: &raw::Partition, place: &str, faults: &mut Faults) -> Vec<PartitionFlag> {
    let mut flags = Vec::new();
    for flag in &raw.flags {
        let flag = match flag.as_str() {
            "esp" => PartitionFlag::Esp,
            "grub" | "bios_grub" | "bios-grub" => PartitionFlag::BiosGrub,
            "boot" => PartitionFlag::Boot,
            other => {
                faults
                    .add(format!("{place}.Flags"), format!("has `{other}`; esp, boot, bios_grub or grub is expected"));
                continue;
            }
        };
        if !flags.contains(&flag) {
            flags.push(flag);
        }
    }
    flags
}

const ESP: &str = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b";

/// Names of partition types, as in Azure Linux's `partitiontype.go`.
const TYPE_NAMES: &[(&str, &str)] = &[
    ("linux", "0fc63daf-8483-4772-8e79-3d69d8477de4"),
    ("esp", ESP),
    ("xbootldr", "bc13c2ff-59e6-4262-a352-b275fd6f7172"),
    ("linux-root-amd64", "4f68bce3-e8cd-4db1-96e7-fbcaf984b709"),
    ("linux-root-arm64", "b921b045-1df0-41c3-af44-4c6f280d3fae"),
    ("linux-swap", "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f"),
    ("linux-home", "933ac7e1-2eb4-4f13-b844-0e14e2aef915"),
    ("linux-srv", "3b8f8425-20e0-4f3b-907f-1a25a76f98e8"),
    ("linux-var", "4d21b016-b534-45c2-a9fb-5c16e091fd2d"),
    ("linux-tmp", "7ec6f557-3bc5-4aca-b293-16ef5df639d1"),
    ("linux-lvm", "e6d6d379-f507-44c2-a23c-238f2a3df928"),
    ("linux-raid", "a19d880f-05fc-4d3b-a006-743f0f84911e"),
    ("linux-luks", "ca7d7ccb-63ed-4c53-861c-1742536059cc"),
    ("linux-dm-crypt", "7ffec5c9-2d00-49b7-8941-3ea10a5586b7"),
];

fn type_guid(raw: &raw::Partition, place: &str, faults: &mut Faults) -> Option<[u8; 16]> {
    let text = match (raw.r#type.as_str(), raw.type_uuid.as_str()) {
        ("", "") => return None,
        ("", uuid) => uuid,
        (name, "") => {
            if let Some((_, uuid)) = TYPE_NAMES.iter().find(|(known, _)| *known == name) {
                uuid
            } else {
                let known: Vec<&str> = TYPE_NAMES.iter().map(|(name, _)| *name).collect();
                faults.add(format!("{place}.Type"), format!("is `{name}`; known: {}", known.join(", ")));
                return None;
            }
        }
        _ => {
            faults.add(place, "has both Type and TypeUUID; one of them must go");
            return None;
        }
    };
    let guid = guid(text);
    if guid.is_none() {
        faults
            .add(format!("{place}.TypeUUID"), format!("is `{text}`, 32 hexadecimal digits with hyphens are expected"));
    }
    guid
}

fn guid(text: &str) -> Option<[u8; 16]> {
    let digits: String = text.chars().filter(|letter| *letter != '-').collect();
    if text.len() != 36 || digits.len() != 32 {
        return None;
    }
    Some(u128::from_str_radix(&digits, 16).ok()?.to_be_bytes())
}

fn check_places(disk: &Disk, faults: &mut Faults) {
    let mut before: Option<&Partition> = None;
    for partition in &disk.partitions {
        let Partition { id, start, end, .. } = partition;
        if start.0 == 0 {
            faults.add("", format!("partition `{id}` starts at 0 MiB, where the partition table is; use 1 or more"));
        }
        if start >= end {
            faults.add("", format!("partition `{id}` starts at {start} and ends at {end}: nothing is left for it"));
        }
        if *end > disk.size {
            faults.add("", format!("partition `{id}` ends at {end}, behind the disk's MaxSize of {}", disk.size));
        }
        if let Some(first) = before.filter(|first| first.end > *start) {
            faults.add("", format!("partition `{id}` starts at {start}, inside partition `{}`", first.id));
        }
        before = Some(partition);
    }
    let mut ids: Vec<&str> = disk.partitions.iter().map(|partition| partition.id.as_str()).collect();
    ids.sort_unstable();
    for pair in ids.windows(2).filter(|pair| pair[0] == pair[1]) {
        faults.add("Disks[0].Partitions", format!("has two partitions with the ID `{}`", pair[0]));
    }
}

fn check_kind_of_table(disk: &Disk, faults: &mut Faults) {
    // A GPT has room for 128 partitions; an MBR sector counts 32 bits of sectors.
    let (limit, name) = if disk.table == TableType::Gpt { (128, "gpt") } else { (4, "mbr") };
    if disk.partitions.len() > limit {
        faults.add("Disks[0].Partitions", format!("has more than the {limit} partitions that `{name}` can hold"));
    }
    if disk.table == TableType::Mbr && disk.size.0 >= 2 << 20 {
        faults.add("Disks[0].MaxSize", "is 2 TiB or more, which `mbr` cannot describe; use `gpt`");
    }
}

fn blobs(raw: &raw::Disk, inputs: &mut Inputs, faults: &mut Faults) -> Vec<Blob> {
    let mut blobs = Vec::new();
    for (at, binary) in raw.raw_binaries.iter().enumerate() {
        let place = format!("Disks[0].RawBinaries[{at}]");
        let Some((path, bytes)) = inputs.file(&binary.bin_path, &format!("{place}.BinPath"), faults) else { continue };
        match binary.block_size.checked_mul(binary.seek) {
            Some(offset) if offset.saturating_add(bytes) <= MiB(raw.max_size).bytes() => {
                blobs.push(Blob { path, offset, bytes });
            }
            _ => faults.add(place, "would be written behind the disk's MaxSize"),
        }
    }
    blobs
}
