//! What configurations are taken, and what is said of those that are not.

use std::fs;

use super::*;

/// A disk for UEFI, with the place of one fault.
const EFI: &str = r#"{
  "_comment": "comments are allowed",
  "Disks": [{
    "PartitionTableType": "gpt", "MaxSize": 512, "Artifacts": [{"Name": "core", "Type": "vhdx"}],
    "Partitions": [
      {"ID": "esp", "Flags": ["esp", "boot"], "Start": 1, "End": 9, "FsType": "fat32"},
      {"ID": "rootfs", "Start": 9, "End": 0, "FsType": "ext4"}
    ]
  }],
  "SystemConfigs": [{
    "Name": "Standard", "BootType": "efi", "Hostname": "core",
    "PartitionSettings": [
      {"ID": "esp", "MountPoint": "/boot/efi", "MountOptions": "umask=0077"},
      {"ID": "rootfs", "MountPoint": "/"}
    ],
    "Packages": ["filesystem", "busybox>=1.35"],
    "KernelOptions": {"default": "kernel"}
  }]
}"#;

fn read_text(text: &str) -> Result<ImageConfig, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("core.json");
    fs::write(&path, text).unwrap();
    read(&path)
}

fn refusal(from: &str, to: &str) -> String {
    assert!(EFI.contains(from), "{from}");
    read_text(&EFI.replace(from, to)).unwrap_err().to_string()
}

#[test]
fn a_configuration_of_azure_linux_is_read_unchanged() {
    let config = read_text(EFI).unwrap();
    assert_eq!(config.name, "core");
    assert_eq!(config.outputs[0].file_name("1.0"), "core-1.0.vhdx");
    let disk = config.disk.unwrap();
    assert_eq!(disk.partitions[1].end, MiB(511), "the last MiB holds the second copy of a GPT");
    assert_eq!(disk.mounted_at("/boot/efi"), Some(0));
    let packages: Vec<String> = config.system.packages.iter().map(ToString::to_string).collect();
    assert_eq!(packages, ["filesystem", "busybox >= 1.35"]);
}

#[test]
fn letter_case_of_keys_does_not_matter() {
    assert!(read_text(&EFI.replace("\"Hostname\"", "\"hostName\"")).is_ok());
    let message = refusal("\"Hostname\"", "\"hostName\": \"other\", \"Hostname\"");
    assert!(
        message.ends_with(
            "SystemConfigs[0].hostName is `Hostname`, which is there twice: upper and lower case are the same"
        ),
        "{message}"
    );
}

#[test]
fn all_unknown_keys_are_told_with_the_nearest_known_one() {
    let text = EFI.replace("\"Hostname\"", "\"Hostnme\"").replace("\"MaxSize\": 512", "\"MaxSize\": \"512\"");
    let message = read_text(&text).unwrap_err().to_string();
    assert!(message.contains(
        "\n  line 11, column 52: SystemConfigs[0].Hostnme is no key of this file's kind; did you mean `Hostname`?"
    ));
    assert!(message.contains("Disks[0].MaxSize is text, a whole number is expected"));
}

#[test]
fn names_that_no_file_has_are_refused() {
    for name in ["", " ", "..", "../a", "a/b", "a\\nb", "a\\u001b[1m", ".a", "a\\\\b"] {
        let message = refusal("\"Name\": \"core\"", &format!("\"Name\": \"{name}\""));
        assert!(message.contains("Disks[0].Artifacts[0].Name is \""), "{message}");
        assert!(!message.contains(['\u{1b}', '\n']), "{message}");
    }
    assert!(refusal("\"Hostname\"", "\"a\\nb\"").contains("SystemConfigs[0].a\\nb is no key of"));
    assert!(refusal("\"Name\": \"Standard\"", "\"Name\": \"a\\nb\"").contains("SystemConfigs[0].Name is \"a\\nb\""));
    let message = read_text(&EFI.replace("rootfs", "a\\u001bb")).unwrap_err().to_string();
    assert!(message.contains("Disks[0].Partitions[1].ID is \"a\\u{1b}b\""), "{message}");
}

#[test]
fn partitions_must_not_overlap() {
    let message = refusal("\"Start\": 9", "\"Start\": 8");
    assert!(message.ends_with("partition `rootfs` starts at 8 MiB, inside partition `esp`"), "{message}");
}

#[test]
fn a_disk_is_no_larger_than_its_format_can_say() {
    let told = |size: &str, kind: &str| {
        let text = EFI.replace("512", size).replace("vhdx", kind);
        read_text(&text).err().map(|error| error.to_string().rsplit_once(": ").unwrap().1.to_owned())
    };
    assert_eq!(told("67108864", "vhdx"), None);
    let expected = "Disks[0].MaxSize is 67108865 MiB; a disk has at most 67108864 MiB (64 TiB)";
    assert_eq!(told("67108865", "raw").unwrap(), expected);
    assert!(told("17592186044516", "raw").is_some() && told("18446744073709551615", "raw").is_some());
    assert_eq!(told("2088960", "vhd"), None);
    let expected = "Disks[0].MaxSize is 2088961 MiB; a vhd has at most 2088960 MiB (2040 GiB), use vhdx";
    assert_eq!(told("2088961", "vhd").unwrap(), expected);
    assert!(
        refusal("\"Start\": 1, \"End\": 9", "\"Start\": 1, \"End\": 17592186044516")
            .contains("behind the disk's MaxSize")
    );
}

