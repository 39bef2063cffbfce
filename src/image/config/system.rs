//! What is installed into an image and how it is set up: the first of `SystemConfigs`.
//!
//! Rules of Azure Linux's `systemconfig.go` and of its `imageconfigvalidator`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::accounts::{self, Group, User};
use super::disk::{Disk, FileSystem, Partition, PartitionFlag, TableType};
use super::inputs::Inputs;
use super::{Faults, raw};
use crate::package::{Dependency, Requirement};
use crate::printable;

/// How the image starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootType {
    /// UEFI, from `/boot/efi`.
    Efi,
    /// BIOS, by GRUB in the first sector.
    Legacy,
    /// Not by itself.
    None,
}

/// What becomes of the RPM database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are what becomes of it")]
pub enum RpmDatabase {
    Kept,
    Removed,
}

/// What becomes of the packages' documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are what becomes of it")]
pub enum Documentation {
    Installed,
    LeftOut,
}

/// What `/etc/machine-id` holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MachineId {
    /// Nothing: a new one is made at every first start.
    Empty,
    /// `uninitialized`: systemd's first-boot units run too.
    FirstBoot,
}

/// Whose processes a user sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are whose")]
pub enum ProcessList {
    Everybody,
    OwnOnly,
}

/// A file of the host that is copied into the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdditionalFile {
    /// The file.
    pub source: PathBuf,
    /// Its absolute path in the image.
    pub target: String,
    /// Its permissions; None for 0644, or 0755 where the source can be executed.
    pub mode: Option<u32>,
}

/// A program that runs inside the image's root while it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// The file.
    pub path: PathBuf,
    /// Its arguments as a shell reads them; may be empty.
    pub args: String,
}

/// A file for systemd-networkd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its name below `/etc/systemd/network`.
    pub file_name: String,
    /// Its text.
    pub text: String,
}

/// The system of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct System {
    /// Its name, for people.
    pub name: String,
    /// How it starts.
    pub boot: BootType,
    /// Its host name.
    pub hostname: Option<String>,
    /// What the package lists ask for, without the kernel; at least one.
    pub packages: Vec<Requirement>,
    /// The package that holds the kernel.
    pub kernel: Option<Requirement>,
    /// Arguments of the kernel besides the root device and the consoles, separated by spaces.
    pub command_line: String,
    /// True when the kernel checks itself by FIPS 140, which needs to know where `/boot` is.
    pub fips: bool,
    /// Files copied in after the packages, in the order of their names.
    pub files: Vec<AdditionalFile>,
    /// Programs run after all files are there, in order.
    pub post_install: Vec<Script>,
    /// Programs run last, after the boot loader's files, in order.
    pub finalize: Vec<Script>,
    /// Network files.
    pub networks: Vec<Network>,
    /// Groups to make, in order.
    pub groups: Vec<Group>,
    /// Users to make, in order; `root` is changed.
    pub users: Vec<User>,
    /// What becomes of the RPM database.
    pub rpm_database: RpmDatabase,
    /// What becomes of documentation.
    pub documentation: Documentation,
    /// Languages to install, as RPM's `%_install_langs` takes them.
    pub locales: Option<String>,
    /// What `/etc/machine-id` holds.
    pub machine_id: MachineId,
    /// Whose processes a user sees.
    pub process_list: ProcessList,
    /// True when `/etc/default/grub` is written, from which a system can write its own `grub.cfg` later.
    pub grub_defaults: bool,
}

/// The system of a configuration, or None when a fault leaves nothing to go on with.
pub(super) fn checked(raw: raw::System, inputs: &mut Inputs, faults: &mut Faults) -> Option<System> {
    let place = |key: &str| format!("SystemConfigs[0].{key}");
    if raw.name.trim().is_empty() {
        faults.add(place("Name"), "is missing");
    } else if !printable::is_name(&raw.name) {
        faults.add(place("Name"), format!("is {:?}; it is printed, and has no control character", raw.name));
    }
    let command_line = command_line(&raw.kernel_command_line, faults);
    let system = System {
        boot: boot_type(&raw.boot_type, faults)?,
        hostname: hostname(&raw.hostname, faults),
        packages: packages(&raw, inputs, faults),
        kernel: kernel(&raw, faults),
        command_line,
        fips: raw.kernel_command_line.enable_fips,
        files: additional_files(&raw, inputs, faults),
        post_install: scripts(raw.post_install_scripts, "PostInstallScripts", inputs, faults),
        finalize: scripts(raw.finalize_image_scripts, "FinalizeImageScripts", inputs, faults),
        networks: super::network::files(&raw.networks, faults),
        groups: accounts::groups(raw.groups, faults),
        users: accounts::users(raw.users, inputs, faults),
        rpm_database: if raw.remove_rpm_db { RpmDatabase::Removed } else { RpmDatabase::Kept },
        documentation: if raw.disable_rpm_docs { Documentation::LeftOut } else { Documentation::Installed },
        locales: (!raw.override_rpm_locales.is_empty()).then_some(raw.override_rpm_locales),
        machine_id: if raw.enable_systemd_firstboot { MachineId::FirstBoot } else { MachineId::Empty },
        process_list: if raw.enable_hidepid { ProcessList::OwnOnly } else { ProcessList::Everybody },
        grub_defaults: raw.enable_grub_mkconfig.unwrap_or(true),
        name: raw.name,
    };
    Some(system)
}

