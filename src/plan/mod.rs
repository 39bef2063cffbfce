//! What is built, in which order, and why. Pure.
//!
//! - [`BuildInputs`] is everything that decides what a build gives; its digest is the [`BuildKey`]. Content by digest,
//!   macros, the toolchain image without what its stage provides, what of that is required, the arch, the RPMs of the buildroot with the digest of what each provides to a build,
//!   whether `%check` runs and what the package may do that others may not enter it. Host paths, limits, the number of jobs and time do not. A package is up to
//!   date when a result of its key is there, and never because a file of some name exists.
//! - A dependency that was built again with an equal result has an equal digest, so nothing after it is built again.
//! - [`reasons`] compares the inputs of the last build with those of the next and says in words what differs.
//! - [`shortage`] says whether the machine has room for another build, [`turns`] how builds share its processors.
//! - [`Claims`] says which spec a file of the repository belongs to, so that no spec takes the place of another.
//! - [`BuildQueue`] holds what may start now; [`Plan`] says before the run what will happen.
//!
//! Known holes: what a build reads from the machine itself (the kernel's version, the processor's features) is not in
//! the key; nor is a line of what the toolchain's stage provides that a program out of an archive asks RPM's database for.

mod claims;
mod durations;
mod estimate;
mod exception;
mod hold;
mod key;
mod planned;
mod queue;
mod reason;
#[cfg(test)]
mod tests;
mod tokens;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::digest::Sha256;

pub use claims::{Claims, Owned, Taken};
pub use durations::with_guesses;
pub use estimate::Estimate;
pub use exception::Exception;
pub use hold::{Reading, Reserve, Room, Shortage, shortage};
pub use key::BuildKey;
pub use planned::{Plan, PlannedPackage, PlannedRemote, State};
pub use queue::{Blocked, BuildQueue, Counts, PostponeError};
pub use reason::{Reason, reasons};
pub use tokens::{Pipe, Turn, turns};

/// Everything that decides what a build gives; its digest is the build key. Paths of the host, limits and times never
/// enter it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct BuildInputs {
    /// Counts up when Drydock itself builds in another way.
    pub key_version: u32,
    /// Name of the spec file without `.spec`.
    pub spec: String,
    /// Digest of the spec file.
    pub spec_digest: Sha256,
    /// Digests of sources and patches by file name.
    pub sources: BTreeMap<String, Sha256>,
    /// RPM macros of the run, and those with versions of other specs that the spec names.
    pub macros: BTreeMap<String, String>,
    /// Digests of files of RPM macros, by a name that sorts as they are loaded.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub macro_files: BTreeMap<String, Sha256>,
    /// Digest of the toolchain image without what its stage provides.
    pub image: Sha256,
    /// What the toolchain's stage provides of what is required, or all of it where RPM's database is asked.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub given: BTreeSet<String>,
    /// RPM's word for the architecture.
    pub arch: String,
    /// NEVRAs of the RPMs installed for the build, with the digest of what each provides to a build.
    pub buildroot: BTreeMap<String, Sha256>,
    /// True when `%check` runs.
    pub check: bool,
    /// What it may do that others may not.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub exceptions: BTreeSet<Exception>,
}
