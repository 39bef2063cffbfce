//! Writes a file so that a reader sees the old content or the new one, never a part of it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Puts `bytes` into `path`, with the permissions of the file that was there; makes missing parent folders.
///
/// The bytes go into a temporary file of the same folder, which is synced and renamed.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder)?;
    let (unfinished, mut file) = unfinished(path)?;
    let written = file.write_all(bytes).and_then(|()| keep_permissions(path, &file)).and_then(|()| file.sync_all());
    let published = written.and_then(|()| fs::rename(&unfinished, path));
    if published.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    published
}

/// Moves a finished file to `to` in the same file system and syncs the folder, so that the name outlives a power cut.
pub(crate) fn publish(from: &Path, to: &Path) -> io::Result<()> {
    let folder = to.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder)?;
    fs::rename(from, to)?;
    File::open(folder)?.sync_all()
}

/// A new file beside `path` whose name no other process uses.
fn unfinished(path: &Path) -> io::Result<(PathBuf, File)> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut count = 0_u32;
    loop {
        let candidate = path.with_file_name(format!(".{name}.{}-{count}.unfinished", std::process::id()));
        match OpenOptions::new().write(true).create_new(true).open(&candidate) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => count += 1,
            opened => return opened.map(|file| (candidate, file)),
        }
    }
}

fn keep_permissions(old: &Path, new: &File) -> io::Result<()> {
    match fs::metadata(old) {
        Ok(metadata) => new.set_permissions(metadata.permissions()),
        Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/file");
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }
}
