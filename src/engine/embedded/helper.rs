//! The helper process: Drydock itself, started again with a hidden argument, single-threaded, in namespaces of its own.
//!
//! Its standard input is a socket (see [`task`](super::task)). When Drydock dies, the socket closes and the helper kills
//! its container; when the helper dies, the kernel kills the container.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as BlockingSocket;
use std::path::PathBuf;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

use super::cgroup::Cgroup;
use super::identity::Identity;
use super::task::{GO, Job, KILL, Reply, Task};
use super::{SandboxError, listing, off_the_async_threads};
use crate::digest::Sha256;
use crate::removal;

/// The argument that makes Drydock a helper.
pub(super) const ARGUMENT: &str = "__sandbox";

/// How helpers are started.
#[derive(Clone, Debug)]
pub(super) struct Helper {
    pub(super) program: PathBuf,
    pub(super) identity: Identity,
}

/// What becomes of a helper's standard output and error.
#[derive(Debug)]
pub(super) enum Output {
    Ignored,
    Piped,
    /// They are this terminal.
    Terminal(OwnedFd),
}

/// A helper at work. It ends its container and itself when this value is dropped, since its socket closes then.
pub(super) struct Running {
    pub(super) child: Child,
    pub(super) socket: BufReader<UnixStream>,
}

/// Bytes on their way from a helper.
pub(super) struct Sent {
    early: Vec<u8>,
    socket: BlockingSocket,
}

impl Sent {
    /// A blocking reader of them.
    pub(super) fn reader(&self) -> Result<impl io::Read + Send + use<>, SandboxError> {
        let socket = self.socket.try_clone().map_err(SandboxError::Talk)?;
        Ok(io::Read::chain(io::Cursor::new(self.early.clone()), socket))
    }

    /// Ends the conversation, for the reader and for the helper.
    pub(super) fn close(&self) {
        if let Err(fault) = self.socket.shutdown(std::net::Shutdown::Both) {
            tracing::debug!(%fault, "the helper has closed its side");
        }
    }
}

impl Helper {
    /// Starts a helper in the control groups `cgroup`, gives it `task` and, where it needs them, its ids.
    pub(super) async fn start(&self, task: Task, output: Output, cgroup: &Cgroup) -> Result<Running, SandboxError> {
        let (ours, theirs) = BlockingSocket::pair().map_err(SandboxError::Talk)?;
        ours.set_nonblocking(true).map_err(SandboxError::Talk)?;
        let socket = BufReader::new(UnixStream::from_std(ours).map_err(SandboxError::Talk)?);
        let stdio = || match &output {
            Output::Ignored => Ok(Stdio::null()),
            Output::Piped => Ok(Stdio::piped()),
            Output::Terminal(terminal) => terminal.try_clone().map(Stdio::from).map_err(SandboxError::Terminal),
        };
        let mut command = Command::new(&self.program);
        command.arg(ARGUMENT).env_clear().stdin(OwnedFd::from(theirs)).stdout(stdio()?).stderr(stdio()?);
        // In a process group of its own, so that Ctrl-C reaches Drydock alone, which then ends the container in order.
        let child = command.process_group(0).spawn();
        let child = child.map_err(|source| SandboxError::Start { program: self.program.clone(), source })?;
        // The terminal is over when nobody has it any more.
        drop((command, output));
        let mut running = Running { child, socket };
        running.send_job(&Job { owner: self.identity.owner(), task }).await?;
        loop {
            match running.reply().await? {
                Reply::Unshared { pid } => self.identity.map(pid).await?,
                Reply::Ready => break,
                Reply::Failed(fault) => return Err(SandboxError::inside(fault)),
                _ => return Err(SandboxError::Talk(io::ErrorKind::InvalidData.into())),
            }
            running.send(&[GO]).await?;
        }
        if let Some(pid) = running.child.id() {
            cgroup.add(pid).map_err(SandboxError::file("join the control groups of", &self.program))?;
        }
        running.send(&[GO]).await?;
        Ok(running)
    }

