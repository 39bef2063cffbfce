//! Images with `BuildRequires` installed: the toolchain image and an exact list of RPMs.
//!
//! In: RPMs that were solved on the host. Out: the image of a container in which they were installed in one transaction,
//! named by the digest of the toolchain image and of what each RPM provides to a build. It is made once, even when
//! several builds want it at the same time, and kept by the engine for later runs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use super::BuildContext;
use super::container::install_container;
use super::log::Log;
use super::rpms::{BuildrootRpm, remote_rpms};
use crate::digest::{KeyBuilder, Sha256};
use crate::engine::{EngineError, Exit, ImageId, RelativePath, Session};
use crate::remote::RemoteError;

/// Counts up when RPMs are installed in another way.
const KEY_VERSION: &str = "1";

/// The images that this run has made or found.
pub(super) struct Buildroots<'a> {
    context: &'a BuildContext<'a>,
    made: Mutex<BTreeMap<Sha256, Arc<OnceCell<()>>>>,
}

/// Why there is no image with the RPMs.
pub(super) enum NoBuildroot {
    /// They cannot be installed together; the log says why.
    Install(Exit),
    /// Some of them cannot be had from their repositories.
    Remote(RemoteError),
    /// The engine failed.
    Engine(EngineError),
    /// The project's folders are not absolute.
    Path(RelativePath),
}

impl<'a> Buildroots<'a> {
    /// None yet.
    pub(super) fn new(context: &'a BuildContext<'a>) -> Self {
        Self { context, made: Mutex::default() }
    }

    /// The toolchain image with `rpms` installed; output of the installation goes to `log`.
    pub(super) async fn ensure(&self, rpms: &[BuildrootRpm], log: &mut Log) -> Result<ImageId, NoBuildroot> {
        let toolchain = self.context.toolchain;
        if rpms.is_empty() {
            return Ok(toolchain.image());
        }
        let key = buildroot_key(toolchain.digest, rpms);
        self.cell(key).get_or_try_init(|| self.install(key, rpms, log)).await?;
        Ok(ImageId::Derived(key))
    }

    fn cell(&self, key: Sha256) -> Arc<OnceCell<()>> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(made.entry(key).or_default())
    }

    async fn install(&self, key: Sha256, rpms: &[BuildrootRpm], log: &mut Log) -> Result<(), NoBuildroot> {
        let engine = self.context.engine;
        if engine.has_image(ImageId::Derived(key)).await.map_err(NoBuildroot::Engine)? {
            return Ok(());
        }
        let (remote, stop): (Vec<Sha256>, _) = (remote_rpms(rpms).collect(), log.stop());
        tokio::select! {
            () = stop.cancelled() => return Err(NoBuildroot::Install(Exit::Cancelled)),
            fetched = self.context.remote.fetch(&remote, self.context.report) => fetched.map_err(NoBuildroot::Remote)?,
        }
        let paths: Vec<_> = rpms.iter().map(|rpm| rpm.path.as_path()).collect();
        let spec = install_container(self.context.toolchain.image(), &paths, self.context.options.limits())
            .map_err(NoBuildroot::Path)?;
        tracing::debug!(%key, rpms = rpms.len(), "installing BuildRequires");
        let session = Session { output: &mut |_, bytes| log.add(bytes), collect: None, cancel: &stop };
        match engine.derive(&spec, key, session).await.map_err(NoBuildroot::Engine)? {
            exit if exit.is_success() => Ok(()),
            exit => Err(NoBuildroot::Install(exit)),
        }
    }
}

/// The name of the image with `rpms` over the toolchain image `image`.
fn buildroot_key(image: Sha256, rpms: &[BuildrootRpm]) -> Sha256 {
    let key = KeyBuilder::new("buildroot").field("version", KEY_VERSION).field("image", image.as_bytes());
    rpms.iter().fold(key, |key, rpm| key.field(&rpm.nevra, rpm.content.as_bytes())).finish()
}
