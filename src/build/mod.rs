//! Builds packages: a graph of specs becomes RPMs in the repository.
//!
//! In: a [`BuildGraph`](crate::graph::BuildGraph), the specs and their sources, a toolchain, the results of earlier
//! runs. Out: RPMs in `out/RPMS`, results in the store, a log a package, and a [`Summary`].
//!
//! A package's way, in `one.rs`:
//! 1. when everything it needs has a result, its `BuildRequires` are solved over the RPMs of those results: that gives
//!    its build key (`resolve.rs`). A key that the store has is up to date; nothing runs;
//! 2. the image with its `BuildRequires` is made unless the engine has it (`buildroot.rs`);
//! 3. `rpmbuild` runs in a container without network, as user `builder` (`container.rs`, `build.sh`). With exit status 11
//!    it asks for more `BuildRequires`: they are remembered and the way begins again at 1. Where these cannot be met with
//!    what was planned, it is planned again, and waits for what joins the run for it (`late.rs`);
//! 4. its RPMs are collected, checked, stored under the key and published.
//!
//! RPMs of remote repositories stand in a buildroot beside those of results; they are fetched before the image is made, and
//! enter keys by the digest of the file.
//!
//! What enters the key: everything in [`BuildInputs`](crate::plan::BuildInputs). What does not: host paths, limits, the
//! number of processors, the time. A key holds the digest of what each RPM of the buildroot *provides*, so that a rebuilt
//! dependency that gives the same again rebuilds nothing after it; that is why keys are known only during the run.
//!
//! Builds share the machine: with J of them at a time on N processors each runs N/J processes, or more where fewer can run.
//! Where GNU make >= 4.4 runs them, one jobserver gives out all N (`jobserver.rs`). Another build is begun only when memory
//! and disk have room (`machine.rs`); with no build running it begins all the same, unless the disk is short.
//!
//! A check whose requirements need the checked package runs when all is built (`apart.rs`).
//!
//! `drain.rs` is the loop: it takes ready packages from the queue, a pure value, and knows nothing of containers. A
//! package that does not build is an [`Outcome`]; an `Err` means that the engine, the disk or the configuration is broken.
//! Whatever a killed run leaves in `build/work/packages` is removed when the next one begins.

mod apart;
mod attempt;
mod buildroot;
mod cascade;
mod checks;
mod collect;
mod container;
mod drain;
mod error;
mod excerpt;
#[cfg(fuzzing)]
pub mod fuzzing;
mod inputs;
mod jobserver;
mod late;
mod log;
mod machine;
mod one;
mod outcome;
mod phase;
mod preview;
mod record;
mod resolve;
mod rpms;
mod run;
mod shell;
mod supply;
mod survey;
pub mod srpm;
mod tell;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

pub use checks::Checks;
pub use container::Check;
pub use drain::{Admission, Change, Drained, Pace, drain};
pub use error::BuildError;
pub use excerpt::{Excerpt, Form};
pub use late::{Ended, Late, Planner, Replanned};
pub use outcome::{Failure, Outcome, Summary, Unneeded};
pub use phase::Phase;
pub use preview::{Preview, preview};
pub use record::write_broken;
#[cfg(test)]
pub(crate) use resolve::own_inputs;
pub use resolve::required;
pub use run::build_all;
pub use shell::{Connection, Shell, ShellEnd, shell};
pub use supply::Supplier;
pub use survey::{Survey, survey};

use crate::cache::{History, Store};
use crate::engine::{Engine, Limits};
use crate::event::Report;
use crate::graph::RemoteIndex;
use crate::layout::Layout;
use crate::plan::{Exception, Reserve};
use crate::remote::Remote;
use crate::repo::Repo;
use crate::source::Sources;
use crate::spec::SourcePackage;
use crate::toolchain::Toolchain;

/// Counts up when packages are built in another way, so that every key changes.
pub const KEY_VERSION: u32 = 4;

