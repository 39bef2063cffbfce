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
    /// It turned out to need this spec, which has failed.
    Blocked(String),
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
    /// Failed or blocked like those above, but built only since they were guessed to provide something, and needed by
    /// nothing in the end.
    pub unneeded: Unneeded,
    /// Not in the graph, since they cannot be built, and why.
    pub left_out: BTreeMap<String, String>,
    /// Spec files that were to be built and do not parse.
    pub unreadable: BTreeSet<PathBuf>,
    /// How the tests of each spec of the graph went.
    pub checks: BTreeMap<String, CheckResult>,
}

/// Packages without RPMs that nothing needs in the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unneeded {
    /// No RPMs, and why.
    pub failed: BTreeMap<String, Failure>,
    /// Not begun, since this one failed.
    pub blocked: BTreeMap<String, String>,
}

impl Summary {
    /// Why the build of `spec` failed, whether or not that counts in the end.
    pub fn failure(&self, spec: &str) -> Option<&Failure> {
        self.failed.get(spec).or_else(|| self.unneeded.failed.get(spec))
    }

    /// The spec that blocks `spec`, whether or not that counts in the end.
    pub fn blocker(&self, spec: &str) -> Option<&String> {
        self.blocked.get(spec).or_else(|| self.unneeded.blocked.get(spec))
    }

    /// Puts aside what failed or was blocked and does not belong to `needed`, all that is needed by what is known in the
    /// end. What blocks a package that is needed, or was needed, stays.
    pub(super) fn put_aside(&mut self, needed: &BTreeSet<String>) {
        if !needed.iter().all(|spec| self.knows(spec) || self.left_out.contains_key(spec)) {
            // Something else would have to be built instead, and was not.
            return;
        }
        let blocked = self.blocked.iter().filter(|(spec, _)| needed.contains(*spec));
        let blockers: BTreeSet<String> = blocked.map(|(_, by)| by.clone()).collect();
        let counts = |spec: &String| needed.contains(spec) || blockers.contains(spec);
        let (failed, blocked) = (std::mem::take(&mut self.failed), std::mem::take(&mut self.blocked));
        (self.failed, self.unneeded.failed) = failed.into_iter().partition(|(spec, _)| counts(spec));
        (self.blocked, self.unneeded.blocked) = blocked.into_iter().partition(|(spec, _)| counts(spec));
    }

    /// True when the summary says something of `spec`.
    pub fn knows(&self, spec: &str) -> bool {
        self.built.contains(spec)
            || self.up_to_date.contains(spec)
            || self.failure(spec).is_some()
            || self.blocker(spec).is_some()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &str) -> BTreeSet<String> {
        names.split_whitespace().map(str::to_owned).collect()
    }

    /// A run with these packages built, failed, and blocked as `package:by`.
    fn summary(built: &str, failed: &str, blocked: &str) -> Summary {
        let failure = || Failure { phase: "%build".into(), status: "1".into(), excerpt: vec![], log: PathBuf::new() };
        let pair = |text: &str| text.split_once(':').map(|(spec, by)| (spec.to_owned(), by.to_owned())).unwrap();
        Summary {
            built: set(built),
            failed: set(failed).into_iter().map(|spec| (spec, failure())).collect(),
            blocked: blocked.split_whitespace().map(pair).collect(),
            ..Summary::default()
        }
    }

    #[test]
    fn a_wrong_guess_that_failed_counts_only_where_nothing_came_in_its_place() {
        let of = |mut summary: Summary, needed: &str| {
            summary.put_aside(&set(needed));
            (summary.is_success(), summary.unneeded.failed.into_keys().collect::<Vec<_>>().join(" "))
        };
        assert_eq!(of(summary("app right", "wrong", ""), "app right"), (true, "wrong".to_owned()));
        assert_eq!(of(summary("right", "wrong", "app:wrong"), "app right"), (false, String::new()), "it blocks");
        assert_eq!(of(summary("app", "wrong", ""), "app wrong"), (false, String::new()), "it is needed");
        assert_eq!(of(summary("app", "wrong", ""), "app other"), (false, String::new()), "the other was not built");
        let through = summary("app right", "deep", "wrong:deep");
        assert_eq!(of(through, "app right"), (true, "deep".to_owned()), "what a guess needs is no better");
    }
}
