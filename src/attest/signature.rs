//! Signatures of images as cosign makes and reads them with a pair of keys: a small document that names the image by its
//! digest, signed, as a layer of the image's companion.
//!
//! Format: <https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md>.

use serde::{Deserialize, Serialize};

use super::bundle;
use super::error::AttestError;
use super::key::{PublicKey, SigningKey};
use crate::digest::Sha256;
use crate::oci::{Companion, Remark, Store};

const MEDIA_TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// The annotation that holds a layer's signature.
pub(super) const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
const TYPE: &str = "cosign container image signature";

/// What is signed.
#[derive(Serialize, Deserialize)]
struct Payload {
    critical: Critical,
    /// Who made it and when, in cosign's own payloads; nothing in ours.
    optional: Option<serde_json::Value>,
}

#[derive(Serialize, Deserialize)]
struct Critical {
    identity: Identity,
    image: Image,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Identity {
    docker_reference: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Image {
    docker_manifest_digest: String,
}

/// Signs the image `image` of `store` under the name `name` (`REGISTRY/NAME`); an image that the key has signed under
/// this name already stays as it is.
pub fn sign(store: &Store, image: Sha256, name: &str, key: &SigningKey) -> Result<(), AttestError> {
    let public = key.public()?;
    let is_same = |remark: &Remark| check(remark, image, &public).is_ok_and(|known| known == name);
    if store.remarks(image, Companion::Signatures)?.iter().any(is_same) {
        return Ok(());
    }
    let payload = Payload {
        critical: Critical {
            identity: Identity { docker_reference: name.to_owned() },
            image: Image { docker_manifest_digest: image.to_oci() },
            kind: TYPE.to_owned(),
        },
        optional: None,
    };
    let content =
        serde_json::to_vec(&payload).map_err(|source| AttestError::Json { what: "a signature's payload", source })?;
    let signature = key.sign(&content, &format!("the image `{}`", image.to_oci()))?;
    let annotations = [(SIGNATURE.to_owned(), signature)].into();
    let remark = Remark { media_type: MEDIA_TYPE.to_owned(), content, annotations };
    store.remark(image, Companion::Signatures, &remark)?;
    Ok(())
}

/// Refuses an image that has no signature by `key` in `store`, neither in its companion nor in a bundle; gives the name
/// that it is signed under, which bundles do not have. The names are not compared with where the image comes from, so
/// that it may be copied to another registry.
pub fn verify_signature(store: &Store, image: Sha256, key: &PublicKey) -> Result<Option<String>, AttestError> {
    let mut problems = Vec::new();
    for remark in store.remarks(image, Companion::Signatures)? {
        match check(&remark, image, key) {
            Ok(name) => return Ok(Some(name)),
            Err(problem) => problems.push(problem),
        }
    }
    for bundle in bundle::about(store, image)? {
        match bundle::check(store, bundle, image, key) {
            Ok(()) => return Ok(None),
            Err(problem) => problems.push(problem),
        }
    }
    let (what, count) = ("signature".to_owned(), problems.len());
    if count == 0 {
        return Err(AttestError::Unsigned { image, what });
    }
    problems.sort();
    problems.dedup();
    Err(AttestError::Untrusted { image, what, count, problems: problems.join("; ") })
}

/// The name in a signature by `key` of `image`, or what is wrong with it.
fn check(remark: &Remark, image: Sha256, key: &PublicKey) -> Result<String, String> {
    if remark.media_type != MEDIA_TYPE {
        return Err(format!("it is a `{}`", remark.media_type));
    }
    let signature = remark.annotations.get(SIGNATURE).ok_or("it has no signature in it")?;
    if !key.has_signed(&remark.content, signature) {
        return Err("it is by another key, or was changed".to_owned());
    }
    let payload: Payload = serde_json::from_slice(&remark.content).map_err(|error| error.to_string())?;
    let Critical { identity, image: signed, kind } = payload.critical;
    if kind != TYPE {
        return Err(format!("it is a `{kind}`"));
    }
    if signed.docker_manifest_digest != image.to_oci() {
        return Err(format!("it is about the image `{}`", signed.docker_manifest_digest));
    }
    Ok(identity.docker_reference)
}
