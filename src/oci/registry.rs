//! Images pulled from a registry, by digest only, without credentials.
//!
//! Every blob's digest is checked before it enters the layout. A pull that fails half-way keeps the blobs that came.

use std::sync::Arc;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::errors::OciDistributionError;
use oci_client::manifest::OciDescriptor;
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use oci_spec::image::{ImageIndex, ImageManifest};

use super::document::{digest_of, for_this_machine, parse};
use super::{OciError, Store, StoredImage};
use crate::digest::Sha256;
use crate::event::{Event, Report};

const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Pulls the image `reference` (`NAME@sha256:…`) into `store`; of an index, the image for this machine. An image that is
/// in the store already is taken from there, without the network.
pub async fn pull(reference: &str, store: &Store, report: Report<'_>) -> Result<StoredImage, OciError> {
    let parsed: Reference =
        reference.parse().map_err(|source| OciError::Reference { reference: reference.to_owned(), source })?;
    let no_digest = || OciError::NoDigest { reference: reference.to_owned() };
    let digest: Sha256 = parsed.digest().and_then(|text| text.parse().ok()).ok_or_else(no_digest)?;
    if let Some(known) = store.find(reference)?.filter(|manifest| store.has(*manifest)) {
        return store.image(known);
    }
    let pull = Pull { client: client(&parsed), reference: parsed, text: reference, report };
    let (manifest, bytes) = pull.manifest(digest).await?;
    let document: ImageManifest = parse(&bytes, &format!("the manifest `{manifest}`"))?;
    let size: i64 = document.layers().iter().map(|layer| i64::try_from(layer.size()).unwrap_or(0)).sum();
    let text = format!("pulling `{reference}`: {} layers, {} MB", document.layers().len(), size / 1_000_000);
    report(Event::Note { text });
    for blob in document.layers().iter().chain([document.config()]) {
        pull.blob(digest_of(blob)?, store).await?;
    }
    let (store, name) = (store.clone(), reference.to_owned());
    off_the_async_threads(move || {
        store.write_checked_blob(bytes.as_slice(), manifest, name.as_ref())?;
        store.tag(manifest, &name)?;
        store.image(manifest)
    })
    .await
}

/// One image on its way.
struct Pull<'a> {
    client: Client,
    reference: Reference,
    text: &'a str,
    report: Report<'a>,
}

impl Pull<'_> {
    /// The manifest that `digest` names, through an index if need be, with its digest.
    async fn manifest(&self, digest: Sha256) -> Result<(Sha256, Vec<u8>), OciError> {
        let bytes = self.document(digest).await?;
        let what = format!("the index `{digest}` of `{}`", self.text);
        let kind: Kind = parse(&bytes, &what)?;
        if kind.manifests.is_none() {
            return Ok((digest, bytes));
        }
        let index: ImageIndex = parse(&bytes, &what)?;
        let manifest = digest_of(for_this_machine(&index, &what)?)?;
        Ok((manifest, self.document(manifest).await?))
    }

    async fn document(&self, digest: Sha256) -> Result<Vec<u8>, OciError> {
        let reference = self.reference.clone_with_digest(digest.to_oci());
        let accepted = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_INDEX];
        let fetch = || self.client.pull_manifest_raw(&reference, &RegistryAuth::Anonymous, &accepted);
        let pulled = fetch.retry(three_times()).when(may_pass).notify(|fault, wait| self.tell(fault, wait)).await;
        let (bytes, _) = pulled.map_err(|source| self.fault(format!("the manifest `{digest}`"), source))?;
        let actual = Sha256::of_bytes(&bytes);
        if actual != digest {
            return Err(OciError::OtherBytes { reference: self.text.to_owned(), expected: digest, actual });
        }
        Ok(bytes.to_vec())
    }

    async fn blob(&self, digest: Sha256, store: &Store) -> Result<(), OciError> {
        if store.blob_path(digest).is_file() {
            return Ok(());
        }
        let temporary = Arc::new(store.temporary()?);
        let descriptor = OciDescriptor { digest: digest.to_oci(), ..OciDescriptor::default() };
        let fetch = || async {
            let file = tokio::fs::File::create(&temporary.path).await?;
            self.client.pull_blob(&self.reference, &descriptor, file).await
        };
        let pulled = fetch.retry(three_times()).when(may_pass).notify(|fault, wait| self.tell(fault, wait)).await;
        pulled.map_err(|source| self.fault(format!("the blob `{digest}`"), source))?;
        let (store, text) = (store.clone(), self.text.to_owned());
        off_the_async_threads(move || {
            let actual = Sha256::of_file(&temporary.path).map_err(OciError::read(&temporary.path))?;
            if actual != digest {
                return Err(OciError::OtherBytes { reference: text, expected: digest, actual });
            }
            store.keep(&temporary, digest)
        })
        .await
    }

    fn fault(&self, what: String, source: OciDistributionError) -> OciError {
        OciError::Pull { reference: self.text.to_owned(), what, source: Box::new(source) }
    }

    fn tell(&self, fault: &OciDistributionError, wait: Duration) {
        let seconds = wait.as_secs_f32();
        let text = format!("pulling `{}` failed ({fault}); trying again in {seconds:.0} s", self.text);
        (self.report)(Event::Warning { text });
    }
}

/// Tells an index from a manifest, which has no such field.
#[derive(serde::Deserialize)]
struct Kind {
    manifests: Option<serde::de::IgnoredAny>,
}

/// A client that speaks plain HTTP to this machine's own registries, and HTTPS to all others.
fn client(reference: &Reference) -> Client {
    let registry = reference.resolve_registry().to_owned();
    let host = registry.rsplit_once(':').map_or(registry.as_str(), |(host, _)| host);
    let local = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    let protocol = if local { ClientProtocol::HttpsExcept(vec![registry]) } else { ClientProtocol::Https };
    let timeout = Some(Duration::from_mins(1));
    Client::new(ClientConfig { protocol, connect_timeout: timeout, read_timeout: timeout, ..ClientConfig::default() })
}

fn three_times() -> ExponentialBuilder {
    ExponentialBuilder::default().with_min_delay(Duration::from_secs(1)).with_max_times(2)
}

/// True for a fault of the network or a busy registry; a wrong name stays wrong.
fn may_pass(fault: &OciDistributionError) -> bool {
    match fault {
        OciDistributionError::RequestError(request) => !request.is_builder(),
        OciDistributionError::ServerError { code, .. } => *code >= 500 || *code == 429,
        OciDistributionError::IoError(_) | OciDistributionError::DigestError(_) => true,
        _ => false,
    }
}

async fn off_the_async_threads<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, OciError> + Send + 'static,
) -> Result<T, OciError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(fault) => Err(OciError::malformed("the layout's writer", fault.to_string())),
    }
}
