//! The first Ctrl-C is answered, the second one ends the program, whatever it is busy with.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::support::Project;

const ANSWER: &str = "interrupted: waiting until what runs has ended; a second Ctrl-C ends at once, without waiting\n";

struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
    stderr: BufReader<ChildStderr>,
}

/// A command that has begun to write its data.
fn started(project: &Project, arguments: &[&str]) -> Running {
    let mut child = project.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let mut running = Running { child, stdout: BufReader::with_capacity(1, stdout), stderr: BufReader::new(stderr) };
    running.stdout.read_exact(&mut [0]).unwrap();
    running
}

impl Running {
    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.stderr.read_line(&mut line).unwrap();
        line
    }

    fn code(mut self) -> Option<i32> {
        let status = self.child.wait().unwrap();
        assert_eq!(status.signal(), None);
        status.code()
    }
}

#[test]
fn an_interrupted_command_says_so_and_ends_with_130() {
    let project = Project::new().file("build/logs/pkggen/rpmbuilding/a-1-1.src.rpm.log", "x\n");
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let mut running = started(&project, &["logs", "a", "--follow"]);
        running.signal(signal);
        assert_eq!(running.answer(), ANSWER);
        assert_eq!(running.code(), Some(130));
    }
}

#[test]
fn a_program_that_is_stuck_answers_and_ends_at_the_second_signal() {
    // More than a pipe holds that nobody reads.
    let project = Project::new().file("build/logs/pkggen/rpmbuilding/a-1-1.src.rpm.log", &"x".repeat(1 << 20));
    let mut running = started(&project, &["logs", "a"]);
    running.signal(Signal::SIGINT);
    assert_eq!(running.answer(), ANSWER);
    running.signal(Signal::SIGINT);
    assert_eq!(running.code(), Some(130));
}

/// True while the process reads the file `path`.
fn has_open(process: u32, path: &Path) -> bool {
    let open = std::fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
    open.filter_map(|entry| std::fs::read_link(entry.path()).ok()).any(|target| target == path)
}

#[test]
fn a_file_that_would_be_hashed_for_hours_does_not_keep_the_user_waiting() {
    let stage = "  - stage: a\n    base: [{ archive: none.tar }]\n    containerfile: context/a.containerfile\n";
    let project = Project::new()
        .file("p.yaml", &format!("name: p\ntoolchain:\n{stage}"))
        .file("context/a.containerfile", "FROM $BASE\nCOPY big /\n")
        .file("context/big", "");
    File::options().write(true).open(project.path().join("context/big")).unwrap().set_len(500 << 30).unwrap();
    let mut command = project.command(&["--pipeline", "p.yaml", "toolchain", "list"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let process = child.id();
    while !has_open(process, &project.path().join("context/big")) {
        assert!(child.try_wait().unwrap().is_none(), "it ends before it reads the file");
        std::thread::sleep(Duration::from_millis(1));
    }
    let asked = Instant::now();
    kill(Pid::from_raw(process.try_into().unwrap()), Signal::SIGINT).unwrap();
    let ended = child.wait_with_output().unwrap();
    // Nobody reads 500 GiB in that time, and no machine is so busy that it takes as long to stop.
    assert!(asked.elapsed() < Duration::from_mins(1), "{:?}", asked.elapsed());
    let told = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(
        (ended.status.code(), told.as_str()),
        (Some(130), &*format!("{ANSWER}error: cancelled while making stage `a`\n"))
    );
}
