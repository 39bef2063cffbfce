//! Texts of the boot loader: `grub.cfg` of a disk, its stub on the EFI system partition, that of an ISO, and
//! `/etc/default/grub`. Pure.
//!
//! They stand where Azure Linux has them: the stub in `/boot/efi/boot/grub2/grub.cfg` finds the file system with `/boot` by
//! its UUID and goes on with `grub2/grub.cfg` there.

use super::config::{FileSystem, MountBy, System};
use super::partition::{Layout, Slot};

/// Where the kernel's messages and the login prompts go when the configuration names no console.
const CONSOLES: &str = "console=tty0 console=ttyS0,115200";

/// Both consoles; a GRUB without the serial module goes on with the screen.
const TERMINAL: &str = "set timeout=0
if serial --unit=0 --speed=115200; then
    terminal_input serial console
    terminal_output serial console
fi
";

/// Name of the menu's only entry.
const TITLE: &str = "Drydock";

/// The file system that holds `/boot`, and where in it `/boot` is.
fn boot_volume(layout: &Layout) -> Option<(&Slot, &'static str)> {
    match layout.mounted_at("/boot") {
        Some(slot) => Some((slot, "")),
        None => layout.mounted_at("/").map(|slot| (slot, "/boot")),
    }
}

/// Arguments that a kernel of `system` gets on the disk `layout`, as words of a script of GRUB's.
fn kernel_arguments(layout: &Layout, system: &System) -> String {
    let mut arguments = Vec::new();
    if let Some(root) = layout.mounted_at("/") {
        // The kernel finds a file system's UUID only with the help of an initramfs.
        let by_label = root.partition.mount.as_ref().is_some_and(|mount| mount.by == MountBy::PartLabel);
        let device = if by_label { root.fstab_name() } else { format!("PARTUUID={}", root.part_uuid) };
        arguments.push(format!("root={device} rootfstype={} ro", type_name(root)));
    }
    if let (true, Some((boot, ""))) = (system.fips, boot_volume(layout)) {
        arguments.push(format!("boot=UUID={}", boot.file_system_uuid()));
    }
    arguments.push(common_arguments(system));
    arguments.join(" ")
}

fn common_arguments(system: &System) -> String {
    let mut arguments = vec!["net.ifnames=0"];
    let names_console = |argument: &str| argument.starts_with("console=");
    if !system.command_line.split(' ').any(names_console) {
        arguments.push(CONSOLES);
    }
    let own: Vec<String> = system.command_line.split(' ').filter(|word| !word.is_empty()).map(quoted).collect();
    arguments.extend(own.iter().map(String::as_str));
    arguments.join(" ")
}

/// `word` as one word of a script of GRUB's, which takes everything between two `'` as it is. A word has none: they do not
/// come through to a kernel, see [`super::config`].
fn quoted(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "_-.,=:/@%+".contains(letter);
    if word.chars().all(is_plain) { word.to_owned() } else { format!("'{word}'") }
}

/// `text` between two `"` of a shell.
fn in_shell(text: &str) -> String {
    let escaped = |letter: char| if "\"\\$`".contains(letter) { format!("\\{letter}") } else { letter.to_string() };
    text.chars().map(escaped).collect()
}

fn type_name(slot: &Slot) -> &'static str {
    if slot.partition.format == Some(FileSystem::Ext4) { "ext4" } else { "vfat" }
}

/// `/boot/grub2/grub.cfg` of a disk that starts the kernel `vmlinuz-VERSION`; None without a root.
pub fn disk_config(layout: &Layout, system: &System, kernel: &str) -> Option<String> {
    let (boot, folder) = boot_volume(layout)?;
    let uuid = boot.file_system_uuid();
    let version = kernel.strip_prefix("vmlinuz-").unwrap_or(kernel);
    let arguments = kernel_arguments(layout, system);
    Some(format!(
        "{TERMINAL}search --no-floppy --fs-uuid --set=root {uuid}
menuentry \"{TITLE}\" {{
    linux {folder}/{kernel} {arguments}
    if [ -f {folder}/initramfs-{version}.img ]; then
        initrd {folder}/initramfs-{version}.img
    elif [ -f {folder}/initrd.img-{version} ]; then
        initrd {folder}/initrd.img-{version}
    fi
}}
"
    ))
}

