//! Container engines: Docker and Podman by the Docker API, and `embedded`, a sandbox of our own that needs no daemon.
//!
//! In: a [`ContainerSpec`]. Out: the program's output while it runs, how it [ended](Exit), and the regular files it left
//! in its output folder. Whatever the engine, a container is thrown away after its program has ended, has no network
//! unless its spec says so, and shares no writable folder with the host: results come out as an archive.

mod api;
mod collect;
mod embedded;
mod error;
mod places;
mod spec;
mod terminal;
mod trial;

use std::path::{Path, PathBuf};

pub use api::ApiError;
pub use collect::{CollectError, Refusal};
pub use embedded::{APPARMOR_PROFILE, SandboxError, sandbox_main};
pub use error::EngineError;
pub use places::{PIDS, Places, Transfer};
pub use spec::{
    Capabilities, ContainerSpec, Exit, GuestPath, HostPath, ImageId, Limits, Mount, Network, Outside, RelativePath,
    Stream, User,
};
pub use terminal::{Terminal, TerminalSize};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;
pub use trial::{TrialError, Tried, try_out};

use self::api::{Api, Flavor};
use self::embedded::Embedded;
use crate::causes;
use crate::digest::Sha256;
use crate::oci::Store;

/// Which engine the user wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Docker where its socket answers, then Podman, then embedded.
    Auto,
    /// Docker or an error.
    Docker,
    /// Podman or an error.
    Podman,
    /// No daemon.
    Embedded,
}

/// Where the files of one project's engine are.
#[derive(Clone, Debug)]
pub struct Home {
    /// The images.
    pub store: Store,
    /// Unpacked layers and containers of the embedded engine.
    pub folder: PathBuf,
    /// The `drydock` program, whose [`sandbox_main`] the embedded engine runs as a process of its own.
    pub helper: PathBuf,
    /// Folders whose files containers are shown: the project, the user's cache. Drydock writes into each of them, or into
    /// `folder` below it.
    pub trees: Vec<PathBuf>,
}

impl Home {
    /// A home whose helper is the running program itself.
    pub fn new(store: Store, folder: PathBuf, trees: Vec<PathBuf>) -> Self {
        Self { store, folder, helper: "/proc/self/exe".into(), trees }
    }
}

/// What is done with a container while it runs and after it.
pub struct Session<'a> {
    /// Gets the program's output as it comes, in order for each stream.
    pub output: &'a mut (dyn FnMut(Stream, &[u8]) + Send),
    /// The folder whose regular files are wanted, whatever the exit; taking them belongs to the container's time.
    pub collect: Option<Collect>,
    /// Kills the container.
    pub cancel: &'a CancellationToken,
}

/// Files that are taken out of a container after its program has ended.
#[derive(Clone, Debug)]
pub struct Collect {
    /// Their folder in the container; a missing one counts as empty.
    pub from: GuestPath,
    /// An empty folder of the host. Gets regular files and folders with their relative paths; a link, a device, a
    /// socket or a name that leaves the folder is [refused](EngineError::refusal) by name, and then nothing is kept.
    pub into: PathBuf,
}

/// An engine, which is found when a container is asked for first: a run with nothing to do never talks to one.
pub struct Engine {
    choice: Choice,
    places: Places,
    home: Home,
    connected: OnceCell<Connected>,
    /// Is told which engine it is, when that is found.
    tell: Box<dyn Fn(String) + Send + Sync>,
}

struct Connected {
    backend: Backend,
    /// Why this one.
    why: String,
}

enum Backend {
    Api(Box<Api>),
    Embedded(Embedded),
}

impl Engine {
    /// The engine of `choice`; nothing is asked of it yet.
    pub fn new(choice: Choice, places: Places, home: Home) -> Self {
        Self { choice, places, home, connected: OnceCell::new(), tell: Box::new(|_| ()) }
    }

    /// The engine, which says its [description](Engine::description) to `tell` when it is found.
    #[must_use]
    pub fn telling(self, tell: impl Fn(String) + Send + Sync + 'static) -> Self {
        Self { tell: Box::new(tell), ..self }
    }

    /// Finds the engine of `choice` and makes sure that it can start containers.
    pub async fn connect(choice: Choice, places: &Places, home: Home) -> Result<Self, EngineError> {
        let engine = Self::new(choice, places.clone(), home);
        engine.backend().await?;
        Ok(engine)
    }

    /// The embedded engine beside this one, for programs of this machine itself.
    #[must_use]
    pub fn of_this_machine(&self) -> Self {
        Self::new(Choice::Embedded, self.places.clone(), self.home.clone())
    }

    /// The engine; found, and rid of what killed runs of this project left behind, at the first call.
    async fn backend(&self) -> Result<&Backend, EngineError> {
        let find = async {
            let connected: Connected = match self.choice {
                Choice::Auto => self.find().await?,
                Choice::Docker => Connected::wanted(Backend::Api(Box::new(self.api(Flavor::Docker).await?))),
                Choice::Podman => Connected::wanted(Backend::Api(Box::new(self.api(Flavor::Podman).await?))),
                Choice::Embedded => {
                    Connected::wanted(Backend::Embedded(Embedded::connect(self.home.clone(), &self.places).await?))
                }
            };
            connected.backend.sweep().await?;
            (self.tell)(connected.describe());
            Ok::<_, EngineError>(connected)
        };
        Ok(&self.connected.get_or_try_init(|| find).await?.backend)
    }

    async fn api(&self, flavor: Flavor) -> Result<Api, ApiError> {
        Api::connect(flavor, &self.places, self.home.clone()).await
    }

