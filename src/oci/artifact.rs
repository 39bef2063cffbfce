//! Artifacts of a layout: documents about an image, such as a list of its packages, each with a manifest of its own that
//! names the image as its `subject`. `index.json` lists them with their artifact type, which images do not have.
//!
//! Format: <https://github.com/opencontainers/image-spec/blob/v1.1.0/manifest.md#guidelines-for-artifact-usage>.

use std::collections::BTreeMap;

use oci_spec::image::{Descriptor, ImageManifest, ImageManifestBuilder, MediaType};

use super::document::{canonical, descriptor, digest_of, parse};
use super::index::is_made_here;
use super::{OciError, Store};
use crate::digest::Sha256;

/// The configuration of a manifest that needs none.
const EMPTY: &[u8] = b"{}";
const EMPTY_TYPE: &str = "application/vnd.oci.empty.v1+json";

/// Where artifacts are listed, in the words of errors.
const LIST: &str = "the list of artifacts";

/// A document about an image.
#[derive(Clone, Debug)]
pub struct Artifact<'a> {
    /// What it is: a media type, such as `application/spdx+json`.
    pub artifact_type: &'a str,
    /// The media type of the content.
    pub media_type: &'a str,
    /// The document.
    pub content: &'a [u8],
    /// Annotations of the manifest.
    pub annotations: BTreeMap<String, String>,
}

/// An artifact that names an image as its subject.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Referrer {
    /// Digest of its manifest.
    pub manifest: Sha256,
    /// What it is.
    pub artifact_type: String,
    /// True when it was made here; false when it was pulled, whoever made it.
    pub made_here: bool,
}

impl Store {
    /// Adds a document about the image `subject` of the layout; gives the digest of the artifact's manifest. Equal
    /// documents give one artifact.
    pub fn attach(&self, subject: Sha256, artifact: &Artifact<'_>) -> Result<Sha256, OciError> {
        self.write_blob(EMPTY)?;
        let content = self.write_blob(artifact.content)?;
        let media_type = MediaType::from(artifact.media_type);
        let manifest = ImageManifestBuilder::default()
            .schema_version(2_u32)
            .media_type(MediaType::ImageManifest)
            .artifact_type(MediaType::from(artifact.artifact_type))
            .config(descriptor(MediaType::from(EMPTY_TYPE), Sha256::of_bytes(EMPTY), EMPTY.len() as u64)?)
            .layers(vec![descriptor(media_type, content, artifact.content.len() as u64)?])
            .subject(self.index_entry(subject, None)?)
            .annotations(artifact.annotations.clone().into_iter().collect::<std::collections::HashMap<_, _>>())
            .build()
            .map_err(|fault| OciError::malformed("a new manifest", fault.to_string()))?;
        let manifest = self.write_blob(&canonical(&manifest, "a new manifest")?)?;
        self.add_to_index(manifest, None)?;
        self.mark_made_here(manifest)?;
        Ok(manifest)
    }

    /// The artifacts of the layout that name the image `subject`, sorted by the digests of their manifests.
    pub fn referrers(&self, subject: Sha256) -> Result<Vec<Referrer>, OciError> {
        let mut found = Vec::new();
        for entry in self.read_index()?.iter().filter(|entry| entry.artifact_type().is_some()) {
            let manifest = digest_of(entry, LIST)?;
            let bytes = self.read_blob(manifest)?;
            if artifact_of(&bytes, manifest)?.0 == Some(subject) {
                found.push(referrer(entry)?);
            }
        }
        found.sort();
        Ok(found)
    }

    /// The document of an artifact.
    pub fn artifact_content(&self, manifest: Sha256) -> Result<Vec<u8>, OciError> {
        let what = format!("the manifest `{manifest}`");
        let document: ImageManifest = parse(&self.read_blob(manifest)?, &what)?;
        let [content] = document.layers().as_slice() else {
            return Err(OciError::malformed(
                what,
                format!("{} contents, where one is expected", document.layers().len()),
            ));
        };
        self.read_blob(digest_of(content, &what)?)
    }
}

/// The image that a manifest is about, and what the artifact is.
pub(super) fn artifact_of(manifest: &[u8], digest: Sha256) -> Result<(Option<Sha256>, Option<String>), OciError> {
    let what = format!("the manifest `{digest}`");
    let document: ImageManifest = parse(manifest, &what)?;
    let artifact_type = document.artifact_type().as_ref().map(ToString::to_string);
    let subject = document.subject().as_ref().map(|subject| digest_of(subject, &what));
    Ok((subject.transpose()?, artifact_type))
}

/// The artifact that an entry of an index describes.
pub(super) fn referrer(entry: &Descriptor) -> Result<Referrer, OciError> {
    Ok(Referrer {
        manifest: digest_of(entry, LIST)?,
        artifact_type: entry.artifact_type().as_ref().map(ToString::to_string).unwrap_or_default(),
        made_here: is_made_here(entry),
    })
}
