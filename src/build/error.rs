//! Faults that end a run; a package that does not build is an [`super::Outcome`].

use std::io;
use std::path::PathBuf;

use crate::cache::{CacheError, full_disk_hint};
use crate::engine::{EngineError, RelativePath};
use crate::plan::Shortage;
use crate::remote::RemoteError;
use crate::repo::RepoError;
use crate::source::SourceError;

/// Why a run cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The engine failed.
    #[error("cannot run a container for `{package}`")]
    Engine {
        /// Source package, as name-version-release.
        package: String,
        /// What the engine said.
        source: EngineError,
    },
    /// A result, a log or a record cannot be read or written.
    #[error("cannot keep the results of `{package}`")]
    Store {
        /// Source package, as name-version-release.
        package: String,
        /// What went wrong.
        source: CacheError,
    },
    /// The records of earlier builds cannot be read.
    #[error("cannot read the records of earlier builds")]
    Records(#[source] CacheError),
    /// The records of the repository cannot be read.
    #[error("cannot read the records of the repository")]
    Repository(#[source] RepoError),
    /// The RPMs cannot be put into the repository.
    #[error("cannot publish the RPMs of `{package}`")]
    Publish {
        /// Source package, as name-version-release.
        package: String,
        /// What went wrong.
        source: RepoError,
    },
    /// Packages of remote repositories cannot be had.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// Sources cannot be looked for.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A source that the spec names was not looked for.
    #[error("`{file}`, a source of `{spec}.spec`, has not been found")]
    NoSource {
        /// Name of the spec file without `.spec`.
        spec: String,
        /// The source.
        file: String,
    },
    /// A spec or source cannot be copied for its build.
    #[error("cannot copy `{}` to `{}`", path.display(), into.display())]
    Copy {
        /// The file.
        path: PathBuf,
        /// The folder of the build.
        into: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The folder of a build cannot be made.
    #[error("cannot make `{}`", path.display())]
    Folder {
        /// The folder, or the file in it.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A spec or source is not the one that was planned with.
    #[error("`{}` has changed since the run began", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The graph has a spec that was not loaded.
    #[error("the graph names `{spec}.spec`, which was not loaded")]
    NoSpec {
        /// Name of the spec file without `.spec`.
        spec: String,
    },
    /// A package is not built that another one needs.
    #[error("`{spec}` has no RPMs yet, and `{by}` needs them")]
    NotBuilt {
        /// The spec without RPMs.
        spec: String,
        /// The spec that needs it.
        by: String,
    },
    /// The disk has no room for another build.
    #[error("the disk of `{}` is nearly full: {shortage}", path.display())]
    DiskFull {
        /// The build folder.
        path: PathBuf,
        /// How short it is.
        shortage: Shortage,
    },
    /// A folder of the project is not absolute.
    #[error("the project's folders must be absolute paths")]
    Path(#[from] RelativePath),
}

impl BuildError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Store { source, .. } | Self::Records(source) => source.hint(),
            Self::Publish { source, .. } | Self::Repository(source) => source.hint(),
            Self::Copy { into, source, .. } | Self::Folder { path: into, source } => full_disk_hint(into, source),
            Self::Remote(error) => error.hint(),
            Self::Source(error) => error.hint(),
            Self::Changed { .. } => Some("run the same command again; finished packages are kept".to_owned()),
            Self::NotBuilt { spec, .. } => Some(format!("build it with `drydock build {spec}`")),
            Self::NoSource { .. } => Some("fetch it with `drydock sources`, or put it beside the spec".to_owned()),
            Self::DiskFull { .. } => Some(
                "make room with `drydock clean`, or on the disk; `--reserve-disk MIB` keeps less free. Finished packages \
                 are kept"
                    .to_owned(),
            ),
            Self::Engine { .. } | Self::NoSpec { .. } | Self::Path(_) => None,
        }
    }
}
