//! Images in the engine: found by what they contain, loaded from the store when missing, derived ones by their key.
//!
//! A container is made from an image's ID alone; names exist so that `docker image prune` keeps the images, and that each
//! project has its own: an image goes when the last project that uses it gives up its name. An image counts as ours only when its layers are the expected ones. What a later run must know of a
//! derived image (the environment of the stored image below it, what the engine itself put into the last layer) is kept
//! in labels, which outlive this process.

use std::io::{self, Read};
use std::path::Path;

use bollard::Docker;
use bollard::errors::Error as Bollard;
use bollard::models::ImageInspect;
use bollard::query_parameters::{
    ImportImageOptionsBuilder, ListImagesOptionsBuilder, RemoveImageOptionsBuilder, TagImageOptionsBuilder,
};
use futures_util::TryStreamExt;
use tokio::sync::Mutex;

use super::archive;
use super::archive::ArchiveError;
use super::error::ApiError;
use super::layer;
use super::pipe;
use crate::digest::Sha256;
use crate::engine::ImageId;
use crate::oci::Store;
use crate::oci::StoredImage;

/// Label of a derived image: `KEY=value` of the stored image below it, as JSON.
pub(super) const ENVIRONMENT: &str = "drydock.environment";
/// Label of a derived image: how many layers it had before the last run.
pub(super) const LAYERS_BELOW: &str = "drydock.layers-below";
/// Label of a derived image: where the last run had mounts, as JSON.
pub(super) const MOUNTED: &str = "drydock.mounted";

/// The images of one engine.
pub(super) struct Images {
    docker: Docker,
    store: Store,
    /// The project whose names the images get.
    project: String,
    loading: Mutex<()>,
}

/// An image that containers can be made from.
#[derive(Clone, Debug)]
pub(super) struct Ready {
    /// The engine's own name for it.
    pub(super) id: String,
    /// `KEY=value` of the stored image that it is or comes from.
    pub(super) environment: Vec<String>,
    /// Digests of the layers' tar archives, lowest first.
    pub(super) layers: Vec<String>,
    /// The labels of a derived image.
    pub(super) labels: std::collections::HashMap<String, String>,
}

impl Images {
    /// The images that come from `store`, with names of `project`.
    pub(super) fn new(docker: Docker, store: Store, project: String) -> Self {
        Self { docker, store, project, loading: Mutex::new(()) }
    }

    /// The image, if the engine has it.
    pub(super) async fn find(&self, image: ImageId) -> Result<Option<Ready>, ApiError> {
        match image {
            ImageId::Derived(key) => {
                let Some(found) = self.inspect(&self.derived_name(key)).await? else { return Ok(None) };
                let ready = Ready::of(found);
                let environment = ready.labels.get(ENVIRONMENT).and_then(|json| serde_json::from_str(json).ok());
                Ok(Some(Ready { environment: environment.unwrap_or_default(), ..ready }))
            }
            ImageId::Stored(manifest) => {
                let stored = self.stored(manifest).await?;
                self.find_stored(&stored).await
            }
        }
    }

    /// The image, loaded from the store when the engine does not have it.
    pub(super) async fn ready(&self, image: ImageId) -> Result<Ready, ApiError> {
        if let Some(ready) = self.find(image).await? {
            return Ok(ready);
        }
        let manifest = match image {
            ImageId::Stored(manifest) => manifest,
            ImageId::Derived(key) => return Err(ApiError::NotDerived(key.to_string())),
        };
        let stored = self.stored(manifest).await?;
        let _one_at_a_time = self.loading.lock().await;
        if let Some(ready) = self.find_stored(&stored).await? {
            return Ok(ready);
        }
        self.load(&stored).await?;
        self.find_stored(&stored).await?.ok_or(ApiError::Vanished { image: manifest.to_string() })
    }

    /// Removes the project's name of an image, and the image when nothing else needs it; none is no error.
    pub(super) async fn remove(&self, image: ImageId) -> Result<(), ApiError> {
        let name = match image {
            ImageId::Stored(manifest) => self.stored_name(manifest),
            ImageId::Derived(key) => self.derived_name(key),
        };
        self.remove_name(&name).await
    }

