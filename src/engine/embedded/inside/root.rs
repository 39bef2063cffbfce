//! The container's root: the image's layers under a folder for changes, and what is mounted into it.
//!
//! Everything from the host is taken hold of before the host's files are out of sight, and put in its place after: so a
//! link in the image cannot turn a mount point into a path of the host. No device but those in `/dev` can be opened.

use std::ffi::CString;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::Path;

use rustix::mount::{MountAttrFlags, MountFlags, MountPropagationFlags, MoveMountFlags, UnmountFlags};
use rustix::mount::{mount, mount_change, move_mount, unmount};

use super::super::task::{AtStep, Container, Fault, GuestMount, GuestNetwork, Step};
use super::kernel::{copy_of_tree, make_read_only, new_file_system};

const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];
const DEVICE_LINKS: [(&str, &str); 5] = [
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
    ("pts/ptmx", "/dev/ptmx"),
];
/// What Docker hides of `/proc`.
const HIDDEN: [&str; 8] = ["acpi", "asound", "kcore", "keys", "latency_stats", "sched_debug", "scsi", "timer_list"];
/// What Docker makes read-only of it.
const READ_ONLY: [&str; 5] = ["bus", "fs", "irq", "sys", "sysrq-trigger"];
/// A mount's options must fit into one page.
const OPTIONS_LIMIT: usize = 4095;

/// Mounts that are seen nowhere yet.
pub(super) struct Trees {
    /// By their places in the container.
    inputs: Vec<(OwnedFd, String)>,
    devices: Vec<(OwnedFd, &'static str)>,
    nothing: OwnedFd,
}

/// Mounts the root and takes hold of the host's files.
pub(super) fn prepare(container: &Container) -> Result<Trees, Fault> {
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).at(Step::Mount, "/")?;
    let mut inputs = Vec::new();
    for wanted in &container.mounts {
        inputs.push(match wanted {
            GuestMount::ReadOnly { host, guest } => (read_only(host)?, guest.clone()),
            GuestMount::Tmpfs { guest, size_bytes } => (in_memory("1777", &size_bytes.to_string())?, guest.clone()),
        });
    }
    if container.network == GuestNetwork::Host {
        for file in ["/etc/resolv.conf", "/etc/hosts"].into_iter().filter(|file| Path::new(file).is_file()) {
            inputs.push((read_only(Path::new(file))?, file.to_owned()));
        }
    }
    let device = |name| Ok((copy_of_tree(&Path::new("/dev").join(name)).at(Step::Mount, name)?, name));
    let devices = DEVICES.into_iter().map(device).collect::<Result<_, Fault>>()?;
    mount_layers(container)?;
    Ok(Trees { inputs, devices, nothing: copy_of_tree(Path::new("/dev/null")).at(Step::Mount, "/dev/null")? })
}

fn read_only(host: &Path) -> Result<OwnedFd, Fault> {
    let path = fs::canonicalize(host).at(Step::Mount, host.display())?;
    let tree = copy_of_tree(&path).at(Step::Mount, host.display())?;
    make_read_only(&tree).at(Step::Mount, host.display())?;
    Ok(tree)
}

fn in_memory(mode: &str, size: &str) -> Result<OwnedFd, Fault> {
    let flags = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    new_file_system("tmpfs", &[("mode", mode), ("size", size)], flags).at(Step::Mount, "tmpfs")
}

fn mount_layers(container: &Container) -> Result<(), Fault> {
    let folder = &container.folder;
    for name in ["upper", "work", "root"] {
        fs::create_dir(folder.join(name)).at(Step::Layers, folder.display())?;
    }
    fs::set_permissions(folder.join("upper"), fs::Permissions::from_mode(0o755)).at(Step::Layers, folder.display())?;
    nix::unistd::chdir(&container.layers).at(Step::Layers, container.layers.display())?;
    // Relative to the folder of the layers: short, and without any `:` or `,` of the host's folders.
    let own = own_folder(container);
    let names = container.lower.join(":");
    let mut options = format!("lowerdir={names},upperdir={own}/upper,workdir={own}/work,volatile");
    // Whole files and folders in `upper`, so that it can be read without the layers below it.
    options.push_str(if in_user_namespace() { ",userxattr" } else { ",redirect_dir=off,metacopy=off" });
    if options.len() > OPTIONS_LIMIT {
        let problem = format!("{} layers are more than the kernel takes", container.lower.len());
        return Err(Fault::new(Step::Layers, folder.display(), problem));
    }
    let options = CString::new(options).map_err(io::Error::from).at(Step::Layers, folder.display())?;
    let flags = MountFlags::NODEV | MountFlags::NOSUID;
    mount("overlay", folder.join("root"), "overlay", flags, options.as_c_str()).at(Step::Layers, folder.display())
}

/// The container's folder as seen from the folder of the layers.
fn own_folder(container: &Container) -> String {
    let name = container.folder.file_name().unwrap_or_default().to_string_lossy();
    if container.layers == container.folder { ".".to_owned() } else { format!("../containers/{name}") }
}

/// False only where the ids are the machine's own.
fn in_user_namespace() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.split_whitespace().ne(["0", "0", "4294967295"])
}

