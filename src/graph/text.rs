//! The graph as text: DOT for Graphviz and JSON for programs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::Serialize;
use serde_json::json;

use super::{BuildGraph, Edge, Node};

/// The version of [`to_json`]'s form; counts up when something in it changes its meaning or goes away.
const JSON_VERSION: u32 = 1;

/// The builds of the run in the DOT language (<https://graphviz.org/doc/info/lang.html>), in the order of names. An
/// edge goes from a spec to one it needs and bears its requirement, or the package it comes through; goals have a bold
/// frame, checks that stand apart are dashed, packages of remote repositories dotted.
pub fn to_dot(graph: &BuildGraph) -> String {
    let labels = labels(graph);
    let mut text = String::from("digraph drydock {\n  rankdir=LR;\n  node [shape=box];\n");
    for (spec, needs) in &graph.needs {
        let style = if graph.goals.contains(spec) { " [style=bold]" } else { "" };
        let _ = writeln!(text, "  {}{style};", quoted(spec));
        for need in needs {
            let label = labels.get(&(spec, need)).copied().unwrap_or_default();
            let label = if label.is_empty() { String::new() } else { format!(" [label={}]", quoted(label)) };
            let _ = writeln!(text, "  {} -> {}{label};", quoted(spec), quoted(need));
        }
    }
    for (spec, needs) in &graph.checks {
        let check = quoted(&format!("%check of {spec}"));
        let _ = writeln!(text, "  {check} [style=dashed];\n  {check} -> {} [style=dashed];", quoted(spec));
        for need in needs {
            let _ = writeln!(text, "  {check} -> {} [style=dashed];", quoted(need));
        }
    }
    let remote = remote_edges(graph);
    for package in remote.iter().map(|(_, package)| package).collect::<BTreeSet<_>>() {
        let _ = writeln!(text, "  {} [style=dotted];", quoted(package));
    }
    for (from, package) in &remote {
        let _ = writeln!(text, "  {} -> {} [style=dotted];", quoted(from), quoted(package));
    }
    text.push_str("}\n");
    text
}

/// Who requires a package of a remote repository: a spec, by its build, its check or one of its packages, or another such
/// package, which is named `NEVRA (repository)`.
pub(super) fn remote_edges(graph: &BuildGraph) -> BTreeSet<(String, String)> {
    let remote = |node: &Node| match node {
        Node::Prebuilt { package, repository } => Some(format!("{} ({repository})", package.nvra())),
        _ => None,
    };
    let requirements = &graph.requirements;
    let ends = requirements.edge_indices().filter_map(|edge| requirements.edge_endpoints(edge));
    let named = ends.filter_map(|(from, to)| {
        let (from, to) = (&requirements[from], remote(&requirements[to])?);
        Some((remote(from).or_else(|| from.spec().map(str::to_owned))?, to))
    });
    named.collect()
}

/// For each pair of specs, the requirement by which the first's build needs a package of the second directly.
fn labels(graph: &BuildGraph) -> BTreeMap<(&String, &String), &str> {
    let requirements = &graph.requirements;
    let mut labels = BTreeMap::new();
    for edge in requirements.edge_indices() {
        let Some((from, to)) = requirements.edge_endpoints(edge) else { continue };
        if let (Node::Build { spec: from } | Node::Check { spec: from }, Node::Install { spec: to, .. }, Some(text)) =
            (&requirements[from], &requirements[to], requirements[edge].requirement.as_deref())
        {
            let label = labels.entry((from, to)).or_insert(text);
            *label = text.min(label);
        }
    }
    labels
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Everything in the graph as one JSON value: `version`, `needs`, `order`, `checks`, `goals`, `excluded`, `guesses`,
/// `choices`, `unmet`, and `nodes` with `edges` that give their nodes by position.
pub fn to_json(graph: &BuildGraph) -> serde_json::Value {
    #[derive(Serialize)]
    struct NumberedEdge<'a> {
        from: usize,
        to: usize,
        #[serde(flatten)]
        edge: &'a Edge,
    }
    let requirements = &graph.requirements;
    let nodes: Vec<&Node> = requirements.node_weights().collect();
    let edges: Vec<NumberedEdge> = requirements
        .edge_indices()
        .filter_map(|edge| {
            let (from, to) = requirements.edge_endpoints(edge)?;
            Some(NumberedEdge { from: from.index(), to: to.index(), edge: &requirements[edge] })
        })
        .collect();
    json!({
        "version": JSON_VERSION,
        "goals": graph.goals,
        "order": graph.order(),
        "needs": graph.needs,
        "checks": graph.checks,
        "excluded": graph.excluded,
        "guesses": graph.guesses,
        "choices": graph.choices,
        "unmet": graph.unmet,
        "nodes": nodes,
        "edges": edges,
    })
}
