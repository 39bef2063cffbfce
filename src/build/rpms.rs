//! The RPMs of a buildroot.

use std::path::PathBuf;

use crate::digest::Sha256;

/// An RPM to be installed for a build.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct BuildrootRpm {
    pub(super) nevra: String,
    /// What it provides to a build; of a remote package the digest of the file.
    pub(super) content: Sha256,
    /// The file in the store, or in the cache of remote packages.
    pub(super) path: PathBuf,
    /// Whether it comes from a remote repository.
    pub(super) is_remote: bool,
}

/// The digests of the RPMs of `buildroot` that come from remote repositories.
pub(super) fn remote_rpms(buildroot: &[BuildrootRpm]) -> impl Iterator<Item = Sha256> {
    buildroot.iter().filter(|rpm| rpm.is_remote).map(|rpm| rpm.content)
}
