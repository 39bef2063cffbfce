//! Sigstore bundles, as cosign writes them since its version 3: a signed statement in an artifact that names the image as
//! its subject. A signature over an image is such a statement, of a kind of its own.
//!
//! Format: <https://github.com/sigstore/protobuf-specs/blob/main/protos/sigstore_bundle.proto>.

use serde::Deserialize;

use super::dsse::{Envelope, statement_of};
use super::error::AttestError;
use super::key::PublicKey;
use crate::digest::Sha256;
use crate::oci::Store;

/// What a bundle is as an artifact.
pub(super) const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// The kind of a statement that says no more than that the image is signed.
const SIGNED: &str = "https://sigstore.dev/cosign/sign/v1";

/// What is read of a bundle: certificates and entries of transparency logs are not, since the key alone is trusted.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    dsse_envelope: Option<Envelope>,
}

/// The bundles about the image `image` that `store` has, by their manifests.
pub(super) fn about(store: &Store, image: Sha256) -> Result<Vec<Sha256>, AttestError> {
    let bundles = store.referrers(image)?.into_iter().filter(|referrer| referrer.artifact_type == MEDIA_TYPE);
    Ok(bundles.map(|bundle| bundle.manifest).collect())
}

/// Says what is wrong with a bundle as a signature of `image` by `key`.
pub(super) fn check(store: &Store, bundle: Sha256, image: Sha256, key: &PublicKey) -> Result<(), String> {
    let content = store.artifact_content(bundle).map_err(|error| error.to_string())?;
    let bundle: Bundle = serde_json::from_slice(&content).map_err(|error| error.to_string())?;
    let envelope = bundle.dsse_envelope.ok_or("its bundle has no signed statement")?;
    statement_of(&envelope, image, SIGNED, key).map(drop)
}
