//! A whole run: what is up to date first, then the queue.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::buildroot::Buildroots;
use super::drain::{Admission, Change, Drained, Pace, drain};
use super::inputs::{self, InputFile};
use super::jobserver::Jobserver;
use super::late::{Ended, Needs, reach};
use super::machine;
use super::one::{Purpose, build_one};
use super::preview::State;
use super::record::Begun;
use super::survey::Survey;
use super::{BuildContext, BuildError, Summary, apart, blocking, package_name, record};
use crate::cache::{CacheError, CheckOutcome, StoredResult, file};
use crate::causes;
use crate::digest::Sha256;
use crate::event::{CheckResult, Event};
use crate::graph::BuildGraph;
use crate::plan::{BuildQueue, Shortage, shortage, with_guesses};
use crate::repo::{Published, RepoError};
use crate::source::Sources;
use crate::spec::SourcePackage;

/// What the builds of one run have in common.
pub(super) struct Run<'a> {
    pub(super) context: &'a BuildContext<'a>,
    pub(super) buildroots: Buildroots<'a>,
    /// Cancelled when the user cancels the run, and when it cannot go on.
    pub(super) cancel: CancellationToken,
    /// For each spec of the run what it needs directly.
    pub(super) needs: Mutex<Needs>,
    /// Specs that give no RPMs.
    failed: Mutex<BTreeSet<String>>,
    /// The sources of specs that joined the run.
    pub(super) late_sources: Mutex<Sources>,
    /// Results that are published, by spec.
    results: Mutex<BTreeMap<String, Arc<StoredResult>>>,
    /// Packages that were taken up and have ended, by spec.
    begun: Mutex<BTreeMap<String, Begun>>,
    /// How checks that stand apart have ended, by spec.
    checked: Mutex<BTreeMap<String, CheckOutcome>>,
    pub(super) jobserver: Jobserver,
    /// Names of the packages of all specs, once they are needed.
    package_names: OnceLock<Arc<BTreeSet<String>>>,
}

/// Builds every spec of `graph` that is not up to date, as `survey` of it says, and publishes all.
///
/// Reads and writes `build/store`, `build/state`, `build/logs`, `build/work/packages` and `out/RPMS`. When everything is
/// up to date, no container is asked for and no RPM is read.
///
/// # Errors
/// The engine, the disk or the configuration is broken; containers that ran were killed. Finished packages are kept.
pub async fn build_all(context: &BuildContext<'_>, graph: &BuildGraph, survey: &Survey) -> Result<Summary, BuildError> {
    let apart = apart::asked_for(context, graph);
    let options = apart::options(context, &apart);
    let context = &BuildContext { options: &options, ..*context };
    record::remove(context.layout)?;
    let packages = packages(context, graph)?;
    let run = Run::new(context, graph.needs.clone());
    let (mut summary, mut fault) = match run.builds(graph, survey, &packages).await {
        Ok(drained) => (drained.summary, drained.fault),
        Err(fault) => (Summary::default(), Some(fault)),
    };
    let unfinished = run.specs().into_iter().filter(|spec| !summary.knows(spec));
    summary.unfinished.extend(unfinished.collect::<Vec<_>>());
    summary.left_out.clone_from(&options.left_out);
    summary.checks = run.checks(&packages, &summary);
    if fault.is_none() {
        fault = run.put_aside(&mut summary).err();
    }
    if fault.is_none() {
        fault = apart::run_checks(&run, &apart, &packages, &mut summary).await.err();
    }
    run.tell_checks(&packages, &summary);
    context.store.remember();
    context.repo.remember();
    let written = run.write_record(&packages, &summary, fault.as_ref());
    match fault {
        Some(fault) => Err(fault),
        None => written.map(|()| summary),
    }
}

/// How many of `cpus` processes one of `together` builds gets: an equal part and one more, as builds are serial for long
/// stretches and keep what they got when the others have ended.
fn share(cpus: usize, together: usize) -> usize {
    (cpus / together.max(1) + 1).min(cpus.max(1))
}

