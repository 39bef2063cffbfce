//! Blobs of a layout: written under a temporary name, synced and renamed; checked against their digest when read. One that
//! is damaged is removed, so that what it belongs to counts as missing, and is pulled or made again.
//!
//! Every blob has one and the same time of change, by which it is known as it was written: one with another time was
//! touched since, and is read before it counts.

use std::cell::Cell;
use std::fs::{self, File, FileTimes, TryLockError};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use super::compress::{Encoder, decompressed};
use super::{Compression, Layer, OciError, Store};
use crate::digest::{HashingWriter, Sha256};

/// The time of every blob, after 1970: the first day that every file system knows, 1980-01-01.
const BLOB_TIME: Duration = Duration::from_hours(3652 * 24);

/// A file that is removed again unless it is kept as a blob.
pub(super) struct TemporaryFile {
    pub(super) file: File,
    pub(super) path: PathBuf,
    /// Held while this run may write, so that no other run's sweep removes the file.
    _in_use: File,
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        // Gone already when the file became a blob.
        let _ = fs::remove_file(&self.path);
    }
}

impl Store {
    /// Where the blob with this digest is, or would be.
    pub fn blob_path(&self, digest: Sha256) -> PathBuf {
        self.root.join(blob_name(digest))
    }

    /// The tar archive of a layer, not compressed. Its digest is checked at its end: read to the end, also after the
    /// archive's last member, and take an error there for a damaged blob.
    pub fn open_layer(&self, layer: &Layer) -> Result<impl Read + use<>, OciError> {
        let path = self.blob_path(layer.digest);
        let file = self.open_blob(layer.digest)?;
        open_tar(BufReader::with_capacity(1 << 18, file), layer.diff_id).map_err(OciError::read(&path))
    }

    /// A small blob, checked.
    pub(super) fn read_blob(&self, digest: Sha256) -> Result<Vec<u8>, OciError> {
        let mut bytes = Vec::new();
        let read = CheckedReader::new(self.open_blob(digest)?, digest).read_to_end(&mut bytes);
        read.map_err(|source| self.damaged(digest, source))?;
        Ok(bytes)
    }

    /// Refuses a blob whose content is not what its name says.
    pub(crate) fn check_blob(&self, digest: Sha256) -> Result<(), OciError> {
        let mut content = CheckedReader::new(self.open_blob(digest)?, digest);
        let read = io::copy(&mut content, &mut io::sink());
        read.map(drop).map_err(|source| self.damaged(digest, source))
    }

    /// True when the blob is there as it was written. One that was touched since is read, and removed when it is damaged.
    pub(super) fn has_blob(&self, digest: Sha256) -> bool {
        let path = self.blob_path(digest);
        let Ok(found) = path.metadata() else { return false };
        if !found.is_file() {
            return false;
        }
        if found.modified().ok() == Some(SystemTime::UNIX_EPOCH + BLOB_TIME) {
            return true;
        }
        let is_whole = self.check_blob(digest).is_ok();
        if is_whole && let Err(fault) = File::open(&path).and_then(|file| mark_as_written(&file)) {
            tracing::debug!(path = %path.display(), %fault, "the blob will be read again");
        }
        is_whole
    }

    /// The error of a blob of the layout that could not be read to its end; one that is damaged is removed.
    pub(super) fn damaged(&self, digest: Sha256, source: io::Error) -> OciError {
        let path = self.blob_path(digest);
        match damaged(&path, source) {
            OciError::DamagedBlob { path, source, .. } => {
                let is_removed = fs::remove_file(&path).is_ok();
                OciError::DamagedBlob { path, is_removed, source }
            }
            other => other,
        }
    }

    /// A blob as stored; its digest is checked at its end.
    pub(super) fn open_checked(&self, digest: Sha256) -> Result<(CheckedReader<File>, u64), OciError> {
        let file = self.open_blob(digest)?;
        let bytes = file.metadata().map_err(OciError::read(&self.blob_path(digest)))?.len();
        Ok((CheckedReader::new(file, digest), bytes))
    }

