//! What is said of an image, moved along with it: artifacts that name it as their subject, and its companions.
//!
//! Registries that do not know the referrers API get the list of artifacts under the tag that the specification gives for
//! them, `sha256-<digest>`. The client does not tell whether an answer came from the API, so the list is asked for after
//! the artifacts were pushed, and written only where they are missing in it.
//! Format: <https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#referrers-tag-schema>.

use oci_spec::image::{Descriptor, ImageIndex, ImageIndexBuilder, MediaType};

use super::pull::{manifest_with_blobs, off_the_async_threads};
use super::remote::{self, Purpose, Remote};
use super::{Access, Moved, OciError, Refusal, Store, push};
use crate::digest::Sha256;
use crate::oci::artifact::{Referrer, artifact_of, referrer};
use crate::oci::companion::Companion;
use crate::oci::document::{canonical, digest_of, parse};

/// The artifacts about the image `reference` (`NAME@sha256:…`) that its registry has, pulled into `store`: all, or those of
/// the type `kind`. They are sorted by the digests of their manifests, and what a list says of their types does not count:
/// not every program writes it right.
pub async fn referrers(
    reference: &str,
    store: &Store,
    kind: Option<&str>,
    access: &Access<'_>,
) -> Result<(Vec<Referrer>, Moved), OciError> {
    let subject = image_of(reference)?;
    let remote = Remote::open(reference, Purpose::Pull, access).await?;
    let (mut found, mut moved) = (Vec::new(), Moved::default());
    for entry in listed(&remote, subject).await? {
        let manifest = digest_of(&entry)?;
        let (_, bytes) = remote.document(&remote.by_digest(manifest)).await?;
        let (about, artifact_type) = artifact_of(&bytes, manifest)?;
        if about != Some(subject) || kind.is_some_and(|kind| artifact_type.as_deref() != Some(kind)) {
            continue;
        }
        moved += manifest_with_blobs(&remote, store, manifest, bytes).await?;
        let writer = store.clone();
        off_the_async_threads(move || writer.add_to_index(manifest, None)).await?;
        found.push(referrer(&store.index_entry(manifest, None)?)?);
    }
    found.sort();
    Ok((found, moved))
}

/// Pulls the companion of the image `reference` (`NAME@sha256:…`) into `store`, where its remarks are added to those that
/// are there; false when the registry has none.
pub async fn companion(reference: &str, store: &Store, kind: Companion, access: &Access<'_>) -> Result<bool, OciError> {
    let image = image_of(reference)?;
    let remote = Remote::open(reference, Purpose::Pull, access).await?;
    let Some((manifest, bytes)) = remote.document_if_any(&remote.by_tag(&kind.tag(image))).await? else {
        return Ok(false);
    };
    manifest_with_blobs(&remote, store, manifest, bytes).await?;
    let store = store.clone();
    off_the_async_threads(move || store.join(image, kind, manifest)).await?;
    Ok(true)
}

/// Pushes what the store has about `image`: its artifacts, and its companions together with what the registry has of them.
pub(super) async fn push_all(remote: &Remote<'_>, store: &Store, image: Sha256) -> Result<Moved, OciError> {
    let mut moved = Moved::default();
    let mut missing = Vec::new();
    for own in store.referrers(image)? {
        moved += push::manifest_with_blobs(remote, store, own.manifest, &remote.by_digest(own.manifest)).await?;
        missing.push(store.index_entry(own.manifest, None)?);
    }
    if !missing.is_empty() {
        let mut listed = listed(remote, image).await?;
        missing.retain(|own| !listed.iter().any(|entry| entry.digest() == own.digest()));
        if !missing.is_empty() {
            listed.append(&mut missing);
            push::document(remote, index_of(listed)?, &remote.by_tag(&format!("sha256-{image}"))).await?;
        }
    }
    let exact = super::with_digest(remote.text, image)?;
    for kind in Companion::ALL {
        if store.find(&kind.tag(image))?.is_some() {
            companion(&exact, store, kind, remote.access).await?;
        }
        if let Some(own) = store.find(&kind.tag(image))? {
            moved += push::manifest_with_blobs(remote, store, own, &remote.by_tag(&kind.tag(image))).await?;
        }
    }
    Ok(moved)
}

/// The artifacts that the registry lists for `subject`.
async fn listed(remote: &Remote<'_>, subject: Sha256) -> Result<Vec<Descriptor>, OciError> {
    let what = format!("the list of artifacts about `{}`", subject.to_oci());
    let name = remote.by_digest(subject);
    let asked = remote
        .patiently(async || remote.unless_it_stalls(&what, None, remote.client.pull_referrers(&name, None)).await)
        .await;
    let index: ImageIndex = match asked {
        Ok(index) => {
            let fault = |source| OciError::Json { what: what.clone(), source };
            serde_json::from_value(serde_json::to_value(index).map_err(fault)?).map_err(fault)?
        }
        // Not every registry that does not know the API says so by 404.
        Err(OciError::Registry(fault)) if matches!(fault.refusal, Refusal::Answer | Refusal::Missing) => {
            match remote.document_if_any(&remote.by_tag(&format!("sha256-{subject}"))).await? {
                Some((_, bytes)) => parse(&bytes, &what)?,
                None => return Ok(Vec::new()),
            }
        }
        Err(error) => return Err(error),
    };
    Ok(index.manifests().clone())
}

fn index_of(mut entries: Vec<Descriptor>) -> Result<Vec<u8>, OciError> {
    entries.sort_by_key(|entry| entry.digest().to_string());
    let index = ImageIndexBuilder::default()
        .schema_version(2_u32)
        .media_type(MediaType::ImageIndex)
        .manifests(entries)
        .build()
        .map_err(|fault| OciError::malformed("a new index", fault.to_string()))?;
    canonical(&index, "a new index")
}

/// The image that a reference names by its digest.
fn image_of(reference: &str) -> Result<Sha256, OciError> {
    let digest = remote::parse(reference)?.digest().and_then(|text| text.parse().ok());
    digest.ok_or_else(|| OciError::NoDigest { reference: reference.to_owned() })
}
