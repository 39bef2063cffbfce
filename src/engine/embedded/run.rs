//! One container, from its folder to its end, as Drydock sees it.
//!
//! The helper process makes the container and waits for it; here it is told what to make, and its files are taken. Whatever happens, the container's folder and control groups are gone at the end.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::cgroup::Cgroup;
use super::folders::{ContainerFolder, Derived};
use super::helper::{Helper, Output, Running};
use super::image::Stack;
use super::pty::Pty;
use super::task::{Changes, Container, GuestMount, GuestNetwork, Reply, Task};
use super::watch::Watch;
use super::{Embedded, SandboxError, off_the_async_threads};
use crate::digest::Sha256;
use crate::engine::collect::{Patience, unpack};
use crate::engine::{
    Capabilities, Collect, CollectError, ContainerSpec, EngineError, Exit, Limits, Mount, Network, Outside, Session,
    Terminal, User,
};

/// A time limit for those who want none; tokio counts no longer.
const FOREVER: Duration = Duration::from_hours(24 * 365);
/// Docker's default.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// One run.
pub(super) struct Run<'a> {
    engine: &'a Embedded,
    spec: &'a ContainerSpec,
    limits: Limits,
    stack: Stack,
    /// The key under which the changes are kept.
    keep: Option<Sha256>,
}

/// A container and what it has on this machine.
struct Live {
    helper: Helper,
    running: Option<Running>,
    cgroup: Cgroup,
    folder: ContainerFolder,
}

impl Live {
    fn new(engine: &Embedded, limits: &Limits) -> Result<Self, SandboxError> {
        let folder = engine.folders.new_container()?;
        Ok(Self { helper: engine.helper.clone(), running: None, cgroup: Cgroup::new(&folder.id, limits), folder })
    }

    /// Ends the container, if it still runs, and removes all that it had.
    async fn end(&mut self) {
        if let Some(running) = self.running.take() {
            running.abandon().await;
        }
        self.cgroup.remove();
        if self.folder.remove().is_err() {
            // The helper died before it could clean up, and some of the files are its users'.
            let removed = self.helper.remove(vec![self.folder.path.clone()]).await;
            if let Err(fault) = removed {
                tracing::warn!(path = %self.folder.path.display(), %fault, "a container's folder stays until the next sweep");
            }
        }
    }
}

impl Drop for Live {
    /// Does the same when a run is given up half-way.
    fn drop(&mut self) {
        if self.folder.is_gone() {
            return;
        }
        let (cgroup, folder) = (std::mem::take(&mut self.cgroup), self.folder.take());
        let mut rest = Self { helper: self.helper.clone(), running: self.running.take(), cgroup, folder };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { rest.end().await });
        }
    }
}

/// Takes the files that the helper has, if it `has_files`, into the folder of `collect`, if any, and waits for the helper's
/// end; says how the run ends when there is no time left for that.
async fn take_files(
    running: Running,
    (collect, has_files): (Option<Collect>, bool),
    patience: &Patience<'_>,
) -> Result<Option<Exit>, EngineError> {
    let (mut child, socket) = running.archive()?;
    let archive = socket.reader()?;
    // A helper whose files nobody wants cannot send them.
    let may_fail = has_files && collect.is_none();
    let mut taking = tokio::task::spawn_blocking(move || {
        let mut archive = archive;
        collect.map_or(Ok(()), |Collect { from, into }| unpack(&mut archive, from.as_str(), &into))
    });
    let (taken, over) = tokio::select! {
        biased;
        taken = &mut taking => (taken, None),
        over = patience.over() => {
            socket.close();
            (taking.await, Some(over))
        }
    };
    // What is not wanted any more is not waited for: the helper goes on to clean up.
    socket.close();
    let status = child.wait().await.map_err(SandboxError::Talk)?;
    match taken.map_err(|fault| SandboxError::Talk(fault.into()))? {
        Err(CollectError::Read { .. }) if over.is_some() => return Ok(over),
        taken => taken?,
    }
    if status.success() || may_fail { Ok(None) } else { Err(SandboxError::Died { status: status.to_string() }.into()) }
}

