//! A live ISO: kernel, the whole system as an initramfs, and GRUB for BIOS and UEFI.
//!
//! In: the installed tree. Out: a folder with the ISO's files, and the command that makes the ISO of it. `xorriso` in the
//! assembly container writes it, as it is the reference for El Torito; times and identifiers are fixed, so that the same
//! files give the same bytes. Layout: `/boot/vmlinuz`, `/boot/initramfs.img`, `/boot/grub2/{grub.cfg,eltorito.img,efi.img}`.
//! The same file can be written onto a USB stick: it has a boot sector and a partition table too.
//!
//! A configuration for it has no partitions, an artifact of type `iso` and a kernel; `grub2-pc` and `grub2-efi-binary` come
//! by themselves. The system runs from memory: `/init` leads to `/sbin/init` where the image has none of its own.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Cursor, Write as _};
use std::path::Path;

use super::bios;
use super::compress::Encoder;
use super::config::{Compression, FileSystem, System};
use super::cpio;
use super::fat::{self, Volume};
use super::grub;
use super::identity::Seed;
use super::rootfs::{Entry, Rootfs};
use crate::engine::{
    Capabilities, ContainerSpec, GuestPath, HostPath, ImageId, Limits, Mount, Network, RelativePath, User,
};

/// Where the container leaves the ISO.
pub const OUTPUT_FOLDER: &str = "/tmp/iso";
/// Its name there.
pub const OUTPUT: &str = "image.iso";

/// What the ISO is made of.
#[derive(Clone, Copy)]
pub struct Content<'a> {
    /// The installed tree.
    pub rootfs: &'a Rootfs,
    /// Its configuration.
    pub system: &'a System,
    /// File name of the kernel in `/boot`.
    pub kernel: &'a str,
    /// What identifiers come from.
    pub seed: Seed,
}

/// Writes the ISO's files into the empty folder `tree`.
pub fn write_tree(content: Content<'_>, tree: &Path) -> io::Result<()> {
    let boot = tree.join("boot");
    let grub = boot.join("grub2");
    fs::create_dir_all(&grub)?;
    let rootfs = content.rootfs;
    fs::write(boot.join("vmlinuz"), needed(rootfs, &format!("boot/{}", content.kernel), "a kernel package")?)?;
    fs::write(grub.join("grub.cfg"), grub::iso_config(content.system))?;
    let core = format!("{}/eltorito.img", bios::FOLDER);
    fs::write(grub.join("eltorito.img"), needed(rootfs, &core, "grub2-pc")?)?;
    fs::write(grub.join("efi.img"), efi_image(rootfs, content.seed)?)?;
    let hybrid = format!("{}/boot_hybrid.img", bios::FOLDER);
    fs::write(grub.join("boot_hybrid.img"), needed(rootfs, &hybrid, "grub2-pc")?)?;
    let mut initramfs = Encoder::new(Compression::Gz, BufWriter::new(File::create(boot.join("initramfs.img"))?))?;
    write_initramfs(rootfs, &mut initramfs)?;
    initramfs.finish()?.flush()
}

/// The whole tree as an initramfs; without the kernel, which is started already.
fn write_initramfs(rootfs: &Rootfs, to: &mut impl io::Write) -> io::Result<()> {
    let entries: Vec<(&str, &Entry)> = rootfs.entries().filter(|(path, _)| !path.starts_with("boot/")).collect();
    cpio::write(to, rootfs, &entries, init_link(rootfs))
}

/// The link by which the kernel finds the system's init; nothing where the tree has an `/init`.
pub fn init_link(rootfs: &Rootfs) -> &'static [(&'static str, &'static str)] {
    if rootfs.entry("init").is_some() { &[] } else { &[("init", "sbin/init")] }
}

fn needed(rootfs: &Rootfs, path: &str, package: &str) -> io::Result<Vec<u8>> {
    let missing = || io::Error::new(io::ErrorKind::NotFound, format!("no package has `/{path}`; {package} should"));
    rootfs.read(path)?.ok_or_else(missing)
}

/// A FAT volume with the `EFI` folder of the EFI system partition.
fn efi_image(rootfs: &Rootfs, seed: Seed) -> io::Result<Vec<u8>> {
    let all = rootfs.below("/boot/efi", &[]);
    let entries: Vec<(&str, &Entry)> =
        all.into_iter().filter(|(path, _)| path.is_empty() || *path == "EFI" || path.starts_with("EFI/")).collect();
    if entries.len() < 2 {
        let text = "no package has `/boot/efi/EFI`; grub2-efi-binary should";
        return Err(io::Error::new(io::ErrorKind::NotFound, text));
    }
    let content: u64 = entries.iter().map(|(_, entry)| file_bytes(entry)).sum();
    // Room for folders and the allocation tables.
    let bytes = (content + (content >> 6) + (512 << 10)).next_multiple_of(1 << 20);
    let volume = Volume { wanted: FileSystem::Fat, bytes, serial: seed.serial("efi image"), label: String::new() };
    let mut image = vec![0; usize::try_from(bytes).map_err(io::Error::other)?];
    fat::write(Cursor::new(&mut image[..]), &volume, rootfs, &entries)?;
    Ok(image)
}

fn file_bytes(entry: &Entry) -> u64 {
    match entry.kind {
        // Clusters of at most 4 KiB at such sizes.
        super::rootfs::EntryKind::File { size, .. } => size.next_multiple_of(4096),
        _ => 4096,
    }
}

/// The container that makes an ISO of the folder `tree`, named `label`.
pub fn container(image: ImageId, tree: &Path, label: &str, epoch: u64) -> Result<ContainerSpec, RelativePath> {
    let command = format!(
        "mkdir {OUTPUT_FOLDER} && exec xorriso -as mkisofs -quiet -o {OUTPUT_FOLDER}/{OUTPUT} -V {} -r -iso-level 3 \
         -c boot/boot.cat \
         -b boot/grub2/eltorito.img -no-emul-boot -boot-load-size 4 -boot-info-table --grub2-boot-info \
         --grub2-mbr /in/boot/grub2/boot_hybrid.img \
         --efi-boot boot/grub2/efi.img -efi-boot-part --efi-boot-image --protective-msdos-label \
         --set_all_file_dates $(date -u -d @{epoch} +%Y%m%d%H%M%S)00 /in",
        volume_name(label)
    );
    Ok(ContainerSpec {
        image,
        argv: vec!["sh".to_owned(), "-c".to_owned(), command],
        env: BTreeMap::from([("SOURCE_DATE_EPOCH".to_owned(), epoch.to_string())]),
        user: User::Named("nobody".to_owned()),
        workdir: GuestPath::new("/tmp")?,
        mounts: vec![Mount::ReadOnly { host: HostPath::new(tree)?, guest: GuestPath::new("/in")? }],
        network: Network::None,
        capabilities: Capabilities::Default,
        limits: Limits::default(),
    })
}

/// A name that ISO 9660 takes: upper-case letters, digits and `_`, at most 32.
fn volume_name(label: &str) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_uppercase() } else { '_' };
    let name: String = label.chars().take(32).map(plain).collect();
    if name.is_empty() { "DRYDOCK".to_owned() } else { name }
}
