//! What the user is told of the queue and of one package, and what is remembered of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::drain::Change;
use super::one::One;
use super::record::Begun;
use super::resolve::Resolved;
use super::run::Run;
use super::{BuildError, Failure, package_name, preview};
use crate::cache::{BuildTimes, CacheError, CheckOutcome, FailedBuild, LastBuild, Lookup, StoredResult};
use crate::digest::Sha256;
use crate::engine::EngineError;
use crate::event::{BuildResult, Event};
use crate::plan::BuildQueue;
use crate::spec::SourcePackage;

impl One<'_> {
    /// Tells that a container is about to be asked for, and why.
    pub(super) fn tell_start(&self, resolved: &Resolved) -> Result<(), BuildError> {
        let context = self.run.context;
        let reasons = preview::reasons(context, self.package, resolved).map_err(|source| self.store_fault(source))?;
        let reason = reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        (context.report)(Event::BuildStarted { package: self.name.clone(), reason });
        Ok(())
    }

    /// Tells and remembers that the package gives no RPMs.
    pub(super) fn tell_failure(&self, told: &Failure, key: Option<Sha256>) -> Result<(), BuildError> {
        let Failure { phase, status, excerpt, log } = told.clone();
        let (package, history) = (self.name.clone(), self.run.context.history);
        let failed = FailedBuild {
            package: package.clone(),
            key,
            phase: phase.clone(),
            status: status.clone(),
            excerpt: excerpt.clone(),
            log: log.clone(),
        };
        history.set_failed(&self.package.spec, &failed).map_err(|source| self.store_fault(source))?;
        let result = BuildResult::Failed { phase, status, excerpt, log };
        let context = self.run.context;
        let begun = self.begun();
        self.run.note_begun(&self.package.spec, begun);
        let check = context.options.checks.of_unbuilt(self.package, Some(told));
        let Begun { elapsed, attempts } = begun;
        (context.report)(Event::BuildFinished { package, result, check, elapsed, attempts });
        Ok(())
    }

    /// Tells that the build has failed `failures` times and is tried again.
    pub(super) fn tell_retry(&self, failure: &Failure, failures: u32) {
        let context = self.run.context;
        (context.report)(Event::BuildRetried {
            package: self.name.clone(),
            attempt: failures + 1,
            most: context.options.retries + 1,
            phase: failure.phase.clone(),
            status: failure.status.clone(),
        });
    }

    /// Tells that new RPMs are published.
    pub(super) fn tell_built(&self, result: &StoredResult) {
        let rpms = result.rpms.iter().map(|rpm| rpm.file.clone()).collect();
        self.tell_made(result, BuildResult::Built { rpms });
    }

    /// Tells that a check has run apart.
    pub(super) fn tell_checked(&self, result: &StoredResult) {
        self.tell_made(result, BuildResult::Checked);
    }

    fn tell_made(&self, stored: &StoredResult, result: BuildResult) {
        let report = self.run.context.report;
        let (package, begun) = (self.name.clone(), self.begun());
        self.run.note_begun(&self.package.spec, begun);
        let check = self.run.context.options.checks.of_built(self.package, stored.check);
        let Begun { elapsed, attempts } = begun;
        report(Event::BuildFinished { package, result, check, elapsed, attempts });
        if let CheckOutcome::Failed { status } = stored.check {
            let log = self.log_path();
            let text = format!("`{}`: `%check` failed with exit status {status}; see `{}`", self.name, log.display());
            report(Event::Warning { text });
        }
    }

    fn begun(&self) -> Begun {
        Begun { elapsed: self.since.elapsed(), attempts: self.attempts.load(Ordering::Relaxed) }
    }

    /// Makes `result` the newest one of the spec.
    pub(super) fn remember(
        &self,
        resolved: &Resolved,
        result: &StoredResult,
        times: BuildTimes,
    ) -> Result<(), BuildError> {
        if !resolved.has_asked {
            let forgotten = self.run.context.history.clear_asked(&self.package.spec);
            forgotten.map_err(|source| self.store_fault(source))?;
        }
        let last = LastBuild { key: resolved.key, inputs: resolved.inputs.clone(), check: result.check, times };
        self.run.remember(&self.package.spec, &last).map_err(|source| self.store_fault(source))
    }

    /// Turns a fault of the store into one that names the package.
    pub(super) fn store_fault(&self, source: CacheError) -> BuildError {
        BuildError::Store { package: self.name.clone(), source }
    }

    /// Turns a fault of the engine into one that names the package.
    pub(super) fn engine_fault(&self, source: EngineError) -> BuildError {
        BuildError::Engine { package: self.name.clone(), source }
    }
}