    /// Removes `paths`, whatever is there: root by itself, a user through a helper, since files may belong to users of the
    /// namespace.
    pub(super) async fn remove(&self, paths: Vec<PathBuf>) -> Result<(), SandboxError> {
        if !self.identity.is_root() {
            return self.carry_out(Task::Remove { paths }).await;
        }
        let remove = |path: PathBuf| removal::remove(&path).map_err(SandboxError::file("remove", &path));
        off_the_async_threads(move || {
            let removed: Vec<_> = paths.into_iter().map(remove).collect();
            removed.into_iter().collect()
        })
        .await
    }

    /// What each of `folders` looks like; None for one that is not there.
    pub(super) async fn list(&self, folders: Vec<PathBuf>) -> Result<Vec<Option<Sha256>>, SandboxError> {
        if self.identity.is_root() {
            return off_the_async_threads(move || Ok(listing::of(&folders))).await;
        }
        let mut running = self.start(Task::List { folders }, Output::Ignored, &Cgroup::default()).await?;
        match running.reply().await? {
            Reply::Listed(found) => running.wait().await.map(|()| found),
            Reply::Failed(fault) => Err(SandboxError::inside(fault)),
            _ => Err(SandboxError::Talk(io::ErrorKind::InvalidData.into())),
        }
    }

    /// Starts a helper and waits until its task is done.
    pub(super) async fn carry_out(&self, task: Task) -> Result<(), SandboxError> {
        let mut running = self.start(task, Output::Ignored, &Cgroup::default()).await?;
        match running.reply().await? {
            Reply::Done => running.wait().await,
            Reply::Failed(fault) => Err(SandboxError::inside(fault)),
            _ => Err(SandboxError::Talk(io::ErrorKind::InvalidData.into())),
        }
    }
}

impl Running {
    async fn send_job(&mut self, job: &Job) -> Result<(), SandboxError> {
        let json = serde_json::to_vec(job).map_err(|fault| SandboxError::Talk(fault.into()))?;
        let length = u32::try_from(json.len()).unwrap_or(u32::MAX);
        self.send(&length.to_le_bytes()).await?;
        self.send(&json).await
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), SandboxError> {
        self.socket.get_mut().write_all(bytes).await.map_err(SandboxError::Talk)
    }

    /// Asks the helper to kill the program; it is gone already when the helper does not listen any more.
    pub(super) async fn kill(&mut self) {
        if let Err(fault) = self.send(&[KILL]).await {
            tracing::debug!(%fault, "the helper is gone already");
        }
    }

    /// The helper's next word. Nothing of it is lost when this future is dropped and made again with the same `line`.
    pub(super) async fn reply_into(&mut self, line: &mut Vec<u8>) -> Result<Reply, SandboxError> {
        self.socket.read_until(b'\n', line).await.map_err(SandboxError::Talk)?;
        if line.last() != Some(&b'\n') {
            let status = self.child.wait().await.map_err(SandboxError::Talk)?;
            return Err(SandboxError::Died { status: status.to_string() });
        }
        let reply = serde_json::from_slice(line).map_err(|fault| SandboxError::Talk(fault.into()));
        line.clear();
        reply
    }

    pub(super) async fn reply(&mut self) -> Result<Reply, SandboxError> {
        self.reply_into(&mut Vec::new()).await
    }

    /// What the helper sends until it closes its side.
    pub(super) fn archive(self) -> Result<(Child, Sent), SandboxError> {
        let early = self.socket.buffer().to_vec();
        let socket = self.socket.into_inner().into_std().map_err(SandboxError::Talk)?;
        socket.set_nonblocking(false).map_err(SandboxError::Talk)?;
        Ok((self.child, Sent { early, socket }))
    }

    /// Lets the helper end its container and itself, and waits for that.
    pub(super) async fn abandon(self) {
        let Self { mut child, socket } = self;
        drop(socket);
        if let Err(fault) = child.wait().await {
            tracing::warn!(%fault, "cannot wait for the helper process");
        }
    }

    /// Waits for the helper's own end.
    pub(super) async fn wait(mut self) -> Result<(), SandboxError> {
        let status = self.child.wait().await.map_err(SandboxError::Talk)?;
        if status.success() { Ok(()) } else { Err(SandboxError::Died { status: status.to_string() }) }
    }
}
