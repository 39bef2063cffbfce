//! Fetches one URL into a file of the cache, hashing while the bytes arrive.
//!
//! A transfer that breaks is tried again after a pause, at most [`RETRIES`] times, and goes on where it broke when the
//! server still has the same content (`Range` with `If-Range`, RFC 9110 §13.1.5 and §14.2), also in a later run. Content
//! with a wrong digest is moved to the quarantine and never reaches the cache. No answer lasts for ever: it has a size that
//! it must not exceed, and a speed that it must not fall below ([`Patience`]).

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Method, Response, StatusCode, Url, header};

use super::access::{MirrorAccess, Private};
use super::lock::lock;
use super::part::{self, Part};
use super::receive::{Written, receive};
use super::transfer::{Fault, Patience, transport_fault};
use crate::address::shown;
use crate::digest::{KeyBuilder, Sha256};
use crate::event::{Event, Report};
use crate::regular;

/// How often a broken transfer is tried again.
const RETRIES: usize = 3;

/// The largest file that is downloaded when nobody says how large it is.
const MOST_BYTES: u64 = 16 << 30;

/// A finished download.
#[derive(Clone, Debug)]
pub(super) struct Downloaded {
    pub(super) path: PathBuf,
    pub(super) digest: Sha256,
    pub(super) bytes: u64,
}

/// Downloads into one folder.
pub(super) struct Downloader<'a> {
    client: reqwest::Client,
    /// Asks private mirrors in the place of `client`.
    private: Option<Private>,
    folder: PathBuf,
    patience: Patience,
    report: Report<'a>,
    /// Hosts that did not answer in this run, with the reason; they are not asked twice.
    unreachable: Mutex<BTreeMap<String, String>>,
}

impl<'a> Downloader<'a> {
    /// A downloader whose files get into `folder`, named by their digest.
    pub(super) fn new(folder: PathBuf, patience: Patience, report: Report<'a>) -> Result<Self, reqwest::Error> {
        Self::with_access(folder, patience, report, &MirrorAccess::default())
    }

    /// The same, which asks private mirrors with `access`.
    pub(super) fn with_access(
        folder: PathBuf,
        patience: Patience,
        report: Report<'a>,
        access: &MirrorAccess,
    ) -> Result<Self, reqwest::Error> {
        // A machine without any certificates can still use mirrors that need none.
        let client = builder(patience).build().or_else(|_| builder(patience).tls_certs_only([]).build())?;
        let private = Private::new(access, || builder(patience))?;
        Ok(Self { private, ..Self::with_client(client, folder, patience, report) })
    }

    /// A downloader that speaks by `client`.
    pub(super) fn with_client(
        client: reqwest::Client,
        folder: PathBuf,
        patience: Patience,
        report: Report<'a>,
    ) -> Self {
        Self { client, private: None, folder, patience, report, unreachable: Mutex::default() }
    }

    /// The file at `url`; without an expected digest, whatever comes.
    pub(super) async fn download(&self, url: &Url, expected: Option<Sha256>) -> Result<Downloaded, Fault> {
        self.download_limited(url, expected, MOST_BYTES).await
    }

    /// As [`Downloader::download`], but a file of more than `limit` bytes is refused as soon as it shows.
    pub(super) async fn download_limited(
        &self,
        url: &Url,
        expected: Option<Sha256>,
        limit: u64,
    ) -> Result<Downloaded, Fault> {
        self.patiently(url, || self.attempt(url, expected, limit)).await
    }

    /// Asks whether there is a file at `url`, and takes nothing of it.
    pub(super) async fn look(&self, url: &Url) -> Result<(), Fault> {
        self.patiently(url, || self.head(url)).await
    }

    async fn head(&self, url: &Url) -> Result<(), Fault> {
        match self.send(Method::HEAD, url, HeaderMap::new()).await?.status() {
            StatusCode::OK => Ok(()),
            status @ (StatusCode::NOT_FOUND | StatusCode::GONE) => Err(Fault::Refused(status)),
            // Some servers answer no question but for the file itself; the answer ends with this value.
            _ => accepted(self.send(Method::GET, url, HeaderMap::new()).await?).map(drop),
        }
    }

