//! The loop: takes ready packages from the queue, runs their builds, and tells the queue how they ended.
//!
//! The queue is a value, the build is an argument; nothing here knows what a build is. A failure blocks those that need
//! the package and nobody else. When a build cannot be judged at all (`Err`), the others are cancelled and waited for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio_util::sync::CancellationToken;

use super::late::Late;
use super::{Failure, OnFailure, Outcome, Summary};
use crate::plan::{Blocked, BuildQueue, Shortage};

/// How long until the machine is looked at again while a build is held back and none has ended.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// How many builds run, and when no other is begun.
#[derive(Clone, Copy, Debug)]
pub struct Pace<'a> {
    /// Builds at a time; at least 1.
    pub jobs: usize,
    /// How long builds last, by spec; for packages that join the run.
    pub durations: &'a BTreeMap<String, Duration>,
    /// What happens to the other packages when one fails.
    pub on_failure: OnFailure,
    /// Ends the run. The builds end themselves by it; `drain` cancels it when one of them cannot go on.
    pub cancel: &'a CancellationToken,
}

/// Whether a ready package may begin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Admission {
    /// It may.
    Begin,
    /// Not while others run; with none running it begins all the same.
    Hold(Shortage),
}

/// What [`drain`] tells while it runs.
#[derive(Clone, Copy)]
pub enum Change<'a> {
    /// A package is not begun, since one that it needs has failed.
    Blocked(&'a Blocked),
    /// This package is held back; told once until a build can begin again.
    Held(&'a str, Shortage),
    /// Builds were begun or have ended.
    Queue(&'a BuildQueue),
}

/// How a queue was worked off.
#[derive(Debug)]
pub struct Drained<E> {
    /// How the packages have ended.
    pub summary: Summary,
    /// Why it could not be gone on with, when that was so.
    pub fault: Option<E>,
}

/// Runs `build_one` for every package of `queue`, each after all it needs and when `admit` lets it begin, and tells what
/// changes. `admit` gets the package and how many builds run, `build_one` the package and how many builds will run beside
/// each other, as far as can be seen when it begins, itself included. Packages that nothing
/// was decided about are in no set of the summary, unless their builds were cancelled. The first error of `admit` or
/// `build_one` ends it, after all builds that ran have ended.
pub async fn drain<E>(
    mut queue: BuildQueue,
    pace: Pace<'_>,
    admit: impl Fn(&str, usize) -> Result<Admission, E>,
    build_one: impl AsyncFn(&str, usize) -> Result<Outcome, E>,
    tell: impl Fn(Change<'_>),
) -> Drained<E> {
    let start = async |spec: String, together: usize| {
        let outcome = build_one(&spec, together).await;
        (spec, outcome)
    };
    let mut summary = Summary::default();
    let mut fault = None;
    let mut stopping = false;
    let mut running = FuturesUnordered::new();
    let (mut told, mut changed) = (None, true);
    loop {
        let mut held = None;
        while running.len() < pace.jobs.max(1) && !stopping && !pace.cancel.is_cancelled() {
            let Some(next) = queue.next_ready() else { break };
            match admit(next, running.len()) {
                Ok(Admission::Hold(shortage)) if !running.is_empty() => {
                    if told != Some(shortage.of()) {
                        tell(Change::Held(next, shortage));
                    }
                    held = Some(shortage.of());
                    break;
                }
                Ok(_) => {}
                Err(error) => {
                    stopping = true;
                    pace.cancel.cancel();
                    fault.get_or_insert(error);
                    break;
                }
            }
            let Some(spec) = queue.take_ready() else { break };
            let counts = queue.counts();
            running.push(start(spec, (counts.running + counts.ready).clamp(1, pace.jobs.max(1))));
            changed = true;
        }
        told = held;
        if changed {
            tell(Change::Queue(&queue));
        }
        let ended = tokio::select! {
            biased;
            ended = running.next() => ended,
            () = tokio::time::sleep(LOOK_AGAIN), if held.is_some() => {
                changed = false;
                continue;
            }
        };
        changed = true;
        let Some((spec, outcome)) = ended else { break };
        match outcome {
            Ok(outcome) => {
                // In the place of a guess another may be taken; when there is none, what needs it is blocked.
                let is_failure = match &outcome {
                    Outcome::Failed(_) => !queue.is_only_guessed(&spec),
                    Outcome::Blocked(_) => true,
                    _ => false,
                };
                stopping |= outcome == Outcome::Cancelled || (is_failure && pace.on_failure == OnFailure::Stop);
                for blocked in note_end(&mut queue, &mut summary, (spec, outcome), pace.durations) {
                    tell(Change::Blocked(&blocked));
                    summary.blocked.insert(blocked.package, blocked.by);
                }
            }
            Err(error) => {
                stopping = true;
                pace.cancel.cancel();
                fault.get_or_insert(error);
            }
        }
    }
    Drained { summary, fault }
}

/// Tells the queue and the summary how the build of a package ended; returns what is blocked by it.
fn note_end(
    queue: &mut BuildQueue,
    summary: &mut Summary,
    (spec, outcome): (String, Outcome),
    durations: &BTreeMap<String, Duration>,
) -> Vec<Blocked> {
    let failure = match outcome {
        Outcome::Failed(failure) => failure,
        Outcome::Blocked(by) => return queue.block(&spec, &by),
        Outcome::Postponed(Late { needs, unsure }) => {
            queue.extend(&needs, durations);
            queue.doubt(&unsure);
            match queue.postpone(&spec, needs.get(&spec).unwrap_or(&BTreeSet::new())) {
                Ok(blocked) => return blocked,
                // Whoever postpones a package has looked for rings; one that is here all the same is its failure.
                Err(error) => {
                    let (phase, status) = ("BuildRequires".to_owned(), error.to_string());
                    Failure { phase, status, excerpt: Vec::new(), log: PathBuf::new() }
                }
            }
        }
        Outcome::Cancelled => {
            summary.unfinished.insert(spec);
            return Vec::new();
        }
        Outcome::Built | Outcome::UpToDate => {
            queue.publish(&spec);
            let is_new = outcome == Outcome::Built;
            if is_new { &mut summary.built } else { &mut summary.up_to_date }.insert(spec);
            return Vec::new();
        }
    };
    let blocked = queue.fail(&spec);
    summary.failed.insert(spec, failure);
    blocked
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
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
        let build_one = async |spec: &str, _| {
            order.lock().unwrap().push(spec.to_owned());
            build(spec, &cancel).await
        };
        let pace = Pace { jobs: 2, durations: &BTreeMap::new(), on_failure, cancel: &cancel };
        let queue = queue(&[("a", &[]), ("b", &["a"]), ("c", &[]), ("d", &["b", "c"])]);
        let Drained { summary, fault } = drain(queue, pace, |_, _| Ok(Admission::Begin), build_one, |_| {}).await;
        fault.map_or(Ok((summary, order.into_inner().unwrap())), Err)
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

    /// Runs `app`, which is guessed to need `wrong`, stopping at the first failure; `right` is what else may be had.
    async fn guessed(app: Outcome) -> Summary {
        let tries = Mutex::new(0);
        let build = async |spec: &str, _| {
            let is_first = spec == "app" && std::mem::replace(&mut *tries.lock().unwrap(), 1) == 0;
            Ok::<_, String>(match spec {
                "wrong" => failure(),
                "app" if is_first => app.clone(),
                _ => Outcome::Built,
            })
        };
        let set = |name: &str| BTreeSet::from([name.to_owned()]);
        let needs = [("app", set("wrong")), ("wrong", BTreeSet::new()), ("zz", BTreeSet::new())];
        let graph = BuildGraph {
            needs: needs.into_iter().map(|(spec, needs)| (spec.to_owned(), needs)).collect(),
            unsure: BTreeMap::from([("app".to_owned(), set("wrong"))]),
            goals: BTreeSet::from(["app".to_owned(), "zz".to_owned()]),
            ..BuildGraph::default()
        };
        let cancel = CancellationToken::new();
        let pace = Pace { jobs: 1, durations: &BTreeMap::new(), on_failure: OnFailure::Stop, cancel: &cancel };
        let queue = BuildQueue::new(&graph, &BTreeMap::new());
        drain(queue, pace, |_, _| Ok(Admission::Begin), build, |_| {}).await.summary
    }

    #[tokio::test]
    async fn a_wrong_guess_stops_a_run_only_when_nothing_comes_in_its_place() {
        let needs = BTreeMap::from([
            ("app".to_owned(), BTreeSet::from(["right".to_owned()])),
            ("right".to_owned(), BTreeSet::new()),
        ]);
        let summary = guessed(Outcome::Postponed(Late { needs, unsure: BTreeMap::new() })).await;
        assert_eq!(summary.built, ["app", "right", "zz"].map(str::to_owned).into());
        let summary = guessed(Outcome::Blocked("wrong".to_owned())).await;
        assert_eq!(summary.blocked, BTreeMap::from([("app".to_owned(), "wrong".to_owned())]));
        assert!(!summary.knows("zz"), "nothing is begun after it");
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

    /// Runs six packages, three at a time, while `admit` decides; what ran, beside how many, and what was told.
    async fn admitted(
        admit: impl Fn(&str, usize) -> Result<Admission, String>,
    ) -> (Drained<String>, Vec<(String, usize)>, Vec<String>) {
        let (begun, told) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
        let build_one = async |spec: &str, together: usize| {
            begun.lock().unwrap().push((spec.to_owned(), together));
            tokio::time::sleep(Duration::from_secs(9)).await;
            Ok(Outcome::Built)
        };
        let tell = |change: Change<'_>| {
            if let Change::Held(spec, shortage) = change {
                told.lock().unwrap().push(format!("{spec}: {}", shortage.of()));
            }
        };
        let cancel = CancellationToken::new();
        let durations = BTreeMap::new();
        let pace = Pace { jobs: 3, durations: &durations, on_failure: OnFailure::KeepGoing, cancel: &cancel };
        let queue = queue(&[("a", &[]), ("b", &[]), ("c", &[]), ("d", &["a", "b", "c"])]);
        let drained = drain(queue, pace, admit, build_one, tell).await;
        (drained, begun.into_inner().unwrap(), told.into_inner().unwrap())
    }

    const SHORT: Admission = Admission::Hold(Shortage::Memory { free: 1, reserve: 2 });

    #[tokio::test(start_paused = true)]
    async fn with_no_room_one_build_runs_at_a_time() {
        let (drained, begun, told) = admitted(|_, _| Ok(SHORT)).await;
        assert_eq!((drained.summary.built.len(), drained.fault), (4, None));
        assert_eq!(begun.len(), 4);
        assert_eq!(told, ["b: memory"], "once, until there is room");
    }

    #[tokio::test(start_paused = true)]
    async fn a_held_build_begins_when_there_is_room_again() {
        let looks = Mutex::new(0);
        let started = tokio::time::Instant::now();
        let (drained, begun, told) = admitted(|_, _| {
            *looks.lock().unwrap() += 1;
            Ok(if started.elapsed() < Duration::from_secs(3) { SHORT } else { Admission::Begin })
        })
        .await;
        assert!(drained.summary.is_success() && drained.fault.is_none());
        assert_eq!(started.elapsed(), Duration::from_secs(4 + 9 + 9), "b and c begin at the second look");
        assert_eq!(told, ["b: memory"]);
        let together: Vec<usize> = begun.iter().map(|(_, together)| *together).collect();
        assert_eq!(together, [3, 3, 3, 1], "{begun:?}");
        assert_eq!(looks.into_inner().unwrap(), 6);
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_disk_ends_the_run_when_nothing_runs() {
        let admit = |spec: &str, running| match (spec, running) {
            ("d", 0) => Err("no room".to_owned()),
            _ => Ok(Admission::Begin),
        };
        let (drained, begun, _) = admitted(admit).await;
        assert_eq!((drained.fault.as_deref(), begun.len()), (Some("no room"), 3));
        assert_eq!(drained.summary.built.len(), 3, "what was built before is known");
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
