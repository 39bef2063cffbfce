//! What a container is given, as plain data that can be printed, compared and hashed.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::digest::Sha256;

/// An absolute path on the machine that runs Drydock.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPath(PathBuf);

/// An absolute path inside a container.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GuestPath(String);

/// A path is relative where an absolute one is needed.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not an absolute path without `..`")]
pub struct RelativePath(String);

impl HostPath {
    /// `path`, which must be absolute.
    pub fn new(path: impl Into<PathBuf>) -> Result<Self, RelativePath> {
        let path = path.into();
        if path.is_absolute() { Ok(Self(path)) } else { Err(RelativePath(path.display().to_string())) }
    }

    /// The path.
    pub fn as_path(&self) -> &Path {
        &self.0
    }
}

impl GuestPath {
    /// `path`, which must be absolute and without `..`.
    pub fn new(path: impl Into<String>) -> Result<Self, RelativePath> {
        let path = path.into();
        let inside = path.starts_with('/') && !path.split('/').any(|part| part == "..");
        if inside { Ok(Self(path)) } else { Err(RelativePath(path)) }
    }

    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path without its first `/`, to be joined to a root folder.
    pub fn relative(&self) -> &str {
        self.0.trim_start_matches('/')
    }
}

impl fmt::Display for GuestPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An image that a container starts from; always by digest, never by tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ImageId {
    /// The image with this manifest digest in the OCI layout.
    Stored(Sha256),
    /// An image that this engine derived from another one by [`super::Engine::derive`], named by the key of its inputs.
    Derived(Sha256),
}

/// Something of the host that a container sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mount {
    /// A file or folder that the container can read and not change.
    ReadOnly {
        /// What is shown.
        host: HostPath,
        /// Where it is seen.
        guest: GuestPath,
    },
    /// An empty file system in memory.
    Tmpfs {
        /// Where it is seen.
        guest: GuestPath,
        /// Its limit.
        size_bytes: u64,
    },
    /// The devices [`DEVICES`] in a folder, for programs that have another root: no engine lets every container make any.
    Devices {
        /// The folder.
        guest: GuestPath,
    },
}

/// What a folder of devices has.
pub(super) const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];

impl Mount {
    /// Where it is seen.
    pub(super) fn places(&self) -> Vec<String> {
        match self {
            Self::ReadOnly { guest, .. } | Self::Tmpfs { guest, .. } => vec![guest.as_str().to_owned()],
            Self::Devices { guest } => DEVICES.map(|name| format!("{guest}/{name}")).into(),
        }
    }
}

/// Who runs in the container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum User {
    /// User 0 of the container.
    Root,
    /// `USER` or `USER:GROUP`, names or numbers: a user of the image's `/etc/passwd`, with the groups that `/etc/group`
    /// gives it or the one that is named. A number needs no such user, and has the group 0 then.
    Named(String),
}

/// What the container can reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// Only its own loopback interface.
    None,
    /// Other machines, for containerfiles' `RUN` and for checks that the pipeline file allows it.
    Outside,
}

/// How a container reaches other machines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outside {
    /// From a network of its own, in which it sees nothing of this machine.
    #[default]
    Private,
    /// From this machine's network: it reaches whatever listens on it.
    Host,
}

/// Linux capabilities of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Capabilities {
    /// Docker's default set.
    Default,
    /// Docker's default set and these, named without `CAP_`.
    DefaultAnd(Vec<String>),
}

/// What a container may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// All its processes together; None for no limit.
    pub memory_bytes: Option<u64>,
    /// Processes and threads at a time; None for what [`super::Places`] says.
    pub pids: Option<u32>,
    /// Wall time; the container is killed when it is over.
    pub timeout: Option<Duration>,
}

/// One throwaway container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerSpec {
    /// What it starts from.
    pub image: ImageId,
    /// Program and arguments; the program is looked for in `PATH`.
    pub argv: Vec<String>,
    /// The whole environment, apart from `PATH`, `HOME` and what the image itself sets.
    pub env: BTreeMap<String, String>,
    /// Who runs the program.
    pub user: User,
    /// Where it starts; made when it is missing.
    pub workdir: GuestPath,
    /// What it sees of the host.
    pub mounts: Vec<Mount>,
    /// What it can reach.
    pub network: Network,
    /// What it may ask of the kernel.
    pub capabilities: Capabilities,
    /// What it may use.
    pub limits: Limits,
}

/// How a container's program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It ended by itself, with this status.
    Code(i32),
    /// A signal killed it.
    Signal(i32),
    /// It was killed at its time limit.
    TimedOut,
    /// It was killed at its memory limit.
    MemoryLimit,
    /// The run was cancelled.
    Cancelled,
}

impl Exit {
    /// True for status 0.
    pub fn is_success(self) -> bool {
        self == Self::Code(0)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit status {code}"),
            Self::Signal(signal) => write!(f, "killed by signal {signal}"),
            Self::TimedOut => f.write_str("killed at the time limit"),
            Self::MemoryLimit => f.write_str("killed at the memory limit"),
            Self::Cancelled => f.write_str("cancelled"),
        }
    }
}

/// Which of its two streams a program wrote to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the streams")]
pub enum Stream {
    Stdout,
    Stderr,
}
