//! Unpacks a layer into a folder, as overlayfs wants it.
//!
//! The helper makes the new folder its root first, so that no link in the layer leads out of it. `.wh.NAME` becomes a
//! character device 0:0, `.wh..wh..opq` an attribute of its folder (kernel documentation, overlayfs). Devices are left
//! out: containers have a `/dev` of their own, and nothing else could be opened there.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::{self, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

use nix::sys::stat::{Mode, SFlag, mknod};
use nix::sys::time::TimeSpec;
use rustix::fs::XattrFlags;

use super::super::task::{AtStep, Fault, Step};
use super::OPAQUE;
use crate::digest::Sha256;
use crate::oci::{Member, MemberKind, open_tar, read_members};
use crate::removal;

/// A layer's blob.
pub(super) struct Source {
    path: PathBuf,
    file: File,
    /// Digest of the archive in it.
    diff_id: Sha256,
}

impl Source {
    pub(super) fn open(path: PathBuf, diff_id: Sha256) -> Result<Self, Fault> {
        let file = File::open(&path).at(Step::Read, path.display())?;
        Ok(Self { path, file, diff_id })
    }
}

/// Unpacks `source` into the new folder `into`.
pub(super) fn unpack(source: Source, into: &Path) -> Result<(), Fault> {
    let Source { path: blob, file, diff_id } = source;
    fs::create_dir(into).at(Step::Unpack, into.display())?;
    fs::set_permissions(into, Permissions::from_mode(0o755)).at(Step::Unpack, into.display())?;
    nix::unistd::chroot(into).at(Step::Unpack, into.display())?;
    nix::unistd::chdir("/").at(Step::Unpack, into.display())?;
    let mut tar = open_tar(BufReader::with_capacity(1 << 18, file), diff_id).at(Step::Read, blob.display())?;
    let mut folders = Vec::new();
    let unpacked = read_members(&mut tar, &mut |member, _, content| {
        let path = Path::new("/").join(OsStr::from_bytes(&member.path));
        unpack_member(&member, &path, content).map_err(|fault| {
            // Where there is no room, no member is to blame.
            let is_full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded].contains(&fault.kind());
            if is_full { fault } else { io::Error::other(format!("`{}`: {fault}", path.display())) }
        })?;
        if member.kind == MemberKind::Folder {
            folders.push((path, member.mtime));
        }
        Ok(())
    });
    unpacked.at(Step::Unpack, blob.display())?;
    // The digest is checked at the end of the archive, which is behind its last member.
    io::copy(&mut tar, &mut io::sink()).at(Step::Unpack, blob.display())?;
    // Last, since every file that is made in a folder changes the folder's time.
    folders.iter().rev().try_for_each(|(path, mtime)| set_time(path, *mtime)).at(Step::Unpack, into.display())?;
    File::open("/").and_then(|root| Ok(rustix::fs::syncfs(root)?)).at(Step::Unpack, into.display())
}

fn unpack_member(member: &Member, path: &Path, content: &mut dyn Read) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    if !folder.is_dir() {
        fs::create_dir_all(folder)?;
    }
    match path.file_name().map(OsStr::as_bytes) {
        Some(b".wh..wh..opq") => {
            return Ok(rustix::fs::lsetxattr(folder, OPAQUE, b"y", XattrFlags::empty())?);
        }
        Some(name) if name.starts_with(b".wh.") => {
            let hidden = folder.join(OsStr::from_bytes(&name[4..]));
            // The layer has the file too: then the file counts.
            return if hidden.symlink_metadata().is_ok() { Ok(()) } else { Ok(whiteout(&hidden)?) };
        }
        _ => {}
    }
    make_room(member, path)?;
    match &member.kind {
        MemberKind::Folder if path.is_dir() => {}
        MemberKind::Folder => fs::create_dir(path)?,
        MemberKind::File => drop(io::copy(content, &mut File::create(path)?)?),
        MemberKind::Symlink(target) => symlink(OsStr::from_bytes(target), path)?,
        MemberKind::HardLink(target) => return fs::hard_link(Path::new("/").join(OsStr::from_bytes(target)), path),
        MemberKind::Fifo => nix::unistd::mkfifo(path, Mode::S_IRUSR)?,
        MemberKind::CharDevice(..) | MemberKind::BlockDevice(..) => return Ok(()),
    }
    set_attributes(member, path)
}

fn whiteout(path: &Path) -> nix::Result<()> {
    mknod(path, SFlag::S_IFCHR, Mode::empty(), 0)
}

/// Removes what an earlier member of the same name left; folders are merged.
fn make_room(member: &Member, path: &Path) -> io::Result<()> {
    let Ok(old) = path.symlink_metadata() else { return Ok(()) };
    match (old.is_dir(), &member.kind) {
        (true, MemberKind::Folder) => Ok(()),
        (_, _) => removal::remove(path),
    }
}

fn set_attributes(member: &Member, path: &Path) -> io::Result<()> {
    let id = |id: u64| u32::try_from(id).map_err(|_| io::Error::from(nix::errno::Errno::EINVAL));
    lchown(path, Some(id(member.uid)?), Some(id(member.gid)?))?;
    if !matches!(member.kind, MemberKind::Symlink(_)) {
        // After the owner: a change of owner clears the set-user-ID bit and capabilities.
        fs::set_permissions(path, Permissions::from_mode(member.mode))?;
    }
    for (name, value) in &member.xattrs {
        match rustix::fs::lsetxattr(path, name.as_str(), value, XattrFlags::empty()) {
            // No container gives more rights by a file's attributes (`no_new_privs`), so a disk without them will do.
            Ok(()) | Err(rustix::io::Errno::NOTSUP | rustix::io::Errno::PERM) => {}
            Err(fault) => return Err(fault.into()),
        }
    }
    if member.kind == MemberKind::Folder { Ok(()) } else { set_time(path, member.mtime) }
}

fn set_time(path: &Path, seconds: u64) -> io::Result<()> {
    let time = TimeSpec::new(i64::try_from(seconds).unwrap_or(0), 0);
    let flags = nix::sys::stat::UtimensatFlags::NoFollowSymlink;
    Ok(nix::sys::stat::utimensat(nix::fcntl::AT_FDCWD, path, &time, &time, flags)?)
}
