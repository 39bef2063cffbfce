//! The loop: takes ready packages from the queue, runs their builds, and tells the queue how they ended.
//!
//! The queue is a value, the build is an argument; nothing here knows what a build is. A failure blocks those that need
//! the package and nobody else. When a build cannot be judged at all (`Err`), the others are cancelled and waited for.

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio_util::sync::CancellationToken;

use super::{OnFailure, Outcome, Summary};
use crate::plan::{Blocked, BuildQueue};

/// How many builds run, and when no other is begun.
#[derive(Clone, Copy, Debug)]
pub struct Pace<'a> {
    /// Builds at a time; at least 1.
    pub jobs: usize,
    /// What happens to the other packages when one fails.
    pub on_failure: OnFailure,
    /// Ends the run. The builds end themselves by it; `drain` cancels it when one of them cannot go on.
    pub cancel: &'a CancellationToken,
}

/// What [`drain`] tells while it runs.
#[derive(Clone, Copy)]
pub enum Change<'a> {
    /// A package is not begun, since one that it needs has failed.
    Blocked(&'a Blocked),
    /// Builds were begun or have ended.
    Queue(&'a BuildQueue),
}

/// Runs `build_one` for every package of `queue`, each after all it needs, and tells what changes. Packages that nothing
/// was decided about are in no set of the summary, unless their builds were cancelled.
///
/// # Errors
/// The first one of `build_one`, after all builds that ran have ended.
pub async fn drain<E>(
    mut queue: BuildQueue,
    pace: Pace<'_>,
    build_one: impl AsyncFn(&str) -> Result<Outcome, E>,
    tell: impl Fn(Change<'_>),
) -> Result<Summary, E> {
    let start = async |spec: String| {
        let outcome = build_one(&spec).await;
        (spec, outcome)
    };
    let mut summary = Summary::default();
    let mut fault = None;
    let mut stopping = false;
    let mut running = FuturesUnordered::new();
    loop {
        while running.len() < pace.jobs.max(1) && !stopping && !pace.cancel.is_cancelled() {
            match queue.take_ready() {
                Some(spec) => running.push(start(spec)),
                None => break,
            }
        }
        tell(Change::Queue(&queue));
        let Some((spec, outcome)) = running.next().await else { break };
        match outcome {
            Ok(Outcome::Failed(failure)) => {
                stopping |= pace.on_failure == OnFailure::Stop;
                for blocked in queue.fail(&spec) {
                    tell(Change::Blocked(&blocked));
                    summary.blocked.insert(blocked.package, blocked.by);
                }
                summary.failed.insert(spec, failure);
            }
            Ok(Outcome::Cancelled) => {
                stopping = true;
                summary.unfinished.insert(spec);
            }
            Ok(done) => {
                queue.publish(&spec);
                if done == Outcome::Built { &mut summary.built } else { &mut summary.up_to_date }.insert(spec);
            }
            Err(error) => {
                stopping = true;
                pace.cancel.cancel();
                fault.get_or_insert(error);
            }
        }
    }
    fault.map_or(Ok(summary), Err)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::PathBuf;
    use std::sync::Mutex;

    use super::*;
    use crate::build::Failure;
    use crate::graph::BuildGraph;

    fn queue(needs: &[(&str, &[&str])]) -> BuildQueue {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<String>>();
        let needs = needs.iter().map(|(spec, needs)| ((*spec).to_owned(), set(needs))).collect();
        BuildQueue::new(&BuildGraph { needs, ..BuildGraph::default() }, &BTreeMap::new())
    }

    fn failure() -> Outcome {
        let (phase, status) = ("%build".to_owned(), "exit status 1".to_owned());
        Outcome::Failed(Failure { phase, status, excerpt: vec![], log: PathBuf::new() })
    }

    async fn run(
        on_failure: OnFailure,
        build: impl AsyncFn(&str, &CancellationToken) -> Result<Outcome, String>,
    ) -> Result<(Summary, Vec<String>), String> {
        let order = Mutex::new(Vec::new());
        let cancel = CancellationToken::new();
        let build_one = async |spec: &str| {
            order.lock().unwrap().push(spec.to_owned());
            build(spec, &cancel).await
        };
        let pace = Pace { jobs: 2, on_failure, cancel: &cancel };
        let queue = queue(&[("a", &[]), ("b", &["a"]), ("c", &[]), ("d", &["b", "c"])]);
        let summary = drain(queue, pace, build_one, |_| {}).await?;
        Ok((summary, order.into_inner().unwrap()))
    }

    #[tokio::test]
    async fn everything_is_built_after_what_it_needs() {
        let (summary, order) = run(OnFailure::KeepGoing, async |_, _| Ok(Outcome::Built)).await.unwrap();
        assert_eq!(summary.built.len(), 4);
        assert!(summary.is_success());
        let place = |spec: &str| order.iter().position(|name| name == spec).unwrap();
        assert!(place("a") < place("b") && place("b") < place("d") && place("c") < place("d"));
    }

    #[tokio::test]
    async fn a_failed_build_blocks_its_dependants_only() {
        let build =
            async |spec: &str, _: &CancellationToken| Ok(if spec == "a" { failure() } else { Outcome::UpToDate });
        let (summary, _) = run(OnFailure::KeepGoing, build).await.unwrap();
        assert_eq!(summary.failed.keys().collect::<Vec<_>>(), ["a"]);
        assert_eq!(summary.blocked, BTreeMap::from([("b".into(), "a".into()), ("d".into(), "a".into())]));
        assert_eq!(summary.up_to_date, BTreeSet::from(["c".to_owned()]));
        assert!(!summary.is_success());
    }

    #[tokio::test]
    async fn a_run_may_stop_at_the_first_failure() {
        let build = async |spec: &str, _: &CancellationToken| {
            if spec == "a" {
                return Ok(failure());
            }
            tokio::task::yield_now().await;
            Ok(Outcome::Built)
        };
        let (summary, order) = run(OnFailure::Stop, build).await.unwrap();
        assert_eq!(order, ["a", "c"], "what ran is finished, nothing is begun");
        assert_eq!(summary.built, BTreeSet::from(["c".to_owned()]));
        assert!(!summary.knows("d") || summary.blocked.contains_key("d"));
    }

    #[tokio::test]
    async fn a_fault_cancels_the_others_and_waits_for_them() {
        let ended = Mutex::new(Vec::new());
        let build = async |spec: &str, cancel: &CancellationToken| {
            if spec == "a" {
                return Err("the disk is gone".to_owned());
            }
            cancel.cancelled().await;
            ended.lock().unwrap().push(spec.to_owned());
            Ok(Outcome::Cancelled)
        };
        assert_eq!(run(OnFailure::KeepGoing, build).await.unwrap_err(), "the disk is gone");
        assert_eq!(ended.into_inner().unwrap(), ["c"]);
    }

    #[tokio::test]
    async fn a_cancelled_run_begins_nothing() {
        let build = async |_: &str, cancel: &CancellationToken| {
            cancel.cancel();
            Ok(Outcome::Cancelled)
        };
        let (summary, _) = run(OnFailure::KeepGoing, build).await.unwrap();
        assert!(summary.unfinished.contains("a") && !summary.knows("d"));
    }
}
