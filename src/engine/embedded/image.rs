//! The stack of folders that an image is made of, each layer unpacked once.
//!
//! A layer is unpacked under a temporary name by one Drydock at a time (a lock file), synced and renamed. Owners must be
//! mapped as in a container, so a helper process unpacks.

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
        Derived { image: self.image.manifest, between: self.derived.clone() }
    }
}

impl Embedded {
    pub(super) fn stack(&self, image: ImageId) -> Result<Stack, SandboxError> {
        let (manifest, derived) = match image {
            ImageId::Stored(manifest) => (manifest, Vec::new()),
            ImageId::Derived(key) => {
                let Derived { image, mut between } = self.folders.read_derived(key)?;
                between.push(key);
                (image, between)
            }
        };
        if let Some(lost) = derived.iter().find(|key| !self.folders.derived(**key).join("upper").is_dir()) {
            return Err(SandboxError::NoDerived { key: *lost });
        }
        Ok(Stack { image: self.store.image(manifest)?, derived, folders: self.folders.clone() })
    }

    /// Unpacks the layers of the image that are not unpacked yet.
    pub(super) async fn unpack(&self, stack: &Stack) -> Result<(), SandboxError> {
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
        let whole = self.folders.layer(layer.diff_id);
        fs::rename(&into, &whole).map_err(SandboxError::file("make the folder", &whole))
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
