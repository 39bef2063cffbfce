//! The stack of folders that an image is made of, each layer unpacked once.
//!
//! A layer is unpacked under a temporary name by one Drydock at a time (a lock file), synced and renamed. Owners must be
//! mapped as in a container, so a helper process unpacks. Before a process uses a layer or a derived image for the first
//! time, it looks whether anything in it was changed ([`super::listing`]): then it is unpacked, or derived, again.

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::path::PathBuf;

use super::folders::{Derived, Folders, layer_name, lock_file};
use super::task::Task;
use super::{Embedded, SandboxError, off_the_async_threads};
use crate::digest::Sha256;
use crate::engine::ImageId;
use crate::oci::{Layer, StoredImage};

/// What a container of an image is put on.
pub(super) struct Stack {
    pub(super) image: StoredImage,
    /// Keys of derived images on top of it, lowest first.
    pub(super) derived: Vec<Sha256>,
    folders: Folders,
}

impl Stack {
    /// The folders relative to the folder of the layers, highest first, as overlayfs wants them. A layer that the image has
    /// twice stands once, at its highest place, where it changes all that it changes lower down: overlayfs takes no folder
    /// twice.
    pub(super) fn lower(&self) -> Vec<String> {
        let derived = self.derived.iter().rev().map(|key| format!("../derived/{}/upper", layer_name(*key)));
        let mut seen = BTreeSet::new();
        let layers = self.image.layers.iter().rev().filter(|layer| seen.insert(layer.diff_id));
        derived.chain(layers.map(|layer| layer_name(layer.diff_id))).collect()
    }

    /// Layers that are not unpacked.
    pub(super) fn missing(&self) -> Vec<&Layer> {
        self.image.layers.iter().filter(|layer| !self.folders.layer(layer.diff_id).is_dir()).collect()
    }

    /// What an image derived from this one is made of.
    pub(super) fn description(&self) -> Derived {
        Derived { image: self.image.manifest, between: self.derived.clone(), listing: None }
    }
}

impl Embedded {
    pub(super) fn stack(&self, image: ImageId) -> Result<Stack, SandboxError> {
        let (manifest, derived) = match image {
            ImageId::Stored(manifest) => (manifest, Vec::new()),
            ImageId::Derived(key) => {
                let Derived { image, mut between, .. } = self.folders.read_derived(key)?;
                between.push(key);
                (image, between)
            }
        };
        if let Some(lost) = derived.iter().find(|key| !self.folders.derived(**key).join("upper").is_dir()) {
            return Err(SandboxError::NoDerived { key: *lost });
        }
        Ok(Stack { image: self.store.image(manifest)?, derived, folders: self.folders.clone() })
    }

    /// Unpacks the layers of the image that are not unpacked yet, or were changed since.
    pub(super) async fn unpack(&self, stack: &Stack) -> Result<(), SandboxError> {
        let folder = |diff_id| self.folders.layer(diff_id);
        let layers = stack.image.layers.iter().map(|layer| layer.diff_id);
        let unpacked: Vec<Sha256> = layers.filter(|diff_id| folder(*diff_id).is_dir()).collect();
        let recorded = |diff_id| fs::read_to_string(self.folders.layer_listing(diff_id)).ok()?.parse().ok();
        self.remove_changed(&unpacked, recorded, folder, folder).await?;
        for layer in stack.missing() {
            let lock = self.lock_layer(layer.diff_id).await?;
            // Another task may have done it meanwhile.
            if !self.folders.layer(layer.diff_id).is_dir() {
                self.unpack_layer(layer).await?;
            }
            drop(lock);
        }
        Ok(())
    }

