//! Faults of the repository's folder and of what is to be published.

use std::io;
use std::path::PathBuf;

use crate::cache::CacheError;
use crate::package::header::HeaderError;

/// Why the repository cannot be read or extended.
#[derive(Debug, thiserror::Error)]
pub enum RepoError {
    /// A file of the repository or of its record cannot be read or written.
    #[error("cannot keep the RPM repository `{}` up to date", folder.display())]
    File {
        /// The repository.
        folder: PathBuf,
        /// What went wrong.
        source: CacheError,
    },
    /// A folder of the repository cannot be listed.
    #[error("cannot list `{}`", path.display())]
    List {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An RPM cannot be opened.
    #[error("cannot read `{}`", path.display())]
    Open {
        /// The RPM.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The header of an RPM cannot be read.
    #[error("cannot index `{}`", path.display())]
    Header {
        /// The RPM.
        path: PathBuf,
        /// What is wrong.
        source: Box<HeaderError>,
    },
    /// An RPM has something that repository metadata cannot express.
    #[error("`{file}`: {what} cannot stand in repository metadata")]
    Unfit {
        /// The RPM's file name.
        file: String,
        /// What it has.
        what: String,
    },
    /// The index cannot be made of its entries.
    #[error("cannot write the index of `{}`", folder.display())]
    Index {
        /// The repository.
        folder: PathBuf,
        /// What is wrong.
        source: Box<rpmrepo_metadata::MetadataError>,
    },
    /// A stored RPM is not what was stored.
    #[error("the stored RPM `{}` has changed since it was built", path.display())]
    Damaged {
        /// The RPM in the store.
        path: PathBuf,
    },
    /// Two specs make one file.
    #[error("`{spec}.spec` and `{other}.spec` both make `{file}`")]
    Taken {
        /// The file's name with its folder.
        file: String,
        /// The spec that came second.
        spec: String,
        /// The spec that came first.
        other: String,
    },
}

impl RepoError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::File { source, .. } => source.hint(),
            Self::Taken { .. } => Some("give one of the packages another name, version or release".to_owned()),
            _ => None,
        }
    }
}
