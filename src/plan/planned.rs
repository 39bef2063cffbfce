//! What a run will do, told before it starts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;

use crate::digest::Sha256;
use crate::graph::{BuildGraph, Choice, Guess, Unresolved};

use super::Reason;
use super::durations::typical;

/// What happens to a package in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// A result for its inputs is there.
    UpToDate,
    /// Something it is built from changed.
    ToBuild,
    /// Nothing changed yet; it is built when a package that it needs comes out different.
    IfDependencyChanges,
}

/// One package of a plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PlannedPackage {
    /// Its spec's name.
    pub spec: String,
    /// What happens to it.
    pub state: State,
    /// Why it is built; empty unless it is [`State::ToBuild`].
    pub reasons: Vec<Reason>,
    /// The specs that are published before its build starts.
    pub needs: BTreeSet<String>,
    /// Those of them that are built in this run, or may be.
    pub waits_for: BTreeSet<String>,
    /// True when it was asked for, false when it is there because another needs it.
    pub is_goal: bool,
    /// How long its build lasts, in seconds, after earlier runs; the median of all where it was never built.
    pub seconds: f64,
}

/// A package of a remote repository that builds of a plan take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PlannedRemote {
    /// Name, epoch, version, release and arch.
    pub nevra: String,
    /// The repository's name.
    pub repository: String,
    /// Path below the repository.
    pub location: String,
    /// Size of the RPM.
    pub bytes: u64,
    /// Digest of the RPM.
    pub sha256: Sha256,
    /// True when it need not be downloaded.
    pub at_hand: bool,
    /// The specs whose buildroots have it.
    pub needed_by: BTreeSet<String>,
}

/// What a run will do.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Plan {
    /// The version of this form; counts up when something in it changes its meaning or goes away.
    pub version: u32,
    /// Every package of the run, each after all it needs.
    pub packages: Vec<PlannedPackage>,
    /// The chain of builds that decides how long the run lasts at least, the first to start first. Packages that may
    /// have to be built count as built.
    pub critical_path: Vec<String>,
    /// How long that chain lasts, in seconds.
    pub critical_seconds: f64,
    /// How long all builds last one after another, in seconds.
    pub total_seconds: f64,
    /// Packages of remote repositories that the builds take, sorted by NEVRA. Where a package that a build needs may come
    /// out different, this is what the specs say.
    pub remote: Vec<PlannedRemote>,
    /// Specs that were asked for and are not built for this arch, with the reason.
    pub excluded: BTreeMap<String, String>,
    /// Specs whose `%check` cannot run in their build, with what it needs.
    pub checks: BTreeMap<String, BTreeSet<String>>,
    /// Who was guessed to provide what.
    pub guesses: Vec<Guess>,
    /// What several packages provide, and which was taken.
    pub choices: Vec<Choice>,
    /// What packages of the run require and nothing provides; told, because they cannot be installed from this run
    /// alone.
    pub unmet: Vec<Unresolved>,
}

impl Plan {
    /// The plan for a graph. `reasons` has by spec what differs from the last build; a spec without reasons is up to
    /// date as far as its own inputs go. `durations` are those of earlier builds, by spec.
    pub fn new(
        graph: &BuildGraph,
        mut reasons: BTreeMap<String, Vec<Reason>>,
        durations: &BTreeMap<String, Duration>,
    ) -> Self {
        let typical = typical(durations);
        let mut building: BTreeSet<String> = BTreeSet::new();
        let mut packages = Vec::new();
        for spec in graph.order() {
            let needs = graph.needs.get(&spec).cloned().unwrap_or_default();
            let reasons = reasons.remove(&spec).unwrap_or_default();
            let waits_for: BTreeSet<String> = needs.intersection(&building).cloned().collect();
            let state = match (reasons.is_empty(), waits_for.is_empty()) {
                (false, _) => State::ToBuild,
                (true, false) => State::IfDependencyChanges,
                (true, true) => State::UpToDate,
            };
            if state != State::UpToDate {
                building.insert(spec.clone());
            }
            let seconds = durations.get(&spec).unwrap_or(&typical).as_secs_f64();
            let is_goal = graph.goals.contains(&spec);
            packages.push(PlannedPackage { spec, state, reasons, needs, waits_for, is_goal, seconds });
        }
        let (critical_path, critical_seconds) = critical_path(&packages);
        let built = packages.iter().filter(|package| package.state != State::UpToDate);
        Self {
            version: 1,
            critical_path,
            critical_seconds,
            total_seconds: built.map(|package| package.seconds).sum(),
            packages,
            remote: Vec::new(),
            excluded: graph.excluded.clone(),
            checks: graph.checks.clone(),
            guesses: graph.guesses.clone(),
            choices: graph.choices.clone(),
            unmet: graph.unmet.clone(),
        }
    }

    /// How many packages are in each state.
    pub fn counts(&self) -> BTreeMap<State, usize> {
        let mut counts = BTreeMap::new();
        for package in &self.packages {
            *counts.entry(package.state).or_default() += 1;
        }
        counts
    }
}

/// The longest chain of builds, and its seconds. The packages are in order, so each comes after all it waits for.
fn critical_path(packages: &[PlannedPackage]) -> (Vec<String>, f64) {
    let mut ends: BTreeMap<&str, (f64, Option<&str>)> = BTreeMap::new();
    for package in packages.iter().filter(|package| package.state != State::UpToDate) {
        let before =
            package.waits_for.iter().map(|need| (ends.get(need.as_str()).map_or(0.0, |end| end.0), need.as_str()));
        let latest = before.max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(a.1)));
        let start = latest.map_or(0.0, |(end, _)| end);
        ends.insert(&package.spec, (start + package.seconds, latest.map(|(_, need)| need)));
    }
    let last = ends.iter().max_by(|a, b| a.1.0.total_cmp(&b.1.0).then(b.0.cmp(a.0)));
    let seconds = last.map_or(0.0, |(_, end)| end.0);
    let mut path = Vec::new();
    let mut at = last.map(|(&spec, _)| spec);
    while let Some(spec) = at {
        path.push(spec.to_owned());
        at = ends.get(spec).and_then(|end| end.1);
    }
    path.reverse();
    (path, seconds)
}
