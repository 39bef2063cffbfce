//! What goes on while a container's program runs: its output is passed on, and it is killed at its limits.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{ChildStderr, ChildStdout};
use tokio::time::Instant;

use super::SandboxError;
use super::cgroup::Cgroup;
use super::helper::Running;
use super::task::{How, Reply};
use crate::engine::{Exit, Stream};

/// How often the kernel is asked whether the memory limit was reached.
const MEMORY_INTERVAL: Duration = Duration::from_millis(100);

/// How the helper said that the program ended.
pub(super) struct Ended {
    pub(super) exit: Exit,
    /// True when an archive of its files follows.
    pub(super) files: bool,
}

/// What goes on while a program runs.
pub(super) struct Watch<'a> {
    pub(super) cgroup: &'a Cgroup,
    pub(super) limit: Duration,
    pub(super) output: &'a mut (dyn FnMut(Stream, &[u8]) + Send),
}

impl Watch<'_> {
    /// Passes the output on until the program has ended, and kills it when it must end.
    pub(super) async fn follow(
        &mut self,
        running: &mut Running,
        cancelled: impl Future<Output = ()>,
    ) -> Result<Ended, SandboxError> {
        let mut streams = Streams::of(running);
        let mut cancelled = std::pin::pin!(cancelled);
        let mut over = std::pin::pin!(tokio::time::sleep_until(Instant::now() + self.limit));
        let mut memory = tokio::time::interval(MEMORY_INTERVAL);
        let (mut line, mut killed) = (Vec::new(), None);
        let (how, files) = loop {
            tokio::select! {
                (stream, count) = streams.read() => streams.pass_on((stream, count), self.output),
                reply = running.reply_into(&mut line) => match reply? {
                    Reply::Ended { how, files } => break (how, files),
                    Reply::Failed(fault) => return Err(SandboxError::inside(fault)),
                    _ => return Err(SandboxError::Talk(std::io::ErrorKind::InvalidData.into())),
                },
                () = &mut cancelled, if killed.is_none() => {
                    killed = Some(Exit::Cancelled);
                    running.kill().await;
                }
                () = &mut over, if killed.is_none() => {
                    killed = Some(Exit::TimedOut);
                    running.kill().await;
                }
                _ = memory.tick(), if self.cgroup.limits_memory() && killed.is_none() => {
                    if self.cgroup.reached_memory_limit() {
                        killed = Some(Exit::MemoryLimit);
                        running.kill().await;
                    }
                }
            }
        };
        while !streams.are_over() {
            let read = streams.read().await;
            streams.pass_on(read, self.output);
        }
        Ok(Ended { exit: self.exit(how, killed), files })
    }

    fn exit(&self, how: How, killed: Option<Exit>) -> Exit {
        match (how, killed) {
            // It ended by itself just before it was killed.
            (How::Code(code), Some(Exit::TimedOut | Exit::Cancelled)) => Exit::Code(code),
            (_, Some(exit)) => exit,
            (How::Memory, None) => Exit::MemoryLimit,
            _ if self.cgroup.reached_memory_limit() => Exit::MemoryLimit,
            (How::Code(code), None) => Exit::Code(code),
            (How::Signal(signal), None) => Exit::Signal(signal),
        }
    }
}

/// The program's two streams.
struct Streams {
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    buffers: [Vec<u8>; 2],
}

impl Streams {
    fn of(running: &mut Running) -> Self {
        let buffer = || Vec::with_capacity(1 << 16);
        Self { stdout: running.child.stdout.take(), stderr: running.child.stderr.take(), buffers: [buffer(), buffer()] }
    }

    fn are_over(&self) -> bool {
        self.stdout.is_none() && self.stderr.is_none()
    }

    /// Waits for output; without any left, forever. Nothing is lost when this future is dropped.
    async fn read(&mut self) -> (Stream, usize) {
        let [stdout, stderr] = &mut self.buffers;
        tokio::select! {
            count = read(&mut self.stdout, stdout) => (Stream::Stdout, count),
            count = read(&mut self.stderr, stderr) => (Stream::Stderr, count),
        }
    }

    fn pass_on(&mut self, (stream, count): (Stream, usize), output: &mut (dyn FnMut(Stream, &[u8]) + Send)) {
        let buffer = &mut self.buffers[usize::from(stream == Stream::Stderr)];
        match (stream, count) {
            (Stream::Stdout, 0) => self.stdout = None,
            (Stream::Stderr, 0) => self.stderr = None,
            _ => output(stream, buffer),
        }
        buffer.clear();
    }
}

async fn read(source: &mut Option<impl AsyncRead + Unpin>, into: &mut Vec<u8>) -> usize {
    match source {
        // An unreadable pipe is as good as a closed one.
        Some(source) => source.read_buf(into).await.unwrap_or(0),
        None => std::future::pending().await,
    }
}