/// What packages are built with.
#[derive(Clone, Copy)]
pub struct BuildContext<'a> {
    /// Runs the containers; not asked for anything while all is up to date.
    pub engine: &'a Engine,
    /// The image that packages are built in.
    pub toolchain: &'a Toolchain,
    /// The project's folders.
    pub layout: &'a Layout,
    /// Finished results.
    pub store: &'a Store,
    /// What is remembered of earlier builds.
    pub history: &'a History,
    /// Where RPMs are published.
    pub repo: &'a Repo,
    /// The specs, at least those of the graph.
    pub specs: &'a [SourcePackage],
    /// Their sources, by their digests; those of what is built must be at hand or come from `supplier`.
    pub sources: &'a Sources,
    /// Remote repositories.
    pub remote: &'a Remote,
    /// Their packages, as far as they may be used.
    pub remote_index: &'a RemoteIndex<'a>,
    /// What the user wants.
    pub options: &'a BuildOptions,
    /// Plans packages again whose `BuildRequires` turn out to be others; None where nothing is built.
    pub planner: Option<&'a dyn Planner>,
    /// Brings sources that are not at hand; None where nothing is built.
    pub supplier: Option<&'a dyn Supplier>,
    /// Takes events.
    pub report: Report<'a>,
    /// Ends the run: nothing new is begun, containers are killed.
    pub cancel: &'a CancellationToken,
}

/// What the user wants.
#[derive(Clone, Debug)]
pub struct BuildOptions {
    /// Builds at a time; at least 1.
    pub jobs: usize,
    /// Processes that all builds together run at a time, or few more where they do not share a jobserver; at least 1.
    pub cpus: usize,
    /// True when builds share them by one jobserver, where they can.
    pub jobserver: bool,
    /// What is kept free of memory and disk.
    pub reserve: Reserve,
    /// Which packages' `%check` runs, and what a failing one does.
    pub checks: Checks,
    /// Names of specs that are built whether they are up to date or not.
    pub rebuild: BTreeSet<String>,
    /// Names of specs whose last result is taken, whatever has changed since.
    pub ignored: BTreeSet<String>,
    /// How long builds lasted elsewhere, by spec; for those that were never measured here.
    pub durations: BTreeMap<String, Duration>,
    /// How many steps a rebuild reaches; None for as many as there are.
    pub cascade: Option<u32>,
    /// How often a build that fails is tried again.
    pub retries: u32,
    /// Wall time of one container.
    pub timeout: Option<Duration>,
    /// Memory of one container.
    pub memory_bytes: Option<u64>,
    /// What packages may do that others may not, by spec.
    pub exceptions: BTreeMap<String, BTreeSet<Exception>>,
    /// What happens to the other packages when one fails.
    pub on_failure: OnFailure,
    /// Specs that are not in the graph, since they cannot be built, with the reason; they are only told.
    pub left_out: BTreeMap<String, String>,
}

/// What happens to the other packages when one fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// Those that do not need it are built.
    KeepGoing,
    /// Builds that run are finished, and no other is begun.
    Stop,
}

impl BuildContext<'_> {
    /// How long builds last, by spec, as far as it was ever measured.
    fn durations(&self) -> Result<BTreeMap<String, Duration>, BuildError> {
        let own = self.history.durations().map_err(BuildError::Records)?;
        Ok(self.options.durations.clone().into_iter().chain(own).collect())
    }
}

impl BuildOptions {
    fn limits(&self) -> Limits {
        Limits { memory_bytes: self.memory_bytes, pids: None, timeout: self.timeout }
    }

    /// What the build of `package` may do that others may not.
    fn exceptions(&self, package: &SourcePackage) -> BTreeSet<Exception> {
        let mut exceptions = self.exceptions.get(&package.spec).cloned().unwrap_or_default();
        if !self.runs_check(package) {
            exceptions.remove(&Exception::NetworkInCheck);
        }
        exceptions
    }

    fn runs_check(&self, package: &SourcePackage) -> bool {
        self.checks.of(package) != Check::Off
    }
}

/// Name, version and release of a source package, as events name it.
fn package_name(package: &SourcePackage) -> String {
    let nvra = package.nevra.nvra();
    nvra.strip_suffix(".src").unwrap_or(&nvra).to_owned()
}

/// Runs `work`, which waits for files, on a thread where that harms nobody.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        // A task that is not aborted can only end early by a panic, which goes on here.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
