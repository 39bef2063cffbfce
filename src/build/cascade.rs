//! How far a rebuild reaches when the user bounds it: by `--cascade N`, packages more than N steps away from what is
//! built for reasons of its own keep their last result, although what they were built with may be another by now.

use std::collections::{BTreeMap, BTreeSet};

use super::preview::own_reasons;
use super::{BuildContext, BuildError};
use crate::graph::BuildGraph;
use crate::spec::SourcePackage;

/// The specs of `graph` that a rebuild does not reach; none without a bound.
///
/// A spec is built for reasons of its own when it was asked for again, was never built, or its own inputs have changed. It
/// is one step away from the specs that have packages in its buildroot.
pub(super) fn out_of_reach(
    context: &BuildContext<'_>,
    graph: &BuildGraph,
    packages: &BTreeMap<&str, &SourcePackage>,
) -> Result<BTreeSet<String>, BuildError> {
    let Some(bound) = context.options.cascade else { return Ok(BTreeSet::new()) };
    let mut own = BTreeSet::new();
    for (spec, package) in graph.needs.keys().filter_map(|spec| Some((spec, packages.get(spec.as_str())?))) {
        if !own_reasons(context, package)?.is_empty() {
            own.insert(spec.clone());
        }
    }
    Ok(beyond(graph, &own, bound))
}

/// The specs that are more than `bound` steps away from each of `starts`.
fn beyond(graph: &BuildGraph, starts: &BTreeSet<String>, bound: u32) -> BTreeSet<String> {
    let mut reached: BTreeMap<String, u32> = BTreeMap::new();
    let mut beyond = BTreeSet::new();
    for spec in graph.order() {
        let nearest = graph.needs[&spec].iter().filter_map(|need| reached.get(need)).min();
        let steps = if starts.contains(&spec) { Some(0) } else { nearest.map(|steps| steps.saturating_add(1)) };
        match steps.filter(|steps| *steps <= bound) {
            Some(steps) => drop(reached.insert(spec, steps)),
            None => drop(beyond.insert(spec)),
        }
    }
    beyond
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_farther_away_than_the_bound_is_not_reached() {
        let needs = |names: &str| names.split_whitespace().map(str::to_owned).collect::<BTreeSet<_>>();
        let all = [("a", ""), ("b", "a"), ("c", "b"), ("d", "c"), ("e", "d a"), ("alone", "")];
        let graph = BuildGraph {
            needs: all.iter().map(|(spec, names)| ((*spec).to_owned(), needs(names))).collect(),
            ..BuildGraph::default()
        };
        let from =
            |starts: &str, bound| beyond(&graph, &needs(starts), bound).into_iter().collect::<Vec<_>>().join(" ");
        assert_eq!(from("a", 0), "alone b c d e");
        assert_eq!(from("a", 1), "alone c d");
        assert_eq!(from("a", 2), "alone d");
        assert_eq!(from("a", u32::MAX), "alone");
        assert_eq!(from("a c", 0), "alone b d e");
        assert_eq!(from("", 5), "a alone b c d e");
    }
}
