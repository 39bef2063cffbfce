//! Which packages' `%check` runs, and how it went, told apart: passed, failed, no check, skipped. Pure.
//!
//! rpmbuild runs `%check` once, on the tree that it has built, by `check.sh`, which writes the exit status of the whole
//! section to a file of its own: no text of a log decides, and a package without that file has not passed. The shell ends
//! at the first command that fails, wherever it stands in the section (`sh -e`, see `container.rs`).

use std::collections::{BTreeMap, BTreeSet};

use super::container::Check;
use super::{Failure, Summary};
use crate::cache::CheckOutcome;
use crate::event::{CheckResult, SkippedCheck};
use crate::spec::SourcePackage;

/// The phase of a [`Failure`] of `%check`.
pub(super) const PHASE: &str = "%check";

/// Which packages' `%check` runs.
#[derive(Clone, Debug)]
pub struct Checks {
    /// What a failing `%check` does.
    pub on_failure: Check,
    /// Names of the specs whose `%check` runs, if they have one.
    pub asked: BTreeSet<String>,
    /// Names of specs that were asked for and whose `%check` does not run all the same.
    pub left_out: BTreeMap<String, SkippedCheck>,
}

impl Checks {
    /// No check runs.
    pub fn off() -> Self {
        Self { on_failure: Check::Off, asked: BTreeSet::new(), left_out: BTreeMap::new() }
    }

    /// What a failing `%check` of `package` does; off where it does not run.
    pub(super) fn of(&self, package: &SourcePackage) -> Check {
        if self.unless_run(package).is_none() { self.on_failure } else { Check::Off }
    }

    /// Takes the specs `names` out: their checks run later, if that is reached.
    pub(super) fn without<'a>(mut self, names: impl Iterator<Item = &'a String>) -> Self {
        for name in names {
            if self.asked.remove(name) {
                self.left_out.insert(name.clone(), SkippedCheck::NotYet);
            }
        }
        self
    }

    /// How the check of a package went in the run of `summary`; `outcome` is that of its result, if it has one.
    pub(super) fn of_run(
        &self,
        package: &SourcePackage,
        outcome: Option<CheckOutcome>,
        summary: &Summary,
    ) -> CheckResult {
        match outcome {
            Some(outcome) if summary.built.contains(&package.spec) => self.of_built(package, outcome),
            Some(outcome) => self.of_up_to_date(package, outcome),
            None => self.of_unbuilt(package, summary.failed.get(&package.spec)),
        }
    }

    /// How the check of a package went that was built in this run.
    pub(super) fn of_built(&self, package: &SourcePackage, outcome: CheckOutcome) -> CheckResult {
        self.unless_run(package).unwrap_or(match outcome {
            CheckOutcome::Passed => CheckResult::Passed,
            CheckOutcome::Failed { .. } => CheckResult::Failed,
            // rpmbuild does not run an empty section.
            CheckOutcome::Off | CheckOutcome::None => CheckResult::NoCheck,
        })
    }

    /// How the check of a package went whose result was at hand.
    fn of_up_to_date(&self, package: &SourcePackage, outcome: CheckOutcome) -> CheckResult {
        match self.of_built(package, outcome) {
            CheckResult::Passed => CheckResult::Skipped(SkippedCheck::UpToDate),
            told => told,
        }
    }

    /// How the check of a package went that gives no RPMs, because of `failure` or since it was not begun or finished.
    pub(super) fn of_unbuilt(&self, package: &SourcePackage, failure: Option<&Failure>) -> CheckResult {
        self.unless_run(package).unwrap_or(match failure {
            Some(failure) if failure.phase == PHASE => CheckResult::Failed,
            _ => CheckResult::Skipped(SkippedCheck::NotReached),
        })
    }

    /// What is known without any build; None where `%check` runs.
    fn unless_run(&self, package: &SourcePackage) -> Option<CheckResult> {
        if self.on_failure == Check::Off {
            Some(CheckResult::Skipped(SkippedCheck::NotAsked))
        } else if let Some(why) = self.left_out.get(&package.spec) {
            Some(CheckResult::Skipped(*why))
        } else if !self.asked.contains(&package.spec) {
            Some(CheckResult::Skipped(SkippedCheck::NotAsked))
        } else if package.has_check {
            None
        } else {
            Some(CheckResult::NoCheck)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::container::tests::package;
    use super::*;

    fn checks(on_failure: Check) -> Checks {
        Checks { on_failure, asked: BTreeSet::from(["zlib".to_owned()]), left_out: BTreeMap::new() }
    }

    #[test]
    fn every_way_a_check_can_go_is_told_apart() {
        let (zlib, checks) = (package(), checks(Check::Warn));
        assert_eq!(checks.of(&zlib), Check::Warn);
        assert_eq!(checks.of_built(&zlib, CheckOutcome::Passed), CheckResult::Passed);
        assert_eq!(checks.of_built(&zlib, CheckOutcome::Failed { status: 1 }), CheckResult::Failed);
        assert_eq!(checks.of_built(&zlib, CheckOutcome::Off), CheckResult::NoCheck, "no status is no success");
        let up_to_date = CheckResult::Skipped(SkippedCheck::UpToDate);
        assert_eq!(checks.of_up_to_date(&zlib, CheckOutcome::Passed), up_to_date);
        assert_eq!(checks.of_up_to_date(&zlib, CheckOutcome::Failed { status: 1 }), CheckResult::Failed);
        let failure = |phase: &str| Failure {
            phase: phase.to_owned(),
            status: String::new(),
            excerpt: Vec::new(),
            log: std::path::PathBuf::new(),
        };
        assert_eq!(checks.of_unbuilt(&zlib, Some(&failure("%check"))), CheckResult::Failed);
        let not_reached = CheckResult::Skipped(SkippedCheck::NotReached);
        assert_eq!(checks.of_unbuilt(&zlib, Some(&failure("%build"))), not_reached);
        assert_eq!(checks.of_unbuilt(&zlib, None), not_reached);
    }

    #[test]
    fn a_check_runs_only_where_it_is_asked_for_and_there_is_one() {
        let zlib = package();
        let without = SourcePackage { has_check: false, ..package() };
        let other = SourcePackage { spec: "xz".into(), ..package() };
        assert_eq!(checks(Check::Fail).of_built(&without, CheckOutcome::Off), CheckResult::NoCheck);
        assert_eq!(checks(Check::Fail).of(&without), Check::Off);
        assert!(!checks(Check::Fail).of_built(&other, CheckOutcome::Off).was_asked());
        assert!(!checks(Check::Off).of_built(&zlib, CheckOutcome::Off).was_asked());
        let apart = checks(Check::Fail).without(["zlib".to_owned(), "xz".to_owned()].iter());
        assert_eq!(apart.of_built(&zlib, CheckOutcome::Off), CheckResult::Skipped(SkippedCheck::NotYet));
        assert!(!apart.of_built(&other, CheckOutcome::Off).was_asked());
    }
}
