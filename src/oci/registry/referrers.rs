//! What is said of an image, moved along with it: artifacts that name it as their subject, and its companions.
//!
//! Registries that do not know the referrers API get the list of artifacts under the tag that the specification gives for
//! them, `sha256-<digest>`. Others write into it too: what it says stays as it is, and ours is added.
//!
//! Anybody who may write to the repository can attach anything: what cannot be pulled or understood is told and left out.
//! Format: <https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#referrers-tag-schema>.

use oci_spec::image::Descriptor;
use serde_json::Value;

use super::aside::off_the_async_threads;
use super::client::Purpose;
use super::pull::{blobs_of, manifest_with_blobs};
use super::remote::{self, Remote};
use super::{Access, Moved, OciError, Refusal, Store, upload};
use crate::causes;
use crate::digest::Sha256;
use crate::event::Event;
use crate::oci::artifact::{Referrer, artifact_of, referrer};
use crate::oci::companion::Companion;
use crate::oci::document::{canonical, digest_of, parse};
use crate::oci::index::index_json;

/// How large a document about an image may be: whoever reads it holds it in memory.
const LARGEST: u64 = 64 << 20;

/// The artifacts of these `kinds` about the image `reference` (`NAME@sha256:…`) that its registry has, pulled into `store`.
/// They are sorted by the digests of their manifests, and what a list says of their types does not count: not every
/// program writes it right.
pub async fn referrers(
    reference: &str,
    store: &Store,
    kinds: &[&str],
    access: &Access<'_>,
) -> Result<(Vec<Referrer>, Moved), OciError> {
    let subject = image_of(reference)?;
    let remote = Remote::open(reference, Purpose::Pull, access).await?;
    let (mut found, mut moved) = (Vec::new(), Moved::default());
    let left_out = |error: OciError| {
        if is_ours(&error) {
            return Err(error);
        }
        let text = format!("left out of what is said of `{reference}`: {}", causes::in_one_line(&error));
        (access.report)(Event::Warning { text });
        Ok(())
    };
    let entries = match List::of(&remote, subject).await {
        Ok(list) => list.entries(),
        Err(error) => left_out(error).map(|()| Vec::new())?,
    };
    for entry in entries {
        match artifact(&remote, store, subject, &entry, kinds).await {
            Ok(Some((one, bytes))) => {
                moved += bytes;
                found.push(one);
            }
            Ok(None) => {}
            Err(error) => left_out(error)?,
        }
    }
    found.sort();
    Ok((found, moved))
}

/// The artifact that an entry of a list describes, pulled into `store`; None when it is not about `subject` or of another
/// kind.
async fn artifact(
    remote: &Remote<'_>,
    store: &Store,
    subject: Sha256,
    entry: &Value,
    kinds: &[&str],
) -> Result<Option<(Referrer, Moved)>, OciError> {
    let what = format!("an entry of the list of artifacts about `{}`", subject.to_oci());
    let entry: Descriptor =
        serde_json::from_value(entry.clone()).map_err(|source| OciError::Json { what: what.clone(), source })?;
    let manifest = digest_of(&entry, &what)?;
    let (_, bytes) = remote.document(&remote.by_digest(manifest)).await?;
    let (about, kind) = artifact_of(&bytes, manifest)?;
    if about != Some(subject) || !kind.is_some_and(|kind| kinds.contains(&kind.as_str())) {
        return Ok(None);
    }
    refuse_large(&bytes, manifest)?;
    let moved = manifest_with_blobs(remote, store, manifest, bytes).await?;
    let writer = store.clone();
    off_the_async_threads(move || writer.add_to_index(manifest, None)).await?;
    Ok(Some((referrer(&store.index_entry(manifest, None)?)?, moved)))
}

/// True for a fault of this machine, or the user's stop.
fn is_ours(error: &OciError) -> bool {
    match error {
        OciError::Registry(fault) => fault.refusal == Refusal::Disk,
        OciError::Json { .. } | OciError::Malformed { .. } => false,
        _ => true,
    }
}

/// Refuses a document about an image that is too large to be read.
fn refuse_large(manifest: &[u8], digest: Sha256) -> Result<(), OciError> {
    match blobs_of(manifest, digest)?.into_iter().find(|(_, size)| *size > LARGEST) {
        Some((blob, size)) => {
            let problem = format!("`{}` has {size} bytes, more than {} MiB", blob.to_oci(), LARGEST >> 20);
            Err(OciError::malformed(format!("the manifest `{digest}`"), problem))
        }
        None => Ok(()),
    }
}