    /// What `attempt` gives, which is made again when a fault may pass. A host that was not to be reached is not asked twice.
    async fn patiently<T, F>(&self, url: &Url, attempt: impl Fn() -> F) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, Fault>>,
    {
        let host = format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(0));
        if let Some(reason) = self.unreachable.lock().unwrap_or_else(PoisonError::into_inner).get(&host) {
            return Err(Fault::Unreachable(reason.clone()));
        }
        let pauses = ExponentialBuilder::default().with_min_delay(self.patience.retry).with_factor(2.0);
        let fetched = attempt
            .retry(pauses.with_max_times(RETRIES))
            .sleep(tokio::time::sleep)
            .when(retry_again(RETRIES))
            .notify(|fault, pause| self.tell_retry(url, fault, pause))
            .await;
        if let Err(Fault::Unreachable(reason) | Fault::Silent(reason)) = &fetched {
            self.unreachable.lock().unwrap_or_else(PoisonError::into_inner).insert(host, reason.clone());
        }
        fetched
    }

    fn tell_retry(&self, url: &Url, fault: &Fault, pause: Duration) {
        let text = format!("`{}`: {fault}; trying again in {} s", shown(url.as_str()), pause.as_secs_f32());
        (self.report)(Event::Note { text });
    }

    async fn attempt(&self, url: &Url, expected: Option<Sha256>, limit: u64) -> Result<Downloaded, Fault> {
        let path = self.part_path(url, expected);
        let locked = lock(&path).await.map_err(|source| Fault::Disk { path: path.clone(), source })?;
        let mut part = blocking(&path, move |path| Part::read(path, locked)).await?;
        if let Some(done) = self.finished_elsewhere(expected).await {
            let _ = std::fs::remove_file(&path);
            return Ok(done);
        }
        let response = self.ask(url, &part).await.inspect_err(|_| {
            if part.bytes == 0 {
                let _ = std::fs::remove_file(&path);
            }
        })?;
        let resumed = response.status() == StatusCode::PARTIAL_CONTENT;
        if !resumed {
            let validator = validator(&response);
            part = blocking(&path, move |_| part.restart(validator.as_deref()).map(|()| part)).await?;
        }
        let written = receive(response, part, (&path, limit, self.patience)).await.inspect_err(|fault| {
            if matches!(fault, Fault::TooLarge { .. }) {
                let _ = std::fs::remove_file(&path);
            }
        })?;
        match expected {
            Some(expected) if expected != written.digest => self.reject(&path, written, (expected, resumed)).await,
            _ => self.accept(&path, written).await,
        }
    }

    /// One part for each pair of content and URL: validators of two servers cannot be compared.
    fn part_path(&self, url: &Url, expected: Option<Sha256>) -> PathBuf {
        let expected = expected.map(|digest| digest.to_string()).unwrap_or_default();
        let key = KeyBuilder::new("part").field("expected", expected).field("url", url.as_str()).finish();
        self.folder.join("parts").join(format!("{key}.part"))
    }

    /// The file, when another process finished it while this one waited for its part.
    async fn finished_elsewhere(&self, expected: Option<Sha256>) -> Option<Downloaded> {
        let path = self.folder.join(expected?.to_string());
        let read = |path: &Path| {
            let (digest, bytes) = Sha256::of_reader(&mut regular::open(path)?)?;
            Ok(Downloaded { path: path.to_owned(), digest, bytes })
        };
        blocking(&path, read).await.ok().filter(|found| Some(found.digest) == expected)
    }

    async fn ask(&self, url: &Url, part: &Part) -> Result<Response, Fault> {
        let mut headers = HeaderMap::new();
        let validator = part.validator.as_deref().and_then(|validator| HeaderValue::from_str(validator).ok());
        if let Some(validator) = validator {
            headers.insert(header::RANGE, rest_from(part.bytes));
            headers.insert(header::IF_RANGE, validator);
        }
        let response = self.send(Method::GET, url, headers).await?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT if starts_at(&response, part.bytes) => Ok(response),
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
                accepted(self.send(Method::GET, url, HeaderMap::new()).await?)
            }
            _ => accepted(response),
        }
    }

    /// The answer up to its body, which does not come for ever either.
    async fn send(&self, method: Method, url: &Url, headers: HeaderMap) -> Result<Response, Fault> {
        let sent = async {
            match self.private.as_ref().filter(|private| private.serves(url)) {
                Some(private) => private.send(method, url, headers).await,
                None => self.client.request(method, url.clone()).headers(headers).send().await,
            }
        };
        match tokio::time::timeout(self.patience.connect.saturating_add(self.patience.stall), sent).await {
            Ok(sent) => sent.map_err(transport_fault),
            Err(_) => Err(Fault::Broken("no answer in time".to_owned())),
        }
    }

    async fn accept(&self, path: &Path, written: Written) -> Result<Downloaded, Fault> {
        let to = self.folder.join(written.digest.to_string());
        let (digest, bytes) = (written.digest, written.bytes);
        blocking(path, move |path| {
            part::publish(path, &to)?;
            drop(written.lock);
            Ok(Downloaded { path: to, digest, bytes })
        })
        .await
    }

    async fn reject(&self, path: &Path, written: Written, why: (Sha256, bool)) -> Result<Downloaded, Fault> {
        let (expected, resumed) = why;
        let kept = self.folder.join("quarantine").join(written.digest.to_string());
        let got = written.digest;
        let to = kept.clone();
        blocking(path, move |path| {
            part::publish(path, &to)?;
            drop(written.lock);
            Ok(())
        })
        .await?;
        if resumed {
            // The part of an earlier run may have been damaged; only a whole transfer convicts the server.
            return Err(Fault::Broken("the resumed file has a wrong digest".into()));
        }
        Err(Fault::Mismatch { expected, got, kept })
    }
}

