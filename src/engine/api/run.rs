//! One container from its making to its end: its output while it runs, how it ended, and what it leaves.
//!
//! The engine is attached to before the program starts, so that not a byte is missed. However the run goes on, what it
//! made in the engine is noted before it is made and removed at the end.

use std::pin::pin;
use std::time::Duration;

use bollard::container::{AttachContainerResults, LogOutput};
use bollard::errors::Error as Bollard;
use bollard::models::ContainerConfig;
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, CommitContainerOptionsBuilder, CreateContainerOptionsBuilder,
    KillContainerOptionsBuilder,
};
use futures_util::{StreamExt, TryStreamExt};
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Api;
use super::error::ApiError;
use super::image::{ENVIRONMENT, LAYERS_BELOW, MOUNTED, Ready};
use super::inputs::{Helper, Inputs, Shown};
use super::leftovers::{Leftover, Leftovers};
use super::record::{End, Filter, Record};
use super::request::{self, Given};
use crate::digest::Sha256;
use crate::engine::collect::Patience;
use crate::engine::{ContainerSpec, EngineError, Exit, Mount, Network, Outside, Session, Stream as Which};

/// How long a killed container may take to be gone.
const DYING: Duration = Duration::from_mins(1);

/// How often the engine is asked whether the memory limit was reached when a program was killed: the kernel's word
/// reaches the engine's state a little after the end of the container.
const MEMORY_QUESTIONS: u32 = 10;

/// One run of a container.
pub(super) struct Run<'a> {
    pub(super) api: &'a Api,
    pub(super) spec: &'a ContainerSpec,
    /// Under which the container is kept.
    keep: Option<Sha256>,
    pub(super) name: String,
    pub(super) token: String,
    pub(super) leftovers: Leftovers,
    /// True when its program gets a terminal.
    has_terminal: bool,
}

/// What the engine and `init` say at the end.
struct Ended {
    record: Option<Record>,
    code: i64,
}

impl<'a> Run<'a> {
    /// A run of `spec`; with a key, the file system is kept under it after success.
    pub(super) fn new(api: &'a Api, spec: &'a ContainerSpec, keep: Option<Sha256>) -> Self {
        let token = api.token();
        let name = format!("drydock-{}", &token[..16]);
        let token = Sha256::of_bytes(token.as_bytes()).to_string()[..super::record::TOKEN_BYTES].to_owned();
        Self { api, spec, keep, name, token, leftovers: Leftovers::new(api.docker.clone()), has_terminal: false }
    }

    /// The run whose program gets a terminal.
    pub(super) fn with_terminal(self) -> Self {
        Self { has_terminal: true, ..self }
    }

    /// Carries it out and cleans up.
    pub(super) async fn carry_out(mut self, session: Session<'_>) -> Result<Exit, EngineError> {
        let outcome = self.whole(session).await;
        self.leftovers.remove().await;
        outcome
    }

    async fn whole(&mut self, session: Session<'_>) -> Result<Exit, EngineError> {
        let Session { output, collect, cancel } = session;
        let Some(ready) = self.made(cancel).await? else { return Ok(Exit::Cancelled) };
        let mut attached = self.attach().await?;
        self.start().await?;
        self.begin(&mut attached).await;
        let limit = self.spec.limits.timeout.and_then(|limit| Instant::now().checked_add(limit));
        let exit = {
            let mut ended = pin!(self.follow(attached, output));
            tokio::select! {
                biased;
                ended = &mut ended => self.exit(ended?, &ready).await?,
                () = cancel.cancelled() => self.kill(ended, Exit::Cancelled).await?,
                () = over(limit) => self.kill(ended, Exit::TimedOut).await?,
            }
        };
        if let (Some(key), Exit::Code(0)) = (self.keep, exit) {
            self.commit(key).await?;
        }
        let Some(collect) = collect.filter(|_| exit != Exit::Cancelled) else { return Ok(exit) };
        Ok(self.collect(collect, &Patience::new(cancel, limit)).await?.unwrap_or(exit))
    }

