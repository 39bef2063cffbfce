//! Digests of files that were hashed before and have not changed since, so that a run with nothing to do hashes nothing.
//!
//! A file counts as unchanged when its path, size, inode, and the times of its last change of content and of inode are
//! those it had when it was hashed. A file that was changed so shortly before the list was written that a second change
//! could have the same time is not remembered (the rule that git's index has).

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::whole_file;
use crate::digest::Sha256;
use crate::layout::Layout;
use crate::regular;
use crate::stop::Stoppable;

/// Two changes that are further apart than this have different times on any file system worth building on.
const TIME_STEP_NS: i128 = 100_000_000;

/// The digests of files, remembered in `state/digests/<name>.json` of a project.
#[derive(Debug)]
pub(crate) struct FileDigests {
    path: PathBuf,
    known: Mutex<Known>,
    /// Ends the reading of a file.
    stop: CancellationToken,
}

#[derive(Debug, Default)]
struct Known {
    files: HashMap<String, Entry>,
    changed: bool,
}

/// What tells a file from the same one after a change: size, inode, time of the last change of content and of inode in
/// nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp(u64, u64, i128, i128);

impl Stamp {
    /// That of the file `path`, or of what the link `path` leads to.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        Ok(stamp(&fs::metadata(path)?))
    }
}

/// Size, inode, time of the last change of content and of inode in nanoseconds, digest.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Entry(u64, u64, i128, i128, Sha256);

impl FileDigests {
    /// The list called `name`; empty when there is none or when it cannot be read.
    pub(crate) fn open(layout: &Layout, name: &str) -> Self {
        let path = layout.state().join("digests").join(format!("{name}.json"));
        let files = read(&path).unwrap_or_default();
        Self { path, known: Mutex::new(Known { files, changed: false }), stop: CancellationToken::new() }
    }

    /// The same list, which reads no file any more once `stop` is cancelled.
    pub(crate) fn until(self, stop: &CancellationToken) -> Self {
        Self { stop: stop.clone(), ..self }
    }

    /// The digest and the size of the regular file `path`, which is read only when it is not remembered.
    pub(crate) fn digest(&self, path: &Path) -> io::Result<(Sha256, u64)> {
        let metadata = fs::metadata(path)?;
        let name = path.to_str();
        if let Some(found) = name.and_then(|name| self.remembered(name, &metadata)) {
            return Ok((found, metadata.len()));
        }
        let file = regular::open(path)?;
        let before = file.metadata()?;
        let (digest, bytes) = Sha256::of_reader(&mut Stoppable::new(&file, &self.stop))?;
        if let Some(name) = name
            && stamp(&file.metadata()?) == stamp(&before)
        {
            self.remember(name, &before, digest);
        }
        Ok((digest, bytes))
    }

    /// Remembers a file that has just been written with this digest.
    pub(crate) fn note(&self, path: &Path, digest: Sha256) {
        if let (Some(name), Ok(metadata)) = (path.to_str(), fs::metadata(path)) {
            self.remember(name, &metadata, digest);
        }
    }

    /// Writes the list when something was added to it.
    pub(crate) fn save(&self) -> io::Result<()> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.changed {
            whole_file::replace(&self.path, &serde_json::to_vec(&known.files)?)?;
            known.changed = false;
        }
        Ok(())
    }

    fn remembered(&self, name: &str, metadata: &fs::Metadata) -> Option<Sha256> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Entry(size, inode, content, change, digest) = *known.files.get(name)?;
        (Stamp(size, inode, content, change) == stamp(metadata)).then_some(digest)
    }

    fn remember(&self, name: &str, metadata: &fs::Metadata, digest: Sha256) {
        let Stamp(size, inode, content, change) = stamp(metadata);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.files.insert(name.to_owned(), Entry(size, inode, content, change, digest));
        known.changed = true;
    }
}

fn read(path: &Path) -> Option<HashMap<String, Entry>> {
    let mut files: HashMap<String, Entry> = serde_json::from_slice(&regular::read(path).ok()?).ok()?;
    let Stamp(_, _, written, _) = stamp(&fs::metadata(path).ok()?);
    files.retain(|_, Entry(_, _, content, change, _)| (*content).max(*change) + TIME_STEP_NS < written);
    Some(files)
}

fn stamp(metadata: &fs::Metadata) -> Stamp {
    let nanoseconds = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
    Stamp(
        metadata.len(),
        metadata.ino(),
        nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
        nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(folder: &Path) -> Layout {
        Layout::new(folder.join("build"), folder.join("out"), folder.join("cache"))
    }

    #[test]
    fn a_changed_file_is_hashed_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "one").unwrap();
        let digests = FileDigests::open(&layout(folder.path()), "test");
        assert_eq!(digests.digest(&file).unwrap(), (Sha256::of_bytes(b"one"), 3));
        fs::write(&file, "other").unwrap();
        assert_eq!(digests.digest(&file).unwrap(), (Sha256::of_bytes(b"other"), 5));
    }

    #[test]
    fn a_list_written_right_after_a_change_does_not_vouch_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "one").unwrap();
        let digests = FileDigests::open(&layout(folder.path()), "test");
        digests.digest(&file).unwrap();
        digests.save().unwrap();
        assert!(read(&digests.path).unwrap().is_empty());
    }

    #[test]
    fn a_damaged_list_counts_as_empty() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("build/state/digests/test.json");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "{\"x\": 3").unwrap();
        assert!(FileDigests::open(&layout(folder.path()), "test").known.lock().unwrap().files.is_empty());
    }
}
