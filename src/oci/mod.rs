//! OCI images on disk: an image layout (`oci-layout`, `index.json`, `blobs/sha256/…`) that holds every toolchain image.
//!
//! Images are named by the digest of their manifest. Equal content gives equal bytes: layers are sorted and their times
//! clamped, JSON has sorted keys, compression has no time in it. A blob is written under a temporary name and renamed, so
//! that a killed run leaves no half of one; whoever reads a blob checks its digest. Nothing here talks to an engine;
//! `registry` alone uses the network. All functions but those of
//! [`registry`] block: call them off the async threads.
//! Format: <https://github.com/opencontainers/image-spec>.

mod archive;
mod artifact;
mod blob;
mod build;
mod companion;
mod compress;
mod difference;
mod document;
mod error;
mod import;
mod index;
mod lower;
mod normal;
pub mod registry;
mod tar_read;
mod tar_write;
mod time;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub use artifact::{Artifact, Referrer};
pub(crate) use blob::open_tar;
pub use companion::{Companion, Remark};
pub use compress::Compression;
pub(crate) use compress::decompressed;
pub use error::OciError;
pub use registry::RegistryFault;
pub(crate) use tar_read::{Member, MemberKind, end_of_archive, read_members};
pub(crate) use tar_write::MemberWriter;
pub(crate) use time::format as rfc3339;

use crate::digest::Sha256;

/// An OCI image layout in a folder.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

/// One layer of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Digest of the blob as stored (compressed).
    pub digest: Sha256,
    /// Digest of the tar archive inside.
    pub diff_id: Sha256,
    /// Size of the blob in bytes.
    pub bytes: u64,
    /// `application/vnd.oci.image.layer.v1.tar+zstd` and the like.
    pub media_type: String,
}

/// An image of the layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredImage {
    /// Digest of the manifest: the image's name.
    pub manifest: Sha256,
    /// Digest of the configuration: the name that Docker and Podman give the image once it is loaded.
    pub config: Sha256,
    /// Lowest first.
    pub layers: Vec<Layer>,
    /// `KEY=value`, from the configuration.
    pub env: Vec<String>,
}

/// What an image says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageConfig {
    /// `KEY=value`.
    pub env: Vec<String>,
    /// Default command.
    pub cmd: Vec<String>,
    /// Default folder.
    pub workdir: Option<String>,
    /// Default user.
    pub user: Option<String>,
    /// Labels, sorted by key.
    pub labels: std::collections::BTreeMap<String, String>,
    /// The image's time, in seconds since 1970 (`SOURCE_DATE_EPOCH`); files that are newer get this time.
    pub created: u64,
}

impl Store {
    /// The layout in the folder `root`; makes it when there is none, and removes what killed runs left half-written.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, OciError> {
        let store = Self { root: root.into() };
        store.create()?;
        store.sweep();
        Ok(store)
    }

    /// The layout's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// True when the image's manifest, configuration and layers are all there, the layers with their sizes. Layers that were
    /// touched since they were written are read; what is damaged is removed.
    pub fn has(&self, manifest: Sha256) -> bool {
        let is_there = |layer: &Layer| {
            let bytes = self.blob_path(layer.digest).metadata().map(|found| found.len());
            bytes.is_ok_and(|bytes| bytes == layer.bytes) && self.has_blob(layer.digest)
        };
        self.image(manifest).is_ok_and(|image| image.layers.iter().all(is_there))
    }

    /// The image whose manifest has this digest; the digests of manifest and configuration are checked.
    pub fn image(&self, manifest: Sha256) -> Result<StoredImage, OciError> {
        document::stored_image(self, manifest)
    }

    /// What the image says about itself.
    pub fn config(&self, image: &StoredImage) -> Result<ImageConfig, OciError> {
        document::image_config(&self.read_blob(image.config)?, image.config)
    }
}
