//! Signatures of images as cosign makes and reads them with a pair of keys: a small document that names the image by its
//! digest, signed, as a layer of the image's companion.
//!
//! Format: <https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md>.

use serde::{Deserialize, Serialize};

use super::bundle;
use super::dsse::SIGNATURE;
use super::error::AttestError;
use super::key::{PublicKey, SigningKey};
use crate::digest::Sha256;
use crate::oci::{Companion, Remark, Store};

const MEDIA_TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const TYPE: &str = "cosign container image signature";
/// The key of the tag that an image is signed for.
const TAG: &str = "org.drydock.tag";

/// What is signed.
#[derive(Serialize, Deserialize)]
struct Payload {
    critical: Critical,
    /// Who made it and when, in cosign's own payloads; the tag in ours.
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

/// What an image is signed as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedAs {
    /// `REGISTRY/NAME`.
    pub name: String,
    /// The tag that it is signed for: under another one it is another image than the one that was meant. None for an
    /// image that is signed for all.
    pub tag: Option<String>,
}

/// Signs the image `image` of `store` as `signed_as`; an image that the key has signed as the same already stays as it is.
pub fn sign(store: &Store, image: Sha256, signed_as: &SignedAs, key: &SigningKey) -> Result<(), AttestError> {
    let public = key.public()?;
    let is_same = |remark: &Remark| check(remark, image, &public).is_ok_and(|known| known == *signed_as);
    if store.remarks(image, Companion::Signatures)?.iter().any(is_same) {
        return Ok(());
    }
    let payload = Payload {
        critical: Critical {
            identity: Identity { docker_reference: signed_as.name.clone() },
            image: Image { docker_manifest_digest: image.to_oci() },
            kind: TYPE.to_owned(),
        },
        optional: signed_as.tag.as_ref().map(|tag| serde_json::json!({ TAG: tag })),
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
/// that it may be copied to another registry; the tag is, when the image was found by `tag`: whoever may write to the
/// registry cannot pass off an older image, or the one of another stage, as this one.
pub fn verify_signature(
    store: &Store,
    image: Sha256,
    tag: Option<&str>,
    key: &PublicKey,
) -> Result<Option<String>, AttestError> {
    let mut problems = Vec::new();
    for remark in store.remarks(image, Companion::Signatures)? {
        match check(&remark, image, key) {
            Ok(SignedAs { tag: Some(other), .. }) if tag.is_some_and(|tag| tag != other) => {
                problems.push(format!("it is for the tag `{other}`"));
            }
            Ok(signed_as) => return Ok(Some(signed_as.name)),
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

/// What a signature by `key` says of `image`, or what is wrong with it.
fn check(remark: &Remark, image: Sha256, key: &PublicKey) -> Result<SignedAs, String> {
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
    let tag = payload.optional.as_ref().and_then(|optional| optional.get(TAG)?.as_str()).map(str::to_owned);
    Ok(SignedAs { name: identity.docker_reference, tag })
}
