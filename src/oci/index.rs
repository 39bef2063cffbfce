//! `oci-layout` and `index.json`: which images and artifacts a layout holds, and under which names.
//!
//! `index.json` is written under a temporary name and renamed, by one run at a time (`index.lock`).

use std::fs::{self, File};
use std::io::Write;

use oci_spec::image::{Descriptor, ImageIndex, ImageIndexBuilder, MediaType};

use super::document::{canonical, descriptor, digest_of, parse, sha256_of};
use super::{OciError, Store};
use crate::digest::Sha256;

/// The annotation of a descriptor in `index.json` that holds an image's name.
pub(super) const NAME: &str = "org.opencontainers.image.ref.name";
/// The annotation of a descriptor in `index.json` of an artifact that was made here, as against one that was pulled.
const MADE_HERE: &str = "org.drydock.made-here";
/// No manifest is larger, as in registries.
const MOST_MANIFEST_BYTES: u64 = 4 << 20;
/// The content of `oci-layout`.
pub(super) const LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

impl Store {
    /// Gives an image of the layout a name; the name is taken from the image that had it.
    pub fn tag(&self, manifest: Sha256, name: &str) -> Result<(), OciError> {
        self.image(manifest)?;
        self.add_to_index(manifest, Some(name))
    }

    /// The manifest digest of the image with this name.
    pub fn find(&self, name: &str) -> Result<Option<Sha256>, OciError> {
        Ok(self.images()?.into_iter().find(|(_, known)| known.as_deref() == Some(name)).map(|(manifest, _)| manifest))
    }

    /// All images with their names, an image with several names several times; in the order of `index.json`.
    pub fn images(&self) -> Result<Vec<(Sha256, Option<String>)>, OciError> {
        let index = self.read_index()?;
        let images = index.iter().filter(|entry| entry.artifact_type().is_none());
        images.map(|image| Ok((digest_of(image, "the index of the layout")?, name(image)))).collect()
    }

    pub(super) fn create(&self) -> Result<(), OciError> {
        for folder in [self.root.join("blobs/sha256"), self.temporary_folder()] {
            fs::create_dir_all(&folder).map_err(OciError::write(&folder))?;
        }
        let layout = self.root.join("oci-layout");
        if !layout.is_file() {
            self.replace("oci-layout", LAYOUT)?;
        }
        let _lock = self.lock_index()?;
        if self.root.join("index.json").is_file() { Ok(()) } else { self.write_index(Vec::new()) }
    }

    pub(super) fn add_to_index(&self, manifest: Sha256, new_name: Option<&str>) -> Result<(), OciError> {
        let _lock = self.lock_index()?;
        let mut images = self.read_index()?;
        let known = images.iter().any(|image| sha256_of(image) == Some(manifest));
        if new_name.is_none() && known {
            return Ok(());
        }
        images.retain(|image| name(image).as_deref() != new_name || new_name.is_none());
        images.retain(|image| new_name.is_none() || name(image).is_some() || sha256_of(image) != Some(manifest));
        images.push(self.index_entry(manifest, new_name)?);
        images.sort_by_key(|image| (name(image), image.digest().to_string()));
        self.write_index(images)
    }

    /// Notes that the artifact was made here.
    pub(super) fn mark_made_here(&self, artifact: Sha256) -> Result<(), OciError> {
        let _lock = self.lock_index()?;
        let mut entries = self.read_index()?;
        let of_artifact = entries.iter_mut().filter(|entry| sha256_of(entry) == Some(artifact));
        for entry in of_artifact {
            let mut annotations = entry.annotations().clone().unwrap_or_default();
            annotations.insert(MADE_HERE.to_owned(), "true".to_owned());
            entry.set_annotations(Some(annotations));
        }
        self.write_index(entries)
    }

