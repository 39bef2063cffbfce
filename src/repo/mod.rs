//! The repository of built RPMs, `out/RPMS`: one folder an arch, and `repodata/` that dnf reads.
//!
//! In: [`StoredResult`]s, one a spec. Out: their RPMs under `out/RPMS/<arch>/`, by hard link where that works, and an
//! index of exactly these RPMs that points to no missing file, at any moment and after any crash:
//!
//! 1. new RPMs get hidden names in their folders, the index files their final names, which contain their digests;
//! 2. the RPMs are renamed, then `repomd.xml`: from here on a reader sees the new repository;
//! 3. what was published is recorded in `state/published/<spec>.json` and `state/repodata.json`;
//! 4. RPMs of an older build of the spec are removed, and index files older than the previous ones.
//!
//! Whatever is interrupted is done again by the next [`Repo::publish`] of that spec, since the record is written last.
//! RPMs that somebody else put into `out/RPMS` are left alone and not indexed; [`Repo::foreign`] lists them. The index
//! has the same bytes for the same RPMs: its times are those of the packages, its revision is a digest.

mod commit;
mod compare;
mod error;
mod fit;
#[cfg(fuzzing)]
pub mod fuzzing;
mod record;
mod repodata;
mod state;
#[cfg(test)]
mod property;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

pub use compare::{Comparison, Difference, compare};
pub use error::RepoError;
pub use fit::unfit;
use state::State;

use crate::cache::{BuiltRpm, StoredResult};
use crate::digest::Sha256;
use crate::layout::Layout;
use crate::package::Nevra;
use crate::plan::Owned;

/// The repository of one project. Clones are the same repository.
#[derive(Clone)]
pub struct Repo {
    state: Arc<Mutex<State>>,
}

/// An RPM of the repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedRpm {
    /// Where it is; missing when the user has removed it.
    pub path: PathBuf,
    /// The spec that makes it.
    pub spec: String,
    /// The key of the build that made it.
    pub key: Sha256,
    /// What it is.
    pub rpm: BuiltRpm,
}

/// What [`Repo::publish`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// These RPMs were there already.
    Unchanged,
    /// They are new, or took the place of others.
    Changed,
}

impl Repo {
    /// The repository of the project of `layout`, as it was recorded; no RPM is read.
    pub fn open(layout: &Layout) -> Result<Self, RepoError> {
        Ok(Self { state: Arc::new(Mutex::new(State::open(layout)?)) })
    }

    /// Makes the RPMs of each result those of its spec, and removes the ones of the specs' earlier builds. Does nothing
    /// when they are there: files are read only when they have changed, so that a repository in order costs some microseconds
    /// a file. A damaged index is written again. The index is written once for all `results`.
    ///
    /// # Errors
    /// [`RepoError::Damaged`] when an RPM of a result is not what was stored: the result is to be built again.
    /// [`RepoError::Unfit`] when the index cannot hold an RPM of a result.
    /// [`RepoError::Taken`] when a file of the same name belongs to another spec, in whatever run that was built.
    pub fn publish(&self, results: &[(&str, &StoredResult)]) -> Result<Published, RepoError> {
        self.with(|state| state.publish(results))
    }

    /// Lets other specs take the places of the RPMs of which `is_over` is true, given their specs: of specs that are gone, or
    /// do not make them any more. They stay in the repository until another spec has published a file of the same name.
    pub fn let_go(&self, is_over: impl Fn(&str, &Nevra) -> bool) {
        self.with(|state| state.let_go(is_over));
    }

    /// What is in the repository, by spec.
    pub fn owned(&self) -> Vec<Owned> {
        self.with(|state| state.rpms().map(|(spec, file)| (spec.to_owned(), file.rpm.header.nevra.clone())).collect())
    }

    /// Forgets the specs of which `is_gone` is true and of whose RPMs no file is left: nothing can bring these back.
    pub fn forget_missing(&self, is_gone: impl Fn(&str) -> bool) -> Result<(), RepoError> {
        self.with(|state| state.forget_missing(is_gone))
    }

    /// Takes the RPMs of `spec` out of the repository.
    pub fn remove(&self, spec: &str) -> Result<(), RepoError> {
        self.with(|state| state.remove(spec))
    }

    /// Keeps the next run from reading what this one has read or written. Without it, that run takes longer.
    pub fn remember(&self) {
        if let Err(error) = self.with(|state| state.digests.save()) {
            tracing::warn!(%error, "the digests of the repository's files are not remembered");
        }
    }

    /// All RPMs that were published, source packages included; sorted by spec and file name.
    pub fn packages(&self) -> Vec<PublishedRpm> {
        self.with(|state| state.packages())
    }

    /// Files named `*.rpm` in the repository's folders that no build published; sorted.
    pub fn foreign(&self) -> Result<Vec<PathBuf>, RepoError> {
        self.with(|state| state.foreign())
    }

    /// Records that cannot be read, each with its spec, whose RPMs are in no index until the spec is published again.
    pub fn lost(&self) -> Vec<(PathBuf, String)> {
        self.with(|state| state.lost())
    }

    /// A panic in another thread leaves the state as its last step left it, and every step can be done again.
    fn with<T>(&self, use_state: impl FnOnce(&mut State) -> T) -> T {
        use_state(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
