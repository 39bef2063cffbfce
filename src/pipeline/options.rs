//! What is asked of a run: the command line fills it in, nothing of it comes from the pipeline file.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::file::StageRegistry;
use crate::build::{Check, OnFailure};
use crate::plan::Reserve;
use crate::remote::WantedRepository;
use crate::source::{MirrorAccess, SignatureMode};

/// What the user can ask of a run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Packages built at a time.
    pub jobs: NonZeroUsize,
    /// Processes that all builds together may run at a time; at least 1.
    pub cpus: usize,
    /// True when builds share them by one jobserver, where they can.
    pub jobserver: bool,
    /// What is kept free of memory and disk.
    pub reserve: Reserve,
    /// Whose `%check` runs, and what a failing one does.
    pub checks: CheckOptions,
    /// What is done with signatures files.
    pub signatures: SignatureMode,
    /// URLs of source mirrors, in the order in which they are tried.
    pub source_urls: Vec<String>,
    /// What the mirrors are asked with.
    pub access: MirrorAccess,
    /// The mirror of the package archives that the pipeline names; None for that of the host or of a base image.
    pub archive_mirror: Option<String>,
    /// Wall time of one package's build.
    pub timeout: Duration,
    /// Memory of one package's build; None for no limit.
    pub memory_bytes: Option<u64>,
    /// Time that one spec may take to be read.
    pub spec_seconds: u64,
    /// What happens to the other packages when one fails.
    pub on_failure: OnFailure,
    /// What happens when something that is asked for cannot be built.
    pub obstacles: Obstacles,
    /// How long builds lasted elsewhere, by spec; for those that were never measured here.
    pub durations: BTreeMap<String, Duration>,
    /// How many steps a rebuild reaches; None for as many as there are.
    pub cascade: Option<u32>,
    /// How often a build that fails is tried again.
    pub retries: u32,
    /// What of the specs is asked for, besides the goals.
    pub wishes: Wishes,
    /// Which remote repositories are used, and how.
    pub remote: RemoteOptions,
    /// Where images of stages are pulled from.
    pub registry: RegistryOptions,
    /// The time of the run.
    pub now: SystemTime,
}

/// What happens when it is known before the first build that something cannot be built: a requirement that nothing
/// satisfies, a ring of builds, a source that cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacles {
    /// Nothing is built.
    Refuse,
    /// What has an obstacle is told and left out, with all that needs it; the rest is built.
    LeaveOut,
}

/// Whose `%check` runs, in the user's words: names of specs, or of packages that specs make.
#[derive(Clone, Debug)]
pub struct CheckOptions {
    /// What a failing `%check` does.
    pub on_failure: Check,
    /// The packages.
    pub of: CheckedPackages,
    /// Those of them that are left out.
    pub ignored: Vec<String>,
}

/// Packages whose `%check` runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckedPackages {
    /// Those that the pipeline lists.
    Listed,
    /// The same, for folders of specs that are not the pipeline's: what they do not have is left out.
    ListedIfThere,
    /// All that have one.
    All,
    /// These; they are built in the run, too.
    Only(Vec<String>),
}

/// What of the specs is asked for, as the user says it: names of specs, or of packages that they make.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// These are built whether or not their result is at hand; they are goals, too.
    pub rebuild: Vec<String>,
    /// These are not built: their last result is taken, whatever has changed since.
    pub ignore: Vec<String>,
    /// Image configurations whose packages are goals, as far as a spec makes them.
    pub images: Vec<PathBuf>,
    /// So many layers of specs that need the goals are goals, too.
    pub extra_layers: u32,
}

/// What the user can ask of remote repositories.
#[derive(Clone, Debug, Default)]
pub struct RemoteOptions {
    /// Repositories besides those of the pipeline; of equal priority they come first.
    pub repositories: Vec<WantedRepository>,
    /// True when none is used.
    pub off: bool,
    /// Packages that came later are not seen; seconds since 1970.
    pub snapshot: Option<u64>,
    /// Asks repositories also when their last answer is fresh.
    pub refresh: bool,
    /// Uses only what the lock file lists.
    pub locked: bool,
}

/// What the user says of registries; it goes before what the pipeline says.
#[derive(Clone, Debug, Default)]
pub struct RegistryOptions {
    /// The registry to ask.
    pub name: Option<String>,
    /// True when none is asked.
    pub off: bool,
    /// The key that images must be signed with.
    pub key: Option<PathBuf>,
}

impl RegistryOptions {
    /// The registry to ask, when the pipeline names `own`.
    pub fn over(&self, own: Option<&StageRegistry>) -> Option<StageRegistry> {
        let name = self.name.clone().or_else(|| own.map(|own| own.name.clone())).filter(|_| !self.off)?;
        Some(StageRegistry { name, key: self.key_over(own) })
    }

    /// The key that images must be signed with, when the pipeline names `own`.
    pub(super) fn key_over(&self, own: Option<&StageRegistry>) -> Option<PathBuf> {
        self.key.clone().or_else(|| own.and_then(|own| own.key.clone()))
    }
}
