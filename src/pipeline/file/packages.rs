//! What a pipeline file says of packages.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::exceptions::Allowance;
use crate::remote::WantedRepository;

/// Which packages are built, and in which image.
#[derive(Clone, Debug, Default)]
pub struct Packages {
    /// Name of the toolchain stage.
    pub toolchain: String,
    /// Folders with specs, absolute.
    pub specs: Vec<PathBuf>,
    /// Names of packages; empty for all.
    pub build: Vec<String>,
    /// Specs whose `%check` runs.
    pub check: BTreeSet<String>,
    /// RPM macros.
    pub macros: BTreeMap<String, String>,
    /// Files of RPM macros, absolute, in the order in which they are loaded.
    pub macro_files: Vec<PathBuf>,
    /// The prefix of macros with versions of other specs.
    pub version_macros: Option<String>,
    /// Remote repositories, in the order in which they are given.
    pub repositories: Vec<WantedRepository>,
    /// What `$releasever` stands for.
    pub release_version: Option<String>,
    /// What single packages may do that others may not.
    pub exceptions: Vec<Allowance>,
    /// Suites of package archives that sources are looked for in, besides the host's.
    pub archives: Vec<WantedArchive>,
}

/// A suite that a pipeline names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedArchive {
    /// `trixie`, …
    pub suite: String,
    /// `main` and the like, at least one.
    pub components: Vec<String>,
    /// The folder that holds `dists/` and `pool/`; None for the mirror that is found.
    pub mirror: Option<String>,
    /// The keys that sign it, absolute; None for the machine's.
    pub keyring: Option<PathBuf>,
}
