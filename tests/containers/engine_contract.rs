//! The contract that every engine keeps: one list of scenarios, run against each engine.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use futures_util::FutureExt;

use crate::bench::{Bench, Kind};
use crate::daemon::rerun_as_user;
use crate::killed;
use crate::suites::Suite;
use crate::{apart, collected, scenarios};

/// True when tests that start containers are asked for.
pub fn wanted() -> bool {
    let wanted = std::env::var_os("DRYDOCK_CONTAINER_TESTS").is_some();
    if !wanted {
        println!("skipped: set DRYDOCK_CONTAINER_TESTS=1");
    }
    wanted
}

fn keeps_the_contract(kind: Kind) {
    if !wanted() {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let failed = runtime.block_on(async {
        let only = std::env::var("DRYDOCK_CONTRACT_ONLY").unwrap_or_default();
        let mut failed = Vec::new();
        let mut bench = Bench::new(kind).await;
        let is_short = kind.suite().is_some();
        for (name, scenario) in
            scenarios::ALL.iter().chain(collected::ALL).chain(apart::ALL).filter(|(name, _)| name.contains(&only))
        {
            // Once an engine's kind is enough for these.
            if is_short && name.starts_with("two_hundred") {
                continue;
            }
            let begin = Instant::now();
            let outcome = AssertUnwindSafe(scenario(&bench)).catch_unwind().await;
            let word = if outcome.is_ok() { "ok" } else { "FAILED" };
            println!("{kind:?}: {name} ... {word} ({:.1} s)", begin.elapsed().as_secs_f64());
            if outcome.is_err() {
                failed.push(*name);
            }
        }
        if bench.has_daemon() && !is_short && (only.is_empty() || only == "daemon") {
            killed::a_daemon_that_dies_is_told_with_the_container(&mut bench).await;
        }
        failed
    });
    assert!(failed.is_empty(), "{kind:?} does not keep: {failed:#?}");
}

#[test]
fn docker() {
    keeps_the_contract(Kind::Docker);
}

#[test]
fn docker_by_copy() {
    keeps_the_contract(Kind::DockerByCopy);
}

#[test]
fn podman() {
    keeps_the_contract(Kind::Podman);
}

#[test]
fn podman_by_copy() {
    keeps_the_contract(Kind::PodmanByCopy);
}

#[test]
fn podman_rootless() {
    keeps_the_contract(Kind::PodmanRootless);
}

#[test]
fn embedded() {
    keeps_the_contract(Kind::Embedded);
}

#[test]
fn embedded_rootless() {
    if nix::unistd::geteuid().is_root() && wanted() {
        rerun_as_user("engine_contract::embedded_rootless");
    } else {
        keeps_the_contract(Kind::EmbeddedRootless);
    }
}

/// The engines of the suites that are there keep the contract, too; those that are not are named and counted.
fn keep_the_contract(kind: fn(Suite) -> Kind) {
    if !wanted() {
        return;
    }
    let (there, missing): (Vec<_>, Vec<_>) = Suite::ALL.into_iter().partition(|suite| suite.root().is_some());
    println!("{} of {} suites are there; the archive lacks: {missing:?}", there.len(), Suite::ALL.len());
    there.into_iter().map(kind).for_each(keeps_the_contract);
}

#[test]
fn docker_of_later_suites() {
    keep_the_contract(Kind::DockerOf);
}

#[test]
fn docker_with_the_containerd_store() {
    keep_the_contract(Kind::DockerWithContainerd);
}

#[test]
fn podman_of_later_suites() {
    keep_the_contract(Kind::PodmanOf);
}

/// No test of its own: a scenario starts it in another process and kills that.
#[test]
fn victim() {
    if let Some(folder) = std::env::var_os("DRYDOCK_CONTRACT_VICTIM") {
        tokio::runtime::Runtime::new().unwrap().block_on(killed::run_until_killed(folder.as_ref()));
    }
}