impl<'a> Run<'a> {
    pub(super) fn new(
        engine: &'a Embedded,
        spec: &'a ContainerSpec,
        keep: Option<Sha256>,
    ) -> Result<Self, SandboxError> {
        let limits = Limits { pids: spec.limits.pids.or(Some(engine.pids)), ..spec.limits };
        Ok(Self { engine, spec, limits, stack: engine.stack(spec.image)?, keep })
    }

    pub(super) async fn carry_out(self, session: Session<'_>) -> Result<Exit, EngineError> {
        let Session { output, collect, cancel } = session;
        tokio::select! {
            biased;
            () = cancel.cancelled() => return Ok(Exit::Cancelled),
            unpacked = self.engine.unpack(&self.stack) => unpacked?,
        }
        let mut live = Live::new(self.engine, &self.limits)?;
        let outcome = self.live(&mut live, Session { output, collect, cancel }).await;
        live.end().await;
        outcome
    }

    async fn live(&self, live: &mut Live, session: Session<'_>) -> Result<Exit, EngineError> {
        let Session { output, collect, cancel } = session;
        let container = self.container(live, collect.as_ref());
        let task = Task::Run(Box::new(container));
        let running = self.engine.helper.start(task, Output::Piped, &live.cgroup).await?;
        let limit = self.limits.timeout.unwrap_or(FOREVER);
        let begun = Instant::now();
        let mut watch = Watch { cgroup: &live.cgroup, limit, output };
        let ended = watch.follow(live.running.insert(running), cancel.cancelled()).await?;
        let patience = Patience::new(cancel, Instant::now().checked_add(limit.saturating_sub(begun.elapsed())));
        let collect = collect.filter(|_| ended.files && ended.exit != Exit::Cancelled);
        if let Some(running) = live.running.take()
            && let Some(over) = take_files(running, (collect, ended.files), &patience).await?
        {
            return Ok(over);
        }
        if let (Some(key), Exit::Code(0)) = (self.keep, ended.exit) {
            self.keep_changes(key, &live.folder).await?;
        }
        Ok(ended.exit)
    }

    /// Like [`Run::carry_out`], with `terminal` in place of the program's streams.
    pub(super) async fn attach(
        self,
        mut terminal: Terminal<'_>,
        cancel: &CancellationToken,
    ) -> Result<Exit, EngineError> {
        tokio::select! {
            biased;
            () = cancel.cancelled() => return Ok(Exit::Cancelled),
            unpacked = self.engine.unpack(&self.stack) => unpacked?,
        }
        let mut live = Live::new(self.engine, &self.limits)?;
        let outcome = self.live_with_terminal(&mut live, &mut terminal, cancel).await;
        live.end().await;
        outcome
    }

    async fn live_with_terminal(
        &self,
        live: &mut Live,
        terminal: &mut Terminal<'_>,
        cancel: &CancellationToken,
    ) -> Result<Exit, EngineError> {
        let size = *terminal.size.borrow_and_update();
        let (pty, theirs) = Pty::open(size)?;
        let container = Container { has_terminal: true, ..self.container(live, None) };
        let task = Task::Run(Box::new(container));
        let running = self.engine.helper.start(task, Output::Terminal(theirs), &live.cgroup).await?;
        let limit = self.limits.timeout.unwrap_or(FOREVER);
        let mut watch = Watch { cgroup: &live.cgroup, limit, output: &mut |_, _| () };
        let follow = watch.follow(live.running.insert(running), cancel.cancelled());
        // All processes of the container are gone when it has ended, and its last words are read then.
        let (ended, shown) = tokio::join!(follow, pty.serve(terminal));
        let ended = ended?;
        shown.map_err(SandboxError::Terminal)?;
        if let Some(running) = live.running.take() {
            take_files(running, (None, false), &Patience::new(cancel, None)).await?;
        }
        Ok(ended.exit)
    }