    fn open_blob(&self, digest: Sha256) -> Result<File, OciError> {
        let path = self.blob_path(digest);
        match File::open(&path) {
            Ok(file) => Ok(file),
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => Err(OciError::MissingBlob { digest, path }),
            Err(source) => Err(OciError::Read { path, source }),
        }
    }

    /// Stores a small blob.
    pub(super) fn write_blob(&self, bytes: &[u8]) -> Result<Sha256, OciError> {
        let digest = Sha256::of_bytes(bytes);
        let mut temporary = self.temporary()?;
        temporary.file.write_all(bytes).map_err(OciError::write(&temporary.path))?;
        self.keep(&temporary, digest)?;
        Ok(digest)
    }

    /// Stores what `reader` gives as the blob `digest`; other bytes are an error that names `from`.
    pub(super) fn write_checked_blob(&self, reader: impl Read, digest: Sha256, from: &Path) -> Result<(), OciError> {
        let temporary = self.temporary()?;
        let fault = Cell::new(None);
        let copied =
            io::copy(&mut CheckedReader::new(reader, digest), &mut Watched { file: &temporary.file, fault: &fault });
        copied.map_err(|source| match fault.get() {
            None => damaged(from, source),
            Some(_) => OciError::Write { path: temporary.path.clone(), source },
        })?;
        self.keep(&temporary, digest)
    }

    /// Stores the tar archive that `fill` writes as a compressed layer.
    pub(super) fn write_layer(
        &self,
        compression: Compression,
        fill: impl FnOnce(&mut dyn Write) -> Result<(), OciError>,
    ) -> Result<Layer, OciError> {
        let temporary = self.temporary()?;
        let fault = |source| OciError::Write { path: temporary.path.clone(), source };
        let met = Cell::new(None);
        let file = Watched { file: &temporary.file, fault: &met };
        let blob = HashingWriter::new(BufWriter::with_capacity(1 << 18, file));
        let mut layer = HashingWriter::new(Encoder::new(compression, blob).map_err(fault)?);
        // Whoever fills it takes a full disk for a fault of what he reads.
        fill(&mut layer).map_err(|error| met.get().map_or(error, |code| fault(io::Error::from_raw_os_error(code))))?;
        let (encoder, diff_id) = layer.finish();
        let (mut compressed, digest) = encoder.finish().map_err(fault)?.finish();
        compressed.flush().map_err(fault)?;
        drop(compressed);
        let bytes = temporary.file.metadata().map_err(fault)?.len();
        self.keep(&temporary, digest)?;
        Ok(Layer { digest, diff_id, bytes, media_type: compression.media_type().to_owned() })
    }

    /// A new file in the layout that is not a blob yet.
    pub(super) fn temporary(&self) -> Result<TemporaryFile, OciError> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let in_use = self.temporary_lock()?;
        in_use.lock_shared().map_err(OciError::write(&self.temporary_folder()))?;
        let name = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = self.temporary_folder().join(name);
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&path);
        Ok(TemporaryFile { file: file.map_err(OciError::write(&path))?, path, _in_use: in_use })
    }

    /// Makes a finished temporary file the blob `digest`.
    pub(super) fn keep(&self, temporary: &TemporaryFile, digest: Sha256) -> Result<(), OciError> {
        let path = self.blob_path(digest);
        let folder = self.root.join("blobs/sha256");
        let written = mark_as_written(&temporary.file).and_then(|()| temporary.file.sync_all());
        written.map_err(OciError::write(&temporary.path))?;
        fs::rename(&temporary.path, &path).map_err(OciError::write(&path))?;
        File::open(&folder).and_then(|folder| folder.sync_all()).map_err(OciError::write(&folder))
    }

    /// Removes the temporary files of killed runs; does nothing while another run writes.
    pub(super) fn sweep(&self) {
        let Ok(in_use) = self.temporary_lock() else { return };
        if let Err(TryLockError::WouldBlock | TryLockError::Error(_)) = in_use.try_lock() {
            return;
        }
        let Ok(left) = fs::read_dir(self.temporary_folder()) else { return };
        for file in left.flatten().filter(|file| file.file_name() != "lock") {
            if let Err(fault) = fs::remove_file(file.path()) {
                tracing::warn!(path = %file.path().display(), %fault, "cannot remove a left-over file");
            }
        }
    }

    pub(super) fn temporary_folder(&self) -> PathBuf {
        self.root.join("temporary")
    }

    fn temporary_lock(&self) -> Result<File, OciError> {
        let path = self.temporary_folder().join("lock");
        File::options().write(true).create(true).truncate(false).open(&path).map_err(OciError::write(&path))
    }
}

