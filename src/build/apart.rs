//! Checks that stand apart and run when all is built: what they require needs the checked package itself, or they may see
//! the network, which no RPM that is published has seen.
//!
//! The package is built once more, with `%check`, in a buildroot that has what the check requires. That result has a key of
//! its own, which tells the next run how the check went; it is not published.

use std::collections::{BTreeMap, BTreeSet};

use super::drain::Drained;
use super::one::Purpose;
use super::run::Run;
use super::{BuildContext, BuildError, BuildOptions, Checks, OnFailure, Summary};
use crate::event::Event;
use crate::graph::BuildGraph;
use crate::plan::{BuildQueue, Exception};
use crate::spec::SourcePackage;

/// Specs whose checks stand apart, each with what the check needs besides the build.
pub(super) type Apart = BTreeMap<String, BTreeSet<String>>;

/// What the user wants of builds, whose checks `apart` are not theirs.
pub(super) fn options(context: &BuildContext<'_>, apart: &Apart) -> BuildOptions {
    let checks = context.options.checks.clone().without(apart.keys());
    BuildOptions { checks, ..context.options.clone() }
}

/// The checks that were asked for and stand apart: in `graph`, or since they alone may see the network.
pub(super) fn asked_for(context: &BuildContext<'_>, graph: &BuildGraph) -> Apart {
    let runs = |spec: &str| {
        let package = context.specs.iter().find(|package| package.spec == spec);
        package.is_some_and(|package| package.has_check && context.options.runs_check(package))
    };
    let sees_network = |spec: &&String| {
        context.options.exceptions.get(*spec).is_some_and(|of| of.contains(&Exception::NetworkInCheck))
    };
    let with_network = graph.needs.keys().filter(sees_network).map(|spec| (spec.clone(), BTreeSet::new()));
    let in_graph = graph.checks.iter().map(|(spec, needs)| (spec.clone(), needs.clone()));
    with_network.chain(in_graph).filter(|(spec, _)| runs(spec)).collect()
}

/// Runs the checks of `apart` whose packages and needs have RPMs by now, and puts into `summary` how they went. Where a
/// failing one counts, its package counts as failed.
pub(super) async fn run_checks(
    builds: &Run<'_>,
    apart: &Apart,
    packages: &BTreeMap<&str, &SourcePackage>,
    summary: &mut Summary,
) -> Result<(), BuildError> {
    let can_run = |spec: &&String| apart[*spec].iter().chain([*spec]).all(|need| builds.is_finished(need));
    let reached: BTreeSet<String> = apart.keys().filter(can_run).cloned().collect();
    let is_stopped = builds.context.options.on_failure == OnFailure::Stop && !summary.failed.is_empty();
    if reached.is_empty() || is_stopped || builds.cancel.is_cancelled() {
        return Ok(());
    }
    (builds.context.report)(Event::ChecksStarted { checks: reached.len() });
    let checks = Checks { asked: reached.clone(), left_out: BTreeMap::new(), ..builds.context.options.checks.clone() };
    let options = BuildOptions { checks, ..builds.context.options.clone() };
    let context = BuildContext { options: &options, planner: None, ..*builds.context };
    let run = builds.with_needs(&context, apart);

    let durations = context.durations()?;
    let needs = reached.iter().map(|spec| (spec.clone(), BTreeSet::new())).collect();
    let queue = BuildQueue::new(&BuildGraph { needs, ..BuildGraph::default() }, &durations);
    let Drained { summary: done, fault } = run.drain((queue, &durations), packages, Purpose::Check, |_| {}).await;
    summary.checks.extend(run.checks_apart(&reached, packages, &done));
    for (spec, failure) in done.failed {
        summary.built.remove(&spec);
        summary.up_to_date.remove(&spec);
        summary.failed.insert(spec, failure);
    }
    fault.map_or(Ok(()), Err)
}