/// `/boot/grub2/grub.cfg` on the EFI system partition; None without a root.
pub fn efi_stub(layout: &Layout) -> Option<String> {
    let (boot, folder) = boot_volume(layout)?;
    let uuid = boot.file_system_uuid();
    Some(format!(
        "search --no-floppy --fs-uuid --set=root {uuid}
set prefix=($root)\"{folder}/grub2\"
configfile $prefix/grub.cfg
"
    ))
}

/// `/boot/grub2/grub.cfg` of a live ISO.
pub fn iso_config(system: &System) -> String {
    let arguments = common_arguments(system);
    format!(
        "{TERMINAL}menuentry \"{TITLE}\" {{
    linux /boot/vmlinuz {arguments}
    initrd /boot/initramfs.img
}}
"
    )
}

/// `/etc/default/grub`, from which `grub2-mkconfig` makes a configuration in the running system: a shell reads it, and what
/// the shell has read stands in GRUB's script.
pub fn defaults(system: &System) -> String {
    format!(
        "GRUB_TIMEOUT=0
GRUB_DISTRIBUTOR=\"{TITLE}\"
GRUB_DISABLE_SUBMENU=y
GRUB_TERMINAL=\"serial console\"
GRUB_SERIAL_COMMAND=\"serial --unit=0 --speed=115200\"
GRUB_CMDLINE_LINUX=\"{}\"
GRUB_CMDLINE_LINUX_DEFAULT=\"\"
",
        in_shell(&common_arguments(system))
    )
}

/// `/etc/fstab` of the disk.
pub fn fstab(layout: &Layout, system: &System) -> String {
    let mut mounts: Vec<(&Slot, &super::config::Mount)> =
        layout.slots.iter().filter_map(|slot| Some((slot, slot.partition.mount.as_ref()?))).collect();
    mounts.sort_by_key(|(_, mount)| (mount.point.matches('/').count(), mount.point.len(), mount.point.clone()));
    let mut lines: Vec<String> = Vec::new();
    for (slot, mount) in mounts {
        let options = if mount.options.is_empty() { "defaults" } else { mount.options.as_str() };
        let pass = if mount.point == "/" { 1 } else { 2 };
        lines.push(format!("{} {} {} {options} 0 {pass}\n", slot.fstab_name(), mount.point, type_name(slot)));
    }
    if system.process_list == super::config::ProcessList::OwnOnly {
        lines.push("proc /proc proc rw,nosuid,nodev,noexec,relatime,hidepid=2 0 0\n".to_owned());
    }
    lines.concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::config;

    fn system(command_line: &str) -> System {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("box.yaml");
        let text = format!(
            "Disks: [{{Artifacts: [{{Name: box, Type: iso}}]}}]\nSystemConfigs:\n  - Name: Box\n    Packages: [busybox]\n    \
             KernelOptions: {{default: linux}}\n    KernelCommandLine: {{ExtraCommandLine: {}}}\n",
            serde_json::to_string(command_line).unwrap()
        );
        std::fs::write(&path, text).unwrap();
        config::read(&path).unwrap().system
    }

    #[test]
    fn a_kernel_gets_the_arguments_as_they_are_given() {
        let of = |command_line: &str| iso_config(&system(command_line));
        let plain = "console=ttyS0 quiet a.b=c,d/e:f";
        assert!(of(plain).contains(&format!("    linux /boot/vmlinuz net.ifnames=0 {plain}\n")));
        let odd = of("console=ttyS0 a;b $HOME ${root} #c x={1} y=* z&|<>");
        let expected = "net.ifnames=0 console=ttyS0 'a;b' '$HOME' '${root}' '#c' 'x={1}' 'y=*' 'z&|<>'\n";
        assert!(odd.contains(expected), "{odd}");
    }

    #[test]
    fn a_shell_that_reads_the_defaults_gives_the_words_of_grub() {
        let system = system("console=ttyS0 a;b $HOME ${root} #c");
        let text = format!("{}printf %s \"$GRUB_CMDLINE_LINUX\"", defaults(&system));
        let shell = std::process::Command::new("sh").args(["-c", &text]).output().unwrap();
        let read = String::from_utf8(shell.stdout).unwrap();
        assert_eq!(read, "net.ifnames=0 console=ttyS0 'a;b' '$HOME' '${root}' '#c'");
    }
}
