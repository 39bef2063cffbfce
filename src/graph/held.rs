//! The specs of which a set of wanted packages holds something. Pure.

use std::collections::BTreeSet;

use petgraph::visit::EdgeRef;

use super::{BuildGraph, Goals, GraphError, Inputs, Node, Relation, survey};
use crate::package::Requirement;

/// The specs of the packages that `wanted` names and of all that these require to be installed, as far as specs make
/// them; what no spec makes is left out, and whether the specs can be built does not matter.
///
/// # Errors
/// As [`survey`].
pub fn specs_held(wanted: &[Requirement], inputs: Inputs<'_>) -> Result<BTreeSet<String>, GraphError> {
    let names: BTreeSet<&str> =
        wanted.iter().flat_map(Requirement::dependencies).map(|dependency| dependency.name.as_str()).collect();
    let mut packages = BTreeSet::new();
    for name in names {
        let all = inputs.specs.iter().filter(|source| source.excluded.is_none()).flat_map(|source| &source.binaries);
        let by_name = all.clone().find(|package| package.nevra.name == name);
        let provides = |package: &&crate::spec::BinaryPackage| package.provides.iter().any(|one| one.name == name);
        packages.extend(by_name.or_else(|| all.clone().find(provides)).map(|package| package.nevra.name.clone()));
    }
    let graph = survey(inputs, &Goals::Named(packages.iter().cloned().collect()))?.graph;
    Ok(installed(&graph, &packages))
}

/// The specs of `packages` and of all that they require.
fn installed(graph: &BuildGraph, packages: &BTreeSet<String>) -> BTreeSet<String> {
    let requirements = &graph.requirements;
    let is_wanted = |node: &Node| matches!(node, Node::Install { package, .. } if packages.contains(&package.name));
    let mut open: Vec<_> = requirements.node_indices().filter(|node| is_wanted(&requirements[*node])).collect();
    let mut seen: BTreeSet<_> = open.iter().copied().collect();
    while let Some(node) = open.pop() {
        let requires = requirements.edges(node).filter(|edge| edge.weight().relation == Relation::Requires);
        open.extend(requires.map(|edge| edge.target()).filter(|target| seen.insert(*target)));
    }
    seen.into_iter().filter_map(|node| requirements[node].spec().map(str::to_owned)).collect()
}