    async fn keep_changes(&self, key: Sha256, folder: &ContainerFolder) -> Result<(), SandboxError> {
        let kept = self.engine.folders.derived(key).join("upper");
        let upper = if kept.is_dir() { kept } else { folder.path.join("upper") };
        let listing = self.engine.helper.list(vec![upper]).await?.pop().flatten();
        let image = Derived { listing, ..self.stack.description() };
        let (folders, path) = (self.engine.folders.clone(), folder.path.clone());
        off_the_async_threads(move || folders.keep_derived(key, &path, &image)).await?;
        // The removed image of this key was still in use; then its files stay and these go.
        let paths = vec![folder.path.join("upper")];
        if paths[0].exists() { self.engine.helper.remove(paths).await } else { Ok(()) }
    }

    fn container(&self, live: &Live, collect: Option<&Collect>) -> Container {
        let (spec, cgroup) = (self.spec, &live.cgroup);
        Container {
            folder: live.folder.path.clone(),
            layers: self.engine.folders.layers(),
            lower: self.stack.lower(),
            argv: spec.argv.clone(),
            env: environment(&self.stack.image.env, spec),
            user: match &spec.user {
                User::Root => None,
                User::Named(name) => Some(name.clone()),
            },
            workdir: spec.workdir.as_str().to_owned(),
            mounts: spec.mounts.iter().flat_map(guest_mounts).collect(),
            network: match spec.network {
                Network::None => GuestNetwork::Loopback,
                Network::Outside if self.engine.outside == Outside::Private => GuestNetwork::Outside,
                Network::Outside => GuestNetwork::Host,
            },
            capabilities: match &spec.capabilities {
                Capabilities::Default => Vec::new(),
                Capabilities::DefaultAnd(more) => more.clone(),
            },
            watched_memory: self.limits.memory_bytes.filter(|_| !cgroup.limits_memory()),
            own_pids: self.limits.pids.filter(|_| !cgroup.limits_pids()),
            collect: collect.map(|collect| collect.from.as_str().to_owned()),
            changes: if self.keep.is_some() { Changes::Keep } else { Changes::Remove },
            has_terminal: false,
        }
    }
}

impl Embedded {
    /// Makes an empty container and throws it away.
    pub(super) async fn probe(&self) -> Result<(), SandboxError> {
        let mut folder = self.folders.new_container()?;
        let lower = folder.path.join("empty");
        self.folders.make(&lower)?;
        let container = Container {
            folder: folder.path.clone(),
            layers: folder.path.clone(),
            lower: vec!["empty".to_owned()],
            argv: Vec::new(),
            env: Vec::new(),
            user: None,
            workdir: "/".to_owned(),
            mounts: Vec::new(),
            network: GuestNetwork::Loopback,
            capabilities: Vec::new(),
            watched_memory: None,
            own_pids: None,
            collect: None,
            changes: Changes::Remove,
            has_terminal: false,
        };
        let mut running = self.helper.start(Task::Run(Box::new(container)), Output::Piped, &Cgroup::default()).await?;
        let outcome = match running.reply().await? {
            Reply::Failed(fault) => Err(SandboxError::inside(fault)),
            _ => running.wait().await,
        };
        folder.remove().map_err(SandboxError::file("remove", &folder.path))?;
        outcome
    }
}

fn environment(image: &[String], spec: &ContainerSpec) -> Vec<(String, String)> {
    let mut whole = std::collections::BTreeMap::from([("PATH".to_owned(), DEFAULT_PATH.to_owned())]);
    whole.extend(image.iter().filter_map(|pair| pair.split_once('=')).map(|(key, value)| (key.into(), value.into())));
    whole.extend(spec.env.clone());
    whole.into_iter().collect()
}

fn guest_mounts(mount: &Mount) -> Vec<GuestMount> {
    let one = |guest: String| match mount {
        Mount::ReadOnly { host, .. } => GuestMount::ReadOnly { host: host.as_path().to_owned(), guest },
        Mount::Tmpfs { size_bytes, .. } => GuestMount::Tmpfs { guest, size_bytes: *size_bytes },
        Mount::Devices { .. } => {
            let name = guest.rsplit('/').next().unwrap_or_default().to_owned();
            GuestMount::Device { name, guest }
        }
    };
    mount.places().into_iter().map(one).collect()
}
