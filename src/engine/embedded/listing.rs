//! What the folder of a layer looks like, as one digest: whether something in it was changed is then told without reading
//! any file.
//!
//! Name, kind, owner, mode, size, inode and times of everything below the folder enter it. Whoever changes a file changes
//! the time of its inode, which no program can set. The folder itself is left out: it is renamed.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::digest::{KeyBuilder, Sha256};

/// The digests of what is below each of `folders`; None for one that cannot be read.
pub(super) fn of(folders: &[PathBuf]) -> Vec<Option<Sha256>> {
    folders.iter().map(|folder| digest(folder).ok()).collect()
}

fn digest(folder: &Path) -> io::Result<Sha256> {
    let mut key = KeyBuilder::new("listing");
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        let entries: io::Result<Vec<fs::DirEntry>> = fs::read_dir(&folder)?.collect();
        let mut entries = entries?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            // Links are not followed.
            let found = entry.metadata()?;
            let numbers = [
                i64::from(found.mode()),
                i64::from(found.uid()),
                i64::from(found.gid()),
                found.size().cast_signed(),
                found.ino().cast_signed(),
                found.mtime(),
                found.mtime_nsec(),
                found.ctime(),
                found.ctime_nsec(),
            ];
            let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
            key = key.field("name", entry.file_name().as_bytes()).field("inode", bytes);
            if found.is_dir() {
                open.push(entry.path());
            }
        }
    }
    Ok(key.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_seen_whatever_times_say() {
        let place = tempfile::tempdir().unwrap();
        let (folder, file) = (place.path().join("layer"), place.path().join("layer/usr/file"));
        fs::create_dir_all(folder.join("usr")).unwrap();
        fs::write(&file, "one").unwrap();
        std::os::unix::fs::symlink("/nowhere", folder.join("usr/link")).unwrap();
        let before = digest(&folder).unwrap();
        let moved = place.path().join("moved");
        fs::rename(&folder, &moved).unwrap();
        assert_eq!(digest(&moved).unwrap(), before, "a new name is no change");
        fs::rename(&moved, &folder).unwrap();

        let (modified, inode_time) = (fs::metadata(&file).unwrap().modified().unwrap(), changed(&file));
        // The kernel's clock for files ticks a few hundred times a second.
        while changed(&file) == inode_time {
            fs::write(&file, "two").unwrap();
            fs::File::options().write(true).open(&file).unwrap().set_modified(modified).unwrap();
        }
        assert_ne!(digest(&folder).unwrap(), before);
    }

    fn changed(file: &Path) -> (i64, i64) {
        let found = fs::metadata(file).unwrap();
        (found.ctime(), found.ctime_nsec())
    }
}
