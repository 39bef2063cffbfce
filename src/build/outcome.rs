//! How builds and runs end.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::late::Late;
use crate::event::CheckResult;

/// How one package's build ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its RPMs are new.
    Built,
    /// Its RPMs were there already.
    UpToDate,
    /// It gives no RPMs.
    Failed(Failure),
    /// It turned out to need more, and goes back to the queue: what it needs besides, by its name, and what the packages
    /// need that join the run for it, by theirs.
    Postponed(Late),
    /// The run was cancelled before it was done.
    Cancelled,
}

/// Why a package gives no RPMs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What failed: `%prep`, `%build`, `%install`, `%check`, `files`, `BuildRequires`, `publish`, …
    pub phase: String,
    /// How it ended, in words.
    pub status: String,
    /// The lines that tell the reason.
    pub excerpt: Vec<String>,
    /// The whole log; missing when nothing has run.
    pub log: PathBuf,
}

/// How a run ended. Names are those of specs; each spec of the graph is in one of the sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// New RPMs.
    pub built: BTreeSet<String>,
    /// RPMs that were there already.
    pub up_to_date: BTreeSet<String>,
    /// No RPMs, and why.
    pub failed: BTreeMap<String, Failure>,
    /// Not begun, since this one failed, which they need.
    pub blocked: BTreeMap<String, String>,
    /// Not begun or not finished when the run was cancelled or stopped.
    pub unfinished: BTreeSet<String>,
    /// Not in the graph, since they cannot be built, and why.
    pub left_out: BTreeMap<String, String>,
    /// Spec files that were to be built and do not parse.
    pub unreadable: BTreeSet<PathBuf>,
    /// How the tests of each spec of the graph went.
    pub checks: BTreeMap<String, CheckResult>,
}

impl Summary {
    /// True when the summary says something of `spec`.
    pub fn knows(&self, spec: &str) -> bool {
        self.built.contains(spec)
            || self.up_to_date.contains(spec)
            || self.failed.contains_key(spec)
            || self.blocked.contains_key(spec)
            || self.unfinished.contains(spec)
    }

    /// True when every package has its RPMs.
    pub fn is_success(&self) -> bool {
        self.lacking() == 0
    }

    /// Which packages have no RPMs, and why; a line each.
    pub fn account(&self) -> String {
        let lacking = self.lacking();
        let all = lacking + self.built.len() + self.up_to_date.len();
        let mut lines = vec![format!("{lacking} of {all} packages have no RPMs")];
        lines.extend(self.failed.iter().map(|(spec, failure)| {
            format!("  {spec}: {}: {}, log: {}", failure.phase, failure.status, failure.log.display())
        }));
        lines.extend(self.blocked.iter().map(|(spec, by)| format!("  {spec}: blocked by {by}")));
        lines.extend(self.unfinished.iter().map(|spec| format!("  {spec}: not finished")));
        if !self.left_out.is_empty() {
            lines.push(format!("  {} were left out before the first build, see above", self.left_out.len()));
        }
        lines.extend(self.unreadable.iter().map(|path| format!("  `{}` does not parse, see above", path.display())));
        lines.join("\n")
    }

    /// How many packages have no RPMs.
    pub fn lacking(&self) -> usize {
        let unbuilt = self.failed.len() + self.blocked.len() + self.unfinished.len();
        unbuilt + self.left_out.len() + self.unreadable.len()
    }
}