/// The size of the sources of each spec whose build was never measured, where it can be had.
fn source_bytes(sources: &Sources, measured: &BTreeMap<String, Duration>) -> BTreeMap<String, u64> {
    let mut bytes = BTreeMap::new();
    for ((spec, _), found) in sources.files.iter().filter(|((spec, _), _)| !measured.contains_key(spec)) {
        let size = std::fs::metadata(&found.path).map_or(0, |metadata| metadata.len());
        *bytes.entry(spec.clone()).or_default() += size;
    }
    bytes
}

impl<'a> Run<'a> {
    /// A run in which each spec of `needs` needs those directly.
    fn new(context: &'a BuildContext<'a>, needs: Needs) -> Self {
        Self {
            context,
            buildroots: Buildroots::new(context),
            cancel: context.cancel.child_token(),
            needs: Mutex::new(needs),
            failed: Mutex::default(),
            late_sources: Mutex::default(),
            results: Mutex::default(),
            begun: Mutex::default(),
            checked: Mutex::default(),
            jobserver: Jobserver::new(context.options.cpus),
            package_names: OnceLock::new(),
        }
    }

    /// Publishes what of `graph` is up to date, and builds the rest.
    async fn builds(
        &self,
        graph: &BuildGraph,
        survey: &Survey,
        packages: &BTreeMap<&str, &SourcePackage>,
    ) -> Result<Drained<BuildError>, BuildError> {
        let context = self.context;
        remove_leftovers(context).await?;
        fetch_remote(context, survey).await?;
        self.publish_up_to_date(survey).await?;
        let up_to_date = self.finished_count();
        (context.report)(Event::Planned { to_build: survey.states.len() - up_to_date, up_to_date });
        self.tell_foreign()?;

        let durations = context.durations()?;
        let queue = BuildQueue::new(graph, &with_guesses(&durations, source_bytes(context.sources, &durations)));
        let tell = |change: Change<'_>| self.tell_change(change, packages, &durations);
        Ok(self.drain((queue, &durations), packages, Purpose::Build, tell).await)
    }

