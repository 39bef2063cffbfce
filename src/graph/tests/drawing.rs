//! The graph as DOT and SVG where it has packages of repositories, checks apart and rings.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{BuildGraph, Edge, Node, Relation, to_dot, to_svg};
use crate::package::{Evr, Nevra};

fn graph(needs: &[(&str, &[&str])]) -> BuildGraph {
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<String>>();
    let needs = needs.iter().map(|(spec, needs)| ((*spec).to_owned(), set(needs))).collect();
    BuildGraph { needs, ..BuildGraph::default() }
}

fn with_all_kinds() -> BuildGraph {
    let mut graph = graph(&[("app", &["lib", "tool"]), ("lib", &[]), ("tool", &["lib"])]);
    graph.goals = BTreeSet::from(["app".to_owned()]);
    graph.checks = BTreeMap::from([("lib".to_owned(), BTreeSet::from(["tool".to_owned()]))]);
    let remote = |name: &str| Node::Prebuilt {
        package: Nevra { name: name.into(), evr: Evr::parse("1-1"), arch: "x86_64".into() },
        repository: "base".into(),
    };
    let build = graph.requirements.add_node(Node::Build { spec: "lib".into() });
    let (gcc, libgcc) = (graph.requirements.add_node(remote("gcc")), graph.requirements.add_node(remote("libgcc")));
    let edge = |relation| Edge { relation, requirement: Some("x".into()) };
    graph.requirements.add_edge(build, gcc, edge(Relation::BuildRequires));
    graph.requirements.add_edge(gcc, libgcc, edge(Relation::Requires));
    graph
}

#[test]
fn a_drawing_has_every_kind_of_node() {
    insta::assert_snapshot!(to_svg(&with_all_kinds()));
}

#[test]
fn dot_has_packages_of_repositories() {
    insta::assert_snapshot!(to_dot(&with_all_kinds()));
}

#[test]
fn a_need_that_follows_from_another_is_not_drawn() {
    let svg = to_svg(&graph(&[("a", &[]), ("b", &["a"]), ("c", &["a", "b"])]));
    assert_eq!(svg.matches("<path ").count(), 2, "{svg}");
    assert!(svg.contains("<title>c\nneeds a, b\nneeded by nobody</title>"), "{svg}");
}

#[test]
fn a_ring_is_marked_and_drawn_once() {
    let svg = to_svg(&graph(&[("a", &["b"]), ("b", &["a", "x"]), ("c", &["a"]), ("x", &[])]));
    assert_eq!(svg.matches("<path class=\"ring\"").count(), 2, "{svg}");
    assert_eq!(svg.matches("<g class=\"ring\">").count(), 2, "{svg}");
    assert!(svg.contains("ring: a -&gt; b -&gt; a"), "{svg}");
}

#[test]
fn hundreds_of_specs_do_not_lie_over_each_other() {
    let names: Vec<String> = (0..300).map(|at| format!("spec{at:03}")).collect();
    let needs = (0..300_usize).map(|at| {
        let wanted = (at % 7..at).step_by(37).map(|need| names[need].clone()).collect::<BTreeSet<_>>();
        (names[at].clone(), wanted)
    });
    let graph = BuildGraph { needs: needs.collect(), ..BuildGraph::default() };
    let svg = to_svg(&graph);
    assert_eq!(svg, to_svg(&graph));
    let corner =
        |line: &str| line.split_once("<rect ").map(|(_, rest)| rest.split(" width").next().unwrap().to_owned());
    let corners: BTreeSet<String> = svg.lines().filter_map(corner).collect();
    assert_eq!(corners.len(), 300);
    assert_eq!(to_svg(&BuildGraph::default()).matches("<g").count(), 0);
}