fn boot_type(text: &str, faults: &mut Faults) -> Option<BootType> {
    Some(match text {
        "efi" => BootType::Efi,
        "legacy" => BootType::Legacy,
        "none" | "" => BootType::None,
        other => {
            faults.add("SystemConfigs[0].BootType", format!("is `{other}`; efi, legacy or none is expected"));
            return None;
        }
    })
}

fn hostname(text: &str, faults: &mut Faults) -> Option<String> {
    if text.is_empty() {
        return None;
    }
    let label = |label: &str| {
        let letters = label.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-');
        letters && (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    if text.len() > 253 || !text.split('.').all(label) {
        let text = format!("is `{text}`; a host name has letters, digits and `-`, in parts separated by dots");
        faults.add("SystemConfigs[0].Hostname", text);
    }
    Some(text.to_owned())
}

fn packages(raw: &raw::System, inputs: &mut Inputs, faults: &mut Faults) -> Vec<Requirement> {
    if raw.package_lists.is_empty() && raw.packages.is_empty() {
        faults.add("SystemConfigs[0]", "must have PackageLists or Packages");
    }
    let mut named: Vec<(String, String)> = Vec::new();
    for (at, list) in raw.package_lists.iter().enumerate() {
        let place = format!("SystemConfigs[0].PackageLists[{at}]");
        let names = inputs.package_list(list, &place, faults);
        named.extend(names.into_iter().map(|name| (place.clone(), name)));
    }
    let own = raw.packages.iter().enumerate();
    named.extend(own.map(|(at, name)| (format!("SystemConfigs[0].Packages[{at}]"), name.clone())));
    let mut packages = Vec::new();
    for (place, name) in named {
        packages.extend(package(&name, &place, faults).filter(|package| !packages.contains(package)));
    }
    packages
}

/// Reads `name`, `name=1.2-3`, `name >= 1.2`; the kernel has its own key.
fn package(text: &str, place: &str, faults: &mut Faults) -> Option<Requirement> {
    let requirement = requirement(text);
    match &requirement {
        None => faults.add(place, format!("has `{text}`; `name`, `name=1.2-3` or `name>=1.2` is expected")),
        Some(Requirement::Simple(Dependency { name, .. })) if name == "kernel" => {
            faults.add(place, "has `kernel`; a kernel belongs into KernelOptions");
            return None;
        }
        Some(_) => {}
    }
    requirement
}

fn requirement(text: &str) -> Option<Requirement> {
    let text = text.trim();
    let at = text.find(['<', '>', '=']).unwrap_or(text.len());
    let (name, bound) = text.split_at(at);
    let end = bound.find(|letter| !"<>=".contains(letter)).unwrap_or(bound.len());
    let (operator, version) = bound.split_at(end);
    let spaced = if operator.is_empty() { name.trim().to_owned() } else { format!("{name} {operator} {version}") };
    spaced.parse().ok().filter(|requirement| matches!(requirement, Requirement::Simple(_)))
}

fn kernel(raw: &raw::System, faults: &mut Faults) -> Option<Requirement> {
    for (key, _) in raw.kernel_options.iter().filter(|(_, name)| name.trim().is_empty()) {
        faults.add(format!("SystemConfigs[0].KernelOptions.{key}"), "is empty, a package name is expected");
    }
    let default = raw.kernel_options.get("default");
    if default.is_none() && !raw.partition_settings.is_empty() {
        faults.add("SystemConfigs[0].KernelOptions", "must name a kernel package as `default`");
    }
    default.and_then(|name| requirement(name))
}

fn command_line(raw: &raw::CommandLine, faults: &mut Faults) -> String {
    let place = "SystemConfigs[0].KernelCommandLine";
    let mut arguments = Vec::new();
    match raw.cgroup.as_str() {
        "" => {}
        "version_one" => arguments.push("systemd.unified_cgroup_hierarchy=0"),
        "version_two" => arguments.push("systemd.unified_cgroup_hierarchy=1"),
        other => faults.add(format!("{place}.CGroup"), format!("is `{other}`; version_one or version_two is expected")),
    }
    // GRUB puts a backslash before these on their way to the kernel, whatever its configuration says.
    let unsayable = |letter: char| "`'\"\\".contains(letter) || letter.is_control() && letter != '\t';
    if let Some(letter) = raw.extra_command_line.chars().find(|letter| unsayable(*letter)) {
        let text = format!("has the character {letter:?}, which GRUB cannot hand to a kernel; write it without");
        faults.add(format!("{place}.ExtraCommandLine"), text);
    }
    if raw.enable_fips {
        arguments.push("fips=1");
    }
    arguments.extend(raw.extra_command_line.split_whitespace());
    arguments.join(" ")
}

fn additional_files(raw: &raw::System, inputs: &mut Inputs, faults: &mut Faults) -> Vec<AdditionalFile> {
    let mut files = Vec::new();
    let mut goes: BTreeMap<String, &str> = BTreeMap::new();
    for (name, targets) in &raw.additional_files {
        let place = format!("SystemConfigs[0].AdditionalFiles[`{name}`]");
        let Some((source, _)) = inputs.file(name, &place, faults) else { continue };
        for target in targets {
            check_target(&target.path, &place, faults);
            if let Some(other) = goes.insert(plain(&target.path), name) {
                faults.add(&place, format!("goes to `{}`, where `{other}` goes, too", target.path));
            }
            let mode = target.permissions.as_ref().map(|text| u32::from_str_radix(text, 8));
            if mode.as_ref().is_some_and(|mode| mode.as_ref().map_or(true, |mode| *mode > 0o777)) {
                faults.add(&place, "has Permissions that are no octal number up to 777");
            }
            let mode = mode.and_then(Result::ok);
            files.push(AdditionalFile { source: source.clone(), target: target.path.clone(), mode });
        }
    }
    files
}

/// `path` without `.` and empty parts.
fn plain(path: &str) -> String {
    path.split('/').filter(|part| !matches!(*part, "" | ".")).map(|part| format!("/{part}")).collect()
}

fn check_target(path: &str, place: &str, faults: &mut Faults) {
    let bad = |part: &str| part == ".." || part.contains(['\n', '\0']);
    if !path.starts_with('/') || path.ends_with('/') || path.split('/').any(bad) {
        faults.add(place, format!("goes to `{path}`; the absolute path of a file without `..` is expected"));
    }
}

fn scripts(raw: Vec<raw::Script>, key: &str, inputs: &mut Inputs, faults: &mut Faults) -> Vec<Script> {
    let mut scripts = Vec::new();
    for (at, script) in raw.into_iter().enumerate() {
        let place = format!("SystemConfigs[0].{key}[{at}].Path");
        let file = inputs.file(&script.path, &place, faults);
        scripts.extend(file.map(|(path, _)| Script { path, args: script.args }));
    }
    scripts
}

/// Notes where the way to start does not fit the disk.
pub(super) fn check_boot(system: &System, disk: Option<&Disk>, faults: &mut Faults) {
    let place = "SystemConfigs[0].BootType";
    let Some(disk) = disk else { return };
    match system.boot {
        BootType::Efi => {
            let esp = disk.mounted_at("/boot/efi").map(|index| &disk.partitions[index]);
            let is_fat = esp.is_some_and(|esp| esp.format.is_some_and(|format| format != FileSystem::Ext4));
            if !is_fat || !esp.is_some_and(Partition::is_esp) {
                faults.add(
                    place,
                    "is efi: a partition with FsType fat32 and the flag or Type esp must be mounted at /boot/efi",
                );
            }
        }
        BootType::Legacy if disk.table == TableType::Gpt => {
            if !disk.partitions.iter().any(|partition| partition.has(PartitionFlag::BiosGrub)) {
                faults
                    .add(place, "is legacy: on a gpt disk one partition of 1 MiB or more must have the flag bios_grub");
            }
        }
        BootType::None | BootType::Legacy => {}
    }
}
