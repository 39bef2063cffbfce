//! Why remote repositories cannot be used: everything at once.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::openpgp::KeyError;

/// Why no remote package can be had.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// What the user says of repositories cannot be; a sentence each, with its place.
    #[error("the repositories cannot be used as they are given:{}", lines(.0))]
    Configuration(Vec<String>),
    /// A key file cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Repositories or packages cannot be had, or are not what they must be.
    #[error("{} cannot be had from the repositories:{}", count(.0.len()), lines(.0))]
    Unavailable(Vec<RemoteFault>),
    /// The lock file cannot be read, or is not right.
    #[error("`{}` is not right: {wrong}", path.display())]
    Lock {
        /// The file.
        path: PathBuf,
        /// Place and reason.
        wrong: String,
    },
    /// The lock file would change, and `--locked` forbids that.
    #[error("`{}` would change, and `--locked` forbids that:{}", path.display(), lines(changes))]
    Locked {
        /// The file.
        path: PathBuf,
        /// What would change, a line each.
        changes: Vec<String>,
    },
    /// A file of the cache, or the lock file, cannot be read or written.
    #[error("cannot use `{}`", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What is wrong with one file of a repository.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RemoteFault {
    /// The repository's name.
    pub repository: String,
    /// The file, below the repository.
    pub file: String,
    /// What is wrong with it, as the end of a sentence that begins with the file.
    pub wrong: String,
    /// True when the file is there and must not be trusted.
    pub is_untrusted: bool,
    /// True when a server says that there is no such file.
    pub is_gone: bool,
}

impl RemoteError {
    /// True when the network or the disk is in the way, rather than something that the user says.
    pub fn is_host(&self) -> bool {
        match self {
            Self::Unavailable(faults) => faults.iter().all(|fault| !fault.is_untrusted),
            Self::File { .. } => true,
            Self::Configuration(_) | Self::Key(_) | Self::Lock { .. } | Self::Locked { .. } => false,
        }
    }

    /// True when a repository has changed since its metadata were asked for: it will be asked again.
    pub fn is_outdated(&self) -> bool {
        matches!(self, Self::Unavailable(faults) if faults.iter().any(|fault| fault.is_gone))
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unavailable(faults) if faults.iter().any(|fault| fault.is_untrusted) => Some(
                "name the file of the key that signs it (`gpg-keys`, `gpgkey=`), or ask who runs the repository".into(),
            ),
            Self::Unavailable(faults) if faults.iter().any(|fault| fault.is_gone) => Some(
                "`--repo-refresh` asks for new metadata; `--no-remote` goes on without any remote repository".into(),
            ),
            Self::Unavailable(_) => Some("`--no-remote` goes on without any remote repository".into()),
            Self::Lock { .. } => Some("correct it, or remove it and run without `--locked`".into()),
            Self::Locked { .. } => Some("run the same command without `--locked`, and commit the new file".into()),
            Self::Configuration(_) | Self::Key(_) | Self::File { .. } => None,
        }
    }
}

fn count(number: usize) -> String {
    if number == 1 { "a file".to_owned() } else { format!("{number} files") }
}

fn lines(all: &[impl fmt::Display]) -> String {
    all.iter().map(|one| format!("\n  {one}")).collect()
}

impl fmt::Display for RemoteFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "repository `{}`: `{}` {}", self.repository, self.file, self.wrong)
    }
}