    async fn unpack_layer(&self, layer: &Layer) -> Result<(), SandboxError> {
        let into = self.partial_layer(layer.diff_id);
        if into.exists() {
            self.helper.remove(vec![into.clone()]).await?;
        }
        let name = into.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (blob, folder) = (self.store.blob_path(layer.digest), self.folders.layers());
        let task = Task::Unpack { blob, diff_id: layer.diff_id, folder, name };
        if let Err(fault) = self.helper.carry_out(task).await {
            let (store, digest) = (self.store.clone(), layer.digest);
            // When the blob is to blame, that is what is told.
            off_the_async_threads(move || Ok(store.check_blob(digest)?)).await?;
            return Err(fault);
        }
        if let Some(listing) = self.helper.list(vec![into.clone()]).await?.pop().flatten() {
            let path = self.folders.layer_listing(layer.diff_id);
            fs::write(&path, listing.to_string()).map_err(SandboxError::file("write", &path))?;
        }
        let whole = self.folders.layer(layer.diff_id);
        fs::rename(&into, &whole).map_err(SandboxError::file("make the folder", &whole))
    }

    /// False when one of the derived images `keys` was changed since it was made; it is removed then.
    pub(super) async fn are_whole(&self, keys: &[Sha256]) -> Result<bool, SandboxError> {
        // One without a name is only there for those above it, and nothing is known of it.
        let named: Vec<Sha256> = keys.iter().copied().filter(|key| self.folders.read_derived(*key).is_ok()).collect();
        let recorded = |key| self.folders.read_derived(key).ok()?.listing;
        let (folder, changes) = (|key| self.folders.derived(key), |key| self.folders.derived(key).join("upper"));
        let changed = self.remove_changed(&named, recorded, changes, folder).await?;
        Ok(changed == 0)
    }

    /// Removes the folders `folder` of those of `digests` whose `files` do not look as `recorded` says, unless this process
    /// has found them whole before; tells how many.
    async fn remove_changed(
        &self,
        digests: &[Sha256],
        recorded: impl Fn(Sha256) -> Option<Sha256>,
        files: impl Fn(Sha256) -> PathBuf,
        folder: impl Fn(Sha256) -> PathBuf,
    ) -> Result<usize, SandboxError> {
        // Held until they are gone, so that no other task takes what was made in their place for one of them.
        let mut whole = self.whole.lock().await;
        let unknown: Vec<Sha256> = digests.iter().copied().filter(|digest| !whole.contains(digest)).collect();
        if unknown.is_empty() {
            return Ok(0);
        }
        let listings = self.helper.list(unknown.iter().map(|digest| files(*digest)).collect()).await?;
        let mut changed = Vec::new();
        for (digest, listing) in unknown.into_iter().zip(listings) {
            if listing.is_some() && listing == recorded(digest) {
                whole.insert(digest);
            } else {
                changed.push(folder(digest));
            }
        }
        for path in &changed {
            tracing::warn!(path = %path.display(), "it was changed and is made again");
        }
        let count = changed.len();
        if count > 0 {
            self.helper.remove(changed).await?;
        }
        Ok(count)
    }

    async fn lock_layer(&self, diff_id: Sha256) -> Result<File, SandboxError> {
        let path = self.folders.layers().join(format!(".{}.lock", layer_name(diff_id)));
        off_the_async_threads(move || {
            let file = lock_file(&path)?;
            file.lock().map_err(SandboxError::file("lock", &path))?;
            Ok(file)
        })
        .await
    }

    fn partial_layer(&self, diff_id: Sha256) -> PathBuf {
        self.folders.layers().join(format!(".{}.partial", layer_name(diff_id)))
    }

    /// Layers that a killed run unpacked half-way, unless somebody is at it now.
    pub(super) fn abandoned_layers(&self) -> Result<Vec<PathBuf>, SandboxError> {
        let layers = self.folders.layers();
        let mut abandoned = Vec::new();
        for entry in fs::read_dir(&layers).map_err(SandboxError::file("read", &layers))?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some(layer) = name.strip_suffix(".partial") else { continue };
            match lock_file(&layers.join(format!("{layer}.lock")))?.try_lock() {
                Err(TryLockError::WouldBlock) => {}
                _ => abandoned.push(entry.path()),
            }
        }
        Ok(abandoned)
    }
}
