//! Files that are there whole or not at all.
//!
//! Every write goes to a hidden name in the same folder, is synced, and then renamed over the final name. A name that a
//! killed run left behind starts with `.new-` and is overwritten by the next write of the same file.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::CacheError;
use crate::regular;
use crate::removal;

/// Turns an I/O error of writing `path` into one that names it.
pub fn writing(path: &Path) -> impl Fn(io::Error) -> CacheError + '_ {
    move |source| CacheError::Write { path: path.to_owned(), source }
}

/// Turns an I/O error of reading `path` into one that names it.
pub fn reading(path: &Path) -> impl Fn(io::Error) -> CacheError + '_ {
    move |source| CacheError::Read { path: path.to_owned(), source }
}

/// The hidden name that the file `path` has while it is written.
pub fn unfinished(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".new-{name}"))
}

/// Makes `path` hold `bytes`; makes its folder when it is missing.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), CacheError> {
    let new = unfinished(path);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(writing(folder))?;
    }
    let written = write_synced(&new, bytes).and_then(|()| replace(&new, path));
    written.map_err(|error| {
        // On a full disk, what is half-written only takes space.
        let _ = fs::remove_file(&new);
        writing(path)(error)
    })
}

/// Makes the folder `path` for results of the user.
///
/// # Errors
/// [`CacheError::InTheWay`] for what has the name of one of its folders and is none.
pub fn make_folder_of_results(path: &Path) -> Result<(), CacheError> {
    free_for_results(path)?;
    fs::create_dir_all(path).map_err(writing(path))
}

/// Fails when something else than a folder has the name of `path` or of a folder above it.
pub fn free_for_results(path: &Path) -> Result<(), CacheError> {
    let there = path.ancestors().find(|place| place.symlink_metadata().is_ok());
    match there.filter(|place| !place.is_dir()) {
        Some(place) => Err(CacheError::InTheWay { path: place.to_owned() }),
        None => Ok(()),
    }
}

/// Gives the file `from` the name `to`, whatever has that name: a folder is removed with all it holds.
pub fn replace(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
            removal::remove(to)?;
            fs::rename(from, to)
        }
        renamed => renamed,
    }
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // A pipe of that name would be waited for.
    removal::remove(path)?;
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes `path` hold `value` as JSON, one field a line.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<(), CacheError> {
    let wrong = |source| CacheError::Json { path: path.to_owned(), source };
    let mut bytes = serde_json::to_vec_pretty(value).map_err(wrong)?;
    bytes.push(b'\n');
    write(path, &bytes)
}

/// The value in the JSON file `path`; None when there is no such file or it holds something else, for instance what an
/// older Drydock wrote, and when something else than a file has its name.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, CacheError> {
    match regular::read(path) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound || regular::is_no_file(&error) => Ok(None),
        Err(error) => Err(reading(path)(error)),
    }
}

/// Removes the file or the folder `path` with all it holds; none is no error.
pub fn remove(path: &Path) -> Result<(), CacheError> {
    removal::remove(path).map_err(writing(path))
}

/// Gives the file `from` the name `to` as well, by a hard link where the file systems allow it and by a copy elsewhere;
/// `to` must not exist. A copy gets the permissions and the modification time of `from`, and is synced.
pub fn link_or_copy(from: &Path, to: &Path) -> Result<(), CacheError> {
    if fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    fs::copy(from, to).map_err(writing(to))?;
    let modified = fs::metadata(from).and_then(|metadata| metadata.modified()).map_err(reading(from))?;
    // Opened for reading: the copy may be read-only, and its owner may set its times all the same.
    let copy = File::open(to).map_err(writing(to))?;
    copy.set_modified(modified).and_then(|()| copy.sync_all()).map_err(writing(to))
}

/// Moves the file `from` to `to`, within a file system or between two.
pub fn relocate(from: &Path, to: &Path) -> Result<(), CacheError> {
    if fs::rename(from, to).is_ok() {
        return Ok(());
    }
    fs::copy(from, to).map_err(writing(to))?;
    fs::remove_file(from).map_err(writing(from))
}

/// Syncs the file `path` and makes it read-only, since from now on two names may mean it.
pub fn seal(path: &Path) -> Result<(), CacheError> {
    let file = OpenOptions::new().read(true).write(true).open(path).map_err(writing(path))?;
    file.sync_all().and_then(|()| file.set_permissions(Permissions::from_mode(0o444))).map_err(writing(path))
}

/// Syncs the names in the folder `path`.
pub fn sync_folder(path: &Path) -> Result<(), CacheError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(writing(path))
}
