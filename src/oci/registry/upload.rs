//! What a registry is given: blobs that it does not have, and documents.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::{StreamExt, TryFutureExt, TryStreamExt};
use oci_client::Reference;
use oci_client::errors::OciDistributionError;
use tokio_util::io::ReaderStream;

use super::aside::off_the_async_threads;
use super::fault::RegistryFault;
use super::pull::blobs_of;
use super::remote::Remote;
use super::request::Upload;
use super::{AT_A_TIME, Moved, OciError, Refusal, Store};
use crate::digest::Sha256;
use crate::oci::document::media_type_of;

/// How much of a blob is read at a time.
const PIECE: usize = 1 << 20;

/// Gives the registry the blobs of a manifest that it does not have, then the manifest under the name `target`.
pub(super) async fn manifest_with_blobs(
    remote: &Remote<'_>,
    store: &Store,
    manifest: Sha256,
    target: &Reference,
) -> Result<Moved, OciError> {
    let bytes = store.read_blob(manifest)?;
    let blobs = blobs_of(&bytes, manifest)?;
    let uploads = blobs.into_iter().map(|(digest, size)| upload(remote, store, digest, size));
    let mut moved = Moved::default();
    let mut uploads = futures_util::stream::iter(uploads).buffer_unordered(AT_A_TIME);
    while let Some(one) = uploads.try_next().await? {
        moved += one;
    }
    document(remote, &bytes, target).await?;
    Ok(moved)
}

/// Puts a manifest or index under the name `target`.
pub(super) async fn document(remote: &Remote<'_>, bytes: &[u8], target: &Reference) -> Result<(), OciError> {
    let name = target.digest().or(target.tag()).unwrap_or_default();
    let what = format!("the manifest `{name}`");
    let media_type = media_type_of(bytes, &what)?;
    let wrong = |_| OciError::malformed(what.clone(), format!("`{media_type}` is no media type"));
    let media_type = media_type.parse().map_err(wrong)?;
    remote.put(&what, &format!("manifests/{name}"), &Upload { media_type: &media_type, bytes }).await
}

async fn upload(remote: &Remote<'_>, store: &Store, digest: Sha256, size: u64) -> Result<Moved, OciError> {
    let what = format!("the blob `{}`", digest.to_oci());
    let name = digest.to_oci();
    let known = remote
        .patiently(async || {
            let client = remote.client().await?;
            let asked = client.blob_exists(&remote.reference, &name).map_err(|error| remote.fault(&what, &error));
            remote.unless_it_stalls(&what, None, asked).await
        })
        .await?;
    if known {
        return Ok(Moved { skipped: 1, ..Moved::default() });
    }
    let path = store.blob_path(digest);
    if !path.is_file() {
        return Err(OciError::MissingBlob { digest, path });
    }
    let sent = Arc::new(AtomicU64::new(0));
    let pushed = remote.patiently(async || send(remote, &path, digest, size, &sent).await).await;
    match pushed {
        Ok(()) => Ok(Moved { blobs: 1, bytes: sent.load(Ordering::Relaxed), skipped: 0 }),
        // A registry that is given other bytes than it is told says no more than that the request is bad.
        Err(OciError::Registry(fault)) if fault.refusal == Refusal::Answer => {
            check_own(store, digest).await?;
            Err(OciError::Registry(fault))
        }
        Err(error) => Err(error),
    }
}

/// Sends the blob in the file `path`, counting what is sent.
async fn send(
    remote: &Remote<'_>,
    path: &Path,
    digest: Sha256,
    size: u64,
    sent: &Arc<AtomicU64>,
) -> Result<(), Box<RegistryFault>> {
    let name = digest.to_oci();
    let what = format!("the blob `{name}`");
    let unreadable = |error| remote.refused(&what, Refusal::Disk).because(format!("`{}`: {error}", path.display()));
    let file = tokio::fs::File::open(path).await.map_err(unreadable)?;
    let counter = sent.clone();
    let content = ReaderStream::with_capacity(file, PIECE).map(move |piece| {
        let piece = piece.map_err(OciDistributionError::IoError)?;
        counter.fetch_add(piece.len() as u64, Ordering::Relaxed);
        Ok(piece)
    });
    let client = remote.client().await?;
    let pushed = client.push_blob_stream(&remote.reference, content, &name, Some(size));
    let pushed = pushed.map_err(|error| remote.fault(&what, &error));
    remote.unless_it_stalls(&what, Some(sent), pushed).await.map(drop)
}

/// Refuses when the store's own blob is damaged.
async fn check_own(store: &Store, digest: Sha256) -> Result<(), OciError> {
    let store = store.clone();
    off_the_async_threads(move || store.check_blob(digest)).await
}