/// Makes the container's root the root of this process and of its parent, and puts everything in its place. Returns the
/// mount points that were not in the image.
pub(super) fn enter(container: &Container, trees: Trees) -> Result<Vec<String>, Fault> {
    // Before the host's are out of sight: the kernel gives a new /proc or /sys only to those who see a whole one.
    let still =
        MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let proc = new_file_system("proc", &[], still).at(Step::Mount, "/proc")?;
    let sys = new_file_system("sysfs", &[], still | MountAttrFlags::MOUNT_ATTR_RDONLY);
    let new_root = container.folder.join("root");
    nix::unistd::chdir(&new_root).at(Step::Root, new_root.display())?;
    rustix::process::pivot_root(".", ".").at(Step::Root, new_root.display())?;
    unmount(".", UnmountFlags::DETACH).at(Step::Root, new_root.display())?;
    nix::unistd::chdir("/").at(Step::Root, "/")?;
    let mut places = Places::default();
    places.put(&proc, "/proc", Kind::Folder)?;
    hide_parts_of_proc(&trees.nothing)?;
    match sys {
        Ok(sys) => places.put(&sys, "/sys", Kind::Folder)?,
        // With the host's network, or without a whole /sys on the host, the container has none.
        Err(_) => drop(places.make("/sys", Kind::Folder)),
    }
    make_devices(&mut places, trees.devices)?;
    if places.make("/tmp", Kind::Folder).at(Step::Mount, "/tmp")? {
        fs::set_permissions("/tmp", fs::Permissions::from_mode(0o1777)).at(Step::Mount, "/tmp")?;
    }
    for (tree, guest) in trees.inputs {
        let kind = if is_folder(&tree).at(Step::Mount, &guest)? { Kind::Folder } else { Kind::File };
        places.put(&tree, &guest, kind)?;
    }
    Ok(places.made)
}

fn hide_parts_of_proc(nothing: &OwnedFd) -> Result<(), Fault> {
    let there = |name: &&str| Path::new("/proc").join(name).exists();
    for name in HIDDEN.into_iter().filter(there) {
        let path = Path::new("/proc").join(name);
        if path.is_dir() {
            let empty = in_memory("0555", "4096")?;
            attach(&empty, &path).at(Step::Mount, path.display())?;
        } else {
            let nothing = rustix::mount::open_tree(
                nothing.as_fd(),
                "",
                rustix::mount::OpenTreeFlags::OPEN_TREE_CLONE
                    | rustix::mount::OpenTreeFlags::OPEN_TREE_CLOEXEC
                    | rustix::mount::OpenTreeFlags::AT_EMPTY_PATH,
            );
            attach(&nothing.at(Step::Mount, path.display())?, &path).at(Step::Mount, path.display())?;
        }
    }
    for name in READ_ONLY.into_iter().filter(there) {
        let path = Path::new("/proc").join(name);
        attach(&read_only(&path)?, &path).at(Step::Mount, path.display())?;
    }
    Ok(())
}

fn make_devices(places: &mut Places, devices: Vec<(OwnedFd, &str)>) -> Result<(), Fault> {
    let dev = in_memory("0755", "65536k")?;
    places.put(&dev, "/dev", Kind::Folder)?;
    for (device, name) in devices {
        let path = Path::new("/dev").join(name);
        File::create(&path).at(Step::Mount, path.display())?;
        attach(&device, &path).at(Step::Mount, path.display())?;
    }
    for (target, link) in DEVICE_LINKS {
        symlink(target, link).at(Step::Mount, link)?;
    }
    let still = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let terminals = new_file_system("devpts", &[("ptmxmode", "0666"), ("mode", "0620"), ("gid", "5")], still);
    for (tree, path) in [(terminals.at(Step::Mount, "/dev/pts")?, "/dev/pts"), (in_memory("1777", "64m")?, "/dev/shm")]
    {
        fs::create_dir(path).at(Step::Mount, path)?;
        attach(&tree, Path::new(path)).at(Step::Mount, path)?;
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Folder,
}

/// Where things were mounted.
#[derive(Default)]
struct Places {
    /// What had to be made, the upper folders first.
    made: Vec<String>,
}

impl Places {
    fn put(&mut self, tree: &OwnedFd, place: &str, kind: Kind) -> Result<(), Fault> {
        self.make(place, kind).at(Step::Mount, place)?;
        attach(tree, Path::new(place)).at(Step::Mount, place)
    }

    /// Makes the file or folder and those above it, where they are missing; true when it was missing itself.
    fn make(&mut self, place: &str, kind: Kind) -> io::Result<bool> {
        let path = Path::new(place);
        let above: Vec<&Path> = path.ancestors().skip(1).collect();
        for folder in above.into_iter().rev().filter(|folder| !folder.exists()) {
            DirBuilder::new().mode(0o755).create(folder)?;
            self.made.push(folder.display().to_string());
        }
        if path.exists() {
            return Ok(false);
        }
        match kind {
            Kind::File => drop(File::create(path)?),
            Kind::Folder => DirBuilder::new().mode(0o755).create(path)?,
        }
        self.made.push(place.to_owned());
        Ok(true)
    }
}

fn attach(tree: &OwnedFd, place: &Path) -> rustix::io::Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_SYMLINKS;
    move_mount(tree.as_fd(), "", rustix::fs::CWD, place, flags)
}

fn is_folder(tree: &OwnedFd) -> rustix::io::Result<bool> {
    let mode = rustix::fs::fstat(tree)?.st_mode;
    Ok(rustix::fs::FileType::from_raw_mode(mode) == rustix::fs::FileType::Directory)
}
