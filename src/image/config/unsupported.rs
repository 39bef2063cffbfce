//! The keys of Azure Linux's schema that ask for what Drydock cannot make yet, found before anything is built.

use super::artifact::TYPES;
use super::fault::Fault;
use super::{Faults, raw};

/// Every such key of `config` with its reason, in the order of the schema.
pub(super) fn keys(config: &raw::Config) -> Vec<Fault> {
    let mut found = Faults::default();
    for (at, disk) in config.disks.iter().enumerate() {
        let place = format!("Disks[{at}]");
        if at > 0 {
            found.add(&place, "is a second disk");
        }
        of_disk(disk, &place, &mut found);
    }
    for (at, system) in config.system_configs.iter().enumerate() {
        let place = format!("SystemConfigs[{at}]");
        if at > 0 {
            found.add(&place, format!("is a second system (`{}`), a choice of the installer ISO", system.name));
        }
        of_system(system, &place, &mut found);
    }
    let has_artifacts = |disk: &raw::Disk| {
        !disk.artifacts.is_empty() || disk.partitions.iter().any(|partition| !partition.artifacts.is_empty())
    };
    if !config.system_configs.is_empty() && !config.disks.iter().any(has_artifacts) {
        found.add("Disks", "has no Artifacts: it describes an installation by the installer ISO");
    }
    found.into_faults()
}

fn of_disk(disk: &raw::Disk, place: &str, found: &mut Faults) {
    if !disk.target_disk.r#type.is_empty() || !disk.target_disk.value.is_empty() {
        found.add(format!("{place}.TargetDisk"), "installs onto a real disk, which the installer ISO does");
    }
    for (at, artifact) in disk.artifacts.iter().enumerate() {
        of_artifact(artifact, &format!("{place}.Artifacts[{at}]"), found);
    }
    for (at, partition) in disk.partitions.iter().enumerate() {
        let place = format!("{place}.Partitions[{at}]");
        if ["ext2", "ext3", "xfs", "btrfs", "linux-swap", "swap"].contains(&partition.fs_type.as_str()) {
            found.add(format!("{place}.FsType"), format!("is `{}`; fat and ext4 can be made", partition.fs_type));
        }
        if partition.flags.iter().any(|flag| flag == "dmroot") {
            found.add(format!("{place}.Flags"), "has `dmroot` (encryption)");
        }
        for (at, artifact) in partition.artifacts.iter().enumerate() {
            of_artifact(artifact, &format!("{place}.Artifacts[{at}]"), found);
        }
    }
    if disk.partition_table_type == "mbr" && disk.partitions.len() > 4 {
        found.add(format!("{place}.Partitions"), "has more than four partitions on an mbr disk (logical partitions)");
    }
}

fn of_artifact(artifact: &raw::Artifact, place: &str, found: &mut Faults) {
    if ["qcow2", "ova", "squashfs", "diff", "rdiff"].contains(&artifact.r#type.as_str()) {
        found.add(format!("{place}.Type"), format!("is `{}`; these can be made: {TYPES}", artifact.r#type));
    }
    let compressions: &[&str] = match artifact.r#type.as_str() {
        "" => &["tar.gz", "tar.xz", "tar.zst"],
        "tar.gz" | "tar.xz" => &[""],
        _ => &["", "gz", "xz", "zst"],
    };
    if !compressions.contains(&artifact.compression.as_str()) {
        let known: Vec<&str> = compressions.iter().copied().filter(|name| !name.is_empty()).collect();
        let text = match artifact.r#type.as_str() {
            "tar.gz" | "tar.xz" => format!("is `{}`, and the Type says how it is compressed", artifact.compression),
            "" => format!("is `{}`; without a Type it can be: {}", artifact.compression, known.join(", ")),
            kind => format!("is `{}`; with Type `{kind}` it can be: {}", artifact.compression, known.join(", ")),
        };
        found.add(format!("{place}.Compression"), text);
    }
}

fn of_system(system: &raw::System, place: &str, found: &mut Faults) {
    let line = &system.kernel_command_line;
    let flags = [
        (system.is_kick_start_boot, "IsKickStartBoot", "is the installer ISO's"),
        (system.is_iso_install, "IsIsoInstall", "is the installer ISO's"),
        (system.encryption.enable, "Encryption", "encrypts the root file system"),
        (!system.pre_install_scripts.is_empty(), "PreInstallScripts", "run in the installer ISO"),
        (!line.ima_policy.is_empty(), "KernelCommandLine.ImaPolicy", "needs measured files"),
        (!line.selinux.is_empty(), "KernelCommandLine.SELinux", "needs every file labelled"),
    ];
    for (_, key, text) in flags.into_iter().filter(|(is_set, ..)| *is_set) {
        found.add(format!("{place}.{key}"), text);
    }
    for (at, setting) in system.partition_settings.iter().enumerate() {
        let place = format!("{place}.PartitionSettings[{at}]");
        if !setting.overlay_base_image.is_empty() {
            found.add(format!("{place}.OverlayBaseImage"), "makes a difference to another image");
        }
        if !setting.rdiff_base_image.is_empty() {
            found.add(format!("{place}.RdiffBaseImage"), "makes a difference to another image");
        }
    }
    for (at, repo) in system.package_repos.iter().enumerate() {
        let text = format!("(`{}`) installs from a repository of its own", repo.name);
        found.add(format!("{place}.PackageRepos[{at}]"), text);
    }
}