    /// Removes all names that the project gave, and the images that nothing else needs; gives the names.
    pub(super) async fn remove_all(&self) -> Result<Vec<String>, ApiError> {
        let ours = [STORED, DERIVED].map(|repository| format!("{repository}:{}-", self.project));
        let listed = self.docker.list_images(Some(ListImagesOptionsBuilder::default().build())).await;
        let listed = listed.map_err(ApiError::request("list images for", &self.project))?;
        let names = listed.into_iter().flat_map(|image| image.repo_tags);
        let mut names: Vec<String> = names.filter(|name| ours.iter().any(|start| name.starts_with(start))).collect();
        names.sort();
        for name in &names {
            self.remove_name(name).await?;
        }
        Ok(names)
    }

    async fn remove_name(&self, name: &str) -> Result<(), ApiError> {
        let options = RemoveImageOptionsBuilder::default().force(true).build();
        match self.docker.remove_image(name, Some(options), None).await {
            Ok(_) | Err(Bollard::DockerResponseServerError { status_code: 404, .. }) => Ok(()),
            Err(source) => Err(ApiError::request("remove the image", name)(source)),
        }
    }

    /// Repository and tag of the derived image of `key`.
    pub(super) fn derived(&self, key: Sha256) -> (&'static str, String) {
        (DERIVED, format!("{}-{key}", self.project))
    }

    fn derived_name(&self, key: Sha256) -> String {
        let (repository, tag) = self.derived(key);
        format!("{repository}:{tag}")
    }

    fn stored_name(&self, manifest: Sha256) -> String {
        format!("{STORED}:{}", self.stored_tag(manifest))
    }

    fn stored_tag(&self, manifest: Sha256) -> String {
        format!("{}-{}", self.project, manifest.short())
    }

    /// Writes the last layer of a derived image to `into`.
    pub(super) async fn export_changes(&self, key: Sha256, into: &Path) -> Result<(), ApiError> {
        let image = key.to_string();
        let ready = self.find(ImageId::Derived(key)).await?.ok_or(ApiError::NotDerived(image.clone()))?;
        let partial = into.with_extension("partial");
        let scratch = into.with_extension("layer");
        let outcome = self.write_changes(&ready, &self.derived_name(key), (&scratch, &partial)).await;
        let _ = std::fs::remove_file(&scratch);
        let outcome = outcome.map_err(|fault| match fault {
            Fault::File(source) => ApiError::Export { image: image.clone(), path: into.to_owned(), source },
            Fault::Engine(source) => ApiError::Request { operation: "export the image", thing: image.clone(), source },
        });
        match outcome {
            Ok(true) => std::fs::rename(&partial, into).map_err(|source| ApiError::Export {
                image,
                path: into.to_owned(),
                source,
            }),
            Ok(false) => {
                let layer = ready.layers.last().cloned().unwrap_or_default();
                Err(ApiError::NoLayer { image, layer })
            }
            Err(error) => {
                let _ = std::fs::remove_file(&partial);
                Err(error)
            }
        }
    }

    /// Writes the last layer of `ready` to the second path, by way of the first; false when the engine does not give it.
    async fn write_changes(
        &self,
        ready: &Ready,
        name: &str,
        (scratch, partial): (&Path, &Path),
    ) -> Result<bool, Fault> {
        let mut into = layer::create(partial).map_err(Fault::File)?;
        let below = ready.labels.get(LAYERS_BELOW).and_then(|count| count.parse::<usize>().ok());
        if below == Some(ready.layers.len()) {
            // An engine may make no layer when nothing was changed.
            return layer::write_empty(&mut into).and_then(|()| into.sync_all()).map(|()| true).map_err(Fault::File);
        }
        let digest = ready.layers.last().cloned().unwrap_or_default();
        let mounted = ready.labels.get(MOUNTED).and_then(|json| serde_json::from_str::<Vec<String>>(json).ok());
        let mut scratch = layer::create(scratch).map_err(Fault::File)?;
        let copy = move |archive: &mut dyn Read| {
            let found = layer::find(archive, &digest, &mut scratch)?;
            if found {
                layer::copy_without_mount_points(&mut scratch, &mounted.unwrap_or_default(), &mut into)?;
                into.sync_all()?;
            }
            Ok(found)
        };
        let archive = Box::pin(self.docker.export_image(name));
        let (written, fault) = pipe::read_by(archive, copy).await.map_err(Fault::File)?;
        match fault {
            Some(fault) => Err(Fault::Engine(fault)),
            None => written.map_err(Fault::File),
        }
    }

