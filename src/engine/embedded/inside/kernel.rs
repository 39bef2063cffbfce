//! The few system calls that have no safe wrapper, and small ones around mounts.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::libc;
use nix::unistd::ForkResult;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, OpenTreeFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen,
    open_tree,
};

/// Makes a second process of this one.
#[expect(unsafe_code, reason = "sound since the helper has one thread: it starts none, and runs before any other does")]
pub(super) fn fork() -> nix::Result<ForkResult> {
    // SAFETY: there is no other thread that could hold a lock.
    unsafe { nix::unistd::fork() }
}

/// Ends this process at once.
#[expect(clippy::exit, reason = "a forked process must not return into the code of its parent")]
pub(super) fn exit(code: i32) -> ! {
    std::process::exit(code)
}

/// A copy of the mounts at and below `path` that is seen nowhere yet.
pub(super) fn copy_of_tree(path: &std::path::Path) -> rustix::io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    open_tree(rustix::fs::CWD, path, flags)
}

/// Makes all mounts of a copied tree read-only, without devices and set-user-ID programs (`mount_setattr`, Linux
/// 5.12).
#[expect(unsafe_code, reason = "neither nix nor rustix has this system call")]
pub(super) fn make_read_only(tree: &OwnedFd) -> io::Result<()> {
    let flags = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
    let attributes = libc::mount_attr { attr_set: flags, attr_clr: 0, propagation: 0, userns_fd: 0 };
    let scope = libc::AT_EMPTY_PATH | libc::AT_RECURSIVE;
    // SAFETY: the path ends with NUL, and the structure lives during the call and has the size that is given.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            scope,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A new file system of this kind that is seen nowhere yet.
pub(super) fn new_file_system(
    kind: &str,
    options: &[(&str, &str)],
    flags: MountAttrFlags,
) -> rustix::io::Result<OwnedFd> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (name, value) in options {
        fsconfig_set_string(context.as_fd(), *name, *value)?;
    }
    fsconfig_create(context.as_fd())?;
    fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, flags)
}
