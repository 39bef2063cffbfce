//! A file that is being downloaded: what has arrived so far, kept across runs, and owned by one download at a time.
//!
//! The owner holds a lock on the open file ([`super::lock`]). Beside the part stands `<part>.from`, which holds the validator that
//! the server gave for the content (RFC 9110 §8.8); without it nothing can be resumed.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::digest::HashingWriter;

/// A locked part.
pub(super) struct Part {
    path: PathBuf,
    /// Positioned at its end.
    pub(super) file: File,
    /// Has hashed what the file holds.
    pub(super) hashing: HashingWriter<io::Sink>,
    /// Size of what the file holds.
    pub(super) bytes: u64,
    /// What the server must still vouch for if the part is to be resumed; None for a part to start from nothing.
    pub(super) validator: Option<String>,
}

impl Part {
    /// Reads what the part at `path` holds; `file` is that part, locked.
    pub(super) fn read(path: &Path, mut file: File) -> io::Result<Self> {
        let validator = fs::read_to_string(validator_path(path)).ok().filter(|text| !text.is_empty());
        let mut hashing = HashingWriter::new(io::sink());
        let bytes = if validator.is_some() { io::copy(&mut file, &mut hashing)? } else { 0 };
        Ok(Self { path: path.to_owned(), file, hashing, bytes, validator: validator.filter(|_| bytes > 0) })
    }

    /// Forgets what the part holds; the content to come is that of `validator`.
    pub(super) fn restart(&mut self, validator: Option<&str>) -> io::Result<()> {
        // The validator goes first: old content must never stand beside the validator of other content.
        let _ = fs::remove_file(validator_path(&self.path));
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.hashing = HashingWriter::new(io::sink());
        self.bytes = 0;
        self.validator = validator.map(str::to_owned);
        validator.map_or(Ok(()), |validator| fs::write(validator_path(&self.path), validator))
    }
}

/// Moves the finished part at `path` to `to`. The caller still holds the part's lock.
pub(super) fn publish(path: &Path, to: &Path) -> io::Result<()> {
    let _ = fs::remove_file(validator_path(path));
    super::whole_file::publish(path, to)
}

fn validator_path(path: &Path) -> PathBuf {
    path.with_added_extension("from")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::digest::Sha256;

    fn open(path: &Path) -> File {
        fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).unwrap()
    }

    #[test]
    fn what_has_arrived_is_there_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.part");
        let mut part = Part::read(&path, open(&path)).unwrap();
        part.restart(Some("\"v1\"")).unwrap();
        part.file.write_all(b"abc").unwrap();
        drop(part);
        let again = Part::read(&path, open(&path)).unwrap();
        assert_eq!((again.bytes, again.validator.as_deref()), (3, Some("\"v1\"")));
        assert_eq!(again.hashing.finish().1, Sha256::of_bytes(b"abc"));
    }

    #[test]
    fn content_without_validator_is_not_resumed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.part");
        fs::write(&path, b"abc").unwrap();
        assert_eq!(Part::read(&path, open(&path)).unwrap().validator, None);
    }
}