    /// A descriptor of an image of the layout.
    pub(super) fn index_entry(&self, manifest: Sha256, new_name: Option<&str>) -> Result<Descriptor, OciError> {
        let bytes = self.read_blob(manifest)?;
        let document: oci_spec::image::ImageManifest = parse(&bytes, &format!("the manifest `{manifest}`"))?;
        let media_type = document.media_type().clone().unwrap_or(MediaType::ImageManifest);
        let mut entry = descriptor(media_type, manifest, bytes.len() as u64)?;
        let named = new_name.map(|name| [(NAME.to_owned(), name.to_owned())].into());
        if document.artifact_type().is_some() {
            entry.set_artifact_type(document.artifact_type().clone());
            let mut annotations = document.annotations().clone().unwrap_or_default();
            // Nobody says of his own document that it was made here.
            annotations.remove(MADE_HERE);
            entry.set_annotations(Some(annotations).filter(|annotations| !annotations.is_empty()));
        } else {
            entry.set_annotations(named);
        }
        Ok(entry)
    }

    /// What the layout lists, as far as it is there. An index that cannot be understood is made anew from the blobs; the
    /// names of images are lost with it.
    pub(super) fn read_index(&self) -> Result<Vec<Descriptor>, OciError> {
        let path = self.root.join("index.json");
        let bytes = fs::read(&path).map_err(OciError::read(&path))?;
        let mut listed = match parse::<ImageIndex>(&bytes, &format!("`{}`", path.display())) {
            Ok(index) => index.manifests().clone(),
            Err(error) => {
                tracing::warn!(%error, "the index is made anew");
                self.manifests()?
            }
        };
        listed.retain(|entry| sha256_of(entry).is_some_and(|digest| self.blob_path(digest).is_file()));
        Ok(listed)
    }

    /// The manifests among the blobs, sorted by digest.
    fn manifests(&self) -> Result<Vec<Descriptor>, OciError> {
        let folder = self.root.join("blobs/sha256");
        let mut found = Vec::new();
        for blob in fs::read_dir(&folder).map_err(OciError::read(&folder))? {
            let blob = blob.map_err(OciError::read(&folder))?;
            let is_small = blob.metadata().is_ok_and(|metadata| metadata.len() <= MOST_MANIFEST_BYTES);
            let digest = blob.file_name().to_str().and_then(|name| name.parse().ok());
            found.extend(digest.filter(|_| is_small).and_then(|digest| self.index_entry(digest, None).ok()));
        }
        found.sort_by_key(|entry| entry.digest().to_string());
        Ok(found)
    }

    fn write_index(&self, images: Vec<Descriptor>) -> Result<(), OciError> {
        self.replace("index.json", &index_json(images)?)
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), OciError> {
        let path = self.root.join(name);
        let mut temporary = self.temporary()?;
        temporary.file.write_all(bytes).map_err(OciError::write(&temporary.path))?;
        temporary.file.sync_all().map_err(OciError::write(&temporary.path))?;
        fs::rename(&temporary.path, &path).map_err(OciError::write(&path))
    }

    fn lock_index(&self) -> Result<File, OciError> {
        let path = self.root.join("index.lock");
        let open = File::options().write(true).create(true).truncate(false).open(&path);
        open.and_then(|file| file.lock().map(|()| file)).map_err(OciError::write(&path))
    }
}

/// An `index.json` of `images`.
pub(super) fn index_json(images: Vec<Descriptor>) -> Result<Vec<u8>, OciError> {
    let index = ImageIndexBuilder::default()
        .schema_version(2_u32)
        .media_type(MediaType::ImageIndex)
        .manifests(images)
        .build()
        .map_err(|fault| OciError::malformed("a new index", fault.to_string()))?;
    canonical(&index, "a new index")
}

/// True for an entry of `index.json` of an artifact that was made here.
pub(super) fn is_made_here(entry: &Descriptor) -> bool {
    entry.annotations().as_ref().is_some_and(|annotations| annotations.contains_key(MADE_HERE))
}

fn name(image: &Descriptor) -> Option<String> {
    image.annotations().as_ref()?.get(NAME).cloned()
}
