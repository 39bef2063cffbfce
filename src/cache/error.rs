//! Faults of the store's disk and of files that claim to be RPMs.

use std::io;
use std::path::{Path, PathBuf};

use crate::package::header::HeaderError;

/// Why a result cannot be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// A file or folder cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file or folder cannot be written, renamed or removed.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Something of the user's is where a folder of results must be.
    #[error("`{}` is {}, and a folder of results must be there", path.display(), kind(path))]
    InTheWay {
        /// What is no folder.
        path: PathBuf,
    },
    /// A file is not an RPM that can be read.
    #[error("`{}` is not an RPM", path.display())]
    Rpm {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<HeaderError>,
    },
    /// A value cannot be written as JSON.
    #[error("cannot write `{}` as JSON", path.display())]
    Json {
        /// The file that was to hold it.
        path: PathBuf,
        /// What the writer said.
        source: serde_json::Error,
    },
}

/// What is at `path`, in words.
fn kind(path: &Path) -> &'static str {
    match path.symlink_metadata().map(|metadata| metadata.file_type()) {
        Ok(kind) if kind.is_symlink() && path.exists() => "a link to a file",
        Ok(kind) if kind.is_symlink() => "a link that leads nowhere",
        Ok(kind) if kind.is_file() => "a file",
        _ => "no folder",
    }
}

impl CacheError {
    /// True when something of the user's is to be changed, not the machine.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::InTheWay { .. })
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Write { path, source } => full_disk_hint(path, source),
            Self::InTheWay { .. } => Some("move it away, or name another folder for results by `--out-dir`".to_owned()),
            _ => None,
        }
    }
}

/// What to do when `source`, met while writing `path`, says that the disk is full.
pub(crate) fn full_disk_hint(path: &Path, source: &io::Error) -> Option<String> {
    let full = matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    full.then(|| {
        format!(
            "free some space on the file system of `{}`, then run the same command: finished packages are kept",
            path.parent().unwrap_or(path).display()
        )
    })
}
