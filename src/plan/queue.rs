//! The builds that may start, as a value. No clock, no containers: whoever runs builds takes from it and tells it how
//! they ended.
//!
//! A package is ready when everything it needs is published. Of the ready ones that with the longest remaining path
//! starts first: its own duration and that of the longest chain of packages after it. A package that fails blocks those
//! that need it, through whatever others, and nothing else. Where a package is only guessed to need it, that one becomes
//! ready all the same, so that it can be planned again.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::time::Duration;

use crate::graph::BuildGraph;

use super::durations::typical;

/// The packages of a run and how far they are.
#[derive(Clone, Debug, Default)]
pub struct BuildQueue {
    names: BTreeMap<String, usize>,
    packages: Vec<Package>,
    /// Ready packages by remaining path, the longest first, then by name.
    ready: BTreeSet<(Reverse<Duration>, String, usize)>,
    /// Packages that were asked for.
    goals: BTreeSet<usize>,
    /// False when a package was published out of turn since the remaining paths were measured.
    is_measured: bool,
}

#[derive(Clone, Debug)]
struct Package {
    name: String,
    needs: BTreeSet<usize>,
    /// Those of `needs` that are only guessed: it waits for them, but their failure does not block it.
    unsure: BTreeSet<usize>,
    dependants: BTreeSet<usize>,
    duration: Duration,
    /// Its duration and that of the longest chain after it.
    remaining: Duration,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    Ready,
    Running,
    Published,
    Failed,
    Blocked,
}

/// A package that cannot be built because another failed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Blocked {
    /// The package's spec.
    pub package: String,
    /// The spec that failed.
    pub by: String,
}

/// How many packages are how far; together they are all of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Need something that is not published yet.
    pub waiting: usize,
    /// Could start now.
    pub ready: usize,
    /// Were taken.
    pub running: usize,
    /// Are published.
    pub published: usize,
    /// Failed.
    pub failed: usize,
    /// Need something that failed.
    pub blocked: usize,
}

/// A package cannot wait for what it was told to wait for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PostponeError {
    /// The package, or one that it needs, is not part of the run.
    #[error("`{spec}` is not part of this run")]
    Unknown {
        /// Its spec.
        spec: String,
    },
    /// They would wait for each other forever.
    #[error("packages need each other before they can be built: {}", ring.join(" -> "))]
    Ring {
        /// Specs of which each needs the next; the last is the first.
        ring: Vec<String>,
    },
}

impl BuildQueue {
    /// A queue of all packages of a graph. `durations` are those of earlier builds, by spec; a package without one is
    /// taken to last as long as their median.
    pub fn new(graph: &BuildGraph, durations: &BTreeMap<String, Duration>) -> Self {
        let mut queue = Self::default();
        queue.extend(&graph.needs, durations);
        queue.doubt(&graph.unsure);
        queue.goals = graph.goals.iter().filter_map(|goal| queue.find(goal)).collect();
        queue
    }

    /// True when nothing is known to need the package: it was not asked for, and others may be taken in its place by all
    /// that wait for it.
    pub fn is_only_guessed(&self, spec: &str) -> bool {
        let Some(package) = self.find(spec).filter(|package| !self.goals.contains(package)) else { return false };
        let dependants = &self.packages[package].dependants;
        !dependants.is_empty() && dependants.iter().all(|&one| self.packages[one].unsure.contains(&package))
    }

    /// Takes these needs, by the specs that have them, for guesses in whose place others may be taken.
    pub fn doubt(&mut self, unsure: &BTreeMap<String, BTreeSet<String>>) {
        for (spec, needs) in unsure {
            let Some(package) = self.find(spec) else { continue };
            let found = needs.iter().filter_map(|need| self.find(need)).collect::<Vec<_>>();
            self.packages[package].unsure.extend(found);
        }
    }

    /// Adds the packages that are not there yet, each with those that it needs, and leaves the others as they are.
    pub fn extend(&mut self, needs_of: &BTreeMap<String, BTreeSet<String>>, durations: &BTreeMap<String, Duration>) {
        let typical = typical(durations);
        let first_new = self.packages.len();
        for name in needs_of.keys().filter(|name| !self.names.contains_key(*name)).cloned().collect::<Vec<_>>() {
            let duration = durations.get(&name).copied().unwrap_or(typical);
            let (needs, unsure, dependants) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
            self.names.insert(name.clone(), self.packages.len());
            let state = State::Waiting;
            self.packages.push(Package { name, needs, unsure, dependants, duration, remaining: duration, state });
        }
        for package in first_new..self.packages.len() {
            let needs = needs_of.get(&self.packages[package].name).into_iter().flatten();
            for need in needs.filter_map(|need| self.names.get(need).copied()).collect::<Vec<_>>() {
                self.add_need(package, need);
            }
        }
        self.measure();
        (first_new..self.packages.len()).for_each(|package| {
            self.settle(package);
        });
    }