#[test]
fn the_way_to_start_must_fit_the_disk() {
    assert!(refusal("\"efi\"", "\"legacy\"").contains("must have the flag bios_grub"));
    assert!(refusal("\"esp\", \"boot\"", "\"boot\"").contains("the flag or Type esp must be mounted at /boot/efi"));
}

#[test]
fn what_cannot_be_made_yet_is_told_before_anything_is_built() {
    let message = refusal("\"Type\": \"vhdx\"", "\"Type\": \"qcow2\"");
    assert!(
        message
            .contains("asks for what is not supported yet: line 4, column 86: Disks[0].Artifacts[0].Type is `qcow2`"),
        "{message}"
    );
}

#[test]
fn a_kernel_belongs_into_its_own_key() {
    assert!(refusal("\"filesystem\"", "\"kernel\"").contains("a kernel belongs into KernelOptions"));
}

#[test]
fn yaml_has_the_same_schema() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("box.yaml");
    let text = "Disks:\n  - Artifacts:\n      - {Name: box, Compression: tar.gz}\nSystemConfigs:\n  - {Name: Box, Packages: [busybox]}\n";
    fs::write(&path, text).unwrap();
    assert_eq!(read(&path).unwrap().outputs[0].file_name("2"), "box-2.tar.gz");
}

/// What `error` says of its one fault, behind the file and the place in it.
fn said(error: &ConfigError) -> String {
    let told = error.to_string();
    told.rsplit_once("json`: line ").unwrap().1.split_once(": ").unwrap().1.to_owned()
}

#[test]
fn a_partition_is_mounted_by_a_name_that_says_which_one_is_meant() {
    let told = |first: &str, second: &str| {
        let text = EFI
            .replace("\"ID\": \"esp\", \"Flags\"", &format!("\"ID\": \"esp\", \"Name\": {first:?}, \"Flags\""))
            .replace("\"rootfs\", \"Start\"", &format!("\"rootfs\", \"Name\": {second:?}, \"Start\""))
            .replace("\"MountPoint\": \"/\"", "\"MountPoint\": \"/\", \"MountIdentifier\": \"partlabel\"");
        read_text(&text).err().map(|error| said(&error))
    };
    assert_eq!(told("the esp", "root-1"), None);
    for name in ["my root", "a#b", "a'b", "a$b", "a\\b", "a\"b", "a;b"] {
        let expected = format!(
            "SystemConfigs[0].PartitionSettings[1] mounts `rootfs` by partlabel, and its Name is {name:?}; a name to mount by \
             has only letters, digits and `_`, `-`, `.`, `+`, `:`, `@`"
        );
        assert_eq!(told("esp", name), Some(expected));
    }
    let expected =
        "SystemConfigs[0].PartitionSettings mounts `rootfs` by partlabel, and `esp` has the same Name, `root`";
    assert_eq!(told("root", "root").unwrap(), expected);
    let expected = "Disks[0].Partitions[0].Name must be ASCII without control characters, of at most 35 characters";
    assert_eq!(told("a\tb", "root").unwrap(), expected);
}

/// What is said of a system with `more` keys.
fn told_of(more: &str) -> Option<String> {
    let text = EFI.replace("\"Hostname\": \"core\"", more);
    read_text(&text).err().map(|error| said(&error))
}

#[test]
fn what_grub_cannot_hand_to_a_kernel_is_refused() {
    let told = |line: &str| told_of(&format!("\"KernelCommandLine\": {{\"ExtraCommandLine\": {line:?}}}"));
    assert_eq!(told("a;b $c {d} #e\tf"), None);
    for (line, letter) in
        [("a='b'", "'\\''"), ("a=\"b\"", "'\"'"), ("a\\b", "'\\\\'"), ("a\nb", "'\\n'"), ("`a`", "'`'")]
    {
        let expected = format!(
            "SystemConfigs[0].KernelCommandLine.ExtraCommandLine has the character {letter}, which GRUB cannot hand to a \
             kernel; write it without"
        );
        assert_eq!(told(line), Some(expected));
    }
}

