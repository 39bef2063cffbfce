//! The Debian root of a stage, when Drydock is killed while it is made.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::engine_contract::wanted;
use crate::mini::{Mini, stderr};
use crate::traces::processes_below;

#[test]
fn nothing_is_left_of_a_debian_root_when_drydock_is_killed() {
    if !wanted() {
        return;
    }
    let place = Mini::of("tests/fixtures/stages");
    let mounts = || std::fs::read_to_string("/proc/self/mountinfo").unwrap().lines().count();
    let before = mounts();
    let mut drydock = place.command(&["toolchain", "build", "bootstrap"]).stderr(Stdio::null()).spawn().unwrap();
    wait_until("mmdebstrap runs", || !programs(&mut drydock).is_empty());
    let running = programs(&mut drydock);
    drydock.kill().unwrap();
    drydock.wait().unwrap();
    wait_until("it is gone", || {
        !running.iter().any(|process| std::fs::exists(format!("/proc/{process}/exe")).unwrap())
    });
    assert_eq!(mounts(), before);
    assert_eq!(processes_below(&place.path("")), []);
    let cleaned = place.run(&["clean", "--results"]);
    assert_eq!(cleaned.status.code(), Some(0), "{}", stderr(&cleaned));
    assert!(!place.path("build/embedded").exists() && !place.path("build/work").exists());
}

/// Processes of `mmdebstrap` that are below Drydock.
fn programs(drydock: &mut Child) -> Vec<u32> {
    assert!(drydock.try_wait().unwrap().is_none(), "it ended too early");
    let ours = |process: &u32| ancestors(*process).contains(&drydock.id());
    let numbers = std::fs::read_dir("/proc").unwrap().flatten();
    let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_one = |process: &u32| {
        let command = std::fs::read_to_string(format!("/proc/{process}/cmdline")).unwrap_or_default();
        command.split('\0').any(|word| word.ends_with("/mmdebstrap"))
    };
    numbers.filter(is_one).filter(ours).collect()
}

fn ancestors(process: u32) -> Vec<u32> {
    let parent = |process: &u32| {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok().filter(|parent| *parent > 0)
    };
    std::iter::successors(Some(process), parent).collect()
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < Duration::from_mins(2), "{what}: not within two minutes");
        std::thread::sleep(Duration::from_millis(20));
    }
}