impl Run<'_> {
    /// Tells how the queue goes on.
    pub(super) fn tell_change(
        &self,
        change: Change<'_>,
        packages: &BTreeMap<&str, &SourcePackage>,
        durations: &BTreeMap<String, Duration>,
    ) {
        let name = |spec: &str| packages.get(spec).map_or_else(|| spec.to_owned(), |package| package_name(package));
        (self.context.report)(match change {
            Change::Blocked(blocked) => {
                Event::BuildBlocked { package: name(&blocked.package), by: vec![name(&blocked.by)] }
            }
            Change::Held(spec, shortage) => {
                Event::BuildHeld { package: name(spec), short_of: shortage.of().to_owned(), why: shortage.to_string() }
            }
            Change::Queue(queue) => queue_event(queue, self.context.options.jobs, durations),
        });
    }

    /// The stored result of `key`; a damaged one is told and counts as none.
    pub(super) fn lookup(&self, package: &str, key: Sha256) -> Result<Option<Arc<StoredResult>>, CacheError> {
        let lookup = self.context.store.get(key)?;
        tell_damage(self.context.report, package, &lookup);
        match lookup {
            Lookup::Found(result) => Ok(Some(Arc::from(result))),
            Lookup::Absent | Lookup::Damaged { .. } => Ok(None),
        }
    }

    /// Tells of RPMs in the repository that its index leaves out.
    pub(super) fn tell_foreign(&self) -> Result<(), BuildError> {
        let lost = self.context.repo.lost();
        for (record, spec) in &lost {
            let text = format!(
                "`{}` cannot be read: the RPMs of `{spec}` are not in the repository's index; `drydock build {spec}` puts \
                 them back, or remove that file when the spec is gone",
                record.display()
            );
            (self.context.report)(Event::Warning { text });
        }
        if !lost.is_empty() {
            // Theirs look like those of somebody else.
            return Ok(());
        }
        let wrong = |source| BuildError::Publish { package: "earlier runs".to_owned(), source };
        let foreign = self.context.repo.foreign().map_err(wrong)?;
        if let Some(first) = foreign.first() {
            let (others, first) = (foreign.len() - 1, first.display());
            let more = if others == 0 { String::new() } else { format!(" and {others} more") };
            let text = format!("`{first}`{more}: not built by Drydock, left alone and not in the repository's index");
            (self.context.report)(Event::Warning { text });
        }
        Ok(())
    }

    /// Makes `last` what is remembered of `spec`; one that is known already, with the times of its build, is kept.
    pub(super) fn remember(&self, spec: &str, last: &LastBuild) -> Result<(), CacheError> {
        let history = self.context.history;
        let is_found_again = last.times.published == 0.0;
        match history.last(spec)? {
            Some(known) if is_found_again && known.key == last.key => history.clear_failed(spec),
            _ => history.set_last(spec, last),
        }
    }
}

/// How far the queue is; how long the rest lasts is told once anything is known of durations.
fn queue_event(queue: &BuildQueue, jobs: usize, durations: &BTreeMap<String, Duration>) -> Event {
    let counts = queue.counts();
    Event::Queue {
        running: counts.running,
        ready: counts.ready,
        waiting: counts.waiting,
        blocked: counts.blocked,
        done: counts.published + counts.failed,
        remaining: (!durations.is_empty()).then(|| queue.remaining_estimate(jobs)),
    }
}

/// Tells that a stored result of `package` was damaged.
pub(super) fn tell_damage(report: crate::event::Report<'_>, package: &str, lookup: &Lookup) {
    if let Lookup::Damaged { reason, moved_to } = lookup {
        let moved_to = moved_to.display();
        let text = format!("the stored result of `{package}` is damaged ({reason}) and was moved to `{moved_to}`");
        report(Event::Warning { text });
    }
}
