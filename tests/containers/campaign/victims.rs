//! The processes of a run, and how they are killed.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::plan::Victim;
use super::run::Running;
use crate::traces::children;

/// How long a victim is waited for: mostly there is one, or one comes soon.
const PATIENCE: Duration = Duration::from_secs(2);

/// Kills `victim` of the run; false when there was none.
pub(super) fn strike(victim: Victim, running: &mut Running) -> bool {
    let begin = Instant::now();
    while running.is_running() && begin.elapsed() < PATIENCE {
        if let Some(process) = find(victim, running.process()) {
            match victim {
                Victim::All => kill_tree(process),
                // It may have ended meanwhile.
                _ => drop(kill(process, Signal::SIGKILL)),
            }
            return true;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    false
}

fn find(victim: Victim, drydock: Pid) -> Option<Pid> {
    let child = |process: Pid| children(process).into_iter().next();
    match victim {
        Victim::Drydock | Victim::All => Some(drydock),
        Victim::Helper => child(drydock),
        Victim::First => child(child(drydock)?),
        Victim::Program => {
            let mut process = child(child(child(drydock)?)?)?;
            while let Some(deeper) = child(process) {
                process = deeper;
            }
            Some(process)
        }
    }
}

/// Kills a process and all below it; none of them can tidy up after another.
fn kill_tree(process: Pid) {
    let mut all = vec![process];
    let mut next = 0;
    while let Some(&process) = all.get(next) {
        // One that has stopped starts no others.
        let _ = kill(process, Signal::SIGSTOP);
        all.extend(children(process));
        next += 1;
    }
    for process in all.into_iter().rev() {
        let _ = kill(process, Signal::SIGKILL);
    }
}
