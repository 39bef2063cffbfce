//! One container, from its folder to its end, as Drydock sees it.
//!
//! The helper process makes the container and waits for it; here it is told what to make, and its files are taken. Whatever happens, the container's folder and control groups are gone at the end.

use std::time::Duration;

use super::cgroup::Cgroup;
use super::folders::ContainerFolder;
use super::helper::{Output, Running};
use super::image::Stack;
use super::task::{Changes, Container, GuestMount, GuestNetwork, Reply, Task};
use super::watch::{Ended, Watch};
use super::{Embedded, SandboxError, off_the_async_threads};
use crate::digest::Sha256;
use crate::engine::collect::unpack;
use crate::engine::{Capabilities, Collect, ContainerSpec, EngineError, Exit, Mount, Network, Session, User};

/// A time limit for those who want none; tokio counts no longer.
const FOREVER: Duration = Duration::from_hours(24 * 365);
/// Docker's default.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// One run.
pub(super) struct Run<'a> {
    engine: &'a Embedded,
    spec: &'a ContainerSpec,
    stack: Stack,
    /// The key under which the changes are kept.
    keep: Option<Sha256>,
}

/// A container that runs.
struct Parts {
    running: Running,
    cgroup: Cgroup,
    folder: ContainerFolder,
}

/// Ends the container, and removes what it had, when a run is given up half-way.
struct Live(Option<Parts>);

impl Drop for Live {
    fn drop(&mut self) {
        let (Some(Parts { running, cgroup, folder }), Ok(runtime)) =
            (self.0.take(), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        runtime.spawn(async move {
            running.abandon().await;
            drop(cgroup);
            folder.remove();
        });
    }
}

impl<'a> Run<'a> {
    pub(super) fn new(
        engine: &'a Embedded,
        spec: &'a ContainerSpec,
        keep: Option<Sha256>,
    ) -> Result<Self, SandboxError> {
        Ok(Self { engine, spec, stack: engine.stack(spec.image)?, keep })
    }

    pub(super) async fn carry_out(self, session: Session<'_>) -> Result<Exit, EngineError> {
        let Session { output, collect, cancel } = session;
        tokio::select! {
            biased;
            () = cancel.cancelled() => return Ok(Exit::Cancelled),
            unpacked = self.engine.unpack(&self.stack) => unpacked?,
        }
        let folder = self.engine.folders.new_container()?;
        let cgroup = Cgroup::new(&folder.id, &self.spec.limits);
        let container = self.container(&folder, &cgroup, collect.as_ref());
        let task = Task::Run(Box::new(container));
        let running = self.engine.helper.start(task, Output::Piped, &cgroup).await?;
        let mut live = Live(Some(Parts { running, cgroup, folder }));
        let ended = match &mut live.0 {
            Some(Parts { running, cgroup, .. }) => {
                let limit = self.spec.limits.timeout.unwrap_or(FOREVER);
                Watch { cgroup, limit, output }.follow(running, cancel.cancelled()).await?
            }
            None => return Ok(Exit::Cancelled),
        };
        match live.0.take() {
            Some(parts) => self.finish(parts, ended, collect).await,
            None => Ok(ended.exit),
        }
    }

    /// Takes the files, waits for the helper, keeps the changes.
    async fn finish(&self, parts: Parts, ended: Ended, collect: Option<Collect>) -> Result<Exit, EngineError> {
        let Parts { running, cgroup, folder } = parts;
        let (mut child, mut archive) = running.archive()?;
        let taken = match collect.filter(|_| ended.files) {
            Some(Collect { from, into }) => {
                let unpacked = tokio::task::spawn_blocking(move || {
                    let unpacked = unpack(&mut archive, from.as_str(), &into);
                    // The rest, so that the helper can go on to clean up.
                    let _ = std::io::copy(&mut archive, &mut std::io::sink());
                    unpacked
                });
                unpacked.await.map_err(|fault| SandboxError::Talk(fault.into()))?
            }
            None => Ok(()),
        };
        let status = child.wait().await.map_err(SandboxError::Talk)?;
        drop(cgroup);
        if !status.success() {
            return Err(SandboxError::Died { status: status.to_string() }.into());
        }
        if let (Some(key), Exit::Code(0), Ok(())) = (self.keep, ended.exit, &taken) {
            self.keep_changes(key, &folder).await?;
        }
        folder.remove();
        taken?;
        Ok(ended.exit)
    }