    /// The package that [`Self::take_ready`] would take.
    pub fn next_ready(&mut self) -> Option<&str> {
        if !self.is_measured {
            self.measure();
        }
        self.ready.first().map(|(_, name, _)| name.as_str())
    }

    /// Takes the ready package with the longest remaining path; None when nothing can start now.
    pub fn take_ready(&mut self) -> Option<String> {
        if !self.is_measured {
            self.measure();
        }
        let (_, name, package) = self.ready.pop_first()?;
        self.packages[package].state = State::Running;
        Some(name)
    }

    /// The package is built, or was up to date. It need not have been taken.
    pub fn publish(&mut self, spec: &str) {
        let Some(package) = self.find(spec) else { return };
        self.is_measured &= self.packages[package].state == State::Running;
        self.set_state(package, State::Published);
        for dependant in self.packages[package].dependants.clone() {
            self.settle(dependant);
        }
    }

    /// The package cannot be built. Returns the packages that this blocks, sorted; those that another blocks already
    /// are not among them.
    pub fn fail(&mut self, spec: &str) -> Vec<Blocked> {
        let Some(package) = self.find(spec) else { return Vec::new() };
        self.set_state(package, State::Failed);
        self.block_dependants(package, spec)
    }

    /// A package that was taken cannot be built, since it needs `by`, which has failed. Returns it and what that blocks,
    /// sorted.
    pub fn block(&mut self, spec: &str, by: &str) -> Vec<Blocked> {
        let Some(package) = self.find(spec) else { return Vec::new() };
        if let Some(need) = self.find(by) {
            self.add_need(package, need);
        }
        self.set_state(package, State::Blocked);
        let mut blocked = self.block_dependants(package, by);
        blocked.push(Blocked { package: spec.to_owned(), by: by.to_owned() });
        blocked.sort();
        blocked
    }

    /// A package that was taken goes back, for another try.
    pub fn requeue(&mut self, spec: &str) {
        if let Some(package) = self.find(spec).filter(|&package| self.packages[package].state == State::Running) {
            self.set_state(package, State::Waiting);
            self.settle(package);
        }
    }

    /// A package that was taken goes back, because its build showed that it needs more. Returns it and its dependants
    /// when something of that has failed. Packages that are not in the queue yet come in by [`Self::extend`].
    pub fn postpone(&mut self, spec: &str, needs: &BTreeSet<String>) -> Result<Vec<Blocked>, PostponeError> {
        let unknown = |spec: &str| PostponeError::Unknown { spec: spec.to_owned() };
        let package = self.find(spec).ok_or_else(|| unknown(spec))?;
        let mut found = Vec::new();
        for need in needs {
            let need = self.find(need).ok_or_else(|| unknown(need))?;
            if let Some(ring) = self.ring(package, need) {
                return Err(PostponeError::Ring { ring });
            }
            found.push(need);
        }
        for need in found {
            self.add_need(package, need);
        }
        self.measure();
        self.set_state(package, State::Waiting);
        Ok(self.settle(package))
    }

    /// True when nothing runs and nothing can start any more.
    pub fn is_done(&self) -> bool {
        let counts = self.counts();
        counts.ready == 0 && counts.running == 0
    }