    async fn stored(&self, manifest: Sha256) -> Result<StoredImage, ApiError> {
        let store = self.store.clone();
        let fault = |source| ApiError::Store { image: manifest.to_string(), source };
        match tokio::task::spawn_blocking(move || store.image(manifest)).await {
            Ok(image) => image.map_err(fault),
            Err(_) => Err(ApiError::Vanished { image: manifest.to_string() }),
        }
    }

    /// Docker and Podman name a loaded image by its configuration; Docker's containerd store by its manifest, under
    /// which it is then found by our name. What another project loaded gets a name of ours, too.
    async fn find_stored(&self, stored: &StoredImage) -> Result<Option<Ready>, ApiError> {
        let expected: Vec<_> = stored.layers.iter().map(|layer| layer.diff_id.to_oci()).collect();
        let (own, config) = (self.stored_name(stored.manifest), stored.config.to_oci());
        for name in [&own, &config] {
            let found = self.inspect(name).await?.map(Ready::of);
            let Some(ready) = found.filter(|ready| ready.layers == expected) else { continue };
            if *name == config && !self.name(&ready, stored.manifest).await? {
                continue;
            }
            return Ok(Some(Ready { environment: stored.env.clone(), ..ready }));
        }
        Ok(None)
    }

    /// Gives the image the project's name; false when it is gone meanwhile.
    async fn name(&self, image: &Ready, manifest: Sha256) -> Result<bool, ApiError> {
        let tag = self.stored_tag(manifest);
        let options = TagImageOptionsBuilder::default().repo(STORED).tag(&tag).build();
        match self.docker.tag_image(&image.id, Some(options)).await {
            Ok(()) => Ok(true),
            Err(Bollard::DockerResponseServerError { status_code: 404, .. }) => Ok(false),
            Err(source) => Err(ApiError::request("name the image", &image.id)(source)),
        }
    }

    async fn inspect(&self, name: &str) -> Result<Option<ImageInspect>, ApiError> {
        match self.docker.inspect_image(name).await {
            Ok(found) => Ok(Some(found)),
            Err(Bollard::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
            Err(source) => Err(ApiError::request("look at the image", name)(source)),
        }
    }

    async fn load(&self, stored: &StoredImage) -> Result<(), ApiError> {
        let name = self.stored_name(stored.manifest);
        tracing::debug!(image = %stored.manifest, name, "loading an image");
        let (store, image) = (self.store.clone(), stored.clone());
        let (body, produced) = pipe::written_by(move |writer| archive::write(&store, &image, &name, writer));
        let options = ImportImageOptionsBuilder::default().quiet(true).build();
        let loaded = self.docker.import_image_stream(options, body, None).try_for_each(async |_| Ok(())).await;
        let image = stored.manifest.to_string();
        if let Ok(Err(source)) = produced.await {
            // When the engine gives up first, the archive ends with a broken pipe, which says nothing.
            let is_echo = matches!(&source, ArchiveError::Write(error) if error.kind() == io::ErrorKind::BrokenPipe);
            if loaded.is_ok() || !is_echo {
                return Err(ApiError::Archive { image, source });
            }
        }
        loaded.map_err(|source| ApiError::Load { image, source })
    }
}

impl Ready {
    fn of(found: ImageInspect) -> Self {
        let labels = found.config.and_then(|config| config.labels).unwrap_or_default();
        let layers = found.root_fs.and_then(|root| root.layers).unwrap_or_default();
        Self { id: found.id.unwrap_or_default(), environment: Vec::new(), layers, labels }
    }
}

/// What went wrong while a layer was written.
enum Fault {
    File(io::Error),
    Engine(Bollard),
}

/// Repository of all images that come from a store.
const STORED: &str = "localhost/drydock";
/// Repository of all derived images.
const DERIVED: &str = "localhost/drydock-derived";
