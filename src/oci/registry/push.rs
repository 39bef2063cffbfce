//! Images pushed: the blobs that the registry does not have, several at a time, then the manifest as it is, then what is
//! said of the image, and at last its tag: whoever finds it finds all of it.

use super::client::Purpose;
use super::remote::{self, Remote};
use super::upload::{document, manifest_with_blobs};
use super::{Access, Moved, OciError, Store, referrers};
use crate::digest::Sha256;
use crate::event::Event;

/// Pushes the image `image` of `store` to `reference`, a tag or its own digest, and what the store has about it: artifacts
/// that name it as their subject, signatures and attestations.
pub async fn push(store: &Store, image: Sha256, reference: &str, access: &Access<'_>) -> Result<Moved, OciError> {
    let parsed = remote::parse(reference)?;
    if let Some(other) = parsed.digest().filter(|digest| *digest != image.to_oci()) {
        let problem = format!("the image to push is `{}`", image.to_oci());
        return Err(OciError::malformed(format!("the digest `{other}` of `{reference}`"), problem));
    }
    let remote = Remote::open(reference, Purpose::Push, access).await?;
    let mut moved = manifest_with_blobs(&remote, store, image, &remote.by_digest(image)).await?;
    moved += referrers::push_all(&remote, store, image).await?;
    // A tag that is given together with the digest is to be set.
    let tag = parsed.tag().or_else(|| parsed.digest().is_none().then_some("latest"));
    if let Some(tag) = tag {
        document(&remote, &store.read_blob(image)?, &remote.by_tag(tag)).await?;
    }
    (access.report)(Event::Note { text: format!("pushed `{reference}`: {moved}") });
    Ok(moved)
}
