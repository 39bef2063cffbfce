//! Why an image could not be tested at all; an image that does not start is a [`super::Problem`].

use std::io;
use std::path::PathBuf;

use crate::engine::{EngineError, RelativePath};
use crate::oci::OciError;

/// Why an image could not be tested.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// QEMU is not installed.
    #[error("`{program}` is not installed")]
    NoQemu {
        /// Its name.
        program: &'static str,
    },
    /// There is no UEFI firmware for it.
    #[error("there is no UEFI firmware (OVMF) for QEMU; looked for {}", looked_for.join(", "))]
    NoFirmware {
        /// The files that would do.
        looked_for: Vec<String>,
    },
    /// QEMU could not be started or waited for.
    #[error("cannot run `{program}`")]
    Qemu {
        /// Its name.
        program: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// QEMU ended at once.
    #[error("`{program}` ended before anything was started: {said}")]
    Refused {
        /// Its name.
        program: &'static str,
        /// What it said.
        said: String,
    },
    /// A file cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is of no kind that can be started.
    #[error("`{}` is no image that can be started", path.display())]
    Kind {
        /// The file.
        path: PathBuf,
    },
    /// An OCI image cannot be read.
    #[error("cannot read the OCI image `{}`", path.display())]
    Oci {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: OciError,
    },
    /// The engine cannot run a container.
    #[error("cannot run a container of the image")]
    Engine(#[from] EngineError),
    /// A folder in a container is not absolute.
    #[error("cannot describe the container of the image")]
    Relative(#[from] RelativePath),
    /// A task of ours was stopped or has panicked.
    #[error("reading the image did not end")]
    Task(#[source] tokio::task::JoinError),
    /// The test was cancelled.
    #[error("the test was cancelled")]
    Cancelled,
}

impl BootError {
    /// What the user can do.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoQemu { .. } => {
                "install it: `apt install qemu-system-x86` (Debian), `dnf install qemu-system-x86-core` (Fedora)"
                    .to_owned()
            }
            Self::NoFirmware { .. } => {
                "install it: `apt install ovmf` (Debian), `dnf install edk2-ovmf` (Fedora)".to_owned()
            }
            Self::Kind { .. } => {
                "raw, img, vhd, vhdx, qcow2 and iso can be started; a compressed image must be unpacked first"
                    .to_owned()
            }
            Self::Engine(fault) => return fault.hint(),
            _ => return None,
        })
    }

    /// True when the user named a wrong file, false when the machine lacks something.
    pub fn is_configuration(&self) -> bool {
        matches!(self, Self::Kind { .. } | Self::Read { .. } | Self::Oci { .. })
    }
}
