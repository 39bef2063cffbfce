//! One repository of a registry: asked with the user's login, and again when it is busy or the connection breaks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use oci_client::errors::OciDistributionError;
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::client::{self, Purpose};
use super::fault::{Cause, RegistryFault, refusal_of};
use super::session::Session;
use super::{Access, OciError, Refusal};
use crate::digest::Sha256;
use crate::event::Event;
use crate::pace::Pace;

/// How often something is tried.
const ATTEMPTS: u32 = 3;
/// The longest pause that a registry can ask for.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// A repository of a registry.
pub(super) struct Remote<'a> {
    pub(super) http: reqwest::Client,
    /// The image that was asked for; other references differ in tag or digest.
    pub(super) reference: Reference,
    /// The reference as it was written.
    pub(super) text: &'a str,
    pub(super) access: &'a Access<'a>,
    pub(super) purpose: Purpose,
    pub(super) login: RegistryAuth,
    session: Mutex<Option<Session>>,
}

impl<'a> Remote<'a> {
    /// The repository of `text`, logged into.
    pub(super) async fn open(text: &'a str, purpose: Purpose, access: &'a Access<'a>) -> Result<Self, OciError> {
        let reference = parse(text)?;
        let login = access.credentials.of(&reference).await?;
        let http = client::http(&reference, purpose, access.patience)?;
        let remote = Self { http, reference, text, access, purpose, login, session: Mutex::default() };
        remote.patiently(async || remote.session().await.map(drop)).await?;
        Ok(remote)
    }

    /// The login that counts now.
    pub(super) async fn session(&self) -> Result<Session, Box<RegistryFault>> {
        let mut session = self.session.lock().await;
        match &*session {
            Some(session) if !session.is_over() => Ok(session.clone()),
            _ => Ok(session.insert(self.log_in().await?).clone()),
        }
    }

    /// A client for blobs.
    pub(super) async fn client(&self) -> Result<Client, Box<RegistryFault>> {
        self.session().await.map(|session| session.client)
    }

    /// Forgets the login when it is older than `since` and there may be another; true when it did.
    async fn forget_session(&self, since: Instant) -> bool {
        let mut session = self.session.lock().await;
        let old = session.as_ref().is_some_and(|session| session.can_be_renewed() && session.since < since);
        if old {
            *session = None;
        }
        old
    }

    /// The manifest or index that `reference` names, with its digest.
    pub(super) async fn document(&self, reference: &Reference) -> Result<(Sha256, Vec<u8>), OciError> {
        let name = reference.digest().or(reference.tag()).unwrap_or_default();
        let what = format!("the manifest `{name}`");
        let bytes = self.get(&what, &format!("manifests/{name}")).await?;
        let actual = Sha256::of_bytes(&bytes);
        match reference.digest().map(str::parse::<Sha256>) {
            Some(Ok(expected)) if expected != actual => {
                Err(self.refused(&what, Refusal::OtherBytes { expected, actual: Some(actual) }).into())
            }
            _ => Ok((actual, bytes)),
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

    /// How fast an answer has to come.
    pub(super) fn pace(&self) -> Pace {
        let patience = self.access.patience;
        Pace::new(patience.stall, patience.least_rate)
    }

    /// Does `attempt`, and does it again when it fails of something that passes; each failure is told.
    pub(super) async fn patiently<T>(
        &self,
        mut attempt: impl AsyncFnMut() -> Result<T, Box<RegistryFault>>,
    ) -> Result<T, OciError> {
        let stopped = || OciError::Stopped { reference: self.text.to_owned() };
        let mut wait = self.access.patience.retry;
        for number in 1.. {
            let since = Instant::now();
            let outcome = tokio::select! {
                biased;
                () = self.access.cancel.cancelled() => return Err(stopped()),
                outcome = attempt() => outcome,
            };
            let fault = match outcome {
                Ok(result) => return Ok(result),
                Err(fault) if number < ATTEMPTS && fault.is_passing() => fault,
                Err(fault) if number < ATTEMPTS && fault.refusal == Refusal::Unauthorized => {
                    if self.forget_session(since).await {
                        continue;
                    }
                    return Err(fault.into());
                }
                Err(fault) => return Err(fault.into()),
            };
            let pause = fault.wait.map_or(wait, |asked| asked.clamp(wait, LONGEST_WAIT.max(wait)));
            self.tell_retry(&fault, pause);
            tokio::select! {
                () = self.access.cancel.cancelled() => return Err(stopped()),
                () = tokio::time::sleep(pause) => {}
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
        work: impl Future<Output = Result<T, Box<RegistryFault>>>,
    ) -> Result<T, Box<RegistryFault>> {
        let patience = self.access.patience.stall * 5;
        let now = || progress.map_or(0, |progress| progress.load(Ordering::Relaxed));
        let mut work = std::pin::pin!(work);
        let mut before = now();
        loop {
            if let Ok(done) = tokio::time::timeout(patience, &mut work).await {
                return done;
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
            wait: None,
        })
    }
}

/// Reads an image reference.
pub(super) fn parse(text: &str) -> Result<Reference, OciError> {
    text.parse().map_err(|source| OciError::Reference { reference: text.to_owned(), source })
}
