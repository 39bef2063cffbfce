//! Faults that end the making of an image; a transaction or script that fails in the container is an
//! [`super::Outcome::Failed`].

use std::io;
use std::path::PathBuf;

use super::config::ConfigError;
use super::disk_image::DiskError;
use super::install::InstallError;
use super::output::OutputError;
use crate::cache::CacheError;
use crate::engine::{EngineError, RelativePath};
use crate::graph::Unsolvable;
use crate::oci::OciError;

/// Why an image could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The packages that it asks for cannot be had.
    #[error("the packages of `{}` cannot be installed together", config.display())]
    Packages {
        /// The configuration.
        config: PathBuf,
        /// What is missing or in conflict.
        source: Unsolvable,
    },
    /// Something has to start a kernel, and no package has one.
    #[error("`{}` needs a kernel, and none of its packages has `/boot/vmlinuz-…`", config.display())]
    NoKernel {
        /// The configuration.
        config: PathBuf,
    },
    /// An RPM is not the one that was built.
    #[error("`{}` is damaged: it is not the file that was built", path.display())]
    Damaged {
        /// The RPM.
        path: PathBuf,
        /// Name of the package.
        package: String,
    },
    /// An RPM was built and is not there any more.
    #[error("`{}` is missing", path.display())]
    Missing {
        /// The RPM.
        path: PathBuf,
        /// Name of the package.
        package: String,
    },
    /// An input cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file or folder of the run cannot be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The root file system cannot be installed.
    #[error(transparent)]
    Install(#[from] InstallError),
    /// The installed tree cannot be used.
    #[error("cannot use the files that the assembly container left for `{image}`")]
    Rootfs {
        /// Name of the image.
        image: String,
        /// What is wrong with them.
        source: io::Error,
    },
    /// The disk cannot be written.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The files of an ISO cannot be gathered.
    #[error("cannot make the ISO of `{image}`")]
    Iso {
        /// Name of the image.
        image: String,
        /// What is wrong.
        source: io::Error,
    },
    /// The container that makes an ISO could not be run.
    #[error("cannot run the container that makes the ISO")]
    IsoContainer(#[from] EngineError),
    /// The OCI image cannot be written.
    #[error("cannot make the OCI image of `{image}`")]
    Oci {
        /// Name of the image.
        image: String,
        /// What is wrong.
        source: OciError,
    },
    /// A finished file cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The folder of results cannot be made.
    #[error("there is no place for the image")]
    Results(#[source] CacheError),
    /// A folder of the project is not absolute.
    #[error("the folders of a project must be absolute")]
    Relative(#[from] RelativePath),
    /// The user has changed a file while the image was made from it.
    #[error("`{}` was changed while the image of `{}` was made", path.display(), config.display())]
    Changed {
        /// The image configuration.
        config: PathBuf,
        /// The file.
        path: PathBuf,
    },
    /// The run was cancelled.
    #[error("the image was cancelled")]
    Cancelled,
    /// A task of ours was stopped or has panicked.
    #[error("writing an image did not end")]
    Task(#[from] tokio::task::JoinError),
}

impl ImageError {
    /// True when the user's files are at fault, not the machine.
    pub fn is_configuration(&self) -> bool {
        matches!(
            self,
            Self::Config(_) | Self::Packages { .. } | Self::NoKernel { .. } | Self::Disk(_) | Self::Changed { .. }
        )
    }

    /// What the user can do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Config(error) => error.hint(),
            Self::Results(error) => error.hint(),
            Self::Disk(error) => error.hint(),
            Self::Packages { .. } => {
                Some("build the missing packages first, or take them out of the package lists".to_owned())
            }
            Self::Damaged { package, .. } | Self::Missing { package, .. } => {
                Some(format!("`drydock build {package}` makes it again"))
            }
            Self::Changed { .. } => Some("run the same command again".to_owned()),
            Self::NoKernel { .. } => Some("name a kernel package as `default` in KernelOptions".to_owned()),
            _ => None,
        }
    }
}
