//! One repository of a registry: asked with the user's login, and again when it is busy or the connection breaks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::errors::OciDistributionError;
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference, RegistryOperation};

use super::fault::{Cause, RegistryFault, refusal_of};
use super::{Access, OciError, Refusal};
use crate::digest::Sha256;
use crate::event::Event;

const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// How often something is tried.
const ATTEMPTS: u32 = 3;

/// What is done in a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Pull,
    Push,
}

/// A repository of a registry.
pub(super) struct Remote<'a> {
    pub(super) client: Client,
    /// The image that was asked for; other references differ in tag or digest.
    pub(super) reference: Reference,
    /// The reference as it was written.
    pub(super) text: &'a str,
    pub(super) access: &'a Access<'a>,
    purpose: Purpose,
    login: RegistryAuth,
}

impl<'a> Remote<'a> {
    /// The repository of `text`, logged into.
    pub(super) async fn open(text: &'a str, purpose: Purpose, access: &'a Access<'a>) -> Result<Self, OciError> {
        let reference = parse(text)?;
        let login = access.credentials.of(&reference).await?;
        let client = client(&reference, purpose, access);
        let remote = Self { client, reference, text, access, purpose, login };
        let operation = match purpose {
            Purpose::Pull => RegistryOperation::Pull,
            Purpose::Push => RegistryOperation::Push,
        };
        remote
            .patiently(async || {
                let authenticated = remote.client.auth(&remote.reference, &remote.login, operation).await;
                authenticated.map(drop).map_err(|error| remote.fault("the repository", &error))
            })
            .await?;
        Ok(remote)
    }

    /// The manifest or index that `reference` names, with its digest.
    pub(super) async fn document(&self, reference: &Reference) -> Result<(Sha256, Vec<u8>), OciError> {
        let name = reference.digest().or(reference.tag()).unwrap_or_default();
        let what = format!("the manifest `{name}`");
        let accepted = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_INDEX];
        let bytes = self
            .patiently(async || {
                let pulled = self.client.pull_manifest_raw(reference, &self.login, &accepted);
                self.unless_it_stalls(&what, None, pulled).await.map(|(bytes, _)| bytes)
            })
            .await?;
        let actual = Sha256::of_bytes(&bytes);
        match reference.digest().map(str::parse::<Sha256>) {
            Some(Ok(expected)) if expected != actual => {
                Err(self.refused(&what, Refusal::OtherBytes { expected, actual: Some(actual) }).into())
            }
            _ => Ok((actual, bytes.to_vec())),
        }
    }

    /// [`Remote::document`], or None when the registry does not have it.
    pub(super) async fn document_if_any(&self, reference: &Reference) -> Result<Option<(Sha256, Vec<u8>)>, OciError> {
        match self.document(reference).await {
            Ok(document) => Ok(Some(document)),
            Err(OciError::Registry(fault)) if fault.refusal == Refusal::Missing => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The reference with `digest` in the place of its tag.
    pub(super) fn by_digest(&self, digest: Sha256) -> Reference {
        let (registry, repository) = (self.reference.registry(), self.reference.repository());
        Reference::with_digest(registry.to_owned(), repository.to_owned(), digest.to_oci())
    }

    /// The reference with another tag.
    pub(super) fn by_tag(&self, tag: &str) -> Reference {
        let (registry, repository) = (self.reference.registry(), self.reference.repository());
        Reference::with_tag(registry.to_owned(), repository.to_owned(), tag.to_owned())
    }

    /// Does `attempt`, and does it again when it fails of something that passes; each failure is told.
    pub(super) async fn patiently<T>(
        &self,
        mut attempt: impl AsyncFnMut() -> Result<T, Box<RegistryFault>>,
    ) -> Result<T, OciError> {
        let stopped = || OciError::Stopped { reference: self.text.to_owned() };
        let mut wait = self.access.patience.retry;
        for number in 1.. {
            let outcome = tokio::select! {
                biased;
                () = self.access.cancel.cancelled() => return Err(stopped()),
                outcome = attempt() => outcome,
            };
            let fault = match outcome {
                Ok(result) => return Ok(result),
                Err(fault) if number < ATTEMPTS && fault.is_passing() => fault,
                Err(fault) => return Err(fault.into()),
            };
            self.tell_retry(&fault, wait);
            tokio::select! {
                () = self.access.cancel.cancelled() => return Err(stopped()),
                () = tokio::time::sleep(wait) => {}
            }
            wait *= 4;
        }
        Err(stopped())
    }

    /// Waits for `work` as long as `progress` moves; the registry may take five times as long as for an answer.
    pub(super) async fn unless_it_stalls<T>(
        &self,
        what: &str,
        progress: Option<&AtomicU64>,
        work: impl Future<Output = Result<T, OciDistributionError>>,
    ) -> Result<T, Box<RegistryFault>> {
        let patience = self.access.patience.stall * 5;
        let now = || progress.map_or(0, |progress| progress.load(Ordering::Relaxed));
        let mut work = std::pin::pin!(work);
        let mut before = now();
        loop {
            if let Ok(done) = tokio::time::timeout(patience, &mut work).await {
                return done.map_err(|error| self.fault(what, &error));
            }
            if now() == before {
                let fault = self.refused(what, Refusal::Connection);
                return Err(fault.because(format!("no answer for {} s", patience.as_secs())));
            }
            before = now();
        }
    }

    fn tell_retry(&self, fault: &RegistryFault, wait: Duration) {
        let seconds = wait.as_secs_f32();
        let text = format!("{}; trying again in {seconds:.0} s", crate::causes::in_one_line(fault));
        (self.access.report)(Event::Warning { text });
    }

    /// The fault `error`, met with `what`.
    pub(super) fn fault(&self, what: &str, error: &OciDistributionError) -> Box<RegistryFault> {
        let mut fault = self.refused(what, refusal_of(error));
        fault.cause = Cause::of(error);
        fault
    }

    /// The fault that `what` met with.
    pub(super) fn refused(&self, what: &str, refusal: Refusal) -> Box<RegistryFault> {
        Box::new(RegistryFault {
            verb: if self.purpose == Purpose::Pull { "pull" } else { "push" },
            what: what.to_owned(),
            reference: self.text.to_owned(),
            registry: self.reference.registry().to_owned(),
            refusal,
            cause: None,
        })
    }
}

/// Reads an image reference.
pub(super) fn parse(text: &str) -> Result<Reference, OciError> {
    text.parse().map_err(|source| OciError::Reference { reference: text.to_owned(), source })
}

/// A client that speaks plain HTTP to this machine's own registries, and HTTPS to all others.
fn client(reference: &Reference, purpose: Purpose, access: &Access<'_>) -> Client {
    let registry = reference.resolve_registry().to_owned();
    let protocol =
        if is_local(&registry) { ClientProtocol::HttpsExcept(vec![registry]) } else { ClientProtocol::Https };
    Client::new(ClientConfig {
        protocol,
        connect_timeout: Some(access.patience.connect),
        // The client would count the time of sending a blob as time without an answer.
        read_timeout: (purpose == Purpose::Pull).then_some(access.patience.stall),
        // One request a blob, which every registry understands.
        use_monolithic_push: true,
        user_agent: concat!("drydock/", env!("CARGO_PKG_VERSION")),
        ..ClientConfig::default()
    })
}

/// True for a registry of this machine.
pub(super) fn is_local(registry: &str) -> bool {
    let port = registry.rsplit_once(':').filter(|(_, port)| port.bytes().all(|digit| digit.is_ascii_digit()));
    matches!(port.map_or(registry, |(host, _)| host), "localhost" | "127.0.0.1" | "[::1]")
}