    async fn keep_changes(&self, key: Sha256, folder: &ContainerFolder) -> Result<(), SandboxError> {
        let (folders, image, path) = (self.engine.folders.clone(), self.stack.description(), folder.path.clone());
        off_the_async_threads(move || folders.keep_derived(key, &path, &image)).await?;
        // The removed image of this key was still in use; then its files stay and these go.
        let paths = vec![folder.path.join("upper")];
        if paths[0].exists() { self.engine.helper.carry_out(Task::Remove { paths }).await } else { Ok(()) }
    }

    fn container(&self, folder: &ContainerFolder, cgroup: &Cgroup, collect: Option<&Collect>) -> Container {
        let spec = self.spec;
        Container {
            folder: folder.path.clone(),
            layers: self.engine.folders.layers(),
            lower: self.stack.lower(),
            argv: spec.argv.clone(),
            env: environment(&self.stack.image.env, spec),
            user: match &spec.user {
                User::Root => None,
                User::Named(name) => Some(name.clone()),
            },
            workdir: spec.workdir.as_str().to_owned(),
            mounts: spec.mounts.iter().map(guest_mount).collect(),
            network: match spec.network {
                Network::None => GuestNetwork::Loopback,
                Network::Host => GuestNetwork::Host,
            },
            capabilities: match &spec.capabilities {
                Capabilities::Default => Vec::new(),
                Capabilities::DefaultAnd(more) => more.clone(),
            },
            watched_memory: spec.limits.memory_bytes.filter(|_| !cgroup.limits_memory()),
            own_pids: spec.limits.pids.filter(|_| !cgroup.limits_pids()),
            collect: collect.map(|collect| collect.from.as_str().to_owned()),
            changes: if self.keep.is_some() { Changes::Keep } else { Changes::Remove },
        }
    }
}

impl Embedded {
    /// Makes an empty container and throws it away.
    pub(super) async fn probe(&self) -> Result<(), SandboxError> {
        let folder = self.folders.new_container()?;
        let lower = folder.path.join("empty");
        std::fs::create_dir(&lower).map_err(SandboxError::file("make the folder", &lower))?;
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
        };
        let mut running =
            self.helper.start(Task::Run(Box::new(container)), Output::Ignored, &Cgroup::default()).await?;
        let outcome = match running.reply().await? {
            Reply::Failed(fault) => Err(SandboxError::inside(fault)),
            _ => running.wait().await,
        };
        folder.remove();
        outcome
    }
}

fn environment(image: &[String], spec: &ContainerSpec) -> Vec<(String, String)> {
    let mut whole = std::collections::BTreeMap::from([("PATH".to_owned(), DEFAULT_PATH.to_owned())]);
    whole.extend(image.iter().filter_map(|pair| pair.split_once('=')).map(|(key, value)| (key.into(), value.into())));
    whole.extend(spec.env.clone());
    whole.into_iter().collect()
}

fn guest_mount(mount: &Mount) -> GuestMount {
    match mount {
        Mount::ReadOnly { host, guest } => {
            GuestMount::ReadOnly { host: host.as_path().to_owned(), guest: guest.as_str().to_owned() }
        }
        Mount::Tmpfs { guest, size_bytes } => {
            GuestMount::Tmpfs { guest: guest.as_str().to_owned(), size_bytes: *size_bytes }
        }
    }
}
