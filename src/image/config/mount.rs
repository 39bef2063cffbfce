//! Where partitions are mounted: `PartitionSettings`.

use super::disk::{Disk, FileSystem, Partition, TableType};
use super::{Faults, raw};

/// How fstab and the kernel name a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are fstab's")]
pub enum MountBy {
    Uuid,
    PartUuid,
    PartLabel,
}

/// Where and how a partition is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Absolute path without a `/` at its end, but for `/` itself; unique.
    pub point: String,
    /// Options for fstab; may be empty.
    pub options: String,
    /// How fstab names it.
    pub by: MountBy,
    /// True when documentation is deleted from it.
    pub remove_docs: bool,
}

/// Reads `PartitionSettings` into the partitions of `disk`.
pub(super) fn read_settings(disk: &mut Disk, system: &raw::System, faults: &mut Faults) {
    for (at, setting) in system.partition_settings.iter().enumerate() {
        let place = format!("SystemConfigs[0].PartitionSettings[{at}]");
        let taken = disk.mounted_at(&trimmed(&setting.mount_point)).map(|index| disk.partitions[index].id.clone());
        let Some(partition) = disk.partitions.iter_mut().find(|partition| partition.id == setting.id) else {
            faults.add(format!("{place}.ID"), format!("is `{}`, and no partition has this ID", setting.id));
            continue;
        };
        if setting.mount_point.is_empty() {
            continue;
        }
        if let Some(first) = taken {
            faults.add(&place, format!("mounts `{}` at `{}`, where `{first}` is", setting.id, setting.mount_point));
        }
        partition.mount = mount(setting, &place, faults);
        check_mount(partition, &place, faults);
        if disk.table == TableType::Mbr && setting.mount_identifier == "partlabel" {
            faults.add(format!("{place}.MountIdentifier"), "is `partlabel`, and an MBR has no names; use partuuid");
        }
    }
    check_labels(disk, faults);
    if disk.mounted_at("/").is_none() {
        faults.add("SystemConfigs[0].PartitionSettings", "must mount one partition at `/`");
    }
}

fn mount(setting: &raw::Setting, place: &str, faults: &mut Faults) -> Option<Mount> {
    let point = trimmed(&setting.mount_point);
    let is_clean = point == "/" || point.split('/').skip(1).all(|part| !matches!(part, "" | "." | ".."));
    if !point.starts_with('/') || !is_clean || point.contains(char::is_whitespace) {
        let text = format!("is `{point}`; an absolute path without `..` and without white space is expected");
        faults.add(format!("{place}.MountPoint"), text);
        return None;
    }
    if setting.mount_options.contains(char::is_whitespace) {
        faults.add(format!("{place}.MountOptions"), "has white space; options are separated by commas alone");
    }
    let by = match setting.mount_identifier.as_str() {
        "" | "partuuid" => MountBy::PartUuid,
        "uuid" => MountBy::Uuid,
        "partlabel" => MountBy::PartLabel,
        other => {
            let text = format!("is `{other}`; partuuid, uuid or partlabel is expected");
            faults.add(format!("{place}.MountIdentifier"), text);
            return None;
        }
    };
    Some(Mount { point, options: setting.mount_options.clone(), by, remove_docs: setting.remove_docs })
}

fn trimmed(point: &str) -> String {
    if point == "/" { "/".to_owned() } else { point.trim_end_matches('/').to_owned() }
}

fn check_mount(partition: &Partition, place: &str, faults: &mut Faults) {
    let Some(mount) = &partition.mount else { return };
    if partition.format.is_none() {
        faults.add(place, format!("mounts `{}`, whose partition has no FsType", partition.id));
    }
    if mount.point == "/" && partition.format.is_some() && partition.format != Some(FileSystem::Ext4) {
        faults.add(place, format!("mounts `{}` at `/`; its FsType must be ext4", partition.id));
    }
    if mount.by == MountBy::PartLabel && partition.label.is_empty() {
        faults.add(place, format!("mounts `{}` by partlabel, and the partition has no Name", partition.id));
    }
    // The name stands in fstab and in the kernel's command line, and neither can quote all others.
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "_-.+:@".contains(letter);
    if mount.by == MountBy::PartLabel && !partition.label.chars().all(is_plain) {
        let Partition { id, label, .. } = partition;
        let text = "a name to mount by has only letters, digits and `_`, `-`, `.`, `+`, `:`, `@`";
        faults.add(place, format!("mounts `{id}` by partlabel, and its Name is {label:?}; {text}"));
    }
}

/// Notes names that partitions are mounted by and that do not say which partition is meant.
fn check_labels(disk: &Disk, faults: &mut Faults) {
    for (at, partition) in disk.partitions.iter().enumerate() {
        let is_meant = partition.mount.as_ref().is_some_and(|mount| mount.by == MountBy::PartLabel);
        let same = |(index, other): &(usize, &Partition)| *index != at && other.label == partition.label;
        let Some((_, other)) = disk.partitions.iter().enumerate().find(same).filter(|_| is_meant) else { continue };
        let Partition { id, label, .. } = partition;
        if !label.is_empty() {
            let text = format!("mounts `{id}` by partlabel, and `{}` has the same Name, `{label}`", other.id);
            faults.add("SystemConfigs[0].PartitionSettings", text);
        }
    }
}
