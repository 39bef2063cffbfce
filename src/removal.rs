//! Removal of files and folders, whatever a build has left in them.
//!
//! A tree may be deeper than a process may have files open, and its paths longer than the kernel takes; its folders may
//! deny their owner everything. So a folder that lies too deep is first moved up to the top, and one that cannot be entered
//! gets its mode changed. What is mounted in the tree is never entered. What cannot be removed is left, all the rest is not.

use std::ffi::{CStr, CString};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags, chmodat, openat, openat2, renameat, statat, unlinkat,
};
use rustix::io::Errno;

/// How many folders below the top are open at a time.
const DEPTH: usize = 64;

/// Removes what is at `path`; nothing there is no error. The error is that of the first file that could not be removed.
pub fn remove(path: &Path) -> io::Result<()> {
    match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => remove_folder(path),
        Ok(_) => fs::remove_file(path).or_else(ignore_missing),
        Err(fault) => ignore_missing(fault),
    }
}

fn remove_folder(path: &Path) -> io::Result<()> {
    let top = open(CWD, path, ResolveFlags::empty())?;
    let mut tree = Tree { top: top.as_fd(), moved: 0, fault: None };
    loop {
        let moved = tree.moved;
        tree.empty(top.as_fd(), 0)?;
        // Each time, what was moved lies less deep.
        if moved == tree.moved {
            break;
        }
    }
    tree.fault.map_or_else(|| fs::remove_dir(path).or_else(ignore_missing), |fault| Err(fault.into()))
}

fn ignore_missing(fault: io::Error) -> io::Result<()> {
    if fault.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(fault) }
}

struct Tree<'a> {
    top: BorrowedFd<'a>,
    /// How many folders were moved to the top.
    moved: usize,
    fault: Option<Errno>,
}

impl Tree<'_> {
    /// Removes what is in `folder`, which is so many folders below the top, or moves it to the top.
    fn empty(&mut self, folder: BorrowedFd<'_>, depth: usize) -> rustix::io::Result<()> {
        // All names first: some file systems lose count of what follows a removed name.
        for name in names(folder)? {
            if let Err(fault) = self.remove(folder, &name, depth)
                && fault != Errno::NOENT
            {
                self.fault.get_or_insert(fault);
            }
        }
        Ok(())
    }

    fn remove(&mut self, folder: BorrowedFd<'_>, name: &CStr, depth: usize) -> rustix::io::Result<()> {
        let kind = FileType::from_raw_mode(statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode);
        if kind != FileType::Directory {
            return unlinkat(folder, name, AtFlags::empty());
        }
        if depth == DEPTH {
            return self.move_up(folder, name);
        }
        let below = open(folder, name, ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS)?;
        self.empty(below.as_fd(), depth + 1)?;
        drop(below);
        match unlinkat(folder, name, AtFlags::REMOVEDIR) {
            // Something in it could not be removed; that is known already.
            Err(Errno::NOTEMPTY) if self.fault.is_some() => Ok(()),
            removed => removed,
        }
    }

    fn move_up(&mut self, folder: BorrowedFd<'_>, name: &CStr) -> rustix::io::Result<()> {
        loop {
            self.moved += 1;
            let place = format!(".drydock-removed-{}", self.moved);
            match renameat(folder, name, self.top, place.as_str()) {
                // Whoever made the tree knew that name, or an earlier removal was killed.
                Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR) => {}
                // Its own mode keeps it where it is.
                Err(Errno::ACCESS) => {
                    chmodat(folder, name, Mode::RWXU, AtFlags::empty())?;
                    return renameat(folder, name, self.top, place.as_str());
                }
                moved => return moved,
            }
        }
    }
}

/// Opens a folder, and makes that possible where its mode forbids it.
fn open(
    folder: BorrowedFd<'_>,
    name: impl rustix::path::Arg + Copy,
    resolve: ResolveFlags,
) -> rustix::io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = || match openat2(folder, name, flags, Mode::empty(), resolve) {
        // An old Docker around us does not know the call.
        Err(Errno::NOSYS | Errno::PERM) => openat(folder, name, flags, Mode::empty()).map(File::from),
        opened => opened.map(File::from),
    };
    let is_ours = || statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|stat| stat.st_mode & 0o700 != 0o700);
    match open() {
        Err(Errno::ACCESS) if is_ours() => {
            chmodat(folder, name, Mode::RWXU, AtFlags::empty())?;
            open()
        }
        // It can be listed, and not be changed, by its own mode.
        Ok(opened) if is_ours() => {
            let _ = chmodat(folder, name, Mode::RWXU, AtFlags::empty());
            Ok(opened)
        }
        opened => opened,
    }
}

fn names(folder: BorrowedFd<'_>) -> rustix::io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use rustix::fs::mkdirat;

    use super::*;

    /// Folders named `name`, one in the other.
    fn nest(top: &Path, name: &str, depth: usize) {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let mut folder = File::open(top).unwrap();
        for _ in 0..depth {
            mkdirat(&folder, name, Mode::RWXU).unwrap();
            folder = openat(&folder, name, flags, Mode::empty()).unwrap().into();
        }
        openat(&folder, "file", OFlags::CREATE | OFlags::WRONLY, Mode::RUSR).unwrap();
    }

    #[test]
    fn a_tree_is_removed_however_deep_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().join("top");
        fs::create_dir(&top).unwrap();
        // More than files can be open, and a path that is longer than any that the kernel takes.
        nest(&top, "d", 3000);
        nest(&top, &"long".repeat(60), 200);
        // The name that a moved folder would get.
        fs::create_dir(top.join(".drydock-removed-1")).unwrap();
        fs::write(top.join(".drydock-removed-1/file"), "").unwrap();
        fs::write(top.join(".drydock-removed-2"), "").unwrap();
        remove(&top).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        remove(&top).unwrap();
    }

    #[test]
    fn links_are_removed_and_not_followed_and_modes_are_no_obstacle() {
        let folder = tempfile::tempdir().unwrap();
        let (top, kept) = (folder.path().join("top"), folder.path().join("kept"));
        fs::create_dir_all(top.join("closed/inner")).unwrap();
        fs::create_dir(&kept).unwrap();
        fs::write(kept.join("file"), "").unwrap();
        fs::write(top.join("closed/inner/file"), "").unwrap();
        symlink(&kept, top.join("link")).unwrap();
        symlink("nowhere", top.join("dangling")).unwrap();
        for (path, mode) in [("closed/inner", 0o000), ("closed", 0o500), ("", 0o500)] {
            fs::set_permissions(top.join(path), PermissionsExt::from_mode(mode)).unwrap();
        }
        remove(&top).unwrap();
        assert!(!top.exists() && kept.join("file").exists());
        symlink(&kept, &top).unwrap();
        remove(&top).unwrap();
        assert!(top.symlink_metadata().is_err() && kept.join("file").exists());
    }
}
