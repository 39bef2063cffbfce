//! One command of Drydock: started, watched event by event, and ended.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::unistd::Pid;

use super::room::Room;

/// No command of this project takes that long, whatever goes wrong and however busy the machine is.
const LONGEST: Duration = Duration::from_mins(10);

/// What every command of a run has in common.
#[derive(Clone)]
pub(super) struct Way {
    /// Arguments before the command.
    pub(super) arguments: Vec<String>,
    pub(super) environment: Vec<(String, String)>,
}

impl Way {
    /// Commands that use the embedded engine.
    pub(super) fn embedded() -> Self {
        Self::of(&["--pipeline", "pipeline.yaml", "--engine", "embedded"])
    }

    /// Commands that begin with `arguments`.
    pub(super) fn of(arguments: &[&str]) -> Self {
        Self { arguments: arguments.iter().map(|&word| word.to_owned()).collect(), environment: Vec::new() }
    }
}

/// A command at work.
pub(super) struct Running {
    child: Child,
    lines: Receiver<String>,
    errors: JoinHandle<String>,
    begun: Instant,
    seen: Vec<String>,
}

/// A command that has ended.
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    /// Events, one JSON object each.
    pub(super) events: Vec<String>,
    /// What it wrote to stderr.
    pub(super) told: String,
    /// True when it had to be killed since it did not end.
    pub(super) hung: bool,
    pub(super) process: Pid,
}

impl Running {
    /// Starts `drydock` in the project of `room`.
    pub(super) fn start(room: &Room, way: &Way, arguments: &[&str]) -> Self {
        // It ends with this process, however that ends.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", env!("CARGO_BIN_EXE_drydock")]);
        command.args(&way.arguments).args(["--format", "json"]).args(arguments);
        command.current_dir(room.project()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.env_remove("DRYDOCK_LOG").env_remove("DOCKER_HOST").env_remove("CONTAINER_HOST");
        // The room has no way out, and so nothing that a network of a container's own could be connected to.
        command.env("DRYDOCK_NETWORK", "host");
        command.env("XDG_CACHE_HOME", room.path("cache"));
        command.env("HOME", room.path("home")).env("TMPDIR", room.path("tmp"));
        command.envs(way.environment.iter().cloned());
        let mut child = command.spawn().unwrap();
        let (sender, lines) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                // Nobody listens any more when the command is given up.
                let _ = sender.send(line);
            }
        });
        let mut errors = child.stderr.take().unwrap();
        let errors = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = errors.read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        });
        Self { child, lines, errors, begun: Instant::now(), seen: Vec::new() }
    }

    pub(super) fn process(&self) -> Pid {
        Pid::from_raw(self.child.id().try_into().unwrap())
    }

    /// Waits until so many events were told; false when the command ended before.
    pub(super) fn wait_for(&mut self, events: usize) -> bool {
        while self.seen.len() < events {
            if !self.next() {
                return false;
            }
        }
        true
    }

    /// True while the command has not ended.
    pub(super) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for the end.
    pub(super) fn end(mut self) -> Ended {
        while self.next() {}
        let mut hung = false;
        while self.is_running() {
            hung = self.begun.elapsed() > LONGEST;
            if hung {
                self.child.kill().unwrap();
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        let (process, status) = (self.process(), self.child.wait().unwrap());
        Ended { status, events: self.seen, told: self.errors.join().unwrap(), hung, process }
    }

    /// Takes the next event; false when there will be none.
    fn next(&mut self) -> bool {
        let left = LONGEST.saturating_sub(self.begun.elapsed());
        match self.lines.recv_timeout(left) {
            Ok(line) => self.seen.push(line),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return false,
        }
        true
    }
}

impl Ended {
    /// Its exit code; None when a signal ended it.
    pub(super) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    pub(super) fn signal(&self) -> Option<i32> {
        self.status.signal()
    }

    /// True when no package was to be built, and nothing else was made.
    pub(super) fn did_nothing(&self) -> bool {
        let is_work = |event: &String| {
            ["\"build-started\"", "\"up-to-date\":false", "\"outcome\":\"made", "-fetched\""]
                .iter()
                .any(|mark| event.contains(mark))
        };
        !self.events.iter().any(is_work)
    }

    /// The command's words, for a report.
    pub(super) fn show(&self) -> String {
        format!("{}\n{}\n{}", self.events.join("\n"), self.told, self.status)
    }
}
