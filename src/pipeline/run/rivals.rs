//! Specs that would make RPMs of other specs are left out before anything is built.

use std::collections::{BTreeMap, BTreeSet};

use super::prepare::Read;
use super::runner::Runner;
use crate::event::Event;
use crate::graph::{self, BuildGraph, GraphError};
use crate::plan::{Claims, Taken};
use crate::spec::{LoadedSpecs, SpecFailure};

/// The files that `specs` make.
pub(super) fn claims(specs: &LoadedSpecs) -> Claims<'_> {
    let unreadable: BTreeSet<String> = specs.failures.iter().map(SpecFailure::spec).collect();
    Claims::new(&specs.packages, unreadable)
}

/// The specs of `graph`, those of `first` before the others.
pub(super) fn in_order<'a>(graph: &'a BuildGraph, first: &BuildGraph) -> Vec<&'a str> {
    let (mut run, others): (Vec<&str>, Vec<&str>) =
        graph.needs.keys().map(String::as_str).partition(|spec| first.needs.contains_key(*spec));
    run.extend(others);
    run
}

impl Read {
    /// Takes the specs out that are asked for or needed and would make RPMs of others, which then are needed in their place,
    /// if they make what is needed. Gives them with the reason.
    pub(super) fn leave_out_rivals(&mut self) -> Result<BTreeMap<String, Taken>, GraphError> {
        let mut left_out = BTreeMap::new();
        while claims(&self.specs).has_rivals(&self.learned.owned) {
            let graph = graph::resolve_partly(self.inputs(), &self.selected.goals)?.graph;
            let refused = claims(&self.specs).refused(&self.learned.owned, &in_order(&graph, &graph));
            if refused.is_empty() {
                break;
            }
            for package in &mut self.specs.packages {
                package.excluded = refused.get(&package.spec).map(Taken::to_string).or(package.excluded.take());
            }
            left_out.extend(refused);
        }
        Ok(left_out)
    }

    /// `graph`, whose goals are left out for no architecture when they are left out for another spec.
    pub(super) fn without_rivals(&self, mut graph: BuildGraph) -> BuildGraph {
        graph.excluded.retain(|spec, _| !self.rivals.contains_key(spec));
        graph
    }
}

impl Runner<'_> {
    /// Tells which specs are not built because of others, and which others make the same as specs that are.
    pub(super) fn tell_rivals(&self, left_out: &BTreeMap<String, Taken>, specs: &LoadedSpecs, graph: &BuildGraph) {
        let run: Vec<&str> = graph.needs.keys().map(String::as_str).collect();
        let refused = left_out.iter().map(|(spec, taken)| format!("`{spec}.spec` is not built: {taken}"));
        let shared = claims(specs).shared(&run).into_iter();
        let shared = shared.map(|(spec, taken)| format!("`{spec}.spec`: {taken}; only one of the two can be built"));
        let lines: Vec<String> = refused.chain(shared).collect();
        if !lines.is_empty() {
            let remedy = "  give one of the packages another name, version or release, or remove its spec".to_owned();
            let text = lines.into_iter().chain([remedy]).collect::<Vec<_>>().join("\n");
            (self.report)(Event::Warning { text });
        }
    }
}
