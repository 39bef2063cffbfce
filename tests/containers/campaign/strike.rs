//! Carries a fault out: before the command, at its moment, and back to normal after it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::plan::{Asking, Engine, Fault, Moment, Plan};
use super::room::Room;
use super::run::{Ended, Running, Way};
use super::server::Server;
use super::victims;
use crate::daemon::{self, Daemon, Installation};
use crate::traces::children;

/// What is there for a fault to strike at.
pub(super) struct Scene<'a> {
    pub(super) plan: &'a Plan,
    pub(super) room: &'a Room,
    pub(super) server: &'a Server,
    pub(super) way: Way,
    /// Events of an undisturbed run.
    pub(super) events: usize,
    daemon: Option<Daemon>,
}

/// How the disturbed command went.
pub(super) struct Struck {
    pub(super) ended: Ended,
    /// The other command, where two ran.
    pub(super) other: Option<Ended>,
    /// What was hit, in words; None when there was nothing to hit, or the command ended too early.
    pub(super) hit: Option<String>,
}

impl<'a> Scene<'a> {
    pub(super) fn new(plan: &'a Plan, room: &'a Room, server: &'a Server, events: usize) -> Self {
        let mut scene = Self { plan, room, server, way: Way::embedded(), events, daemon: None };
        if plan.engine == Engine::Docker {
            scene.start_daemon();
        }
        scene
    }

    /// Runs the command of the plan, and lets the fault strike.
    pub(super) fn strike(&mut self, round: u64) -> Struck {
        let hit = self.prepare();
        let way = self.disturbed_way();
        let mut running = Running::start(self.room, &way, self.plan.command.arguments());
        let (now, other) = self.at_the_moment(self.plan.moment(round), &mut running);
        let ended = running.end();
        let other = other.map(Running::end);
        Struck { hit: self.recover().or(hit).or(now), ended, other }
    }

    /// What is wrong before the command starts.
    fn prepare(&self) -> Option<String> {
        match self.plan.fault {
            Fault::Full { place, room, permille } => {
                self.room.limit(place, room, permille);
                Some(format!("{place:?}"))
            }
            Fault::ReadOnly(name) => {
                self.room.make_read_only(name);
                Some(name.to_owned())
            }
            Fault::Damage { kept, pick, how, gone } => {
                let hit = kept.damage(self.room, pick, how);
                if let Some(folder) = gone {
                    self.room.empty(folder);
                }
                hit
            }
            Fault::Server { path, how, times } => {
                self.server.fail(path, how, times);
                None
            }
            Fault::Clock { days, from_start: true } => Some(format!("{days} days")),
            _ => None,
        }
    }

    /// What goes wrong while the command runs.
    fn at_the_moment(&mut self, moment: Moment, running: &mut Running) -> (Option<String>, Option<Running>) {
        let events = self.events * usize::try_from(moment.permille).unwrap() / 1000;
        if !running.wait_for(events) {
            return (None, None);
        }
        std::thread::sleep(Duration::from_millis(moment.pause_ms));
        if !running.is_running() {
            return (None, None);
        }
        let process = running.process();
        match self.plan.fault {
            Fault::Kill { victim, .. } => (victims::strike(victim, running).then(|| format!("{victim:?}")), None),
            Fault::Ask(asking) => {
                let signal = if asking == Asking::Terminate { Signal::SIGTERM } else { Signal::SIGINT };
                kill(process, signal).unwrap();
                if asking == Asking::Twice {
                    std::thread::sleep(Duration::from_millis(20));
                    let _ = kill(process, signal);
                }
                (Some(format!("{asking:?}")), None)
            }
            Fault::Clock { days, .. } => {
                set_clock(self.room, days);
                (Some(format!("{days} days")), None)
            }
            Fault::Twice(arguments) => {
                (Some(format!("{arguments:?}")), Some(Running::start(self.room, &self.way, arguments)))
            }
            Fault::Edit { input, back_after_ms } => {
                input.change(self.room);
                if let Some(pause) = back_after_ms {
                    std::thread::sleep(Duration::from_millis(pause));
                    input.change_back(self.room);
                }
                (Some(format!("{input:?}")), None)
            }
            Fault::Daemon => {
                self.daemon.as_mut().unwrap().kill();
                end_orphans();
                (Some("dockerd".to_owned()), None)
            }
            Fault::Full { .. } | Fault::ReadOnly(_) | Fault::Damage { .. } | Fault::Server { .. } => (None, None),
        }
    }

    /// Takes the fault away; tells what it has hit where that is not known before.
    fn recover(&mut self) -> Option<String> {
        match self.plan.fault {
            Fault::Full { place, .. } => self.room.enlarge(place),
            Fault::ReadOnly(name) => self.room.make_writable(name),
            Fault::Server { path, times, .. } => return self.server.recover(times).then(|| path.to_owned()),
            Fault::Daemon => self.start_daemon(),
            _ => {}
        }
        None
    }

    fn start_daemon(&mut self) {
        let folder = self.room.path("docker");
        std::fs::create_dir_all(&folder).unwrap();
        // Its end comes before its successor's beginning.
        self.daemon = None;
        let daemon = Daemon::docker(&folder, Installation::default());
        self.way = Way::of(&["--pipeline", "pipeline.yaml", "--engine", "docker"]);
        self.way.environment.push(("DOCKER_HOST".to_owned(), daemon.address()));
        self.daemon = Some(daemon);
    }

    /// Ends what the fault has needed; tells which containers the daemon still has.
    pub(super) fn leave(self) -> Vec<PathBuf> {
        daemon::containers(&self.room.path("docker"))
    }

    fn disturbed_way(&self) -> Way {
        let Fault::Clock { days, from_start } = self.plan.fault else { return self.way.clone() };
        set_clock(self.room, if from_start { days } else { 0 });
        let library = faketime().unwrap();
        let variables = [
            ("LD_PRELOAD", library.display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", self.room.path("clock").display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("NO_FAKE_STAT", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ];
        let environment = variables.map(|(name, value)| (name.to_owned(), value)).to_vec();
        Way { environment, ..self.way.clone() }
    }
}

/// Kills what a dead daemon was about to start, which is now this process's.
fn end_orphans() {
    let is_its =
        |process: &Pid| std::fs::read(format!("/proc/{process}/cmdline")).is_ok_and(|it| it.starts_with(b"runc\0"));
    for process in children(nix::unistd::getpid()).into_iter().filter(is_its) {
        let _ = kill(process, Signal::SIGKILL);
    }
}

/// The clock of commands that see it is so many days off from now on.
fn set_clock(room: &Room, days: i64) {
    std::fs::write(room.path("clock.new"), format!("{days:+}d\n")).unwrap();
    std::fs::rename(room.path("clock.new"), room.path("clock")).unwrap();
}

/// The library that gives a program another clock.
pub(super) fn faketime() -> Option<PathBuf> {
    let folders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"];
    let paths = folders.map(|folder| Path::new(folder).join("faketime/libfaketimeMT.so.1"));
    paths.into_iter().find(|path| path.is_file())
}
