//! Docker and Podman, by the Docker API.
//!
//! In: a [`ContainerSpec`]. Out: what [`Engine`](super::Engine) promises. All requests go through `bollard`, and only
//! this folder names it. Nothing is asked of the daemon but its API: it may be on another machine, rootless, or older
//! than Drydock (Docker 20.10 and Podman 4.3 are the oldest that were tried). A container is made from an image's ID,
//! runs under [`init`] and is removed in the end, whatever happens; labels tell whose it is (see [`owner`]).

mod address;
mod archive;
mod error;
mod files;
mod flavor;
mod image;
mod init;
mod inputs;
mod layer;
mod leftovers;
mod owner;
mod pipe;
mod record;
mod request;
mod run;
mod sharing;
mod socket;
mod ssh;
mod terminal;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};

use bollard::Docker;
use bollard::models::{Network, SystemInfo, SystemInfoCgroupVersionEnum};
use bollard::query_parameters::{ListContainersOptionsBuilder, ListNetworksOptions, ListVolumesOptionsBuilder};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

pub use error::ApiError;
pub(super) use flavor::Flavor;
pub(super) use init::{UNATTENDED, executable};
pub(super) use record::TOKEN_BYTES;

use self::image::Images;
use self::leftovers::Leftover;
use self::owner::Owner;
use self::run::Run;
use self::sharing::Sharing;
use self::socket::SocketOwner;
use self::ssh::Tunnel;
use crate::digest::KeyBuilder;
use crate::digest::Sha256;
use crate::engine::{ContainerSpec, EngineError, Exit, Home, ImageId, Outside, Places, Session, Terminal, Transfer};

/// A connected Docker or Podman.
pub(super) struct Api {
    docker: Docker,
    flavor: Flavor,
    description: String,
    images: Images,
    /// The program that starts every container, on this machine.
    init: PathBuf,
    owner: Owner,
    folder: PathBuf,
    outside: Outside,
    /// True when the containers' root is an ordinary user of the machine.
    is_remapped: bool,
    /// The limit of containers that have none of their own.
    pids: u32,
    /// Folders of which it is tried whether the engine sees them.
    trees: Vec<PathBuf>,
    /// Which files the engine sees; empty until the first container is made.
    sharing: OnceCell<Sharing>,
    /// Keeps the way to another machine open.
    _tunnel: Option<Tunnel>,
}

impl Api {
    /// Connects to the first socket of `flavor` that is there.
    pub(super) async fn connect(flavor: Flavor, places: &Places, home: Home) -> Result<Self, ApiError> {
        let connection = socket::connect(flavor, places).await?;
        let folder = home.folder.clone();
        let init = tokio::task::spawn_blocking(move || init::write_into(&folder))
            .await
            .unwrap_or_else(|error| Err(std::io::Error::other(error)));
        let init = init.map_err(|source| ApiError::Folder { folder: home.folder.clone(), source })?;
        let info = connection.docker.info().await.unwrap_or_default();
        // With a root of its own, an engine may see the files of this machine's root and not read them.
        let is_remapped = has_option(&info, "name=userns");
        let sharing = match (places.transfer, connection.is_local && !is_remapped) {
            (Transfer::Mount, _) => OnceCell::new_with(Some(Sharing::All)),
            (Transfer::Copy, _) | (Transfer::Auto, false) => OnceCell::new_with(Some(Sharing::Trees(Vec::new()))),
            (Transfer::Auto, true) => OnceCell::new(),
        };
        let missing = missing_limits(connection.flavor, connection.owner, &info);
        Ok(Self {
            images: Images::new(connection.docker.clone(), home.store, owner::project(&home.folder)),
            flavor: connection.flavor,
            description: connection.description + &missing,
            docker: connection.docker,
            init,
            owner: Owner::this_process(),
            trees: home.trees,
            folder: home.folder,
            outside: places.outside,
            is_remapped,
            pids: places.pids(),
            sharing,
            _tunnel: connection.tunnel,
        })
    }

    /// Product, version, socket, and which limits it cannot keep.
    pub(super) fn description(&self) -> String {
        self.description.clone()
    }

    /// True when the engine has the image.
    pub(super) async fn has_image(&self, image: ImageId) -> Result<bool, ApiError> {
        Ok(self.images.find(image).await?.is_some())
    }

    /// See [`Engine::run`](super::Engine::run).
    pub(super) async fn run(&self, spec: &ContainerSpec, session: Session<'_>) -> Result<Exit, EngineError> {
        Run::new(self, spec, None).carry_out(session).await
    }

    /// See [`Engine::attach`](super::Engine::attach).
    pub(super) async fn attach(
        &self,
        spec: &ContainerSpec,
        terminal: Terminal<'_>,
        cancel: &CancellationToken,
    ) -> Result<Exit, EngineError> {
        Run::new(self, spec, None).with_terminal().attach_terminal(terminal, cancel).await
    }

