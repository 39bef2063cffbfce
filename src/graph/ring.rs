//! Rings of builds, and the checks that would close one.
//!
//! In: which spec needs which. Out: for each group of specs that need each other the shortest ring; and those checks
//! that can join their build without a ring.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};

/// Which spec needs which, by name.
pub(super) type Needs = BTreeMap<String, BTreeSet<String>>;

/// A ring, and every spec of its group, sorted.
pub(super) type Found = (Vec<String>, BTreeSet<String>);

/// The shortest ring of each group of specs that need each other, sorted. Each starts with its least spec.
pub(super) fn rings(needs: &Needs) -> Vec<Found> {
    let groups = groups(needs);
    let mut found: Vec<Found> =
        groups.into_iter().filter_map(|members| Some((shortest_ring(needs, &members)?, members))).collect();
    found.sort();
    found
}

/// Groups of specs that need each other, each spec that needs itself included.
fn groups(needs: &Needs) -> Vec<BTreeSet<String>> {
    let mut graph: DiGraph<&str, ()> = DiGraph::new();
    let nodes: HashMap<&str, NodeIndex> = needs.keys().map(|spec| (spec.as_str(), graph.add_node(spec))).collect();
    for (spec, wanted) in needs {
        for need in wanted.iter().filter_map(|need| nodes.get(need.as_str())) {
            graph.update_edge(nodes[spec.as_str()], *need, ());
        }
    }
    let groups = tarjan_scc(&graph).into_iter();
    let is_ring = |group: &Vec<NodeIndex>| group.len() > 1 || graph.contains_edge(group[0], group[0]);
    groups.filter(is_ring).map(|group| group.iter().map(|&node| graph[node].to_owned()).collect()).collect()
}

fn shortest_ring(needs: &Needs, members: &BTreeSet<String>) -> Option<Vec<String>> {
    let rings = members.iter().filter_map(|start| {
        let mut ring = path(needs, start, start)?;
        ring.pop();
        Some(ring)
    });
    let mut ring = rings.min_by_key(|ring| (ring.len(), ring.clone()))?;
    let least = ring.iter().enumerate().min_by_key(|(_, spec)| spec.as_str()).map_or(0, |(at, _)| at);
    ring.rotate_left(least);
    Some(ring)
}

/// A shortest path of at least one step from a spec to another or to itself, both ends included.
fn path(needs: &Needs, from: &str, to: &str) -> Option<Vec<String>> {
    let mut came_from: HashMap<&str, &str> = HashMap::new();
    let mut open = VecDeque::from([needs.get_key_value(from)?.0.as_str()]);
    while let Some(next) = open.pop_front() {
        for need in needs.get(next).into_iter().flatten() {
            if came_from.contains_key(need.as_str()) {
                continue;
            }
            came_from.insert(need, next);
            if need == to {
                let mut path = vec![to.to_owned()];
                let mut at = next;
                while at != from {
                    path.push(at.to_owned());
                    at = came_from.get(at)?;
                }
                path.push(from.to_owned());
                path.reverse();
                return Some(path);
            }
            open.push_back(need);
        }
    }
    None
}

/// Adds to `needs` the checks that close no ring, and returns the others. Checks that are in no ring when all are added
/// are added; of the rest each, by name, when it closes none with those before.
pub(super) fn join_checks(needs: &mut Needs, checks: Needs) -> Needs {
    let mut all = needs.clone();
    for (spec, wanted) in &checks {
        all.entry(spec.clone()).or_default().extend(wanted.iter().cloned());
    }
    let group_of: HashMap<String, usize> = groups(&all)
        .into_iter()
        .enumerate()
        .flat_map(|(number, group)| group.into_iter().map(move |spec| (spec, number)))
        .collect();
    let in_group =
        |spec: &str, need: &String| group_of.get(spec).is_some_and(|group| group_of.get(need.as_str()) == Some(group));
    let (doubtful, sure): (Needs, Needs) =
        checks.into_iter().partition(|(spec, wanted)| wanted.iter().any(|need| in_group(spec, need)));
    for (spec, wanted) in sure {
        needs.entry(spec).or_default().extend(wanted);
    }
    let mut apart = Needs::new();
    for (spec, wanted) in doubtful {
        let closes_ring = wanted.iter().any(|need| *need == spec || path(needs, need, &spec).is_some());
        if closes_ring {
            let others = wanted.into_iter().filter(|need| *need != spec).collect();
            apart.insert(spec, others);
        } else {
            needs.entry(spec).or_default().extend(wanted);
        }
    }
    apart
}
