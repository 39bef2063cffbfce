//! Companions of an image: images of their own, found by a tag made of the image's digest, whose layers each say one thing
//! of it. So cosign keeps signatures and attestations where a registry knows no referrers.
//!
//! A companion only grows: what others have said stays.
//! Format: <https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md>.

use std::collections::BTreeMap;

use oci_spec::image::{
    Arch, Descriptor, ImageConfiguration, ImageManifest, ImageManifestBuilder, MediaType, Os, RootFs,
};

use super::document::{canonical, descriptor, digest_of, parse};
use super::{OciError, Store};
use crate::digest::Sha256;

/// What a companion's layers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Companion {
    /// Signatures.
    Signatures,
    /// Signed statements.
    Attestations,
}

/// One layer of a companion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// Its media type.
    pub media_type: String,
    /// Its content.
    pub content: Vec<u8>,
    /// Its annotations; a signature is one.
    pub annotations: BTreeMap<String, String>,
}

impl Companion {
    /// Every kind.
    pub(super) const ALL: [Self; 2] = [Self::Signatures, Self::Attestations];

    /// The tag of the companion of `image`, which is its name in a layout too.
    pub fn tag(self, image: Sha256) -> String {
        let kind = match self {
            Self::Signatures => "sig",
            Self::Attestations => "att",
        };
        format!("sha256-{image}.{kind}")
    }
}

impl Store {
    /// What the companion of `image` says; nothing when there is none. The oldest remark comes first.
    pub fn remarks(&self, image: Sha256, companion: Companion) -> Result<Vec<Remark>, OciError> {
        let Some(manifest) = self.find(&companion.tag(image))? else { return Ok(Vec::new()) };
        let what = format!("the manifest `{manifest}`");
        let remark = |layer: &Descriptor| {
            Ok(Remark {
                media_type: layer.media_type().to_string(),
                content: self.read_blob(digest_of(layer, &what)?)?,
                annotations: layer.annotations().clone().unwrap_or_default().into_iter().collect(),
            })
        };
        self.companion_layers(manifest)?.iter().map(remark).collect()
    }

    /// Adds a remark to the companion of `image`, which is made when there is none; gives its manifest's digest.
    pub fn remark(&self, image: Sha256, companion: Companion, remark: &Remark) -> Result<Sha256, OciError> {
        let digest = self.write_blob(&remark.content)?;
        let media_type = MediaType::from(remark.media_type.as_str());
        let mut layer = descriptor(media_type, digest, remark.content.len() as u64)?;
        layer.set_annotations(Some(remark.annotations.clone().into_iter().collect()));
        let mut layers = match self.find(&companion.tag(image))? {
            Some(manifest) => self.companion_layers(manifest)?,
            None => Vec::new(),
        };
        add(&mut layers, layer);
        self.write_companion(image, companion, layers)
    }

    /// Adds the remarks of the companion `other`, whose blobs are in the layout, to the one of `image`: before those that
    /// it has, since they are older.
    pub(super) fn join(&self, image: Sha256, companion: Companion, other: Sha256) -> Result<Sha256, OciError> {
        let mut layers = self.companion_layers(other)?;
        if let Some(own) = self.find(&companion.tag(image))? {
            self.companion_layers(own)?.into_iter().for_each(|layer| add(&mut layers, layer));
        }
        if self.companion_layers(other)? == layers {
            // Written by another program, it keeps its bytes.
            self.add_to_index(other, Some(&companion.tag(image)))?;
            return Ok(other);
        }
        self.write_companion(image, companion, layers)
    }

    fn companion_layers(&self, manifest: Sha256) -> Result<Vec<Descriptor>, OciError> {
        let document: ImageManifest = parse(&self.read_blob(manifest)?, &format!("the manifest `{manifest}`"))?;
        Ok(document.layers().clone())
    }

    fn write_companion(
        &self,
        image: Sha256,
        companion: Companion,
        layers: Vec<Descriptor>,
    ) -> Result<Sha256, OciError> {
        let mut rootfs = RootFs::default();
        rootfs.set_diff_ids(layers.iter().map(|layer| layer.digest().to_string()).collect());
        let mut config = ImageConfiguration::default();
        config.set_architecture(Arch::Other(String::new())).set_os(Os::Other(String::new())).set_rootfs(rootfs);
        let config = canonical(&config, "a new image configuration")?;
        let digest = self.write_blob(&config)?;
        let manifest = ImageManifestBuilder::default()
            .schema_version(2_u32)
            .media_type(MediaType::ImageManifest)
            .config(descriptor(MediaType::ImageConfig, digest, config.len() as u64)?)
            .layers(layers)
            .build()
            .map_err(|fault| OciError::malformed("a new manifest", fault.to_string()))?;
        let manifest = self.write_blob(&canonical(&manifest, "a new manifest")?)?;
        self.add_to_index(manifest, Some(&companion.tag(image)))?;
        Ok(manifest)
    }
}

fn add(layers: &mut Vec<Descriptor>, layer: Descriptor) {
    if !layers.contains(&layer) {
        layers.push(layer);
    }
}
