//! Properties of the queue for every graph and every order of completion.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use crate::graph::BuildGraph;
use crate::plan::BuildQueue;

/// Graphs of `p0…` in which a package needs some of those before it.
fn graphs() -> impl Strategy<Value = BuildGraph> {
    (2_usize..14, prop::collection::vec((0_usize..14, 0_usize..14), 0..30)).prop_map(|(count, edges)| {
        let needs = |spec: usize| {
            let inside = edges.iter().filter(|&&(from, to)| from == spec && to < spec);
            inside.map(|(_, to)| format!("p{to}")).collect::<BTreeSet<String>>()
        };
        let needs = (0..count).map(|spec| (format!("p{spec}"), needs(spec))).collect();
        BuildGraph { needs, ..BuildGraph::default() }
    })
}

/// What came of a run: published, failed and blocked packages.
type Ends = (BTreeSet<String>, BTreeSet<String>, BTreeSet<String>);

/// Runs the queue with up to `jobs` builds at a time; `picks` decides which running build ends next. Fails as soon as a
/// build starts before its needs.
fn run(graph: &BuildGraph, failing: &BTreeSet<String>, jobs: usize, picks: &[usize]) -> Result<Ends, TestCaseError> {
    let durations: BTreeMap<String, Duration> =
        picks.iter().enumerate().map(|(at, &pick)| (format!("p{at}"), Duration::from_secs(pick as u64))).collect();
    let mut queue = BuildQueue::new(graph, &durations);
    let (mut published, mut failed, mut blocked) = Ends::default();
    let mut running: Vec<String> = Vec::new();
    for step in 0.. {
        while running.len() < jobs {
            let Some(spec) = queue.take_ready() else { break };
            prop_assert!(graph.needs[&spec].is_subset(&published), "{} started too early", spec);
            running.push(spec);
        }
        if running.is_empty() {
            break;
        }
        let spec = running.remove(picks[step % picks.len()] % running.len());
        if failing.contains(&spec) {
            let more: BTreeSet<String> = queue.fail(&spec).into_iter().map(|one| one.package).collect();
            prop_assert!(more.is_disjoint(&blocked), "blocked twice");
            blocked.extend(more);
            failed.insert(spec);
        } else {
            queue.publish(&spec);
            published.insert(spec);
        }
    }
    prop_assert!(queue.is_done());
    Ok((published, failed, blocked))
}

proptest! {
    #[test]
    fn any_order_of_completion_gives_the_same_set(
        graph in graphs(),
        failing in prop::collection::btree_set((0_usize..14).prop_map(|at| format!("p{at}")), 0..4),
        jobs in 1_usize..5,
        picks in prop::collection::vec(0_usize..9, 1..20),
        others in prop::collection::vec(0_usize..9, 1..20),
    ) {
        let ends = run(&graph, &failing, jobs, &picks)?;
        prop_assert_eq!(&ends, &run(&graph, &failing, 1, &others)?);
        let (published, failed, blocked) = ends;
        // Exactly those are blocked that cannot be built without a failed one.
        let after: BTreeSet<String> =
            failed.iter().flat_map(|spec| graph.all_rdeps(spec)).map(str::to_owned).collect();
        prop_assert_eq!(&blocked, &after);
        prop_assert_eq!(published.len() + failed.len() + blocked.len(), graph.needs.len());
    }

    #[test]
    fn the_estimate_lies_between_the_longest_path_and_the_sum(graph in graphs(), jobs in 1_usize..6) {
        let second = Duration::from_secs(1);
        let durations = graph.needs.keys().map(|spec| (spec.clone(), second)).collect();
        let estimate = BuildQueue::new(&graph, &durations).remaining_estimate(jobs);
        let count = u32::try_from(graph.needs.len()).unwrap();
        prop_assert!(estimate <= second * count && estimate >= second * count.div_ceil(u32::try_from(jobs).unwrap()));
    }
}
