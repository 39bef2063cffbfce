//! The container's root: the image's layers under a folder for changes, and what is mounted into it.
//!
//! Everything from the host is taken hold of before the host's files are out of sight, and put in its place after: so a
//! link in the image cannot turn a mount point into a path of the host. No device but those in `/dev` can be opened; they
//! are the host's, which a user namespace cannot make, and their mounts let nobody change them.

use std::ffi::CString;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::mount::{MountAttrFlags, MountFlags, MoveMountFlags, UnmountFlags, mount, move_mount, unmount};

use super::super::task::{AtStep, Container, Fault, GuestMount, GuestNetwork, Step};
use super::kernel::{self, copy_of_tree, make_read_only, new_file_system};

const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];
const DEVICE_LINKS: [(&str, &str); 5] = [
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
    ("pts/ptmx", "/dev/ptmx"),
];
/// What Docker hides.
const HIDDEN: [&str; 12] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];
/// What Docker makes read-only.
const READ_ONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];
/// A mount's options must fit into one page.
const OPTIONS_LIMIT: usize = 4095;

/// What is put into the container, in this order, by its places there.
pub(super) type Inputs = Vec<(Input, String)>;

/// One of them.
pub(super) enum Input {
    /// Something of the host.
    Tree(OwnedFd),
    /// An empty file system of so many bytes, which is the container's own.
    Memory(u64),
    /// The device of this name.
    Device(String),
}

