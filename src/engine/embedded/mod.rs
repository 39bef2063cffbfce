//! Containers without a daemon: namespaces, overlayfs and `pivot_root`, set up by a helper process.
//!
//! In: an image of the layout. Out: what [`Engine`](super::Engine) promises. Each container has a user namespace, for root
//! as for an ordinary user. Each layer of an image is unpacked once and then shared, read-only, by all
//! containers; a container writes into a folder of its own.
//!
//! | module | what |
//! |---|---|
//! | `folders` | layers, derived images and containers on disk, and who owns them |
//! | `helper`, `task` | starting the helper process, and the language between it and Drydock |
//! | `identity`, `cgroup` | ids of an ordinary user's containers; limits by the kernel |
//! | `image`, `listing` | the stack of layers of an image, unpacked; whether one was changed since |
//! | `run`, `watch` | one container from its start to its end; its output, clock and limits meanwhile |
//! | `inside` | all that happens in the helper process |
//!
//! What a container cannot do: see other processes or the network, change anything of the host, outlive Drydock, ask the
//! kernel for more than Docker's default profile permits. `docs/sandbox.md` says it in full.

mod cgroup;
mod error;
mod folders;
mod helper;
mod identity;
mod image;
mod inside;
mod listing;
mod pty;
mod run;
mod task;
mod watch;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use cgroup::Cgroup;
pub use error::SandboxError;
use folders::Folders;
use helper::{Helper, Output};
use identity::Identity;
pub use inside::sandbox_main;
/// The profile that permits user namespaces to a program of ordinary users where AppArmor keeps them to itself
/// (apparmor.d(5)); `PROGRAM` stands for its path.
pub const APPARMOR_PROFILE: &str = include_str!("apparmor.profile");
use task::{Fault, Reply, Task};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::{ContainerSpec, EngineError, Exit, Home, ImageId, Limits, Outside, Places, Session, Terminal};
use crate::digest::Sha256;
use crate::oci::{OciError, Store};

/// The engine.
pub(super) struct Embedded {
    store: Store,
    folders: Folders,
    helper: Helper,
    outside: Outside,
    /// The limit of containers that have none of their own.
    pids: u32,
    /// Layers and derived images that this process has found as they were left.
    whole: Mutex<BTreeSet<Sha256>>,
}

impl Embedded {
    /// Makes sure, by one empty container, that this host permits containers.
    pub(super) async fn connect(home: Home, places: &Places) -> Result<Self, SandboxError> {
        let identity = Identity::of_this_process()?;
        let folders = Folders::open(&home.folder, &identity)?;
        let helper = Helper { program: home.helper, identity };
        let (outside, pids) = (places.outside, places.pids());
        let embedded = Self { store: home.store, folders, helper, outside, pids, whole: Mutex::default() };
        Box::pin(embedded.probe()).await?;
        Ok(embedded)
    }

    pub(super) fn description(&self) -> String {
        let who = if self.helper.identity.is_root() { "as root" } else { "as an ordinary user" };
        let cgroup = Cgroup::new("probe", &Limits { memory_bytes: Some(1 << 30), pids: Some(1000), timeout: None });
        let memory = if cgroup.limits_memory() { "a control group" } else { "the helper process" };
        format!("embedded {} ({who}, memory limits by {memory})", env!("CARGO_PKG_VERSION"))
    }

