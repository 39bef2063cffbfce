//! Requests for documents: manifests, indexes, lists of artifacts. What comes is held in memory, so it has a limit.
//!
//! The library's own requests for them are not used: they take a refusal for an empty list, and cannot put a manifest where
//! a registry does not say where it went.

use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, LINK, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, Response, Url};

use super::client::{LIMIT, is_local};
use super::fault::{Cause, RegistryFault, refusal_of_answer};
use super::remote::Remote;
use super::{OciError, Refusal};

/// How much is read of an answer that says no.
const LIMIT_OF_REFUSAL: usize = 64 << 10;
/// How many pages a list may have.
const PAGES: usize = 100;

const ACCEPTED: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json";

/// A document that is on its way to the registry.
pub(super) struct Upload<'a> {
    pub(super) media_type: &'a HeaderValue,
    pub(super) bytes: &'a [u8],
}

impl Remote<'_> {
    /// The address of `path` below the registry's root.
    pub(super) fn url(&self, path: &str) -> String {
        let registry = self.reference.resolve_registry();
        let scheme = if is_local(registry) { "http" } else { "https" };
        format!("{scheme}://{registry}/v2/{path}")
    }

    /// The address of `path` below the repository.
    fn address(&self, path: &str) -> String {
        self.url(&format!("{}/{path}", self.reference.repository()))
    }

    /// The document at `path` of the repository.
    pub(super) async fn get(&self, what: &str, path: &str) -> Result<Vec<u8>, OciError> {
        self.page(what, &self.address(path)).await.map(|(document, _)| document)
    }

    /// The pages of the list at `path` of the repository.
    pub(super) async fn pages(&self, what: &str, path: &str) -> Result<Vec<Vec<u8>>, OciError> {
        let mut next = Some(self.address(path));
        let mut pages = Vec::new();
        while let Some(url) = next.take() {
            if pages.len() == PAGES {
                return Err(OciError::malformed(what, format!("it has more than {PAGES} pages")));
            }
            let (page, link) = self.page(what, &url).await?;
            pages.push(page);
            next = link.map(|link| same_place(what, &url, &link)).transpose()?;
        }
        Ok(pages)
    }

    /// What is at `url`, and the link to the next page.
    async fn page(&self, what: &str, url: &str) -> Result<(Vec<u8>, Option<String>), OciError> {
        self.patiently(async || {
            let got = async {
                let answer = self.ask(what, Method::GET, url, None).await?;
                let link = answer.headers().get(LINK).and_then(|link| link.to_str().ok()).and_then(next_of);
                Ok((self.content(what, answer, LIMIT).await?, link))
            };
            self.unless_it_stalls(what, None, got).await
        })
        .await
    }

    /// Puts a document to `path` of the repository.
    pub(super) async fn put(&self, what: &str, path: &str, upload: &Upload<'_>) -> Result<(), OciError> {
        let url = self.address(path);
        self.patiently(async || {
            let put = self.ask(what, Method::PUT, &url, Some(upload));
            self.unless_it_stalls(what, None, put).await.map(drop)
        })
        .await
    }

    /// The answer to a request with the login; anything but success is a fault.
    async fn ask(
        &self,
        what: &str,
        method: Method,
        url: &str,
        upload: Option<&Upload<'_>>,
    ) -> Result<Response, Box<RegistryFault>> {
        let session = self.session().await?;
        let mut request = self.http.request(method, url).header(ACCEPT, ACCEPTED);
        if let Some(authorization) = session.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        if let Some(Upload { media_type, bytes }) = upload {
            request = request.header(CONTENT_TYPE, Clone::clone(*media_type)).body(bytes.to_vec());
        }
        let answer = self.sent(what, request).await?;
        if answer.status().is_success() { Ok(answer) } else { Err(self.refusal(what, answer).await) }
    }

    /// The answer to `request`, whatever it is.
    pub(super) async fn sent(&self, what: &str, request: RequestBuilder) -> Result<Response, Box<RegistryFault>> {
        request.send().await.map_err(|error| self.broken(what, error))
    }

    /// What a successful answer holds.
    pub(super) async fn content(
        &self,
        what: &str,
        mut answer: Response,
        limit: usize,
    ) -> Result<Vec<u8>, Box<RegistryFault>> {
        if !answer.status().is_success() {
            return Err(self.refusal(what, answer).await);
        }
        let mut bytes = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(|error| self.broken(what, error))? {
            bytes.extend_from_slice(&piece);
            if bytes.len() > limit {
                let fault = self.refused(what, Refusal::Answer);
                return Err(fault.because(format!("it has more than {} MiB", limit >> 20)));
            }
        }
        Ok(bytes)
    }

    /// The fault that an answer without success is.
    pub(super) async fn refusal(&self, what: &str, mut answer: Response) -> Box<RegistryFault> {
        let status = answer.status().as_u16();
        let wait = answer.headers().get(RETRY_AFTER).and_then(|wait| wait.to_str().ok()?.trim().parse().ok());
        let mut said = Vec::new();
        while let Ok(Some(piece)) = answer.chunk().await
            && said.len() < LIMIT_OF_REFUSAL
        {
            said.extend_from_slice(&piece);
        }
        let mut fault = self.refused(what, refusal_of_answer(status, &said));
        fault.cause = Cause::of_answer(&said);
        fault.wait = wait.map(Duration::from_secs);
        fault
    }

    fn broken(&self, what: &str, error: reqwest::Error) -> Box<RegistryFault> {
        self.fault(what, &oci_client::errors::OciDistributionError::RequestError(error))
    }
}

/// The address `link`, seen from `url`, when it belongs to the same registry: no other is shown the login.
pub(super) fn same_place(what: &str, url: &str, link: &str) -> Result<String, OciError> {
    match Url::parse(url).and_then(|url| Ok((url.join(link)?, url))) {
        Ok((next, url)) if next.origin() == url.origin() => Ok(next.into()),
        _ => Err(OciError::malformed(what, "its next page is of another server")),
    }
}

/// The address of the next page in a `Link` header (RFC 8288).
pub(super) fn next_of(link: &str) -> Option<String> {
    link.split(',').find_map(|one| {
        let (address, parameters) = one.trim().strip_prefix('<')?.split_once('>')?;
        let is_next = |text: &str| text.trim().replace('"', "").eq_ignore_ascii_case("rel=next");
        parameters.split(';').any(is_next).then(|| address.to_owned())
    })
}
