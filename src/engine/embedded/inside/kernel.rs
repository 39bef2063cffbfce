//! The few system calls that have no safe wrapper, and small ones around mounts.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

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

/// Leaves the session keyring of whoever started Drydock for a new, empty one (keyctl(2)).
#[expect(unsafe_code, reason = "neither nix nor rustix has this system call")]
pub(super) fn join_new_keyring() -> io::Result<()> {
    const NO_NAME: *const libc::c_char = std::ptr::null();
    // SAFETY: a missing name asks for a keyring without one; no memory is passed.
    let result = unsafe { libc::syscall(libc::SYS_keyctl, libc::KEYCTL_JOIN_SESSION_KEYRING, NO_NAME) };
    match io::Error::last_os_error() {
        _ if result >= 0 => Ok(()),
        // The kernel has no keyrings, or whoever holds us keeps them from us, and from the container with us.
        fault if [Some(libc::ENOSYS), Some(libc::EPERM)].contains(&fault.raw_os_error()) => Ok(()),
        fault => Err(fault),
    }
}

/// Puts this process and all that it becomes or starts under the seccomp filter `program` (seccomp(2)).
#[expect(unsafe_code, reason = "neither nix nor rustix has this system call")]
pub(super) fn install_filter(program: &[libc::sock_filter]) -> io::Result<()> {
    let len = u16::try_from(program.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    // The kernel only reads what the pointer leads to.
    let filter = libc::sock_fprog { len, filter: program.as_ptr().cast_mut() };
    let mode = libc::SECCOMP_SET_MODE_FILTER;
    // SAFETY: the structure and the program live during the call, and `len` is the program's.
    let result = unsafe { libc::syscall(libc::SYS_seccomp, mode, 0, &raw const filter) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A copy of the mounts at and below `path` that is seen nowhere yet.
pub(super) fn copy_of_tree(path: &std::path::Path) -> rustix::io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    open_tree(rustix::fs::CWD, path, flags)
}

/// Makes all mounts of a copied tree read-only and without set-user-ID programs.
pub(super) fn make_read_only(tree: &OwnedFd) -> io::Result<()> {
    change_mounts(tree, libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID, None)
}

/// Takes devices from all mounts of a copied tree.
pub(super) fn take_devices(tree: &OwnedFd) -> io::Result<()> {
    change_mounts(tree, libc::MOUNT_ATTR_NODEV, None)
}

/// Shows the owners of a copied tree's files as they are in the user namespace `of`: what belongs to user 5 of the
/// machine belongs to user 5 of the namespace.
pub(super) fn map_owners(tree: &OwnedFd, of: BorrowedFd<'_>) -> io::Result<()> {
    change_mounts(tree, libc::MOUNT_ATTR_IDMAP, Some(of))
}

/// `mount_setattr`, Linux 5.12.
#[expect(unsafe_code, reason = "neither nix nor rustix has this system call")]
fn change_mounts(tree: &OwnedFd, flags: u64, owners: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let userns_fd = owners.map_or(0, |fd| fd.as_raw_fd().unsigned_abs().into());
    let attributes = libc::mount_attr { attr_set: flags, attr_clr: 0, propagation: 0, userns_fd };
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