    pub(super) async fn has_image(&self, image: ImageId) -> Result<bool, SandboxError> {
        match self.stack(image) {
            Ok(stack) => Ok(stack.missing().is_empty() && self.are_whole(&stack.derived).await?),
            Err(SandboxError::NoDerived { .. } | SandboxError::Image(OciError::MissingImage { .. })) => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    pub(super) async fn run(&self, spec: &ContainerSpec, session: Session<'_>) -> Result<Exit, EngineError> {
        Box::pin(run::Run::new(self, spec, None)?.carry_out(session)).await
    }

    pub(super) async fn attach(
        &self,
        spec: &ContainerSpec,
        terminal: Terminal<'_>,
        cancel: &CancellationToken,
    ) -> Result<Exit, EngineError> {
        Box::pin(run::Run::new(self, spec, None)?.attach(terminal, cancel)).await
    }

    pub(super) async fn derive(
        &self,
        spec: &ContainerSpec,
        key: Sha256,
        session: Session<'_>,
    ) -> Result<Exit, EngineError> {
        self.folders.forget_derived(key)?;
        Box::pin(run::Run::new(self, spec, Some(key))?.carry_out(session)).await
    }

    pub(super) async fn export_changes(&self, key: Sha256, into: &Path) -> Result<(), SandboxError> {
        self.folders.read_derived(key)?;
        let changes = self.folders.derived(key).join("upper");
        let mut running = self.helper.start(Task::Export { changes }, Output::Ignored, &Cgroup::default()).await?;
        match running.reply().await? {
            Reply::Files => {}
            Reply::Failed(fault) => return Err(SandboxError::inside(fault)),
            _ => return Err(SandboxError::Talk(std::io::ErrorKind::InvalidData.into())),
        }
        let (mut child, socket) = running.archive()?;
        let mut archive = socket.reader()?;
        let into = into.to_owned();
        off_the_async_threads(move || write_whole(&into, &mut archive)).await?;
        let status = child.wait().await.map_err(SandboxError::Talk)?;
        if status.success() { Ok(()) } else { Err(SandboxError::Died { status: status.to_string() }) }
    }

    pub(super) async fn remove_derived(&self, key: Sha256) -> Result<(), SandboxError> {
        self.folders.forget_derived(key)?;
        self.remove_unused().await
    }

    /// Removes derived images that have no name any more and are below no other one.
    async fn remove_unused(&self) -> Result<(), SandboxError> {
        let unused = self.folders.unused_derived()?;
        if unused.is_empty() {
            return Ok(());
        }
        // First out of the way, so that a killed run leaves no half of one.
        let mut container = self.folders.new_container()?;
        let mut paths = Vec::new();
        for folder in unused {
            let moved = container.path.join(folder.file_name().unwrap_or_default());
            fs::rename(&folder, &moved).map_err(SandboxError::file("move", &folder))?;
            paths.push(moved);
        }
        self.helper.remove(paths).await?;
        container.remove().map_err(SandboxError::file("remove", &container.path))
    }

    /// Removes every layer, derived image and dead container.
    pub(super) async fn wipe(&self) -> Result<(), SandboxError> {
        let mut paths = vec![self.folders.layers(), self.folders.all_derived()];
        let folders = self.folders.clone();
        paths.extend(off_the_async_threads(move || folders.dead_containers()).await?);
        paths.extend(self.folders.earlier());
        self.helper.remove(paths).await
    }

    pub(super) async fn sweep(&self) -> Result<(), SandboxError> {
        let folders = self.folders.clone();
        let mut paths = off_the_async_threads(move || folders.dead_containers()).await?;
        paths.extend(self.abandoned_layers()?);
        paths.extend(self.folders.earlier());
        // What cannot be removed is in nobody's way; `clean --results` says what it is.
        if !paths.is_empty()
            && let Err(fault) = self.helper.remove(paths).await
        {
            tracing::warn!(%fault, "what killed runs left stays");
        }
        cgroup::sweep();
        if let Err(fault) = self.remove_unused().await {
            tracing::warn!(%fault, "derived images that nobody uses stay");
        }
        Ok(())
    }
}

/// Writes all that `reader` gives to the file `path`, which appears when it is whole.
fn write_whole(path: &Path, reader: &mut impl std::io::Read) -> Result<(), SandboxError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    let partial = path.with_file_name(name);
    let written = fs::File::create(&partial).and_then(|mut file| {
        std::io::copy(reader, &mut file)?;
        file.sync_all()?;
        fs::rename(&partial, path)
    });
    written.map_err(SandboxError::file("write", path))
}

async fn off_the_async_threads<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SandboxError> + Send + 'static,
) -> Result<T, SandboxError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(fault) => Err(SandboxError::inside(Fault::new(task::Step::Job, "the work", fault.to_string()))),
    }
}