    /// Builds the packages of `queue`, for `purpose`, while tokens of the jobserver are moved.
    pub(super) async fn drain(
        &self,
        (queue, durations): (BuildQueue, &BTreeMap<String, Duration>),
        packages: &BTreeMap<&str, &SourcePackage>,
        purpose: Purpose,
        tell: impl Fn(Change<'_>),
    ) -> Drained<BuildError> {
        let options = self.context.options;
        let pace = Pace { jobs: options.jobs, durations, on_failure: options.on_failure, cancel: &self.cancel };
        let build = async |spec: &str, together: usize| match packages.get(spec) {
            Some(package) => build_one(self, package, share(options.cpus, together), purpose).await,
            None => Err(BuildError::NoSpec { spec: spec.to_owned() }),
        };
        tokio::select! {
            drained = drain(queue, pace, |spec, running| self.admit(spec, purpose, running), build, tell) => drained,
            never = self.jobserver.serve() => match never {},
        }
    }

    /// A run with the results of this one, in which each spec of `more` needs those besides, and all that they need.
    pub(super) fn with_needs<'b>(&self, context: &'b BuildContext<'b>, more: &Needs) -> Run<'b> {
        let mut needs = self.needs.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (spec, direct) in more {
            needs.entry(spec.clone()).or_default().extend(direct.iter().cloned());
        }
        let results = self.results.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let late_sources = self.late_sources.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Run { results: Mutex::new(results), late_sources: Mutex::new(late_sources), ..Run::new(context, needs) }
    }

    /// The results of all that `spec` needs, sorted by spec.
    pub(super) fn needed(&self, spec: &str) -> Vec<Arc<StoredResult>> {
        let needs = self.needs.lock().unwrap_or_else(PoisonError::into_inner);
        let results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        reach(spec, |spec| needs.get(spec)).iter().filter_map(|need| results.get(need).cloned()).collect()
    }

    /// The specs of the run, those that joined it included, sorted.
    fn specs(&self) -> Vec<String> {
        self.needs.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// Names of the packages of all specs that are built for this architecture.
    pub(super) fn package_names(&self) -> Arc<BTreeSet<String>> {
        let specs = || self.context.specs.iter().filter(|package| package.excluded.is_none());
        let names = || specs().flat_map(|package| &package.binaries).map(|binary| binary.nevra.name.clone()).collect();
        Arc::clone(self.package_names.get_or_init(|| Arc::new(names())))
    }

    /// The spec and its sources.
    pub(super) fn files(&self, package: &SourcePackage) -> Result<Vec<InputFile>, BuildError> {
        match inputs::files(package, self.context.sources) {
            Err(BuildError::NoSource { .. }) => {
                inputs::files(package, &self.late_sources.lock().unwrap_or_else(PoisonError::into_inner))
            }
            found => found,
        }
    }

    /// Tells the builds after `spec` what it gave.
    pub(super) fn finish(&self, spec: &str, result: Arc<StoredResult>) {
        self.results.lock().unwrap_or_else(PoisonError::into_inner).insert(spec.to_owned(), result);
    }

    /// True when the result of `spec` is published.
    pub(super) fn is_finished(&self, spec: &str) -> bool {
        self.results.lock().unwrap_or_else(PoisonError::into_inner).contains_key(spec)
    }

    /// Notes that `spec` gives no RPMs.
    pub(super) fn note_failed(&self, spec: &str) {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).insert(spec.to_owned());
    }

    /// How builds have ended up to now.
    pub(super) fn ended(&self) -> Ended {
        let finished = self.results.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect();
        Ended { finished, failed: self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone() }
    }

    /// How the tests of each package went.
    fn checks(&self, packages: &BTreeMap<&str, &SourcePackage>, summary: &Summary) -> BTreeMap<String, CheckResult> {
        let checks = &self.context.options.checks;
        let results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |spec: &str| {
            let outcome = results.get(spec).map(|result| result.check);
            Some(checks.of_run(packages.get(spec)?, outcome, summary))
        };
        self.specs().into_iter().filter_map(|spec| Some((spec.clone(), of(&spec)?))).collect()
    }

    /// How the checks of `specs` went, which ran apart.
    pub(super) fn checks_apart(
        &self,
        specs: &BTreeSet<String>,
        packages: &BTreeMap<&str, &SourcePackage>,
        done: &Summary,
    ) -> BTreeMap<String, CheckResult> {
        let checks = &self.context.options.checks;
        let checked = self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |spec: &String| {
            let package = packages.get(spec.as_str())?;
            Some((spec.clone(), checks.of_run(package, checked.get(spec).copied(), done)))
        };
        specs.iter().filter_map(of).collect()
    }

    /// Notes how the check of `spec`, which runs apart, has ended.
    pub(super) fn note_checked(&self, spec: &str, outcome: CheckOutcome) {
        self.checked.lock().unwrap_or_else(PoisonError::into_inner).insert(spec.to_owned(), outcome);
    }

    /// Notes how the build of `spec` went on.
    pub(super) fn note_begun(&self, spec: &str, begun: Begun) {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner).insert(spec.to_owned(), begun);
    }

    /// Whether the machine has room for the build of `spec` beside `running` others; what is published needs none.
    fn admit(&self, spec: &str, purpose: Purpose, running: usize) -> Result<Admission, BuildError> {
        if purpose == Purpose::Build && self.is_finished(spec) {
            return Ok(Admission::Begin);
        }
        let path = self.context.layout.work();
        match shortage(&machine::read(&path), &self.context.options.reserve) {
            Some(shortage @ Shortage::Disk { .. }) if running == 0 => Err(BuildError::DiskFull { path, shortage }),
            Some(shortage) => Ok(Admission::Hold(shortage)),
            None => Ok(Admission::Begin),
        }
    }

    fn write_record(
        &self,
        packages: &BTreeMap<&str, &SourcePackage>,
        summary: &Summary,
        fault: Option<&BuildError>,
    ) -> Result<(), BuildError> {
        let fault = fault.map(|error| causes::in_one_line(error));
        let results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let facts = record::Facts { packages, summary, results: &results, begun: &begun, fault };
        record::write(self.context, &facts)
    }