/// Mounts that are seen nowhere yet.
pub(super) struct Trees {
    inputs: Vec<(OwnedFd, String)>,
    devices: Vec<(OwnedFd, &'static str)>,
    nothing: OwnedFd,
}

/// Takes hold of the host's files, as whoever started Drydock.
pub(super) fn take(container: &Container, namespace: Option<&File>) -> Result<Inputs, Fault> {
    let mut inputs = Vec::new();
    for wanted in &container.mounts {
        inputs.push(match wanted {
            GuestMount::ReadOnly { host, guest } => (input(host, namespace)?, guest.clone()),
            GuestMount::Tmpfs { guest, size_bytes } => (Input::Memory(*size_bytes), guest.clone()),
            GuestMount::Device { name, guest } => (Input::Device(name.clone()), guest.clone()),
        });
    }
    let from = match container.network {
        GuestNetwork::Loopback => return Ok(inputs),
        GuestNetwork::Outside => &container.folder,
        GuestNetwork::Host => Path::new("/etc"),
    };
    for name in ["resolv.conf", "hosts"] {
        let file = from.join(name);
        if file.is_file() {
            inputs.push((input(&file, namespace)?, format!("/etc/{name}")));
        }
    }
    Ok(inputs)
}

fn input(host: &Path, namespace: Option<&File>) -> Result<Input, Fault> {
    let path = fs::canonicalize(host).at(Step::Mount, host.display())?;
    let tree = read_only(&path)?;
    if let Some(namespace) = namespace {
        // Where the file system cannot do that, the container reads what everybody may read.
        let _ = kernel::map_owners(&tree, namespace.as_fd());
    }
    Ok(Input::Tree(tree))
}

/// A copy of what is at `path` that nobody can change, and without devices.
fn read_only(path: &Path) -> Result<OwnedFd, Fault> {
    let tree = copy_of_tree(path).at(Step::Mount, path.display())?;
    make_read_only(&tree).and_then(|()| kernel::take_devices(&tree)).at(Step::Mount, path.display())?;
    Ok(tree)
}

/// Mounts the root.
pub(super) fn prepare(container: &Container, inputs: Inputs) -> Result<Trees, Fault> {
    let ready = |(input, guest)| match input {
        Input::Tree(tree) => Ok((tree, guest)),
        Input::Memory(bytes) => Ok((in_memory("1777", &bytes.to_string())?, guest)),
        Input::Device(name) => Ok((device(&name)?, guest)),
    };
    let inputs = inputs.into_iter().map(ready).collect::<Result<_, Fault>>()?;
    let devices = DEVICES.into_iter().map(|name| Ok((device(name)?, name))).collect::<Result<_, Fault>>()?;
    mount_layers(container)?;
    Ok(Trees { inputs, devices, nothing: device("null")? })
}

/// A device of the host, for reading and writing alone: changes of its owner, mode or time find a read-only mount.
fn device(name: &str) -> Result<OwnedFd, Fault> {
    let device = copy_of_tree(&Path::new("/dev").join(name)).at(Step::Mount, name)?;
    make_read_only(&device).at(Step::Mount, name)?;
    Ok(device)
}

fn in_memory(mode: &str, size: &str) -> Result<OwnedFd, Fault> {
    let flags = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    new_file_system("tmpfs", &[("mode", mode), ("size", size)], flags).at(Step::Mount, "tmpfs")
}

fn mount_layers(container: &Container) -> Result<(), Fault> {
    let folder = &container.folder;
    // Relative to the folder of the layers, where this process is: short, and without any `:` or `,` of the host's folders.
    let own = own_folder(container);
    for name in ["upper", "work", "root"] {
        fs::create_dir(own.join(name)).at(Step::Layers, folder.display())?;
    }
    fs::set_permissions(own.join("upper"), fs::Permissions::from_mode(0o755)).at(Step::Layers, folder.display())?;
    let (names, own_name) = (container.lower.join(":"), own.display());
    // With `userxattr`, there are whole files and folders in `upper`: it can be read without the layers below it.
    let options = format!("lowerdir={names},upperdir={own_name}/upper,workdir={own_name}/work,volatile,userxattr");
    if options.len() > OPTIONS_LIMIT {
        let problem = format!("{} layers are more than the kernel takes", container.lower.len());
        return Err(Fault::new(Step::Layers, folder.display(), problem));
    }
    let options = CString::new(options).map_err(io::Error::from).at(Step::Layers, folder.display())?;
    let flags = MountFlags::NODEV | MountFlags::NOSUID;
    mount("overlay", own.join("root"), "overlay", flags, options.as_c_str()).at(Step::Layers, folder.display())
}

/// The container's folder as seen from the folder of the layers.
fn own_folder(container: &Container) -> PathBuf {
    let name = container.folder.file_name().unwrap_or_default();
    if container.layers == container.folder { ".".into() } else { Path::new("../containers").join(name) }
}

/// Makes the container's root the root of this process and of its parent, and puts everything in its place. Returns the
/// mount points that were not in the image.
pub(super) fn enter(container: &Container, trees: Trees) -> Result<Vec<String>, Fault> {
    // Before the host's are out of sight: the kernel gives a new /proc or /sys only to those who see a whole one.
    let still =
        MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let proc = new_file_system("proc", &[], still).at(Step::Mount, "/proc")?;
    let sys = new_file_system("sysfs", &[], still | MountAttrFlags::MOUNT_ATTR_RDONLY);
    let new_root = own_folder(container).join("root");
    nix::unistd::chdir(&new_root).at(Step::Root, new_root.display())?;
    rustix::process::pivot_root(".", ".").at(Step::Root, new_root.display())?;
    unmount(".", UnmountFlags::DETACH).at(Step::Root, new_root.display())?;
    nix::unistd::chdir("/").at(Step::Root, "/")?;
    let mut places = Places::default();
    places.put(&proc, "/proc", Kind::Folder)?;
    match sys {
        Ok(sys) => places.put(&sys, "/sys", Kind::Folder)?,
        // With the host's network, or without a whole /sys on the host, the container has none.
        Err(_) => drop(places.make("/sys", Kind::Folder)),
    }
    hide(&trees.nothing)?;
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

fn hide(nothing: &OwnedFd) -> Result<(), Fault> {
    let there = |path: &&Path| path.exists();
    for path in HIDDEN.map(Path::new).into_iter().filter(there) {
        if path.is_dir() {
            let empty = in_memory("0555", "4096")?;
            make_read_only(&empty).at(Step::Mount, path.display())?;
            attach(&empty, path).at(Step::Mount, path.display())?;
        } else {
            let nothing = rustix::mount::open_tree(
                nothing.as_fd(),
                "",
                rustix::mount::OpenTreeFlags::OPEN_TREE_CLONE
                    | rustix::mount::OpenTreeFlags::OPEN_TREE_CLOEXEC
                    | rustix::mount::OpenTreeFlags::AT_EMPTY_PATH,
            );
            attach(&nothing.at(Step::Mount, path.display())?, path).at(Step::Mount, path.display())?;
        }
    }
    for path in READ_ONLY.map(Path::new).into_iter().filter(there) {
        attach(&read_only(path)?, path).at(Step::Mount, path.display())?;
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
