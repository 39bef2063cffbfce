//! Whether an engine really starts containers: one of them is run, of an image that is made here and loaded.
//!
//! The image holds one program, [`init`](super::api::init), which needs no library and, started by itself without input,
//! ends with a code of its own. Nothing comes from a registry; image, container and files are gone afterwards, also when
//! the user stops.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::api::{TOKEN_BYTES, UNATTENDED, executable};
use super::spec::{Capabilities, ContainerSpec, Exit, GuestPath, ImageId, Limits, Network, RelativePath, User};
use super::{Backend, Choice, Engine, EngineError, Home, Places, Session};
use crate::oci::{ImageConfig, OciError, Store};
use crate::scratch::Scratch;

const PROGRAM: &str = "drydock-trial";

/// Starting one small container takes no engine as long.
const PATIENCE: Duration = Duration::from_mins(1);

/// An engine that starts containers.
#[derive(Debug)]
pub struct Tried {
    /// For people.
    pub description: String,
    /// Why its containers reach no other machines, if they do not.
    pub fault: Option<EngineError>,
}

/// Why it is not known whether an engine starts containers.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// The image cannot be made.
    #[error("cannot make the image of the trial in `{}`", .folder.display())]
    Image {
        /// The folder for it.
        folder: PathBuf,
        /// Why.
        source: Box<OciError>,
    },
    /// A path in the container is none.
    #[error(transparent)]
    Path(RelativePath),
    /// The engine answers, and a container does not start.
    #[error("{engine} answers, and cannot run a container")]
    Refused {
        /// For people.
        engine: String,
        /// What it says.
        source: Box<EngineError>,
    },
    /// A container that should do nothing did something else.
    #[error("a container did not end as it should: {exit}")]
    Ended {
        /// How it ended.
        exit: Exit,
    },
}

impl TrialError {
    /// What the user can do.
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Self::Image { .. } | Self::Path(_) => None,
            Self::Refused { .. } | Self::Ended { .. } => {
                Some("mend it until it runs any container by hand, or use another `--engine`".to_owned())
            }
        }
    }
}

/// Runs containers of the engine of `choice`: one without a network, and one that may reach other machines. Its image is
/// in a folder in `top`.
pub async fn try_out(
    (choice, places): (Choice, &Places),
    home: Home,
    top: &Path,
    cancel: &CancellationToken,
) -> Result<Tried, EngineError> {
    let wrong = |source| TrialError::Image { folder: top.to_owned(), source: Box::new(source) };
    let scratch =
        Scratch::new(top, "trial").map_err(|source| wrong(OciError::Write { path: top.to_owned(), source }))?;
    let work = scratch.path();
    let (store, image) = image(work).map_err(wrong)?;
    let trees = vec![work.to_owned()];
    // The embedded engine keeps what it unpacks.
    let folder = if choice == Choice::Embedded { work.join("engine") } else { home.folder.clone() };
    let engine = Engine::connect(choice, places, Home { store, folder, trees, ..home }).await?;
    let outcome = engine.tried(image, cancel).await;
    engine.forget(image).await?;
    outcome
}

impl Engine {
    async fn tried(&self, image: ImageId, cancel: &CancellationToken) -> Result<Tried, EngineError> {
        let description = self.backend().await?.description();
        let refused = |source| TrialError::Refused { engine: description.clone(), source: Box::new(source) };
        self.run_trial(image, Network::None, cancel).await.map_err(refused)?;
        let fault = match self.check_network().await {
            Ok(()) => self.run_trial(image, Network::Outside, cancel).await.err(),
            Err(fault) => Some(fault),
        };
        Ok(Tried { description, fault })
    }

    async fn run_trial(&self, image: ImageId, network: Network, cancel: &CancellationToken) -> Result<(), EngineError> {
        let spec = spec(image, network)?;
        let session = Session { output: &mut |_, _| (), collect: None, cancel };
        let ran = tokio::time::timeout(PATIENCE, self.run(&spec, session)).await;
        match ran.unwrap_or(Ok(Exit::TimedOut))? {
            Exit::Code(UNATTENDED) | Exit::Cancelled => Ok(()),
            exit => Err(TrialError::Ended { exit }.into()),
        }
    }

    async fn check_network(&self) -> Result<(), EngineError> {
        match self.backend().await? {
            Backend::Api(api) => Ok(api.check_network().await?),
            Backend::Embedded(_) => Ok(()),
        }
    }

    /// Removes all that the engine has of the image.
    async fn forget(&self, image: ImageId) -> Result<(), EngineError> {
        match self.backend().await? {
            Backend::Api(api) => Ok(api.remove_image(image).await?),
            Backend::Embedded(embedded) => Ok(embedded.wipe().await?),
        }
    }
}

fn spec(image: ImageId, network: Network) -> Result<ContainerSpec, EngineError> {
    Ok(ContainerSpec {
        image,
        // No environment and no program of its own: it does not come to that.
        argv: [&format!("/{PROGRAM}"), &"t".repeat(TOKEN_BYTES), "HOME=", "", ""].map(str::to_owned).into(),
        env: BTreeMap::new(),
        user: User::Root,
        workdir: GuestPath::new("/").map_err(TrialError::Path)?,
        mounts: Vec::new(),
        network,
        capabilities: Capabilities::Default,
        limits: Limits { timeout: Some(PATIENCE), ..Limits::default() },
    })
}

/// An image with the program and nothing else.
fn image(work: &Path) -> Result<(Store, ImageId), OciError> {
    let wrong = |source| OciError::Write { path: work.to_owned(), source };
    let tar = work.join("trial.tar");
    write(&tar).map_err(wrong)?;
    let store = Store::open(work.join("oci"))?;
    let image = store.from_rootfs_tar(&tar, &ImageConfig::default())?;
    Ok((store, ImageId::Stored(image.manifest)))
}

fn write(tar: &Path) -> io::Result<()> {
    let program = executable();
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o755);
    header.set_size(program.len() as u64);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    let mut archive = tar::Builder::new(File::create(tar)?);
    archive.append_data(&mut header, PROGRAM, program.as_slice())?;
    archive.finish()
}
