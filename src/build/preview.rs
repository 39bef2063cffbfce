//! What a run would do, from the store and the records alone: no container runs.
//!
//! In graph order, a package whose needs are all up to date has a build key: the store has it, or it is to be built, and
//! why. After the first package to be built, keys are not known: a rebuilt package may give the same again, and then
//! nothing after it is built.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::attempt::failed_check;
use super::cascade::out_of_reach;
use super::resolve::{Resolution, Resolved, own_inputs, resolve};
use super::rpms::remote_rpms;
use super::run::closure;
use super::tell::tell_damage;
use super::{BuildContext, BuildError, inputs, package_name};
use crate::cache::{CacheError, LastBuild, Lookup, StoredResult};
use crate::digest::Sha256;
use crate::graph::BuildGraph;
use crate::plan::{self, Plan, PlannedRemote, Reason};
use crate::spec::SourcePackage;

/// What is said of a package that is ignored and has no result.
pub(super) const NOTHING_TO_IGNORE: &str = "it is to be ignored, and there is no result of an earlier build of it";

/// What a run would do.
#[derive(Clone, Debug, PartialEq)]
pub struct Preview {
    /// What is built, and why.
    pub plan: Plan,
    /// Specs whose `BuildRequires` cannot be met, with the reason as sentences. Only those whose needs are all up to date.
    pub unsolvable: BTreeMap<String, String>,
    /// Specs that have been built with a `%check` that failed, where that counts.
    pub check_failed: BTreeSet<String>,
}

/// One package with what is known of it.
pub(super) struct Step<'a> {
    pub(super) package: &'a SourcePackage,
    pub(super) state: State,
}

/// What is known of a package before the run.
pub(super) enum State {
    /// Its result is in the store.
    UpToDate { result: Arc<StoredResult>, last: Box<LastBuild> },
    /// It is built.
    ToBuild {
        /// Why; without one, only when something that it needs changes.
        reasons: Vec<Reason>,
        /// The remote packages of its buildroot; None while that is not known.
        remote: Option<Vec<Sha256>>,
    },
    /// Its `BuildRequires` cannot be met.
    Unsolvable(String),
    /// Its stored result counts as failed.
    CheckFailed,
}

/// What a run over `graph` would do.
pub fn preview(context: &BuildContext<'_>, graph: &BuildGraph) -> Result<Preview, BuildError> {
    let (mut reasons, mut unsolvable, mut check_failed) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
    let mut needed: BTreeMap<Sha256, BTreeSet<String>> = BTreeMap::new();
    for step in walk(context, graph)? {
        let spec = step.package.spec.clone();
        match step.state {
            State::UpToDate { .. } => {}
            State::ToBuild { reasons: why, remote } => {
                let guessed = || graph.remote.get(&spec).into_iter().flatten().copied().collect();
                for sha256 in remote.unwrap_or_else(guessed) {
                    needed.entry(sha256).or_default().insert(spec.clone());
                }
                reasons.insert(spec, why);
            }
            State::Unsolvable(reason) => drop(unsolvable.insert(spec, reason)),
            State::CheckFailed => drop(check_failed.insert(spec)),
        }
    }
    let durations = context.durations()?;
    let mut plan = Plan::new(graph, reasons, &durations);
    plan.remote = planned_remote(context, needed);
    Ok(Preview { plan, unsolvable, check_failed })
}

/// The remote packages that builds take, sorted by NEVRA.
fn planned_remote(context: &BuildContext<'_>, needed: BTreeMap<Sha256, BTreeSet<String>>) -> Vec<PlannedRemote> {
    let planned = needed.into_iter().filter_map(|(sha256, needed_by)| {
        let package = context.remote.package(sha256)?;
        Some(PlannedRemote {
            nevra: package.header.nevra.to_string(),
            repository: package.repository.clone(),
            location: package.location.clone(),
            bytes: package.bytes,
            sha256,
            at_hand: context.remote.is_at_hand(sha256),
            needed_by,
        })
    });
    let mut planned: Vec<PlannedRemote> = planned.collect();
    planned.sort_by(|a, b| a.nevra.cmp(&b.nevra));
    planned
}

