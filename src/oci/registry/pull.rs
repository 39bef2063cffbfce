//! Images pulled: the manifest by its digest, then the blobs that are not at hand, several at a time.

use std::collections::BTreeMap;

use futures_util::{StreamExt, TryStreamExt};
use oci_spec::image::{Descriptor, ImageIndex, ImageManifest};

use super::aside::off_the_async_threads;
use super::client::Purpose;
use super::download::download;
use super::remote::{self, Remote};
use super::{AT_A_TIME, Access, Moved, OciError, Store};
use crate::digest::Sha256;
use crate::event::Event;
use crate::oci::StoredImage;
use crate::oci::document::{digest_of, for_this_machine, parse};

/// How many bytes are told of before they come.
const WORTH_TELLING: u64 = 1_000_000;

/// A pulled image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// The image, now in the store.
    pub image: StoredImage,
    /// What came over the network; nothing when the image was in the store.
    pub moved: Moved,
}

/// The digest that the tag (or the digest) of `reference` names now; None when the registry does not have it.
///
/// It may be the digest of an index. Whoever builds with the image records it as `NAME@sha256:…` and pulls that.
pub async fn resolve(reference: &str, access: &Access<'_>) -> Result<Option<Sha256>, OciError> {
    let remote = Remote::open(reference, Purpose::Pull, access).await?;
    Ok(remote.document_if_any(&remote.reference).await?.map(|(digest, _)| digest))
}

/// The registry and the repository of `reference`, without tag and digest.
pub fn name_of(reference: &str) -> Result<String, OciError> {
    let parsed = remote::parse(reference)?;
    Ok(format!("{}/{}", parsed.registry(), parsed.repository()))
}

/// The tag of `reference`; None when it names the image by its digest alone.
pub fn tag_of(reference: &str) -> Result<Option<String>, OciError> {
    let parsed = remote::parse(reference)?;
    Ok(parsed.tag().map(str::to_owned))
}

/// Refuses a text that names more than a registry and a repository.
pub fn repository(text: &str) -> Result<String, OciError> {
    let name = name_of(text)?;
    if name == text { Ok(name) } else { Err(OciError::Repository { reference: text.to_owned(), name }) }
}

/// `reference` with `digest` in the place of its tag and of the digest that it has.
pub fn with_digest(reference: &str, digest: Sha256) -> Result<String, OciError> {
    Ok(format!("{}@{}", name_of(reference)?, digest.to_oci()))
}

/// Pulls the image `reference` (`NAME@sha256:…`) into `store`; of an index, the image for this machine. An image that is
/// in the store already is taken from there, without the network.
pub async fn pull(reference: &str, store: &Store, access: &Access<'_>) -> Result<Pulled, OciError> {
    let parsed = remote::parse(reference)?;
    let no_digest = || OciError::NoDigest { reference: reference.to_owned() };
    let digest: Sha256 = parsed.digest().and_then(|text| text.parse().ok()).ok_or_else(no_digest)?;
    let known = match store.find(reference)? {
        Some(known) => Some(known),
        None if store.has(digest) => Some(digest),
        None => None,
    };
    if let Some(known) = known.filter(|manifest| store.has(*manifest)) {
        return Ok(Pulled { image: store.image(known)?, moved: Moved::default() });
    }
    let remote = Remote::open(reference, Purpose::Pull, access).await?;
    let (manifest, bytes) = image_manifest(&remote, digest).await?;
    let moved = manifest_with_blobs(&remote, store, manifest, bytes).await?;
    (access.report)(Event::Note { text: format!("pulled `{reference}`: {moved}") });
    let (store, name) = (store.clone(), reference.to_owned());
    let image = off_the_async_threads(move || {
        store.tag(manifest, &name)?;
        store.image(manifest)
    });
    Ok(Pulled { image: image.await?, moved })
}

/// The manifest that `digest` names, through an index if need be, with its digest.
async fn image_manifest(remote: &Remote<'_>, digest: Sha256) -> Result<(Sha256, Vec<u8>), OciError> {
    let (digest, bytes) = remote.document(&remote.by_digest(digest)).await?;
    let what = format!("the index `{digest}` of `{}`", remote.text);
    let kind: Kind = parse(&bytes, &what)?;
    if kind.manifests.is_none() {
        return Ok((digest, bytes));
    }
    let index: ImageIndex = parse(&bytes, &what)?;
    let manifest = digest_of(for_this_machine(&index, &what)?, &what)?;
    remote.document(&remote.by_digest(manifest)).await
}

/// Gets the blobs of a manifest, then the manifest itself, into `store`.
pub(super) async fn manifest_with_blobs(
    remote: &Remote<'_>,
    store: &Store,
    manifest: Sha256,
    bytes: Vec<u8>,
) -> Result<Moved, OciError> {
    let wanted = blobs_of(&bytes, manifest)?;
    let at_hand = store.clone();
    let sorted = move || Ok(wanted.into_iter().partition(|(digest, _)| at_hand.has_blob(*digest)));
    let (at_hand, away): (Vec<_>, Vec<_>) = off_the_async_threads(sorted).await?;
    let size: u64 = away.iter().map(|(_, size)| size).sum();
    // Signatures and documents are there in no time.
    if size >= WORTH_TELLING {
        let text = format!("pulling `{}`: {} blobs, {} MB", remote.text, away.len(), size.div_ceil(1_000_000));
        (remote.access.report)(Event::Note { text });
    }
    let blobs = away.len();
    let downloads = away.into_iter().map(|(digest, size)| download(remote, store, digest, size));
    let bytes_moved: Vec<u64> = futures_util::stream::iter(downloads).buffer_unordered(AT_A_TIME).try_collect().await?;
    let (store, from) = (store.clone(), remote.text.to_owned());
    off_the_async_threads(move || store.write_checked_blob(bytes.as_slice(), manifest, from.as_ref())).await?;
    Ok(Moved { blobs, bytes: bytes_moved.iter().sum(), skipped: at_hand.len() })
}

/// The blobs that a manifest names, each once, with their sizes.
pub(super) fn blobs_of(manifest: &[u8], digest: Sha256) -> Result<BTreeMap<Sha256, u64>, OciError> {
    let what = format!("the manifest `{digest}`");
    let document: ImageManifest = parse(manifest, &what)?;
    let blob = |blob: &Descriptor| Ok((digest_of(blob, &what)?, blob.size()));
    document.layers().iter().chain([document.config()]).map(blob).collect()
}

/// Tells an index from a manifest, which has no such field.
#[derive(serde::Deserialize)]
struct Kind {
    manifests: Option<serde::de::IgnoredAny>,
}
