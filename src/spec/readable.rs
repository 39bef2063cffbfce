//! Folders of specs as every user can read them: themselves, or copies of those that have something in them which is only
//! their owner's, as in a checkout that was made under the umask 077.
//!
//! A spec is read by a user of a container who is nobody on this machine. Copies lie in a folder of this process; links stay
//! links, as in a mount.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;

use super::SpecError;
use super::error::reading;
use crate::regular;
use crate::scratch::Scratch;
use crate::stop::Stoppable;

/// What is shown in the place of files and folders; copies are gone with this value.
pub(super) struct Readable {
    /// By what they were made of.
    copies: BTreeMap<PathBuf, PathBuf>,
    /// Where they are.
    scratch: Option<Scratch>,
}

impl Readable {
    /// Copies, into a new folder in `top`, what is at those of `paths` that not everybody can read, until `stop` is cancelled.
    pub(super) fn new(paths: &[PathBuf], top: &Path, stop: &CancellationToken) -> Result<Self, SpecError> {
        let mut readable = Self { copies: BTreeMap::new(), scratch: None };
        for path in paths {
            let wrong = reading(path);
            if readable.copies.contains_key(path) || is_open(path).map_err(&wrong)? {
                continue;
            }
            let copy = readable.place(top).map_err(|source| SpecError::State { path: top.to_owned(), source })?;
            readable.copies.insert(path.clone(), copy.clone());
            copy_all(path, &copy, stop).map_err(&wrong)?;
        }
        Ok(readable)
    }

    /// Where the next copy comes.
    fn place(&mut self, top: &Path) -> io::Result<PathBuf> {
        let scratch = match self.scratch.take() {
            Some(scratch) => scratch,
            None => Scratch::new(top, "readable")?,
        };
        fs::set_permissions(scratch.path(), Permissions::from_mode(0o755))?;
        let place = scratch.path().join(self.copies.len().to_string());
        self.scratch = Some(scratch);
        Ok(place)
    }

    /// Where everybody can read what is at `path`, which was given.
    pub(super) fn path<'a>(&'a self, path: &'a Path) -> &'a Path {
        self.copies.get(path).map_or(path, PathBuf::as_path)
    }
}

/// True when everybody can read what is at `path` and below it.
fn is_open(path: &Path) -> io::Result<bool> {
    // What was given may be a link; what is below it is looked at as it is.
    is_open_with(path, &path.metadata()?)
}

fn is_open_with(path: &Path, metadata: &Metadata) -> io::Result<bool> {
    let needed = if metadata.is_dir() { 0o005 } else { 0o004 };
    if !metadata.is_symlink() && metadata.permissions().mode() & needed != needed {
        return Ok(false);
    }
    if metadata.is_dir() {
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            if !is_open_with(&entry.path(), &entry.metadata()?)? {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Copies folders, files and links; their owner's right to run a file is everybody's.
fn copy_all(from: &Path, to: &Path, stop: &CancellationToken) -> io::Result<()> {
    let metadata = from.metadata()?;
    if metadata.is_dir() {
        fs::create_dir(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            let (path, into) = (entry.path(), to.join(entry.file_name()));
            if entry.file_type()?.is_symlink() {
                std::os::unix::fs::symlink(fs::read_link(path)?, into)?;
            } else {
                copy_all(&path, &into, stop)?;
            }
        }
        return fs::set_permissions(to, Permissions::from_mode(0o755));
    }
    if metadata.is_file() {
        io::copy(&mut Stoppable::new(regular::open(from)?, stop), &mut File::create_new(to)?)?;
        let mode = if metadata.permissions().mode() & 0o100 == 0 { 0o644 } else { 0o755 };
        fs::set_permissions(to, Permissions::from_mode(mode))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_its_owner_can_read_is_copied_and_removed() {
        let place = tempfile::tempdir().unwrap();
        let (specs, work) = (place.path().join("SPECS"), place.path().join("work"));
        fs::create_dir_all(specs.join("a")).unwrap();
        fs::set_permissions(&specs, Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(specs.join("a"), Permissions::from_mode(0o755)).unwrap();
        for (name, mode) in [("a/a.spec", 0o644), ("a/run", 0o755)] {
            fs::write(specs.join(name), name).unwrap();
            fs::set_permissions(specs.join(name), Permissions::from_mode(mode)).unwrap();
        }
        std::os::unix::fs::symlink("/nowhere", specs.join("a/link")).unwrap();
        let stop = CancellationToken::new();
        let readable = || Readable::new(std::slice::from_ref(&specs), &work, &stop).unwrap();
        assert_eq!(readable().path(&specs), specs);
        for (name, mode) in [("a/run", 0o700), ("a/a.spec", 0o600), ("a", 0o700)] {
            fs::set_permissions(specs.join(name), Permissions::from_mode(mode)).unwrap();
            let copied = readable();
            let mode = |name: &str| fs::metadata(copied.path(&specs).join(name)).unwrap().permissions().mode() & 0o777;
            assert_eq!((mode("a"), mode("a/a.spec"), mode("a/run")), (0o755, 0o644, 0o755));
            assert_eq!(fs::read_to_string(copied.path(&specs).join("a/a.spec")).unwrap(), "a/a.spec");
            assert_eq!(fs::read_link(copied.path(&specs).join("a/link")).unwrap(), Path::new("/nowhere"));
        }
        assert!(!work.exists());
        stop.cancel();
        let stopped = Readable::new(std::slice::from_ref(&specs), &work, &stop).err().unwrap();
        assert!(matches!(stopped, SpecError::Cancelled), "{stopped}");
        assert!(!work.exists(), "what was copied before the user wanted to stop is gone");
    }
}