    /// Makes the container, and its image ready before that; None when the run is cancelled.
    pub(super) async fn made(&mut self, cancel: &CancellationToken) -> Result<Option<Ready>, EngineError> {
        let ready = tokio::select! {
            biased;
            () = cancel.cancelled() => return Ok(None),
            ready = self.api.images.ready(self.spec.image) => ready?,
        };
        self.create(&ready, cancel).await?;
        Ok((!cancel.is_cancelled()).then_some(ready))
    }

    async fn create(&mut self, ready: &Ready, cancel: &CancellationToken) -> Result<(), ApiError> {
        let sharing = self.api.sharing(&ready.id).await?;
        let (shared, others) = Inputs::of(self.spec, &self.api.init)?.split(sharing);
        let mut shown = shared.mounted();
        if !others.is_empty() {
            let labels = self.api.labels();
            let helper = Helper { docker: &self.api.docker, image: &ready.id, name: &self.name, labels, cancel };
            shown.extend(others.copied(helper, &mut self.leftovers).await?);
        }
        self.create_with(ready, &shown).await
    }

    async fn create_with(&mut self, ready: &Ready, inputs: &[Shown]) -> Result<(), ApiError> {
        let mut labels = self.api.labels();
        if self.keep.is_some() {
            let json = |list: &[String]| serde_json::Value::from(list.to_vec()).to_string();
            labels.insert(ENVIRONMENT.to_owned(), json(&ready.environment));
            labels.insert(LAYERS_BELOW.to_owned(), ready.layers.len().to_string());
            labels
                .insert(MOUNTED.to_owned(), json(&self.spec.mounts.iter().flat_map(Mount::places).collect::<Vec<_>>()));
        }
        if self.api.is_remapped && (self.spec.network, self.api.outside) == (Network::Outside, Outside::Host) {
            return Err(ApiError::NoHostNetwork);
        }
        let (image, environment, token) = (&*ready.id, &*ready.environment, &*self.token);
        let Api { flavor, outside, pids, .. } = *self.api;
        let has_terminal = self.has_terminal;
        let given = Given { image, environment, inputs, labels, token, flavor, outside, pids, has_terminal };
        let body = request::body(self.spec, &given);
        tracing::debug!(container = self.name, image, argv = ?self.spec.argv, mounts = ?inputs, "making a container");
        self.leftovers.note(Leftover::Container(self.name.clone()));
        let options = CreateContainerOptionsBuilder::default().name(&self.name).build();
        let created = self.api.docker.create_container(Some(options), body).await;
        for warning in created.map_err(ApiError::request("create the container", &self.name))?.warnings {
            tracing::debug!(container = self.name, warning, "the engine warns");
        }
        Ok(())
    }

    pub(super) async fn attach(&self) -> Result<AttachContainerResults, ApiError> {
        let options = AttachContainerOptionsBuilder::default().stdin(true).stdout(true);
        let options = options.stderr(true).stream(true).build();
        let attached = self.api.docker.attach_container(&self.name, Some(options)).await;
        attached.map_err(ApiError::request("attach to the container", &self.name))
    }

    pub(super) async fn start(&self) -> Result<(), ApiError> {
        let started = self.api.docker.start_container(&self.name, None).await;
        started.map_err(ApiError::request("start the container", &self.name))
    }

    /// Lets `init` start the program, now that its output is read.
    async fn begin(&self, attached: &mut AttachContainerResults) {
        let written = async {
            attached.input.write_all(b"\n").await?;
            attached.input.flush().await
        };
        if let Err(error) = written.await {
            // How the container ended is told next.
            tracing::debug!(container = self.name, %error, "the container takes no input");
        }
    }

    /// Passes the output on until the container is gone.
    async fn follow(
        &self,
        mut attached: AttachContainerResults,
        output: &mut (dyn FnMut(Which, &[u8]) + Send),
    ) -> Result<Ended, ApiError> {
        let mut filter = Filter::new(&self.token);
        while let Some(piece) = attached.output.next().await {
            match piece {
                Ok(LogOutput::StdErr { message }) => filter.pass(&message, &mut |bytes| output(Which::Stderr, bytes)),
                Ok(piece) => output(Which::Stdout, piece.as_ref()),
                Err(error) => {
                    tracing::debug!(container = self.name, %error, "the output broke off");
                    break;
                }
            }
        }
        let record = filter.finish(&mut |bytes| output(Which::Stderr, bytes));
        let code = self.wait().await?;
        Ok(Ended { record, code })
    }

