//! The log of one build: everything the container writes, as it comes.
//!
//! The file can be followed while the build runs. The script's line that `rpmbuild` starts is taken out and gives the
//! time; no times and no host paths get into the file. Nothing reads it back but [`super::phase`], for people.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use crate::cache::CacheError;
use crate::cache::file::{self, reading, writing};
use crate::tail;

/// What `build.sh` writes in the moment before it starts `rpmbuild`; the second one when it takes part in the jobserver.
const MARKERS: [&[u8]; 2] = [b"drydock: rpmbuild starts\n", b"drydock: rpmbuild starts with the jobserver\n"];

/// A log that is being written.
pub(super) struct Log {
    path: PathBuf,
    file: File,
    /// The start of a line that may become the marker, while that has not come.
    pending: Vec<u8>,
    /// True in a line that is written already, as far as it has come.
    in_line: bool,
    /// When `rpmbuild` started.
    started: Option<Instant>,
    has_jobserver: bool,
    /// The first write that failed.
    failed: Option<io::Error>,
    /// Told when a write fails: a build without a log is not worth going on.
    stop: CancellationToken,
}

impl Log {
    /// Begins the log `path`. An older file of that name is removed and not emptied, so that a reader keeps what it has.
    pub(super) fn create(path: PathBuf, stop: CancellationToken) -> Result<Self, CacheError> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(writing(folder))?;
        }
        file::remove(&path)?;
        let file = File::create_new(&path).map_err(writing(&path))?;
        Ok(Self {
            path,
            file,
            pending: Vec::new(),
            in_line: false,
            started: None,
            has_jobserver: false,
            failed: None,
            stop,
        })
    }

    /// Cancelled when the run is, and when a write fails.
    pub(super) fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Adds what the container wrote.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        if self.started.is_some() {
            return self.write(bytes);
        }
        let mut rest = bytes;
        while !rest.is_empty() && self.started.is_none() {
            let end = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| at + 1);
            let (part, after) = rest.split_at(end);
            self.add_part(part);
            rest = after;
        }
        self.write(rest);
    }

    /// Adds a line, or a part of one, before the marker has come: held back is only what may become the marker.
    fn add_part(&mut self, part: &[u8]) {
        if !self.in_line {
            self.pending.extend_from_slice(part);
            if let Some(marker) = MARKERS.iter().position(|marker| self.pending == *marker) {
                (self.started, self.has_jobserver) = (Some(Instant::now()), marker == 1);
                return self.pending.clear();
            }
            if MARKERS.iter().any(|marker| marker.starts_with(&self.pending)) {
                return;
            }
        }
        let held = std::mem::take(&mut self.pending);
        self.write(if self.in_line { part } else { &held });
        self.in_line = !part.ends_with(b"\n");
    }

    /// True once `rpmbuild` has started with the jobserver.
    pub(super) fn has_jobserver(&self) -> bool {
        self.has_jobserver
    }

    /// Ends the log; when `rpmbuild` started, if it did.
    pub(super) fn finish(mut self) -> Result<Option<Instant>, CacheError> {
        let rest = std::mem::take(&mut self.pending);
        self.write(&rest);
        match self.failed {
            Some(error) => Err(writing(&self.path)(error)),
            None => Ok(self.started),
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        if self.failed.is_some() || bytes.is_empty() {
            return;
        }
        if let Err(error) = self.file.write_all(bytes) {
            self.failed = Some(error);
            self.stop.cancel();
        }
    }
}

/// The end of the log `path`, as text; empty when there is none.
pub(super) fn read_end(path: &Path) -> Result<String, CacheError> {
    match tail::of_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        text => text.map_err(reading(path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marker_gives_the_time_and_stays_out_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logs/a.log");
        let mut log = Log::create(path.clone(), CancellationToken::new()).unwrap();
        for part in
            ["set-up\ndry", "dock: rpmbuild sta", "rts\nExecuting", "(%prep)\ndrydock: rpmbuild starts\n", "end"]
        {
            log.add(part.as_bytes());
        }
        assert!(log.finish().unwrap().is_some());
        assert_eq!(read_end(&path).unwrap(), "set-up\nExecuting(%prep)\ndrydock: rpmbuild starts\nend");
    }

    #[test]
    fn nothing_is_held_back_that_cannot_be_the_marker() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let mut log = Log::create(path.clone(), CancellationToken::new()).unwrap();
        let mut expected = String::new();
        for part in ["no end", "x", "drydock: rpmbuild starts\n", "drydock: rpmbuild start", "ed\n", "drydock: "] {
            log.add(part.as_bytes());
            expected.push_str(part);
        }
        assert_eq!(log.pending, b"drydock: ");
        assert_eq!(read_end(&path).unwrap() + "drydock: ", expected);
        log.add(&vec![b'x'; 1 << 20]);
        assert!(log.pending.capacity() == 0 && log.finish().unwrap().is_none());
    }

    #[test]
    fn the_marker_tells_of_the_jobserver() {
        let folder = tempfile::tempdir().unwrap();
        for (line, expected) in
            [("drydock: rpmbuild starts\n", false), ("drydock: rpmbuild starts with the jobserver\n", true)]
        {
            let mut log = Log::create(folder.path().join("a.log"), CancellationToken::new()).unwrap();
            log.add(line.as_bytes());
            assert_eq!(log.has_jobserver(), expected);
            assert!(log.finish().unwrap().is_some());
        }
    }

    #[test]
    fn a_log_without_rpmbuild_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let mut log = Log::create(path.clone(), CancellationToken::new()).unwrap();
        log.add(b"cannot start");
        assert!(log.finish().unwrap().is_none());
        assert_eq!(read_end(&path).unwrap(), "cannot start");
        assert_eq!(read_end(&folder.path().join("none")).unwrap(), "");
    }
}