    /// See [`Engine::derive`](super::Engine::derive). The configuration that counts is the image's environment: command,
    /// user and working folder of the derived image are those of its last run, and every container is given its own.
    pub(super) async fn derive(
        &self,
        spec: &ContainerSpec,
        key: Sha256,
        session: Session<'_>,
    ) -> Result<Exit, EngineError> {
        Run::new(self, spec, Some(key)).carry_out(session).await
    }

    /// See [`Engine::export_changes`](super::Engine::export_changes).
    pub(super) async fn export_changes(&self, key: Sha256, into: &Path) -> Result<(), ApiError> {
        self.images.export_changes(key, into).await
    }

    /// Removes the project's name of the image, and the image when nothing else needs it; none is no error.
    pub(super) async fn remove_image(&self, image: ImageId) -> Result<(), ApiError> {
        self.images.remove(image).await
    }

    /// Removes the images of this project; gives their names.
    pub(super) async fn remove_images(&self) -> Result<Vec<String>, ApiError> {
        self.images.remove_all().await
    }

    /// Makes sure that containers can have a network of their own.
    pub(super) async fn check_network(&self) -> Result<(), ApiError> {
        if self.outside == Outside::Host || self.flavor == Flavor::Podman {
            return Ok(());
        }
        let listed = self.docker.list_networks(None::<ListNetworksOptions>).await;
        let listed = listed.map_err(ApiError::request("list the networks of", &self.description))?;
        let is_bridge = |network: &Network| network.driver.as_deref() == Some("bridge");
        if listed.iter().any(is_bridge) { Ok(()) } else { Err(ApiError::NoBridge) }
    }

    /// Removes the containers and volumes of this project whose process is gone.
    pub(super) async fn sweep(&self) -> Result<(), ApiError> {
        let project = format!("{}={}", owner::PROJECT, owner::project(&self.folder));
        let filters = HashMap::from([("label", vec![project])]);
        let fault = |operation| ApiError::request(operation, "label");
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        let containers = self.docker.list_containers(Some(options)).await.map_err(fault("list containers by"))?;
        let options = ListVolumesOptionsBuilder::default().filters(&filters).build();
        let volumes = self.docker.list_volumes(Some(options)).await.map_err(fault("list volumes by"))?;
        for container in containers {
            if self.is_left_behind(container.labels.as_ref()) {
                leftovers::remove(&self.docker, &Leftover::Container(container.id.unwrap_or_default())).await;
            }
        }
        for volume in volumes.volumes.into_iter().flatten() {
            if self.is_left_behind(Some(&volume.labels)) {
                leftovers::remove(&self.docker, &Leftover::Volume(volume.name)).await;
            }
        }
        Ok(())
    }

    fn is_left_behind(&self, labels: Option<&HashMap<String, String>>) -> bool {
        let owner = labels.and_then(|labels| labels.get(owner::OWNER));
        owner.is_some_and(|owner| self.owner.knows_to_be_gone(owner))
    }

    /// Labels of whatever this process makes.
    fn labels(&self) -> HashMap<String, String> {
        owner::labels(&self.folder, &self.owner)
    }

    /// Which files the engine sees where we see them; tried with `image` at the first call.
    async fn sharing(&self, image: &str) -> Result<&Sharing, ApiError> {
        self.sharing.get_or_try_init(|| sharing::find(self, image, &self.trees, &self.folder)).await
    }

    /// 64 characters that no other run has.
    fn token(&self) -> String {
        let random = random().to_le_bytes();
        KeyBuilder::new("run").field("owner", self.owner.label()).field("random", random).finish().to_string()
    }
}

/// In words, which limits the engine takes and does not keep: all of them, when it is rootless and has cgroup v1. Docker
/// itself says that it is rootless, Podman's answer to Docker's question does not.
fn missing_limits(flavor: Flavor, socket: SocketOwner, info: &SystemInfo) -> String {
    let is_rootless = has_option(info, "name=rootless") || (flavor == Flavor::Podman && socket == SocketOwner::User);
    let has_none = is_rootless && info.cgroup_version == Some(SystemInfoCgroupVersionEnum::_1);
    let missing: Vec<_> = [(info.memory_limit, "memory"), (info.pids_limit, "process")]
        .into_iter()
        .filter_map(|(has, what)| (has_none || has == Some(false)).then_some(what))
        .collect();
    if missing.is_empty() {
        return String::new();
    }
    format!(" (it cannot keep {} limits)", missing.join(" and "))
}

fn has_option(info: &SystemInfo, name: &str) -> bool {
    info.security_options.iter().flatten().any(|option| option == name)
}

/// A number that nobody can foresee.
fn random() -> u64 {
    RandomState::new().hash_one("drydock")
}