    pub(super) async fn wait(&self) -> Result<i64, ApiError> {
        let lost = |source| ApiError::Lost { container: self.name.clone(), source };
        match self.api.docker.wait_container(&self.name, None).try_next().await {
            Ok(Some(answer)) => Ok(answer.status_code),
            Err(Bollard::DockerContainerWaitError { code, .. }) => Ok(code),
            Ok(None) => Err(lost(Bollard::RequestTimeoutError)),
            Err(source) => Err(lost(source)),
        }
    }

    async fn exit(&self, ended: Ended, ready: &Ready) -> Result<Exit, ApiError> {
        let exit = match ended.record.map(|record| record.end) {
            Some(End::Code(code)) => Exit::Code(code),
            Some(End::Signal(signal)) => Exit::Signal(signal),
            Some(End::NotStarted(error)) => {
                return Err(ApiError::Program {
                    program: self.spec.argv.first().cloned().unwrap_or_default(),
                    tried: request::candidates(self.spec, &ready.environment),
                    source: std::io::Error::from_raw_os_error(error),
                });
            }
            // Somebody killed process 1 itself.
            None if ended.code > 128 => Exit::Signal(i32::try_from(ended.code - 128).unwrap_or(9)),
            None => Exit::Code(i32::try_from(ended.code).unwrap_or(1)),
        };
        if self.spec.limits.memory_bytes.is_none() || exit.is_success() {
            return Ok(exit);
        }
        let reached = match ended.record.and_then(|record| record.out_of_memory) {
            Some(reached) => reached,
            None if ended.record.is_some() => self.engine_saw_memory_limit(1).await?,
            // Even `init` was killed.
            None => self.engine_saw_memory_limit(MEMORY_QUESTIONS).await?,
        };
        Ok(if reached { Exit::MemoryLimit } else { exit })
    }

    /// Asks the engine, where `init` could not see it.
    async fn engine_saw_memory_limit(&self, questions: u32) -> Result<bool, ApiError> {
        for question in 0..questions {
            if question > 0 {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            let found = match self.api.docker.inspect_container(&self.name, None).await {
                // Podman's states between the end of a container and its being taken down are none of Docker's.
                Err(Bollard::JsonDataError { .. }) => continue,
                found => found.map_err(ApiError::request("look at the container", &self.name))?,
            };
            if found.state.and_then(|state| state.oom_killed) == Some(true) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Kills the container and passes on what it wrote until then.
    async fn kill(&self, ended: impl Future<Output = Result<Ended, ApiError>>, exit: Exit) -> Result<Exit, ApiError> {
        let options = KillContainerOptionsBuilder::default().signal("SIGKILL").build();
        match self.api.docker.kill_container(&self.name, Some(options)).await {
            // It ended by itself meanwhile.
            Ok(()) | Err(Bollard::DockerResponseServerError { .. }) => {}
            Err(source) => return Err(ApiError::Lost { container: self.name.clone(), source }),
        }
        if tokio::time::timeout(DYING, ended).await.is_err() {
            tracing::warn!(container = self.name, "killed and not gone yet");
        }
        Ok(exit)
    }

    async fn commit(&self, key: Sha256) -> Result<(), ApiError> {
        let options = CommitContainerOptionsBuilder::default();
        // A rootless Podman cannot pause with cgroup v1, and nothing runs any more.
        let (repository, tag) = self.api.images.derived(key);
        let options = options.container(&self.name).repo(repository).tag(&tag).pause(false).build();
        let committed = self.api.docker.commit_container(options, ContainerConfig::default()).await;
        committed.map(|_| ()).map_err(ApiError::request("keep the file system of the container", &self.name))
    }
}

/// Waits until it is `limit`; without one, forever.
async fn over(limit: Option<Instant>) {
    match limit {
        Some(limit) => tokio::time::sleep_until(limit).await,
        None => std::future::pending().await,
    }
}
