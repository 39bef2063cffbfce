//! The queue, step by step.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{graph, seconds};
use crate::plan::{Blocked, BuildQueue, Counts, PostponeError};

fn set(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn names(blocked: &[Blocked]) -> Vec<&str> {
    blocked.iter().map(|one| one.package.as_str()).collect()
}

#[test]
fn the_longest_remaining_path_starts_first() {
    let graph = graph("a:; b:; long: a; last: long; short: b");
    let mut queue = BuildQueue::new(&graph, &seconds(&[("a", 1), ("b", 5), ("long", 10), ("last", 1), ("short", 2)]));
    assert_eq!(queue.take_ready().as_deref(), Some("a"), "12 s against 7 s");
    assert_eq!(queue.take_ready().as_deref(), Some("b"));
    assert_eq!(queue.take_ready(), None);
    queue.publish("b");
    assert_eq!(queue.take_ready().as_deref(), Some("short"));
    queue.publish("a");
    assert_eq!(queue.take_ready().as_deref(), Some("long"));
}

#[test]
fn ties_go_by_name_and_unknown_durations_are_the_median() {
    let mut queue = BuildQueue::new(&graph("c:; b:; a:"), &seconds(&[("a", 1), ("x", 3), ("y", 9)]));
    let order: Vec<String> = std::iter::from_fn(|| queue.take_ready()).collect();
    assert_eq!(order, ["b", "c", "a"]);
}

#[test]
fn a_failure_blocks_those_that_need_it_and_nobody_else() {
    let mut queue = BuildQueue::new(&graph("a:; b: a; c: b; d:; e: d; f: c e"), &BTreeMap::new());
    assert_eq!(queue.take_ready().as_deref(), Some("a"));
    let blocked = queue.fail("a");
    assert_eq!(names(&blocked), ["b", "c", "f"]);
    assert!(blocked.iter().all(|one| one.by == "a"));
    assert!(!queue.is_done());
    assert_eq!(queue.take_ready().as_deref(), Some("d"));
    queue.publish("d");
    assert_eq!(queue.take_ready().as_deref(), Some("e"));
    assert_eq!(queue.fail("e"), [], "f is blocked already");
    assert!(queue.is_done());
    assert_eq!(queue.counts(), Counts { published: 1, failed: 2, blocked: 3, ..Counts::default() });
}

#[test]
fn what_is_up_to_date_need_not_be_taken() {
    let mut queue = BuildQueue::new(&graph("a:; b: a; c: b; d: ; e: d"), &BTreeMap::new());
    queue.publish("b");
    let order: Vec<String> = std::iter::from_fn(|| queue.take_ready()).collect();
    assert_eq!(order, ["d", "a", "c"], "nothing comes after `a` any more");
}

#[test]
fn a_package_can_be_tried_again() {
    let mut queue = BuildQueue::new(&graph("a:"), &BTreeMap::new());
    assert_eq!(queue.take_ready().as_deref(), Some("a"));
    queue.requeue("a");
    assert_eq!(queue.take_ready().as_deref(), Some("a"));
    queue.publish("a");
    queue.requeue("a");
    assert_eq!(queue.take_ready(), None);
}

#[test]
fn a_need_that_is_learned_late_postpones_a_build() {
    let mut queue = BuildQueue::new(&graph("a:; b:; c: b"), &seconds(&[("a", 9), ("b", 1), ("c", 1)]));
    assert_eq!(queue.take_ready().as_deref(), Some("a"));
    assert_eq!(queue.postpone("a", &set(&["c"])), Ok(vec![]));
    assert_eq!(queue.take_ready().as_deref(), Some("b"));
    assert_eq!(
        queue.postpone("b", &set(&["a"])),
        Err(PostponeError::Ring { ring: vec!["b".into(), "a".into(), "c".into(), "b".into()] })
    );
    assert_eq!(queue.postpone("b", &set(&["new"])), Err(PostponeError::Unknown { spec: "new".into() }));
    queue.extend(&graph("a:; new:").needs, &BTreeMap::new());
    assert_eq!(queue.postpone("b", &set(&["new"])), Ok(vec![]));
    for expected in ["new", "b", "c", "a"] {
        assert_eq!(queue.take_ready().as_deref(), Some(expected));
        assert_eq!(queue.take_ready(), None);
        queue.publish(expected);
    }
    assert!(queue.is_done());
}

#[test]
fn a_late_need_that_failed_blocks() {
    let mut queue = BuildQueue::new(&graph("a:; b:; c: b"), &BTreeMap::new());
    queue.fail("a");
    assert_eq!(queue.take_ready().as_deref(), Some("b"));
    assert_eq!(names(&queue.postpone("b", &set(&["a"])).unwrap()), ["b", "c"]);
    assert!(queue.is_done());
}

#[test]
fn the_rest_is_estimated_for_so_many_jobs() {
    let graph = graph("a:; b: a; c: a; d: b c");
    let mut queue = BuildQueue::new(&graph, &seconds(&[("a", 10), ("b", 20), ("c", 5), ("d", 1)]));
    assert_eq!(queue.remaining_estimate(1), Duration::from_secs(36));
    assert_eq!(queue.remaining_estimate(2), Duration::from_secs(31));
    assert_eq!(queue.remaining_estimate(0), Duration::from_secs(36), "one at least");
    queue.publish("a");
    assert_eq!(queue.take_ready().as_deref(), Some("b"));
    assert_eq!(queue.remaining_estimate(2), Duration::from_secs(21));
    queue.fail("b");
    assert_eq!(queue.remaining_estimate(2), Duration::from_secs(5));
}

#[test]
fn a_guess_that_failed_does_not_block() {
    let mut graph = graph("guess: base; base:; app: guess; user: app; hard: guess");
    graph.unsure.insert("app".to_owned(), set(&["guess"]));
    let mut queue = BuildQueue::new(&graph, &BTreeMap::new());
    assert_eq!(queue.take_ready().as_deref(), Some("base"));
    assert_eq!(names(&queue.fail("base")), ["guess", "hard"]);
    assert_eq!(queue.take_ready().as_deref(), Some("app"), "it is planned again");
    queue.extend(&BTreeMap::from([("right".to_owned(), set(&[]))]), &BTreeMap::new());
    assert_eq!(queue.postpone("app", &set(&["right"])), Ok(vec![]));
    for expected in ["right", "app", "user"] {
        assert_eq!(queue.take_ready().as_deref(), Some(expected));
        queue.publish(expected);
    }
    assert!(queue.is_done());
}