    /// Docker, Podman or embedded, the first that can be used.
    async fn find(&self) -> Result<Connected, EngineError> {
        let mut reasons = Vec::new();
        for flavor in [Flavor::Docker, Flavor::Podman] {
            match self.api(flavor).await {
                Ok(api) => return Ok(Connected { backend: Backend::Api(Box::new(api)), why: because(&reasons) }),
                Err(fault) => reasons.push(causes::in_one_line(&fault)),
            }
        }
        match Embedded::connect(self.home.clone(), &self.places).await {
            Ok(embedded) => Ok(Connected { backend: Backend::Embedded(embedded), why: because(&reasons) }),
            Err(fault) => {
                reasons.push(format!("embedded: {}", causes::in_one_line(&fault)));
                Err(EngineError::NoEngine { reasons, hint: fault.hint() })
            }
        }
    }

    /// The engine with its version and why it was chosen, for people; None before it is found.
    pub fn description(&self) -> Option<String> {
        self.connected.get().map(Connected::describe)
    }

    /// True when containers can pass bytes through a named pipe of this machine that is mounted read-only. Docker and
    /// Podman may see other files than we do, and are not given any.
    pub async fn shows_pipes(&self) -> Result<bool, EngineError> {
        Ok(matches!(self.backend().await?, Backend::Embedded(_)))
    }

    /// True when a container can be started from `image` at once.
    pub async fn has_image(&self, image: ImageId) -> Result<bool, EngineError> {
        match self.backend().await? {
            Backend::Api(api) => Ok(api.has_image(image).await?),
            Backend::Embedded(embedded) => Ok(embedded.has_image(image).await?),
        }
    }

    /// Runs `spec` in a fresh container and removes it; loads the image from the store first where needed.
    pub async fn run(&self, spec: &ContainerSpec, session: Session<'_>) -> Result<Exit, EngineError> {
        match self.backend().await? {
            Backend::Api(api) => api.run(spec, session).await,
            Backend::Embedded(embedded) => embedded.run(spec, session).await,
        }
    }

    /// Like [`Engine::run`], with `terminal` as the program's standard input, output and error.
    pub async fn attach(
        &self,
        spec: &ContainerSpec,
        terminal: Terminal<'_>,
        cancel: &CancellationToken,
    ) -> Result<Exit, EngineError> {
        match self.backend().await? {
            Backend::Api(api) => api.attach(spec, terminal, cancel).await,
            Backend::Embedded(embedded) => embedded.attach(spec, terminal, cancel).await,
        }
    }

    /// Like [`Engine::run`]; when the program ends with status 0, the container's file system is kept as
    /// [`ImageId::Derived`] of `key`, with the image configuration of `spec.image`.
    pub async fn derive(&self, spec: &ContainerSpec, key: Sha256, session: Session<'_>) -> Result<Exit, EngineError> {
        match self.backend().await? {
            Backend::Api(api) => api.derive(spec, key, session).await,
            Backend::Embedded(embedded) => embedded.derive(spec, key, session).await,
        }
    }

    /// Writes the changes that [`Engine::derive`] made for `key` to the file `into`, as an OCI layer (tar with
    /// whiteouts, uncompressed, not normalised).
    pub async fn export_changes(&self, key: Sha256, into: &Path) -> Result<(), EngineError> {
        match self.backend().await? {
            Backend::Api(api) => Ok(api.export_changes(key, into).await?),
            Backend::Embedded(embedded) => Ok(embedded.export_changes(key, into).await?),
        }
    }

    /// Removes the derived image of `key`; none is no error.
    pub async fn remove_derived(&self, key: Sha256) -> Result<(), EngineError> {
        match self.backend().await? {
            Backend::Api(api) => Ok(api.remove_image(ImageId::Derived(key)).await?),
            Backend::Embedded(embedded) => Ok(embedded.remove_derived(key).await?),
        }
    }

    /// Removes containers, mounts and folders that killed runs of this project left behind.
    pub async fn sweep(&self) -> Result<(), EngineError> {
        self.backend().await?.sweep().await
    }

    /// Removes the embedded engine's layers and derived images, whoever owns their files, and this project's images from
    /// the Docker and the Podman that answer. Says what is gone.
    pub async fn wipe(&self) -> Result<Vec<String>, EngineError> {
        if self.home.folder.exists() {
            Embedded::connect(self.home.clone(), &self.places).await?.wipe().await?;
        }
        let mut gone = Vec::new();
        for flavor in [Flavor::Docker, Flavor::Podman] {
            let api = match self.api(flavor).await {
                Ok(api) => api,
                Err(fault) => {
                    tracing::debug!(%fault, "nothing to remove there");
                    continue;
                }
            };
            let names = api.remove_images().await?;
            gone.extend(names.iter().map(|name| format!("the image {name} of {}", api.description())));
        }
        Ok(gone)
    }
}

impl Connected {
    /// The engine that the user asked for.
    fn wanted(backend: Backend) -> Self {
        Self { backend, why: ", as asked for".to_owned() }
    }

    fn describe(&self) -> String {
        format!("{}{}", self.backend.description(), self.why)
    }
}

impl Backend {
    /// Product and version, for people.
    fn description(&self) -> String {
        match self {
            Self::Api(api) => api.description(),
            Self::Embedded(embedded) => embedded.description(),
        }
    }

    async fn sweep(&self) -> Result<(), EngineError> {
        match self {
            Self::Api(api) => Ok(api.sweep().await?),
            Self::Embedded(embedded) => Ok(embedded.sweep().await?),
        }
    }
}

fn because(reasons: &[String]) -> String {
    if reasons.is_empty() { ", the first that answers".to_owned() } else { format!(", since {}", reasons.join("; ")) }
}