fn mark_as_written(blob: &File) -> io::Result<()> {
    blob.set_times(FileTimes::new().set_modified(SystemTime::UNIX_EPOCH + BLOB_TIME))
}

/// The archive in the layer `blob`, without its compression; reading it to the end checks its digest.
pub(crate) fn open_tar(blob: BufReader<File>, diff_id: Sha256) -> io::Result<impl Read + use<>> {
    Ok(CheckedReader::new(decompressed(blob)?, diff_id))
}

/// A file that remembers the system's number of the fault that it was written with.
struct Watched<'a> {
    file: &'a File,
    fault: &'a Cell<Option<i32>>,
}

impl Write for Watched<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes).inspect_err(|error| self.fault.set(error.raw_os_error()))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Where a blob is in every layout.
pub(super) fn blob_name(digest: Sha256) -> String {
    format!("blobs/sha256/{digest}")
}

/// The error of a file that should hold a blob and could not be read to its end.
pub(super) fn damaged(path: &Path, source: io::Error) -> OciError {
    match source.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
            OciError::DamagedBlob { path: path.to_owned(), is_removed: false, source }
        }
        _ => OciError::Read { path: path.to_owned(), source },
    }
}

/// A reader that fails at its end when what it gave has another digest.
pub(super) struct CheckedReader<R> {
    inner: R,
    hashing: Option<HashingWriter<io::Sink>>,
    expected: Sha256,
}

impl<R: Read> CheckedReader<R> {
    pub(super) fn new(inner: R, expected: Sha256) -> Self {
        Self { inner, hashing: Some(HashingWriter::new(io::sink())), expected }
    }

    fn check(&mut self) -> io::Result<()> {
        let Some(hashing) = self.hashing.take() else { return Ok(()) };
        let actual = hashing.finish().1;
        if actual == self.expected {
            return Ok(());
        }
        let text = format!("its digest is `{actual}` where `{}` is expected", self.expected);
        Err(io::Error::new(io::ErrorKind::InvalidData, text))
    }
}

impl<R: Read> Read for CheckedReader<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(into)?;
        if count == 0 && !into.is_empty() {
            self.check()?;
        } else if let Some(hashing) = &mut self.hashing {
            hashing.write_all(&into[..count])?;
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_apart_from_what_cannot_be_read() {
        let (fault, full) = (Cell::new(None), File::options().write(true).open("/dev/full").unwrap());
        let written = Watched { file: &full, fault: &fault }.write(b"x");
        assert_eq!((written.unwrap_err().kind(), fault.get().is_some()), (io::ErrorKind::StorageFull, true));
        let place = tempfile::tempdir().unwrap();
        let store = Store::open(place.path().join("oci")).unwrap();
        let short = store.write_checked_blob(b"ab".as_slice(), Sha256::of_bytes(b"abc"), Path::new("given.tar"));
        let text = short.unwrap_err().to_string();
        assert!(text.contains("given.tar"), "{text}");
    }
}
