//! A graph without what cannot be built, and why that cannot.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;

use petgraph::graph::NodeIndex;

use super::ring::Needs;
use super::{BuildGraph, GraphError, Node, Ring, Unresolved};

/// A graph without what cannot be built.
#[derive(Debug)]
pub struct Partial {
    /// The specs that can be built; all that they need is there too. Of [`survey`](super::survey) all specs.
    pub graph: BuildGraph,
    /// Requirements of builds and checks that nothing satisfies, sorted.
    pub unresolved: Vec<Unresolved>,
    /// Specs that need each other before they can be built.
    pub rings: Vec<Ring>,
    /// The other specs, by name, with what stands in the way of each.
    pub left_out: BTreeMap<String, Obstacle>,
}

/// Why a spec cannot be built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// Nothing satisfies these requirements.
    Unresolved(BTreeSet<String>),
    /// It is in a ring of builds.
    Ring,
    /// Its sources cannot be had; why, in words.
    Sources(String),
    /// It would make an RPM of another spec; why, in words.
    Taken(String),
    /// It needs this spec, which cannot be built.
    Needs(String),
}

impl Partial {
    /// All of `graph`: nothing is left out.
    pub fn whole(graph: BuildGraph) -> Self {
        Self { graph, unresolved: Vec::new(), rings: Vec::new(), left_out: BTreeMap::new() }
    }

    /// What is missing, and the rings.
    pub fn errors(self) -> Vec<GraphError> {
        let mut errors = Vec::new();
        if !self.unresolved.is_empty() {
            errors.push(GraphError::Unresolved(self.unresolved));
        }
        if !self.rings.is_empty() {
            errors.push(GraphError::Cycle { rings: self.rings });
        }
        errors
    }

    /// Leaves out these specs too, each with the reason, and all that need them; and then, without a word, what is there
    /// only for specs that are left out: it could be built, and nobody would want it.
    pub fn leave_out(&mut self, specs: impl IntoIterator<Item = (String, Obstacle)>) {
        for (spec, why) in specs {
            self.left_out.entry(spec).or_insert(why);
        }
        let mut checks = std::mem::take(&mut self.graph.checks);
        leave_out(&mut self.graph, &mut checks, &mut self.left_out);
        self.graph.checks = checks;
        if !self.left_out.is_empty() {
            let needed = needed(&self.graph);
            self.graph.needs.retain(|spec, _| needed.contains(spec));
            self.graph.checks.retain(|spec, _| needed.contains(spec));
        }
    }
}

/// The goals, and what their builds, their checks and the installation of their packages need.
fn needed(graph: &BuildGraph) -> BTreeSet<String> {
    let of_goal = |node: &Node| node.spec().is_some_and(|spec| graph.goals.contains(spec));
    let mut open: Vec<NodeIndex> =
        graph.requirements.node_indices().filter(|&index| of_goal(&graph.requirements[index])).collect();
    let mut seen: HashSet<NodeIndex> = open.iter().copied().collect();
    while let Some(node) = open.pop() {
        open.extend(graph.requirements.neighbors(node).filter(|&next| seen.insert(next)));
    }
    seen.into_iter().filter_map(|node| graph.requirements[node].spec()).map(str::to_owned).collect()
}

/// Takes out of the graph what `left_out` has and, adding that to it, all that needs it.
pub(super) fn leave_out(graph: &mut BuildGraph, checks: &mut Needs, left_out: &mut BTreeMap<String, Obstacle>) {
    let dependants = graph.dependants();
    let mut open: Vec<String> = left_out.keys().cloned().collect();
    while let Some(spec) = open.pop() {
        for dependant in dependants.get(spec.as_str()).into_iter().flatten() {
            if !left_out.contains_key(*dependant) {
                left_out.insert((*dependant).to_owned(), Obstacle::Needs(spec.clone()));
                open.push((*dependant).to_owned());
            }
        }
    }
    let stays = |spec: &String| !left_out.contains_key(spec);
    graph.needs.retain(|spec, _| stays(spec));
    graph.goals.retain(stays);
    checks.retain(|spec, _| stays(spec));
    for needs in checks.values_mut() {
        needs.retain(stays);
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unresolved(requirements) => {
                let all: Vec<String> = requirements.iter().map(|one| format!("`{one}`")).collect();
                write!(f, "no package provides {}", all.join(", "))
            }
            Self::Sources(why) | Self::Taken(why) => f.write_str(why),
            Self::Ring => f.write_str("it is in a ring of builds"),
            Self::Needs(spec) => write!(f, "it needs `{spec}`, which cannot be built"),
        }
    }
}
