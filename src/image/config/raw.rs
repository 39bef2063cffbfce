//! An image configuration as it is written: one struct an object, every key optional, no rule but the kinds of values.
//!
//! Read after [`super::schema`] has put every key into its spelling, so the names below are exact.

use std::collections::BTreeMap;

use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Config {
    pub(super) disks: Vec<Disk>,
    pub(super) system_configs: Vec<System>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "PascalCase")]
#[allow(clippy::struct_field_names, reason = "the fields are the file's")]
pub(super) struct Disk {
    pub(super) partition_table_type: String,
    pub(super) max_size: u64,
    pub(super) target_disk: TargetDisk,
    pub(super) artifacts: Vec<Artifact>,
    pub(super) partitions: Vec<Partition>,
    pub(super) raw_binaries: Vec<RawBinary>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct TargetDisk {
    pub(super) r#type: String,
    pub(super) value: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Artifact {
    pub(super) name: String,
    pub(super) r#type: String,
    pub(super) compression: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Partition {
    #[serde(rename = "ID")]
    pub(super) id: String,
    pub(super) name: String,
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) fs_type: String,
    pub(super) r#type: String,
    #[serde(rename = "TypeUUID")]
    pub(super) type_uuid: String,
    pub(super) flags: Vec<String>,
    pub(super) artifacts: Vec<Artifact>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct RawBinary {
    pub(super) bin_path: String,
    pub(super) block_size: u64,
    pub(super) seek: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "PascalCase")]
#[allow(clippy::struct_excessive_bools, reason = "the fields are the file's")]
pub(super) struct System {
    pub(super) name: String,
    pub(super) is_default: bool,
    pub(super) is_kick_start_boot: bool,
    pub(super) is_iso_install: bool,
    pub(super) boot_type: String,
    pub(super) enable_grub_mkconfig: Option<bool>,
    pub(super) enable_systemd_firstboot: bool,
    pub(super) hostname: String,
    pub(super) package_lists: Vec<String>,
    pub(super) packages: Vec<String>,
    pub(super) kernel_options: BTreeMap<String, String>,
    pub(super) kernel_command_line: CommandLine,
    pub(super) additional_files: BTreeMap<String, Vec<Target>>,
    pub(super) partition_settings: Vec<Setting>,
    pub(super) pre_install_scripts: Vec<Script>,
    pub(super) post_install_scripts: Vec<Script>,
    pub(super) finalize_image_scripts: Vec<Script>,
    pub(super) networks: Vec<Network>,
    pub(super) package_repos: Vec<PackageRepo>,
    pub(super) groups: Vec<Group>,
    pub(super) users: Vec<User>,
    pub(super) encryption: Encryption,
    pub(super) remove_rpm_db: bool,
    #[serde(rename = "PreserveTdnfCache")]
    pub(super) _preserve_tdnf_cache: bool,
    pub(super) enable_hidepid: bool,
    pub(super) disable_rpm_docs: bool,
    pub(super) override_rpm_locales: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "PascalCase")]
#[allow(clippy::struct_field_names, reason = "the fields are the file's")]
pub(super) struct CommandLine {
    #[serde(rename = "CGroup")]
    pub(super) cgroup: String,
    pub(super) ima_policy: Vec<String>,
    #[serde(rename = "SELinux")]
    pub(super) selinux: String,
    #[serde(rename = "SELinuxPolicy")]
    pub(super) _selinux_policy: String,
    #[serde(rename = "EnableFIPS")]
    pub(super) enable_fips: bool,
    pub(super) extra_command_line: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Target {
    pub(super) path: String,
    pub(super) permissions: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Setting {
    #[serde(rename = "ID")]
    pub(super) id: String,
    pub(super) mount_point: String,
    pub(super) mount_options: String,
    pub(super) mount_identifier: String,
    pub(super) remove_docs: bool,
    pub(super) overlay_base_image: String,
    pub(super) rdiff_base_image: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Script {
    pub(super) path: String,
    pub(super) args: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Network {
    pub(super) boot_proto: String,
    pub(super) gate_way: String,
    pub(super) ip: String,
    pub(super) net_mask: String,
    #[serde(rename = "OnBoot")]
    pub(super) _on_boot: bool,
    pub(super) name_server: Vec<String>,
    pub(super) device: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct PackageRepo {
    pub(super) name: String,
    #[serde(rename = "BaseUrl")]
    pub(super) _base_url: String,
    #[serde(rename = "Install")]
    pub(super) _install: bool,
    #[serde(rename = "GPGCheck")]
    pub(super) _gpg_check: bool,
    #[serde(rename = "RepoGPGCheck")]
    pub(super) _repo_gpg_check: bool,
    #[serde(rename = "GPGKeys")]
    pub(super) _gpg_keys: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Group {
    pub(super) name: String,
    #[serde(rename = "GID")]
    pub(super) gid: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct User {
    pub(super) name: String,
    #[serde(rename = "UID")]
    pub(super) uid: String,
    pub(super) password_hashed: bool,
    pub(super) password: String,
    pub(super) password_expires_days: i64,
    #[serde(rename = "SSHPubKeyPaths")]
    pub(super) ssh_pub_key_paths: Vec<String>,
    #[serde(rename = "SSHPubKeys")]
    pub(super) ssh_pub_keys: Vec<String>,
    pub(super) primary_group: String,
    pub(super) secondary_groups: Vec<String>,
    pub(super) startup_command: String,
    pub(super) home_directory: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Encryption {
    pub(super) enable: bool,
    #[serde(rename = "Password")]
    pub(super) _password: String,
}

/// A file of package names: `{"packages": [...]}`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct PackageList {
    pub(super) packages: Vec<String>,
}