/// Pulls the companion of the image `reference` (`NAME@sha256:…`) into `store`, where its remarks are added to those that
/// are there; false when the registry has none.
pub async fn companion(reference: &str, store: &Store, kind: Companion, access: &Access<'_>) -> Result<bool, OciError> {
    let image = image_of(reference)?;
    let remote = Remote::open(reference, Purpose::Pull, access).await?;
    let Some((manifest, bytes)) = remote.document_if_any(&remote.by_tag(&kind.tag(image))).await? else {
        return Ok(false);
    };
    refuse_large(&bytes, manifest)?;
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
        moved += upload::manifest_with_blobs(remote, store, own.manifest, &remote.by_digest(own.manifest)).await?;
        missing.push(store.index_entry(own.manifest, None)?);
    }
    if !missing.is_empty()
        && let List::Tag(list) = List::of(remote, image).await?
        && let Some(longer) = with_entries(list, missing, image)?
    {
        upload::document(remote, &longer, &remote.by_tag(&format!("sha256-{image}"))).await?;
    }
    let exact = super::with_digest(remote.text, image)?;
    for kind in Companion::ALL {
        if store.find(&kind.tag(image))?.is_some() {
            companion(&exact, store, kind, remote.access).await?;
        }
        if let Some(own) = store.find(&kind.tag(image))? {
            moved += upload::manifest_with_blobs(remote, store, own, &remote.by_tag(&kind.tag(image))).await?;
        }
    }
    Ok(moved)
}

/// The artifacts about an image, as the registry lists them.
enum List {
    /// The pages of the referrers API.
    Api(Vec<Value>),
    /// What is kept under the tag; None when nothing is.
    Tag(Option<Value>),
}

impl List {
    async fn of(remote: &Remote<'_>, subject: Sha256) -> Result<Self, OciError> {
        let what = format!("the list of artifacts about `{}`", subject.to_oci());
        let read = |page: &Vec<u8>| parse::<Value>(page, &what);
        match remote.pages(&what, &format!("referrers/{}", subject.to_oci())).await {
            Ok(pages) => pages.iter().map(read).collect::<Result<_, _>>().map(Self::Api),
            // Not every registry that does not know the API says so by 404.
            Err(OciError::Registry(fault)) if matches!(fault.refusal, Refusal::Answer | Refusal::Missing) => {
                let tagged = remote.document_if_any(&remote.by_tag(&format!("sha256-{subject}"))).await?;
                tagged.map(|(_, bytes)| read(&bytes)).transpose().map(Self::Tag)
            }
            Err(error) => Err(error),
        }
    }

    fn entries(&self) -> Vec<Value> {
        let lists = match self {
            Self::Api(pages) => pages.as_slice(),
            Self::Tag(list) => list.as_slice(),
        };
        lists.iter().filter_map(|list| list.get("manifests")?.as_array()).flatten().cloned().collect()
    }
}

/// The list with the entries of `own` that are not in it; None when all are. What others have written stays.
fn with_entries(list: Option<Value>, own: Vec<Descriptor>, image: Sha256) -> Result<Option<Vec<u8>>, OciError> {
    let Some(mut list) = list else { return index_json(own).map(Some) };
    let what = format!("the list of artifacts under the tag `sha256-{image}`");
    let Some(entries) = list.get_mut("manifests").and_then(Value::as_array_mut) else {
        return Err(OciError::malformed(what, "it is no index; ours is not written over it"));
    };
    let before = entries.len();
    for entry in own {
        let entry = serde_json::to_value(entry).map_err(|source| OciError::Json { what: what.clone(), source })?;
        if !entries.iter().any(|known| known.get("digest") == entry.get("digest")) {
            entries.push(entry);
        }
    }
    if entries.len() == before { Ok(None) } else { canonical(&list, &what).map(Some) }
}

/// The image that a reference names by its digest.
fn image_of(reference: &str) -> Result<Sha256, OciError> {
    let digest = remote::parse(reference)?.digest().and_then(|text| text.parse().ok());
    digest.ok_or_else(|| OciError::NoDigest { reference: reference.to_owned() })
}