    fn tell_checks(&self, packages: &BTreeMap<&str, &SourcePackage>, summary: &Summary) {
        let asked = summary.checks.iter().filter(|(_, check)| check.was_asked());
        let named = asked.filter_map(|(spec, check)| Some((package_name(packages.get(spec.as_str())?), *check)));
        let packages: BTreeMap<String, CheckResult> = named.collect();
        if !packages.is_empty() {
            (self.context.report)(Event::ChecksFinished { packages });
        }
    }

    fn finished_count(&self) -> usize {
        self.results.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Publishes all that is up to date in one go. When that is not possible, nothing is finished yet, and each package
    /// finds out by itself.
    async fn publish_up_to_date(&self, survey: &Survey) -> Result<(), BuildError> {
        let up_to_date = survey.states.iter().filter_map(|(spec, state)| match state {
            State::UpToDate { result, last } => Some((spec.clone(), Arc::clone(result), last)),
            _ => None,
        });
        let (results, lasts): (Vec<_>, Vec<_>) =
            up_to_date.map(|(spec, result, last)| ((spec.clone(), result), (spec, last))).unzip();
        let (repo, published) = (self.context.repo.clone(), results.clone());
        let done = blocking(move || {
            let borrowed: Vec<_> = published.iter().map(|(spec, result)| (spec.as_str(), result.as_ref())).collect();
            repo.publish(&borrowed)
        });
        match done.await {
            Ok(Published::Changed) => results.iter().for_each(|(_, result)| self.context.store.note(result)),
            Ok(Published::Unchanged) => {}
            Err(RepoError::Damaged { .. } | RepoError::Taken { .. } | RepoError::Unfit { .. }) => return Ok(()),
            Err(source) => return Err(BuildError::Publish { package: "packages that are up to date".into(), source }),
        }
        for (spec, last) in lasts {
            self.remember(&spec, last).map_err(BuildError::Records)?;
        }
        for (spec, result) in results {
            self.finish(&spec, result);
        }
        Ok(())
    }
}

/// Fetches the remote packages of builds: what cannot be had is told before the first one, as far as it is known by now.
async fn fetch_remote(context: &BuildContext<'_>, survey: &Survey) -> Result<(), BuildError> {
    let remote = survey.states.iter().filter_map(|(_, state)| match state {
        State::ToBuild { remote, .. } => remote.as_ref(),
        _ => None,
    });
    let wanted: Vec<Sha256> = remote.flatten().copied().collect();
    tokio::select! {
        // Nothing will be built.
        () = context.cancel.cancelled() => Ok(()),
        fetched = context.remote.fetch(&wanted, context.report) => Ok(fetched?),
    }
}

async fn remove_leftovers(context: &BuildContext<'_>) -> Result<(), BuildError> {
    let folder = context.layout.work().join("packages");
    let removed: Result<(), CacheError> = blocking(move || file::remove(&folder)).await;
    removed.map_err(BuildError::Records)
}

/// The specs of `graph`, by name.
fn packages<'a>(
    context: &BuildContext<'a>,
    graph: &BuildGraph,
) -> Result<BTreeMap<&'a str, &'a SourcePackage>, BuildError> {
    let packages: BTreeMap<&str, &SourcePackage> =
        context.specs.iter().map(|package| (package.spec.as_str(), package)).collect();
    match graph.needs.keys().find(|spec| !packages.contains_key(spec.as_str())) {
        Some(spec) => Err(BuildError::NoSpec { spec: spec.clone() }),
        None => Ok(packages),
    }
}

/// For each spec all that it needs, directly or not.
pub(super) fn closure(graph: &BuildGraph) -> BTreeMap<String, BTreeSet<String>> {
    let mut closure: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for spec in graph.order() {
        let direct = graph.needs.get(&spec).cloned().unwrap_or_default();
        let through = direct.iter().filter_map(|need| closure.get(need)).flatten().cloned();
        let all = direct.iter().cloned().chain(through).collect();
        closure.insert(spec, all);
    }
    closure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_alone_has_all_and_many_have_little_more_than_there_is() {
        assert_eq!([share(2, 1), share(2, 2), share(16, 1), share(16, 8), share(64, 32)], [2, 2, 16, 3, 3]);
        assert_eq!([share(1, 4), share(4, 9), share(0, 0)], [1, 1, 1]);
    }
}