/// The packages of `graph` in its order, with what the store has of them.
pub(super) fn walk<'a>(context: &BuildContext<'a>, graph: &BuildGraph) -> Result<Vec<Step<'a>>, BuildError> {
    let packages: BTreeMap<&str, &SourcePackage> =
        context.specs.iter().map(|package| (package.spec.as_str(), package)).collect();
    let needs = closure(graph);
    let out_of_reach = out_of_reach(context, graph, &packages)?;
    let mut results: BTreeMap<String, Arc<StoredResult>> = BTreeMap::new();
    let mut steps = Vec::new();
    for spec in graph.order() {
        let Some(package) = packages.get(spec.as_str()).copied() else { return Err(BuildError::NoSpec { spec }) };
        let needed: Option<Vec<Arc<StoredResult>>> =
            needs[&spec].iter().map(|need| results.get(need).cloned()).collect();
        let kept = if out_of_reach.contains(&spec) { last_result(context, package)? } else { None };
        let state = match needed {
            _ if context.options.ignored.contains(&spec) => ignored(context, package)?,
            _ if let Some(state) = kept => state,
            Some(needed) => look(context, package, &needed)?,
            None => State::ToBuild { reasons: own_reasons(context, package)?, remote: None },
        };
        if let State::UpToDate { result, .. } = &state {
            results.insert(spec, Arc::clone(result));
        }
        steps.push(Step { package, state });
    }
    Ok(steps)
}

/// The last result of a package that is not to be built, whatever has changed since.
fn ignored(context: &BuildContext<'_>, package: &SourcePackage) -> Result<State, BuildError> {
    Ok(last_result(context, package)?.unwrap_or_else(|| State::Unsolvable(NOTHING_TO_IGNORE.to_owned())))
}

/// The last result of a package, where there is one.
fn last_result(context: &BuildContext<'_>, package: &SourcePackage) -> Result<Option<State>, BuildError> {
    let fault = |source| BuildError::Store { package: package_name(package), source };
    if let Some(last) = context.history.last(&package.spec).map_err(BuildError::Records)? {
        let lookup = context.store.get(last.key).map_err(fault)?;
        tell_damage(context.report, &package_name(package), &lookup);
        if let Lookup::Found(result) = lookup {
            return Ok(Some(State::UpToDate { result: Arc::from(result), last: Box::new(last) }));
        }
    }
    Ok(None)
}

/// The state of a package whose needs have the results `needed`.
fn look(
    context: &BuildContext<'_>,
    package: &SourcePackage,
    needed: &[Arc<StoredResult>],
) -> Result<State, BuildError> {
    let fault = |source| BuildError::Store { package: package_name(package), source };
    let resolved = match resolve(context, package, &inputs::files(package, context.sources)?, needed)? {
        Resolution::Resolved(resolved) => resolved,
        Resolution::Unsolvable(reason) => return Ok(State::Unsolvable(reason)),
    };
    let to_build = || {
        let remote = Some(remote_rpms(&resolved.buildroot).collect());
        reasons(context, package, &resolved).map(|reasons| State::ToBuild { reasons, remote }).map_err(fault)
    };
    if context.options.rebuild.contains(&package.spec) {
        return to_build();
    }
    let lookup = context.store.get(resolved.key).map_err(fault)?;
    tell_damage(context.report, &package_name(package), &lookup);
    let Lookup::Found(result) = lookup else { return to_build() };
    if failed_check(context.options.checks.of(package), &result).map_err(fault)?.is_some() {
        return Ok(State::CheckFailed);
    }
    let (check, times) = (result.check, result.times);
    let last = Box::new(LastBuild { key: resolved.key, inputs: resolved.inputs, check, times });
    Ok(State::UpToDate { result: Arc::from(result), last })
}

/// Why `package` is built; never empty.
pub(super) fn reasons(
    context: &BuildContext<'_>,
    package: &SourcePackage,
    resolved: &Resolved,
) -> Result<Vec<Reason>, CacheError> {
    if context.options.rebuild.contains(&package.spec) {
        return Ok(vec![Reason::Forced]);
    }
    let last = context.history.last(&package.spec)?.map(|last| last.inputs);
    let mut reasons = plan::reasons(last.as_ref(), &resolved.inputs);
    if reasons.is_empty() {
        reasons.push(Reason::ResultMissing { file: format!("build/store/{}…", resolved.key.short()) });
    }
    Ok(reasons)
}

/// Why `package` is built whatever becomes of the packages that it needs.
pub(super) fn own_reasons(context: &BuildContext<'_>, package: &SourcePackage) -> Result<Vec<Reason>, BuildError> {
    if context.options.rebuild.contains(&package.spec) {
        return Ok(vec![Reason::Forced]);
    }
    let last = context.history.last(&package.spec).map_err(BuildError::Records)?.map(|last| last.inputs);
    let mut next = own_inputs(context, package)?;
    if let Some(last) = &last {
        next.buildroot.clone_from(&last.buildroot);
    }
    Ok(plan::reasons(last.as_ref(), &next))
}
