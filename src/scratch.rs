//! Folders for the work in progress of one process, whatever else works in the project at the same time.
//!
//! A [`Scratch`] is locked while its value lives and gone with it. A process that was killed leaves its folder without a
//! lock; the next one that makes a folder, or [`sweep`], removes it. The kernel frees the lock, so a number that another
//! process has by now means nothing.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::removal;

/// How often a folder is made when the one that it is made in goes away.
const TRIES: usize = 100;

/// A new folder, removed with this value.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    /// On the folder. Who has lost it has lost the folder, too.
    lock: Option<File>,
}

impl Scratch {
    /// A folder in `top` whose name begins with `name`. What killed processes left beside it is removed.
    pub fn new(top: &Path, name: &str) -> io::Result<Self> {
        // Whoever used it last may remove `top` meanwhile; making it then fails in either of these ways.
        let is_passing =
            |fault: &io::Error| [io::ErrorKind::NotFound, io::ErrorKind::AlreadyExists].contains(&fault.kind());
        let mut made = Self::make(top, name);
        for _ in 0..TRIES {
            if !made.as_ref().is_err_and(is_passing) {
                break;
            }
            made = Self::make(top, name);
        }
        made
    }

    fn make(top: &Path, name: &str) -> io::Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        fs::create_dir_all(top)?;
        sweep(top)?;
        // Held while the new folder has no lock of its own, so that no sweep takes it for a dead one.
        let _making = hold(top, File::lock_shared)?;
        loop {
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = top.join(format!("{name}-{}-{number}", std::process::id()));
            match fs::create_dir(&path) {
                Err(fault) if fault.kind() == io::ErrorKind::AlreadyExists => {}
                made => {
                    made?;
                    let lock = File::open(&path)?;
                    lock.lock()?;
                    return Ok(Self { path, lock: Some(lock) });
                }
            }
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.lock.is_some()
            && let Err(fault) = removal::remove(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %fault, "files of work in progress stay");
        }
        remove_if_empty(self.path.parent().unwrap_or(&self.path));
    }
}

/// Removes `top` when nobody has a folder in it or makes one.
fn remove_if_empty(top: &Path) {
    let Ok(folder) = File::open(top) else { return };
    if folder.try_lock().is_ok() && is_at(&folder, top).unwrap_or(false) {
        // One that is not empty stays.
        let _ = fs::remove_dir(top);
    }
}

/// The folder `top`, locked: not one that had its name and was removed while the lock was waited for.
fn hold(top: &Path, lock: fn(&File) -> io::Result<()>) -> io::Result<File> {
    loop {
        let folder = File::open(top)?;
        lock(&folder)?;
        if is_at(&folder, top)? {
            return Ok(folder);
        }
    }
}

/// True when `folder` has the name `path`.
fn is_at(folder: &File, path: &Path) -> io::Result<bool> {
    let (one, other) = (folder.metadata()?, fs::metadata(path)?);
    Ok((one.dev(), one.ino()) == (other.dev(), other.ino()))
}

/// Removes the folders in `top` that no process holds any more. One that cannot be removed is left.
pub fn sweep(top: &Path) -> io::Result<()> {
    let _scanning = match hold(top, File::lock) {
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(()),
        held => held?,
    };
    for entry in fs::read_dir(top)? {
        let path = entry?.path();
        let Ok(folder) = File::open(&path) else { continue };
        if folder.try_lock().is_ok()
            && let Err(fault) = removal::remove(&path)
        {
            tracing::warn!(path = %path.display(), %fault, "files of a killed run stay");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_there_while_its_process_works_on_it() {
        let place = tempfile::tempdir().unwrap();
        let top = place.path().join("scratch");
        sweep(&top).unwrap();
        let (one, other) = (Scratch::new(&top, "a").unwrap(), Scratch::new(&top, "a").unwrap());
        assert_ne!(one.path(), other.path());
        fs::write(one.path().join("file"), "").unwrap();
        let path = one.path().to_owned();
        drop(one);
        assert!(!path.exists());
        sweep(&top).unwrap();
        assert!(other.path().is_dir());
        drop(other);
        assert!(!top.exists(), "the last one leaves nothing");
    }

    #[test]
    fn folders_are_made_while_others_go() {
        let place = tempfile::tempdir().unwrap();
        let top = place.path().join("scratch");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let made = Scratch::new(&top, "a").unwrap();
                        fs::write(made.path().join("file"), "").unwrap();
                    }
                });
            }
        });
        assert!(!top.exists());
    }

    #[test]
    fn what_a_killed_process_left_goes_with_the_next_folder() {
        let place = tempfile::tempdir().unwrap();
        let mut killed = Scratch::new(place.path(), "a").unwrap();
        let left = killed.path().to_owned();
        fs::write(left.join("file"), "").unwrap();
        // As the kernel takes it from the dead.
        drop(killed.lock.take());
        let next = Scratch::new(place.path(), "b").unwrap();
        assert!(!left.exists() && next.path().is_dir());
    }
}
