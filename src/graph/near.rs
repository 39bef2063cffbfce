//! The part of a graph around some of its specs. Pure.

use std::collections::BTreeSet;

use petgraph::visit::EdgeRef;

use super::{BuildGraph, Node};

/// In which direction a graph is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From a spec to what it needs.
    Needs,
    /// From a spec to what needs it.
    Dependants,
}

impl BuildGraph {
    /// The specs that are at most `depth` steps from `start`, themselves included. A step leads from a spec to one that
    /// its build asks for by a requirement, or that a package asks for which it asks for; what is in a buildroot only
    /// because another package there requires it is further away.
    pub fn within(&self, start: &BTreeSet<String>, depth: usize, direction: Direction) -> BTreeSet<String> {
        let steps = self.direct_needs();
        let mut found: BTreeSet<String> = start.iter().filter(|spec| self.needs.contains_key(*spec)).cloned().collect();
        let mut edge = found.clone();
        for _ in 0..depth {
            let next = steps.iter().filter_map(|(from, to)| match direction {
                Direction::Needs => edge.contains(from).then_some(to),
                Direction::Dependants => edge.contains(to).then_some(from),
            });
            edge = next.filter(|spec| !found.contains(*spec)).cloned().collect();
            if edge.is_empty() {
                break;
            }
            found.extend(edge.iter().cloned());
        }
        found
    }

    /// The graph of `specs` alone: edges to others are left out.
    #[must_use]
    pub fn only(&self, specs: &BTreeSet<String>) -> Self {
        let inside = |set: &BTreeSet<String>| set.intersection(specs).cloned().collect::<BTreeSet<_>>();
        let keep = |map: &std::collections::BTreeMap<String, BTreeSet<String>>| {
            map.iter()
                .filter(|(spec, _)| specs.contains(*spec))
                .map(|(spec, set)| (spec.clone(), inside(set)))
                .collect()
        };
        let mut part = Self {
            needs: keep(&self.needs),
            checks: keep(&self.checks),
            goals: inside(&self.goals),
            remote: self
                .remote
                .iter()
                .filter(|(spec, _)| specs.contains(*spec))
                .map(|(a, b)| (a.clone(), b.clone()))
                .collect(),
            requirements: self.requirements.filter_map(
                |_, node| node.spec().is_none_or(|spec| specs.contains(spec)).then(|| node.clone()),
                |_, edge| Some(edge.clone()),
            ),
            ..self.clone()
        };
        // Remote packages that nothing here requires.
        part.requirements.retain_nodes(|graph, node| {
            graph[node].spec().is_some() || graph.edges_directed(node, petgraph::Direction::Incoming).next().is_some()
        });
        part
    }

    /// Pairs of specs of which the first asks for a package of the second by a requirement of its own build, check or
    /// packages. Where nothing is known of requirements, those of [`BuildGraph::needs`].
    fn direct_needs(&self) -> BTreeSet<(String, String)> {
        let requirements = &self.requirements;
        let of_edges = requirements.edge_references().filter_map(|edge| {
            let (from, to) = (&requirements[edge.source()], &requirements[edge.target()]);
            let (of, on) = (from.spec()?, to.spec()?);
            let is_other = of != on && matches!(to, Node::Install { .. });
            is_other.then(|| (of.to_owned(), on.to_owned()))
        });
        let found: BTreeSet<(String, String)> = of_edges.collect();
        if !found.is_empty() {
            return found;
        }
        let pairs = |(spec, needs): (&String, &BTreeSet<String>)| {
            let spec = spec.clone();
            needs.iter().map(move |need| (spec.clone(), need.clone())).collect::<Vec<_>>()
        };
        self.needs.iter().flat_map(pairs).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph() -> BuildGraph {
        let needs = [("a", &[][..]), ("b", &["a"]), ("c", &["b"]), ("d", &["c"]), ("e", &["a"])];
        let set = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<BTreeSet<String>>();
        BuildGraph { needs: needs.map(|(spec, needs)| (spec.to_owned(), set(needs))).into(), ..BuildGraph::default() }
    }

    #[test]
    fn the_part_around_a_spec_ends_after_so_many_steps() {
        let of = |name: &str| BTreeSet::from([name.to_owned()]);
        let within =
            |name, depth, direction| graph().within(&of(name), depth, direction).into_iter().collect::<String>();
        assert_eq!(within("d", 0, Direction::Needs), "d");
        assert_eq!(within("d", 2, Direction::Needs), "bcd");
        assert_eq!(within("d", 99, Direction::Needs), "abcd");
        assert_eq!(within("a", 1, Direction::Dependants), "abe");
        assert_eq!(within("a", 2, Direction::Dependants), "abce");
        assert_eq!(within("none", 2, Direction::Needs), "");
    }

    #[test]
    fn a_part_of_a_graph_has_no_edges_out_of_it() {
        let part = graph().only(&BTreeSet::from(["b".to_owned(), "c".to_owned()]));
        assert_eq!(part.order(), ["b", "c"]);
        assert!(part.needs["b"].is_empty());
    }
}