/// What every client has.
pub(super) fn builder(patience: Patience) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("drydock/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(patience.connect)
        .read_timeout(patience.stall)
}

/// True for faults that are worth another try. A host that cannot be reached gets one: mostly it is down or not allowed,
/// and there are other places to look.
fn retry_again(retries: usize) -> impl FnMut(&Fault) -> bool {
    let mut unreachable = retries.min(1);
    move |fault| {
        if matches!(fault, Fault::Unreachable(_)) {
            let again = unreachable > 0;
            unreachable = unreachable.saturating_sub(1);
            return again;
        }
        fault.is_passing()
    }
}

/// Runs file work that may wait on a thread of its own.
async fn blocking<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
) -> Result<T, Fault> {
    let owned = path.to_owned();
    let done = tokio::task::spawn_blocking(move || work(&owned)).await.unwrap_or_else(|error| Err(error.into()));
    done.map_err(|source| Fault::Disk { path: path.to_owned(), source })
}

fn accepted(response: Response) -> Result<Response, Fault> {
    if response.status() == StatusCode::OK { Ok(response) } else { Err(Fault::Refused(response.status())) }
}

fn rest_from(bytes: u64) -> HeaderValue {
    HeaderValue::try_from(format!("bytes={bytes}-")).unwrap_or(HeaderValue::from_static("bytes=0-"))
}

fn starts_at(response: &Response, bytes: u64) -> bool {
    let range = response.headers().get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
    range.is_some_and(|range| range.starts_with(&format!("bytes {bytes}-")))
}

/// What `If-Range` may be asked with: a strong entity tag, else the time of the last change.
fn validator(response: &Response) -> Option<String> {
    let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let tag = text(header::ETAG).filter(|tag| !tag.starts_with("W/"));
    tag.or_else(|| text(header::LAST_MODIFIED))
}
