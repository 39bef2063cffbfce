//! Why the files of a container are not taken, and whose fault that is.

use std::io;
use std::path::PathBuf;

/// Why the files of a container are not taken.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// The container left what is not taken.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The archive cannot be read, or is not whole.
    #[error("cannot read the container's output folder `{from}`")]
    Read {
        /// The folder in the container.
        from: String,
        /// Why.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write `{}`, which comes out of the container", .path.display())]
    Write {
        /// The file of the host.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What a container left that is not taken: the program's fault, not the engine's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Something that is no regular file and no folder.
    #[error("the container left {kind} `{name}` in its output folder; only regular files and folders are taken")]
    Kind {
        /// Its name, relative to the folder.
        name: String,
        /// `a symbolic link` and the like.
        kind: &'static str,
    },
    /// A name that leaves the folder.
    #[error("the container left the name `{0}`, which leads out of its output folder")]
    Outside(String),
    /// One name for two things.
    #[error("the container left the name `{0}` twice in its output folder")]
    Twice(String),
    /// A name below too many folders.
    #[error("the container left folders in its output folder that are too deep, below `{0}`")]
    Deep(String),
    /// More bytes than are taken from one container, holes included.
    #[error("the container left more than {} GiB in its output folder, with `{name}`", most_bytes >> 30)]
    Large {
        /// The file with which it is too much.
        name: String,
        /// The limit.
        most_bytes: u64,
    },
    /// More files and folders than are taken from one container.
    #[error("the container left more than {0} files and folders in its output folder")]
    Many(usize),
}
