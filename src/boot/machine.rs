//! The virtual machine as arguments of QEMU. Pure.

use std::path::Path;

use super::BootOptions;
use super::disk::Kind;
use super::firmware::Ovmf;

/// The program.
pub(super) const QEMU: &str = "qemu-system-x86_64";

/// How the guest's instructions are carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accelerator {
    /// By emulation: slow, and everywhere.
    Tcg,
    /// By the processor itself; the user must be allowed to use `/dev/kvm`.
    Kvm,
}

/// How a disk is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskBus {
    /// virtio-blk.
    Virtio,
    /// SATA.
    Ahci,
}

/// A machine with one disk or CD.
pub(super) struct Machine<'a> {
    pub(super) image: &'a Path,
    pub(super) kind: &'a Kind,
    pub(super) options: &'a BootOptions,
    /// UEFI, or None for the BIOS.
    pub(super) firmware: Option<&'a Ovmf>,
}

impl Machine<'_> {
    /// The arguments; the serial console is on standard input and output.
    pub(super) fn arguments(&self) -> Vec<String> {
        let (accelerator, processor) = match self.options.accelerator {
            Accelerator::Tcg => ("tcg", "max"),
            Accelerator::Kvm => ("kvm", "host"),
        };
        let memory = format!("{}M", self.options.memory_mib);
        let fixed = [
            ["-machine", "q35"],
            ["-accel", accelerator],
            ["-cpu", processor],
            ["-m", &memory],
            ["-display", "none"],
            ["-vga", "std"],
            ["-monitor", "none"],
            ["-nic", "none"],
            ["-chardev", "stdio,id=console,signal=off"],
            ["-serial", "chardev:console"],
            ["-device", "virtio-rng-pci"],
        ];
        let switches = ["-no-user-config", "-nodefaults", "-no-reboot"];
        let mut arguments: Vec<String> =
            switches.into_iter().chain(fixed.into_iter().flatten()).map(str::to_owned).collect();
        arguments.extend(self.firmware_arguments());
        arguments.extend(self.image_arguments());
        arguments
    }

    fn firmware_arguments(&self) -> Vec<String> {
        let Some(ovmf) = self.firmware else { return Vec::new() };
        vec![
            "-drive".to_owned(),
            format!("if=pflash,unit=0,format=raw,readonly=on,file={}", escaped(&ovmf.code)),
            "-drive".to_owned(),
            format!("if=pflash,unit=1,format=raw,file={}", escaped(&ovmf.variables)),
        ]
    }

    fn image_arguments(&self) -> Vec<String> {
        let file = escaped(self.image);
        let (drive, device) = match (self.kind, self.options.bus) {
            (Kind::Iso, _) => (format!("if=none,id=image,format=raw,readonly=on,file={file}"), "ide-cd"),
            (Kind::Disk { format, .. }, bus) => (
                format!("if=none,id=image,format={format},snapshot=on,file={file}"),
                if bus == DiskBus::Virtio { "virtio-blk-pci" } else { "ide-hd" },
            ),
        };
        let device = format!("{device},drive=image,bootindex=1");
        vec!["-drive".to_owned(), drive, "-device".to_owned(), device]
    }
}

/// A path as a value of QEMU's options, where a comma is written twice.
fn escaped(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

#[cfg(test)]
mod tests {
    use super::super::{Firmware, Login};
    use super::*;

    #[test]
    fn a_disk_is_a_snapshot_and_a_cd_is_read_only() {
        let login = Login { user: "root".to_owned(), password: "secret".to_owned() };
        let options = BootOptions::new(login, "/logs".into());
        let line = |kind: &Kind| {
            Machine { image: Path::new("/out/a,b.vhd"), kind, options: &options, firmware: None }.arguments().join(" ")
        };
        let disk = line(&Kind::Disk { format: "vpc", firmware: Firmware::Bios });
        assert!(disk.ends_with(
            "-drive if=none,id=image,format=vpc,snapshot=on,file=/out/a,,b.vhd \
             -device virtio-blk-pci,drive=image,bootindex=1"
        ));
        assert!(disk.contains("-accel tcg") && disk.contains("-nic none"));
        assert!(line(&Kind::Iso).contains("readonly=on,file=/out/a,,b.vhd -device ide-cd,"));
    }
}
