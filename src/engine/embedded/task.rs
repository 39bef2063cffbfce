//! What passes between Drydock and its helper process, over one socket that is the helper's standard input.
//!
//! Down: the length of a [`Job`] as four bytes, the job as JSON, then single bytes: [`GO`] once ids are mapped,
//! and again once limits are set, [`KILL`] to end the program. Up: [`Reply`]s, one JSON line each; after [`Reply::Files`], or [`Reply::Ended`] with
//! files, a tar archive until the helper closes its side. A closed socket means that the other one is gone.

use std::fmt::Display;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::digest::Sha256;

/// What the helper waits for is done.
pub(super) const GO: u8 = b'g';
/// The program is to be killed.
pub(super) const KILL: u8 = b'k';

/// What a helper is to do.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Job {
    pub(super) owner: Owner,
    pub(super) task: Task,
}

/// The user and group of the machine who are root in a container's user namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Owner {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Task {
    /// Unpacks a layer into the new folder `name` of `folder`, with the whiteouts of overlayfs.
    Unpack { blob: PathBuf, diff_id: Sha256, folder: PathBuf, name: String },
    /// Runs a container.
    Run(Box<Container>),
    /// Sends a folder of changes as an archive with the whiteouts of OCI.
    Export { changes: PathBuf },
    /// Removes files and folders, whoever owns them.
    Remove { paths: Vec<PathBuf> },
    /// Tells what folders look like.
    List { folders: Vec<PathBuf> },
}

/// A container as the helper needs it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Container {
    /// Its own folder: `upper`, `work`, `root` are made there.
    pub(super) folder: PathBuf,
    /// The folder that `lower` is relative to.
    pub(super) layers: PathBuf,
    /// Folders of the layers, highest first.
    pub(super) lower: Vec<String>,
    /// Program and arguments; none to try only whether a container can be made.
    pub(super) argv: Vec<String>,
    /// The whole environment, `PATH` included; `HOME` is added when it is missing.
    pub(super) env: Vec<(String, String)>,
    /// A user, and perhaps a group, by name or number; None for root.
    pub(super) user: Option<String>,
    pub(super) workdir: String,
    pub(super) mounts: Vec<GuestMount>,
    pub(super) network: GuestNetwork,
    /// Names without `CAP_`, besides Docker's default set.
    pub(super) capabilities: Vec<String>,
    /// The limit that the helper watches itself.
    pub(super) watched_memory: Option<u64>,
    /// The limit of processes and threads that the helper sets itself; kept for each user of a user namespace.
    pub(super) own_pids: Option<u32>,
    /// The folder whose files are sent.
    pub(super) collect: Option<String>,
    /// What becomes of the changes.
    pub(super) changes: Changes,
    /// True when the helper's standard output is a terminal, which is to be the program's.
    pub(super) has_terminal: bool,
}

impl Container {
    /// The program's name, for messages.
    pub(super) fn program(&self) -> &str {
        self.argv.first().map_or("nothing", String::as_str)
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum GuestMount {
    ReadOnly {
        host: PathBuf,
        guest: String,
    },
    Tmpfs {
        guest: String,
        size_bytes: u64,
    },
    /// A device of the host, by its name in `/dev`.
    Device {
        name: String,
        guest: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum GuestNetwork {
    Loopback,
    /// Of its own, with a way to other machines.
    Outside,
    Host,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Changes {
    Remove,
    /// They stay in `upper` when the program ends with status 0.
    Keep,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Reply {
    /// The process `pid` has a new user namespace, and the helper waits for its ids.
    Unshared {
        pid: u32,
    },
    /// What the helper needs of the machine is there; it waits for the limits of its container.
    Ready,
    /// The program and all its children are gone; `files` tells whether an archive follows.
    Ended {
        how: How,
        files: bool,
    },
    /// An archive follows.
    Files,
    /// The listing of each folder; None for one that cannot be listed.
    Listed(Vec<Option<Sha256>>),
    /// The task is done.
    Done,
    Failed(Fault),
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum How {
    Code(i32),
    Signal(i32),
    /// The helper killed it at its memory limit.
    Memory,
}

/// Why a helper could not do its task.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{step} `{thing}`: {problem}")]
pub struct Fault {
    pub(super) step: Step,
    /// Path, user, capability, …
    pub(super) thing: String,
    pub(super) problem: String,
    /// The kernel's number of the error, if it was one.
    pub(super) errno: Option<i32>,
}

/// What a helper was at when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Step {
    Job,
    Keyring,
    UserNamespace,
    Namespaces,
    Layers,
    Mount,
    Root,
    Network,
    Gateway,
    User,
    Workdir,
    Limits,
    Capability,
    Filter,
    Program,
    Unpack,
    Read,
    Remove,
}

impl Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Job => "cannot read the job",
            Self::Keyring => "cannot make the session keyring",
            Self::UserNamespace => "cannot make the user namespace",
            Self::Namespaces => "cannot make the namespaces",
            Self::Layers => "cannot lay the image's layers over each other in",
            Self::Mount => "cannot mount",
            Self::Root => "cannot enter the container's root",
            Self::Network => "cannot bring up the network interface",
            Self::Gateway => "cannot connect the container to other machines by",
            Self::User => "cannot become the user",
            Self::Workdir => "cannot enter the folder",
            Self::Limits => "cannot set the limit",
            Self::Capability => "cannot give the capability",
            Self::Filter => "cannot filter the system calls of",
            Self::Program => "cannot start",
            Self::Unpack => "cannot unpack",
            Self::Read => "cannot read",
            Self::Remove => "cannot remove",
        })
    }
}

/// Tells at which step an operation failed, and on what.
pub(super) trait AtStep<T> {
    fn at(self, step: Step, thing: impl Display) -> Result<T, Fault>;
}

impl<T, E: Into<io::Error>> AtStep<T> for Result<T, E> {
    fn at(self, step: Step, thing: impl Display) -> Result<T, Fault> {
        self.map_err(|error| {
            let error: io::Error = error.into();
            Fault { step, thing: thing.to_string(), problem: error.to_string(), errno: error.raw_os_error() }
        })
    }
}

impl Fault {
    pub(super) fn new(step: Step, thing: impl Display, problem: impl Into<String>) -> Self {
        Self { step, thing: thing.to_string(), problem: problem.into(), errno: None }
    }
}