    /// How far the run is.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for package in &self.packages {
            *match package.state {
                State::Waiting => &mut counts.waiting,
                State::Ready => &mut counts.ready,
                State::Running => &mut counts.running,
                State::Published => &mut counts.published,
                State::Failed => &mut counts.failed,
                State::Blocked => &mut counts.blocked,
            } += 1;
        }
        counts
    }

    /// How long the rest lasts with so many builds at a time, at least one. Running builds count as just started.
    pub fn remaining_estimate(&self, jobs: usize) -> Duration {
        let mut trial = self.clone();
        let mut running: BinaryHeap<Reverse<(Duration, String)>> = BinaryHeap::new();
        for package in self.packages.iter().filter(|package| package.state == State::Running) {
            running.push(Reverse((package.duration, package.name.clone())));
        }
        let mut now = Duration::ZERO;
        loop {
            while running.len() < jobs.max(1) {
                let Some(name) = trial.take_ready() else { break };
                let duration = trial.find(&name).map_or(Duration::ZERO, |package| trial.packages[package].duration);
                running.push(Reverse((now + duration, name)));
            }
            let Some(Reverse((end, name))) = running.pop() else { return now };
            now = end;
            trial.publish(&name);
        }
    }

    fn find(&self, spec: &str) -> Option<usize> {
        self.names.get(spec).copied()
    }

    fn add_need(&mut self, package: usize, need: usize) {
        self.packages[package].needs.insert(need);
        self.packages[need].dependants.insert(package);
    }

    fn set_state(&mut self, package: usize, state: State) {
        let Package { name, remaining, state: before, .. } = &mut self.packages[package];
        let entry = (Reverse(*remaining), name.clone(), package);
        match (*before, state) {
            (State::Ready, _) => self.ready.remove(&entry),
            (_, State::Ready) => self.ready.insert(entry),
            _ => false,
        };
        *before = state;
    }

    /// Makes a waiting package ready, or blocked, when what it needs says so; returns what got blocked.
    fn settle(&mut self, package: usize) -> Vec<Blocked> {
        if self.packages[package].state != State::Waiting {
            return Vec::new();
        }
        let Package { needs, unsure, .. } = &self.packages[package];
        if let Some(by) = needs.difference(unsure).find_map(|&need| self.failure(need)) {
            let by = self.packages[by].name.clone();
            self.set_state(package, State::Blocked);
            let mut blocked = self.block_dependants(package, &by);
            blocked.push(Blocked { package: self.packages[package].name.clone(), by });
            blocked.sort();
            return blocked;
        }
        let is_over = |need: &usize| match self.packages[*need].state {
            State::Published => true,
            State::Failed | State::Blocked => unsure.contains(need),
            State::Waiting | State::Ready | State::Running => false,
        };
        if needs.iter().all(is_over) {
            self.set_state(package, State::Ready);
        }
        Vec::new()
    }

    /// The failed package behind a package, itself included.
    fn failure(&self, package: usize) -> Option<usize> {
        match self.packages[package].state {
            State::Failed => Some(package),
            State::Blocked => {
                let Package { needs, unsure, .. } = &self.packages[package];
                let mut sure = needs.difference(unsure);
                // What was planned again may be blocked by the last of its guesses.
                sure.find_map(|&need| self.failure(need)).or_else(|| needs.iter().find_map(|&need| self.failure(need)))
            }
            _ => None,
        }
    }

    fn block_dependants(&mut self, package: usize, by: &str) -> Vec<Blocked> {
        let (mut blocked, mut open) = (Vec::new(), vec![package]);
        let mut doubtful = Vec::new();
        while let Some(next) = open.pop() {
            for dependant in self.packages[next].dependants.clone() {
                let Package { unsure, state, .. } = &self.packages[dependant];
                if unsure.contains(&next) {
                    doubtful.push(dependant);
                } else if matches!(state, State::Waiting | State::Ready) {
                    self.set_state(dependant, State::Blocked);
                    blocked.push(Blocked { package: self.packages[dependant].name.clone(), by: by.to_owned() });
                    open.push(dependant);
                }
            }
        }
        for dependant in doubtful {
            self.settle(dependant);
        }
        blocked.sort();
        blocked
    }

    /// The ring that `package` would close by needing `need`, its first spec at both ends.
    fn ring(&self, package: usize, need: usize) -> Option<Vec<String>> {
        let mut path = vec![need];
        let mut seen = BTreeSet::from([need]);
        while let Some(&at) = path.last() {
            if at == package {
                let ring = std::iter::once(package).chain(path);
                return Some(ring.map(|package| self.packages[package].name.clone()).collect());
            }
            match self.packages[at].needs.iter().find(|next| !seen.contains(next)) {
                Some(&next) => {
                    seen.insert(next);
                    path.push(next);
                }
                None => {
                    path.pop();
                }
            }
        }
        None
    }

    /// Works out the remaining path of every package, from those that nobody needs. What is published takes no time.
    fn measure(&mut self) {
        self.is_measured = true;
        let mut open: Vec<usize> = self.packages.iter().map(|package| package.dependants.len()).collect();
        let mut ends: Vec<usize> = (0..open.len()).filter(|&package| open[package] == 0).collect();
        while let Some(package) = ends.pop() {
            let after = self.packages[package].dependants.iter().map(|&after| self.packages[after].remaining).max();
            let Package { state, duration, remaining, .. } = &mut self.packages[package];
            *remaining =
                if *state == State::Published { Duration::ZERO } else { *duration + after.unwrap_or_default() };
            for &need in &self.packages[package].needs {
                open[need] -= 1;
                if open[need] == 0 {
                    ends.push(need);
                }
            }
        }
        let ready = std::mem::take(&mut self.ready);
        let again =
            ready.into_iter().map(|(_, name, package)| (Reverse(self.packages[package].remaining), name, package));
        self.ready = again.collect();
    }
}
