//! Why one part of a run needs another: the shortest path of requirements between them.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fmt;

use petgraph::graph::NodeIndex;
use petgraph::visit::EdgeRef;
use serde::Serialize;

use super::{BuildGraph, Edge, Node, Relation};

/// One requirement on the way, and what satisfies it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Step {
    /// What requires.
    pub from: Node,
    /// The requirement.
    pub edge: Edge,
    /// What satisfies it.
    pub to: Node,
}

/// A path of requirements, from what needs to what is needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Why(pub Vec<Step>);

impl BuildGraph {
    /// The shortest path by which `from` needs `to`, each the name of a spec or of a package of the run; None when it
    /// does not. Of a spec, its build and check are asked first, then its packages.
    pub fn why(&self, from: &str, to: &str) -> Option<Why> {
        let nodes = |fits: &dyn Fn(&Node) -> bool| -> Vec<NodeIndex> {
            self.requirements.node_indices().filter(|&node| fits(&self.requirements[node])).collect()
        };
        let is_package = |node: &Node, name: &str| node.package().is_some_and(|package| package.name == name);
        let is_install = |node: &Node| matches!(node, Node::Install { .. });
        let targets: BTreeSet<NodeIndex> = match nodes(&|node| node.spec() == Some(to)) {
            all if all.is_empty() => nodes(&|node| is_package(node, to)),
            all => all,
        }
        .into_iter()
        .collect();
        let starts = [
            nodes(&|node| node.spec() == Some(from) && !is_install(node)),
            nodes(&|node| is_package(node, from)),
            nodes(&|node| node.spec() == Some(from) && is_install(node)),
        ];
        starts.into_iter().find_map(|start| shortest(self, &start, &targets)).map(Why).filter(|_| from != to)
    }

    /// The shortest path from the build of one spec to the build of another, or around to itself.
    pub(super) fn why_build(&self, from: NodeIndex, to: NodeIndex) -> Option<Vec<Step>> {
        shortest(self, &[from], &BTreeSet::from([to]))
    }
}

/// A path of at least one edge, breadth first, so that it is a shortest one.
fn shortest(graph: &BuildGraph, from: &[NodeIndex], targets: &BTreeSet<NodeIndex>) -> Option<Vec<Step>> {
    let requirements = &graph.requirements;
    let mut came_by = HashMap::new();
    let mut open: VecDeque<NodeIndex> = from.iter().copied().collect();
    while let Some(next) = open.pop_front() {
        for edge in requirements.edges(next) {
            let target = edge.target();
            if came_by.contains_key(&target) || from.contains(&target) && !targets.contains(&target) {
                continue;
            }
            came_by.insert(target, edge.id());
            if targets.contains(&target) {
                return Some(walk_back(graph, &came_by, target, from));
            }
            open.push_back(target);
        }
    }
    None
}

fn walk_back(
    graph: &BuildGraph,
    came_by: &HashMap<NodeIndex, petgraph::graph::EdgeIndex>,
    target: NodeIndex,
    from: &[NodeIndex],
) -> Vec<Step> {
    let (mut steps, mut at) = (Vec::new(), target);
    while let Some(&edge) = came_by.get(&at) {
        let Some((source, _)) = graph.requirements.edge_endpoints(edge) else { break };
        let node = |index: NodeIndex| graph.requirements[index].clone();
        steps.push(Step { from: node(source), edge: graph.requirements[edge].clone(), to: node(at) });
        at = source;
        if from.contains(&at) {
            break;
        }
    }
    steps.reverse();
    steps
}

/// Writes `kmod → BuildRequires pkgconfig(zlib) → zlib-devel of zlib`. That a package is made by its spec goes without
/// saying.
pub(super) fn write_steps(f: &mut fmt::Formatter<'_>, steps: &[Step]) -> fmt::Result {
    let Some(first) = steps.first() else { return Ok(()) };
    write!(f, "{}", first.from)?;
    for Step { edge, to, .. } in steps {
        match &edge.requirement {
            Some(requirement) => write!(f, " → {} {requirement} → {to}", edge.relation)?,
            None if edge.relation == Relation::MadeBy => {}
            None => write!(f, " → {} {to}", edge.relation)?,
        }
    }
    Ok(())
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_steps(f, &self.0)
    }
}