#[test]
fn two_accounts_of_one_number_are_refused() {
    let groups = |text: &str| told_of(&format!("\"Groups\": [{text}]"));
    assert_eq!(
        groups(r#"{"Name": "a", "GID": "2000"}, {"Name": "b", "GID": "2001"}, {"Name": "c"}, {"Name": "d"}"#),
        None
    );
    let expected = "SystemConfigs[0].Groups[1].GID is 2000, which is that of `a`, too";
    assert_eq!(groups(r#"{"Name": "a", "GID": "2000"}, {"Name": "b", "GID": "2000"}"#).unwrap(), expected);
    let users = |text: &str| told_of(&format!("\"Users\": [{text}]"));
    assert_eq!(
        users(r#"{"Name": "root", "UID": "0"}, {"Name": "b", "UID": "2001"}, {"Name": "c"}, {"Name": "d"}"#),
        None
    );
    let expected = "SystemConfigs[0].Users[1].UID is 1500, which is that of `a`, too";
    assert_eq!(users(r#"{"Name": "a", "UID": "1500"}, {"Name": "b", "UID": "1500"}"#).unwrap(), expected);
    let expected = "SystemConfigs[0].Users[0].UID is 0; 0 is the number of `root`, and of nobody else";
    assert_eq!(users(r#"{"Name": "toor", "UID": "0"}"#).unwrap(), expected);
}

#[test]
fn a_network_that_would_not_be_what_it_says_is_refused() {
    let told = |text: &str| told_of(&format!("\"Networks\": [{text}]"));
    let fixed = |more: &str| told(&format!("{{\"BootProto\": \"static\", {more}}}"));
    assert_eq!(fixed(r#""Ip": "10.0.0.2", "NetMask": "255.255.254.0""#), None);
    assert_eq!(fixed(r#""Ip": "fd00::2", "NetMask": "ffff:ffff::""#), None);
    let expected =
        "SystemConfigs[0].Networks[0].NetMask is `255.0.255.0`, which is no mask: its ones must stand before its zeros";
    assert_eq!(fixed(r#""Ip": "10.0.0.2", "NetMask": "255.0.255.0""#).unwrap(), expected);
    let expected =
        "SystemConfigs[0].Networks[0].NetMask is `255.0.0.0`, and Ip is `fd00::2`: both must be IPv4 or both IPv6";
    assert_eq!(fixed(r#""Ip": "fd00::2", "NetMask": "255.0.0.0""#).unwrap(), expected);
    let expected = "SystemConfigs[0].Networks[0].Ip is `10.0.0.2`, which counts only when BootProto is static";
    assert_eq!(told(r#"{"BootProto": "dhcp", "Ip": "10.0.0.2"}"#).unwrap(), expected);
    let expected = "SystemConfigs[0].Networks[1].Device is `eth0`, which another of Networks sets up already";
    assert_eq!(told(r#"{"BootProto": "dhcp"}, {"Device": "eth0"}"#).unwrap(), expected);
    assert_eq!(told(r#"{"Device": "eth1"}, {"Device": "eth0"}"#), None);
}

#[test]
fn two_files_for_one_place_are_refused() {
    let told = |second: &str| {
        let more = format!(r#""AdditionalFiles": {{"core.json": [{{"Path": "/etc/a"}}, {{"Path": "{second}"}}]}}"#);
        told_of(&more)
    };
    assert_eq!(told("/etc/b"), None);
    let expected = "SystemConfigs[0].AdditionalFiles[`core.json`] goes to `/etc//./a`, where `core.json` goes, too";
    assert_eq!(told("/etc//./a").unwrap(), expected);
}

#[test]
fn a_name_that_no_file_can_have_is_refused() {
    let told = |count: usize| {
        let text = EFI.replace("\"Name\": \"core\"", &format!("\"Name\": \"{}\"", "n".repeat(count)));
        read_text(&text).err().map(|error| error.to_string())
    };
    assert_eq!(told(185), None);
    let expected = "Disks[0].Artifacts[0].Name has 186 bytes, and 185 are the most: version and ending come to them";
    assert!(told(186).unwrap().contains(expected), "{:?}", told(186));
}

#[test]
fn faults_of_yaml_and_of_package_lists_have_their_places() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("box.yaml");
    fs::write(folder.path().join("list.json"), "{\n \"packages\": [\"a\",\n 1]}").unwrap();
    let text = "Disks:\n  - Artifacts:\n      - Name: box/x\n        Compression: tar.gz\n\
                SystemConfigs:\n  - Name: Box\n    PackageLists: [list.json]\n";
    fs::write(&path, text).unwrap();
    let told = read(&path).unwrap_err().to_string().replace(&folder.path().display().to_string(), "[DIR]");
    insta::assert_snapshot!(told, @r#"
    `[DIR]/box.yaml`: 
      line 3, column 9: Disks[0].Artifacts[0].Name is "box/x"; the name of a file has no `/`, no `\`, no control character, and no `.` first
      line 7, column 20: SystemConfigs[0].PackageLists[0] names a list with faults: `[DIR]/list.json`: line 3, column 2: packages[1] is a number, text in quotes is expected
    "#);
}
