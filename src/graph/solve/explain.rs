//! Why there is no solution, in sentences: first what is missing or in conflict, then who requires it.

use std::collections::BTreeSet;

use petgraph::graph::DiGraph;
use petgraph::visit::EdgeRef;
use resolvo::conflict::{ConflictCause, ConflictEdge, ConflictNode};

use crate::package::Requirement;

use super::Unsolvable;
use super::problem::Question;

/// At most so many lines tell who requires what.
const MOST_REQUIRERS: usize = 20;

/// Reads resolvo's graph of the conflict.
pub(super) fn explain(graph: &DiGraph<ConflictNode, ConflictEdge>, question: &Question) -> Unsolvable {
    let mut told = Told::default();
    for edge in graph.edge_references() {
        let (from, to) = (graph[edge.source()], graph[edge.target()]);
        match edge.weight() {
            ConflictEdge::Requires(requirement) => told.requires(question, (from, to), *requirement),
            ConflictEdge::Conflict(cause) => told.conflict(question, (from, to), *cause),
        }
    }
    told.finish()
}

/// Sentences, each once.
#[derive(Default)]
struct Told {
    missing: BTreeSet<String>,
    causes: BTreeSet<String>,
    requirers: BTreeSet<(String, String, String)>,
}

impl Told {
    fn requires(&mut self, question: &Question, (from, to): (ConflictNode, ConflictNode), what: resolvo::Requirement) {
        let by = match from {
            ConflictNode::Root => None,
            ConflictNode::Solvable(solvable) => match question.package(solvable) {
                Some(package) => Some(package),
                None => return,
            },
            ConflictNode::UnresolvedDependency | ConflictNode::Excluded(_) => return,
        };
        let Some(demand) = question.words.get(&(by, what)) else { return };
        let requirement = demand.requirement;
        let who = by.map_or_else(String::new, |package| nevra(question, package));
        if demand.is_conflict {
            self.causes.insert(format!("{who} conflicts with `{requirement}`"));
            return;
        }
        let target = if let ConflictNode::Solvable(solvable) = to {
            question.package(solvable).map(|package| nevra(question, package))
        } else {
            self.is_missing(question, requirement);
            None
        };
        self.requirers.insert((who, requirement.to_string(), target.unwrap_or_default()));
    }

    fn is_missing(&mut self, question: &Question, requirement: &Requirement) {
        self.missing.insert(requirement.to_string());
        let names = requirement.dependencies().into_iter().map(|part| part.name.as_str());
        let nearest = names.flat_map(|name| question.repository.versions(name)).next();
        let nearest = nearest.map_or_else(String::new, |nearest| format!("; nearest: {nearest}"));
        self.causes.insert(format!("no package provides `{requirement}`{nearest}"));
    }

    fn conflict(&mut self, question: &Question, (from, to): (ConflictNode, ConflictNode), cause: ConflictCause) {
        let package = |node| match node {
            ConflictNode::Solvable(solvable) => question.package(solvable),
            _ => None,
        };
        let name = |package: usize| nevra(question, package);
        match (cause, package(from), package(to), to) {
            (ConflictCause::Constrains(set), Some(from), Some(to), _) => {
                let (verb, what) = match question.exclusions.get(&(from, set)) {
                    Some((verb, requirement)) => (*verb, format!(" (`{requirement}`)")),
                    None => ("conflicts with", String::new()),
                };
                self.causes.insert(format!("{} {verb} {}{what}", name(from), name(to)));
            }
            (ConflictCause::ForbidMultipleInstances, Some(a), Some(b), _) => {
                let (a, b) = (a.min(b), a.max(b));
                self.causes.insert(format!("{} and {} cannot be installed together", name(a), name(b)));
            }
            (ConflictCause::Excluded, Some(from), _, ConflictNode::Excluded(why)) => {
                self.causes.insert(format!("{} {}, which is there already", name(from), question.reason(why)));
            }
            _ => {}
        }
    }

    fn finish(self) -> Unsolvable {
        let mut lines: Vec<String> = self.causes.into_iter().collect();
        if lines.is_empty() {
            lines.push("the requirements exclude each other".to_owned());
        }
        let more = self.requirers.len().saturating_sub(MOST_REQUIRERS);
        for (who, what, by) in self.requirers.into_iter().take(MOST_REQUIRERS) {
            let who = if who.is_empty() { format!("`{what}` is wanted") } else { format!("{who} requires `{what}`") };
            lines.push(if by.is_empty() { format!("  {who}") } else { format!("  {who}: {by}") });
        }
        if more > 0 {
            lines.push(format!("  and {more} more"));
        }
        Unsolvable { reason: lines.join("\n"), missing: self.missing.into_iter().collect() }
    }
}

fn nevra(question: &Question, package: usize) -> String {
    format!("`{}`", question.repository.packages[package].nevra)
}
