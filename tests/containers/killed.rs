//! What happens when a daemon or Drydock itself is killed in mid-run.

use std::path::Path;

use drydock::engine::{ImageId, Session, Stream};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use tokio_util::sync::CancellationToken;

use crate::bench::{Bench, Kind, connect, home, program};
use crate::traces;

/// A daemon that is killed in the middle of a run: the run ends, and says which container and what to do.
pub async fn a_daemon_that_dies_is_told_with_the_container(bench: &mut Bench) {
    let mut victim = Victim::start(bench);
    let mut said = String::new();
    let restarted = bench.restart_daemon(|| {
        said = victim.rest();
        victim.child.wait().unwrap();
    });
    restarted.await;
    assert!(said.contains("the engine stopped answering while the container `drydock-"), "{said}");
    assert!(said.contains("start the engine again"), "{said}");
    bench.engine.sweep().await.unwrap();
    assert_eq!(bench.run(&bench.shell("echo on")).await.stdout, "on\n");
    assert!(bench.containers().is_empty(), "{:?}", bench.containers());
}

/// Another process that runs a container on the same engine.
pub struct Victim {
    pub child: std::process::Child,
    output: std::io::BufReader<std::process::ChildStdout>,
}

impl Victim {
    /// Starts it and waits until its container runs.
    pub fn start(bench: &Bench) -> Self {
        Self::start_with(bench, "true")
    }

    /// Starts it and waits until its container has run `script`.
    pub fn start_with(bench: &Bench, script: &str) -> Self {
        use std::io::BufRead;
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "engine_contract::victim", "--nocapture"])
            .env("DRYDOCK_CONTRACT_VICTIM", bench.folder())
            .env("DRYDOCK_CONTRACT_KIND", format!("{:?}", bench.kind))
            .env("DRYDOCK_CONTRACT_ADDRESS", bench.address())
            .env("DRYDOCK_CONTRACT_SCRIPT", script)
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = std::io::BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains("begun") {
            line.clear();
            assert_ne!(output.read_line(&mut line).unwrap(), 0, "the other process ended too early");
        }
        Self { child, output }
    }

    /// Kills it and the processes it started, as a machine that loses power would: none of them can tidy up after another.
    pub fn kill_with_its_children(mut self) {
        let process = Pid::from_raw(self.child.id().try_into().unwrap());
        kill(process, Signal::SIGSTOP).unwrap();
        waitpid(process, Some(WaitPidFlag::WUNTRACED)).unwrap();
        for child in traces::children(process) {
            kill(child, Signal::SIGKILL).unwrap();
        }
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// What it says until it ends.
    pub fn rest(&mut self) -> String {
        let mut text = String::new();
        std::io::Read::read_to_string(&mut self.output, &mut text).unwrap();
        text
    }
}

/// The other process: runs a container that never ends, in the engine of the bench in `folder`.
pub async fn run_until_killed(folder: &Path) {
    let kind = Kind::read(&std::env::var("DRYDOCK_CONTRACT_KIND").unwrap());
    let home = home(folder);
    let image = ImageId::Stored(home.store.images().unwrap()[0].0);
    let engine = connect(kind, &std::env::var("DRYDOCK_CONTRACT_ADDRESS").unwrap(), home).await;
    let mut output = |_: Stream, _: &[u8]| println!("begun");
    let cancel = CancellationToken::new();
    let session = Session { output: &mut output, collect: None, cancel: &cancel };
    // In a process of its own: it may go and end as it likes.
    let script = std::env::var("DRYDOCK_CONTRACT_SCRIPT").unwrap();
    let script = format!("({script}) >/dev/null; echo begun; sleep 1000");
    match engine.run(&program(image, &["sh", "-c", &script]), session).await {
        Ok(exit) => println!("{exit}"),
        Err(error) => println!("{error}\n{}", error.hint().unwrap_or_default()),
    }
}
