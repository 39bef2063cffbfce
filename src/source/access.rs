//! What private mirrors are asked with: a bearer token, a client certificate, certificates to trust.
//!
//! A token goes to the mirror that it belongs to and nowhere else: not to another path of its host, not to where it
//! redirects to when that is another host, and not over plain HTTP to another machine. It is in no message and no log.
//! The client certificate is shown to mirrors only; the certificates to trust count for mirrors and for where they
//! redirect to. Everything else is asked as if none of this were there.

use std::fmt;
use std::path::{Path, PathBuf};

use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Certificate, ClientBuilder, Identity, Method, Response, Url, redirect};

use crate::address;
use crate::regular;
use crate::text_file::without_mark;

/// Redirects of one request that are followed at most.
const MOST_REDIRECTS: usize = 10;

/// What private mirrors are asked with; nothing by default.
#[derive(Clone, Default)]
pub struct MirrorAccess {
    mirrors: Vec<Mirror>,
    identity: Option<Identity>,
    roots: Vec<Certificate>,
}

#[derive(Clone)]
struct Mirror {
    url: Url,
    /// `Bearer …`, marked as secret.
    authorization: Option<HeaderValue>,
}

/// Where the parts of an [`MirrorAccess`] are.
#[derive(Clone, Default)]
pub struct AccessRequest {
    /// URLs of the mirrors.
    pub mirrors: Vec<String>,
    /// Token files, each with the mirror that it belongs to; without one, all mirrors must be of one host.
    pub token_files: Vec<(Option<String>, PathBuf)>,
    /// A token itself, for mirrors that no file of `token_files` is for; all of one host.
    pub token: Option<String>,
    /// PEM files of the client's certificate and of its key.
    pub client: Option<(PathBuf, PathBuf)>,
    /// PEM file with certificates to trust besides the system's.
    pub trusted: Option<PathBuf>,
}

/// Why mirrors cannot be asked as the user wants. No message has a token in it.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// A file cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A token is not one.
    #[error("{place} holds no token: one line of visible ASCII characters is expected")]
    Token {
        /// The file or variable.
        place: String,
    },
    /// A token is for a mirror that is not asked.
    #[error("`{}` is for `{mirror}`, which is no mirror of this run", path.display())]
    NoMirror {
        /// The token file.
        path: PathBuf,
        /// The mirror.
        mirror: String,
    },
    /// There is a token or certificate and no mirror.
    #[error("a token, a client certificate or a certificate to trust is given, and no mirror to use it for")]
    NoMirrors,
    /// It is not clear whom a token belongs to.
    #[error("{place} belongs to one mirror, and there are mirrors of several hosts")]
    Ambiguous {
        /// The file or variable.
        place: String,
    },
    /// A token would go over plain HTTP to another machine.
    #[error("the token for `{mirror}` would be readable for everybody on its way")]
    Plain {
        /// The mirror, as it may be shown.
        mirror: String,
    },
    /// A mirror has no URL that can be asked.
    #[error("the mirror `{mirror}` is not an HTTP URL")]
    Url {
        /// What was given.
        mirror: String,
    },
    /// A PEM file does not hold what it should.
    #[error("`{}` holds no {what} in PEM format", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What was expected.
        what: &'static str,
        /// What is wrong; None when there is nothing in it.
        source: Option<reqwest::Error>,
    },
}

impl AccessError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Ambiguous { .. } | Self::NoMirror { .. } => {
                Some("say which one: `--source-token-file URL=FILE`, with a URL as `--source-url` has it".to_owned())
            }
            Self::NoMirrors => Some("name the mirror with `--source-url URL`".to_owned()),
            Self::Plain { .. } => Some("use the mirror's `https` URL".to_owned()),
            _ => None,
        }
    }
}

impl MirrorAccess {
    /// Reads the files of `request`.
    pub fn read(request: &AccessRequest) -> Result<Self, AccessError> {
        let nothing = request.token_files.is_empty() && request.token.is_none();
        if nothing && request.client.is_none() && request.trusted.is_none() {
            return Ok(Self::default());
        }
        if request.mirrors.is_empty() {
            return if request.token_files.is_empty() && request.client.is_none() && request.trusted.is_none() {
                // A variable of the environment may be there for other runs.
                Ok(Self::default())
            } else {
                Err(AccessError::NoMirrors)
            };
        }
        let mut mirrors = request.mirrors.iter().map(|url| mirror(url)).collect::<Result<Vec<_>, _>>()?;
        for (url, path) in &request.token_files {
            let place = format!("`{}`", path.display());
            let token = header(&read_text(path)?, &place)?;
            let named = url.as_ref().map(|url| mirror(url)).transpose()?;
            let no_mirror = || AccessError::NoMirror {
                path: path.clone(),
                mirror: named.as_ref().map(|mirror| shown(&mirror.url)).unwrap_or_default(),
            };
            give(&mut mirrors, named.as_ref(), &token, &place)?.then_some(()).ok_or_else(no_mirror)?;
        }
        if let Some(token) = &request.token {
            let place = "the variable DRYDOCK_SOURCE_TOKEN";
            let token = header(token, place)?;
            give(&mut mirrors, None, &token, place)?;
        }
        let plain = mirrors.iter().find(|mirror| mirror.authorization.is_some() && !is_safe(&mirror.url));
        if let Some(plain) = plain {
            return Err(AccessError::Plain { mirror: shown(&plain.url) });
        }
        let identity = request.client.as_ref().map(|(cert, key)| identity(cert, key)).transpose()?;
        let roots = request.trusted.as_ref().map(|path| certificates(path)).transpose()?.unwrap_or_default();
        Ok(Self { mirrors, identity, roots })
    }

    /// True when every mirror is asked like any other server.
    fn is_plain(&self) -> bool {
        self.identity.is_none() && self.roots.is_empty() && self.mirrors.iter().all(|m| m.authorization.is_none())
    }

    fn mirror_of(&self, url: &Url) -> Option<&Mirror> {
        let mut fitting: Vec<&Mirror> = self.mirrors.iter().filter(|mirror| is_below(url, &mirror.url)).collect();
        fitting.sort_by_key(|mirror| mirror.url.path().len());
        fitting.pop()
    }
}

impl fmt::Debug for MirrorAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mirrors: Vec<String> = self.mirrors.iter().map(|mirror| shown(&mirror.url)).collect();
        f.debug_struct("MirrorAccess").field("mirrors", &mirrors).finish_non_exhaustive()
    }
}

/// Asks private mirrors.
pub(super) struct Private {
    access: MirrorAccess,
    /// Shows the client certificate and follows redirects within a host.
    inside: reqwest::Client,
    /// Follows redirects to other hosts, and has nothing to show there.
    onward: reqwest::Client,
}

impl Private {
    /// None when `access` asks for nothing.
    pub(super) fn new(
        access: &MirrorAccess,
        builder: impl Fn() -> ClientBuilder,
    ) -> Result<Option<Self>, reqwest::Error> {
        if access.is_plain() {
            return Ok(None);
        }
        let trusting = || builder().tls_certs_merge(access.roots.iter().cloned());
        let onward = trusting().build()?;
        let inside = trusting().redirect(redirect::Policy::custom(within_a_host));
        let inside = match &access.identity {
            Some(identity) => inside.identity(identity.clone()),
            None => inside,
        };
        Ok(Some(Self { access: access.clone(), inside: inside.build()?, onward }))
    }

    /// True when `url` is below a mirror.
    pub(super) fn serves(&self, url: &Url) -> bool {
        self.access.mirror_of(url).is_some()
    }

    /// Asks for `url`, which is below a mirror.
    pub(super) async fn send(&self, method: Method, url: &Url, headers: HeaderMap) -> Result<Response, reqwest::Error> {
        let mut request = self.inside.request(method.clone(), url.clone()).headers(headers.clone());
        if let Some(token) = self.access.mirror_of(url).and_then(|mirror| mirror.authorization.as_ref()) {
            request = request.header(reqwest::header::AUTHORIZATION, token.clone());
        }
        let response = request.send().await?;
        match redirected(&response) {
            Some(next) => self.onward.request(method, next).headers(headers).send().await,
            None => Ok(response),
        }
    }
}

/// Follows a redirect to the same scheme, host and port.
fn within_a_host(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let is_same = attempt.previous().last().is_some_and(|last| last.origin() == attempt.url().origin());
    if attempt.previous().len() > MOST_REDIRECTS {
        attempt.error("too many redirects")
    } else if is_same {
        attempt.follow()
    } else {
        attempt.stop()
    }
}

fn redirected(response: &Response) -> Option<Url> {
    let next = response.headers().get(reqwest::header::LOCATION).filter(|_| response.status().is_redirection())?;
    let next = response.url().join(next.to_str().ok()?).ok()?;
    ["http", "https"].contains(&next.scheme()).then_some(next)
}

/// Gives `token` to `named`, or to every mirror without one when these are of one host; tells whether any got it.
fn give(mirrors: &mut [Mirror], named: Option<&Mirror>, token: &HeaderValue, place: &str) -> Result<bool, AccessError> {
    let fits = |mirror: &Mirror| match named {
        Some(named) => mirror.url == named.url,
        None => mirror.authorization.is_none(),
    };
    let fitting: Vec<&mut Mirror> = mirrors.iter_mut().filter(|mirror| fits(mirror)).collect();
    let first = fitting.first().map(|mirror| mirror.url.origin());
    if named.is_none() && fitting.iter().any(|mirror| Some(mirror.url.origin()) != first) {
        return Err(AccessError::Ambiguous { place: place.to_owned() });
    }
    let any = !fitting.is_empty();
    for mirror in fitting {
        mirror.authorization = Some(token.clone());
    }
    Ok(any)
}

fn mirror(text: &str) -> Result<Mirror, AccessError> {
    let wrong = || AccessError::Url { mirror: address::shown(text) };
    let url = Url::parse(text).ok().filter(|url| ["http", "https"].contains(&url.scheme())).ok_or_else(wrong)?;
    Ok(Mirror { url, authorization: None })
}

/// True for a file of the mirror `mirror`.
fn is_below(url: &Url, mirror: &Url) -> bool {
    let folder = mirror.path().trim_end_matches('/');
    url.origin() == mirror.origin() && url.path().strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// True when nobody else can read what is sent to `url`.
fn is_safe(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let is_own = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    url.scheme() == "https" || is_own
}

fn shown(url: &Url) -> String {
    address::shown(url.as_str())
}

fn header(text: &str, place: &str) -> Result<HeaderValue, AccessError> {
    let wrong = || AccessError::Token { place: place.to_owned() };
    let token = text.trim();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong());
    }
    let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| wrong())?;
    value.set_sensitive(true);
    Ok(value)
}

fn identity(cert: &Path, key: &Path) -> Result<Identity, AccessError> {
    let pem = [read_text(cert)?, read_text(key)?].join("\n");
    let wrong = |source| AccessError::Pem { path: cert.to_owned(), what: "certificate with its key", source };
    Identity::from_pem(pem.as_bytes()).map_err(|source| wrong(Some(source)))
}

fn certificates(path: &Path) -> Result<Vec<Certificate>, AccessError> {
    let wrong = |source| AccessError::Pem { path: path.to_owned(), what: "certificate", source };
    let found = Certificate::from_pem_bundle(read_text(path)?.as_bytes()).map_err(|source| wrong(Some(source)))?;
    if found.is_empty() { Err(wrong(None)) } else { Ok(found) }
}

fn read_text(path: &Path) -> Result<String, AccessError> {
    let text = regular::read_given(path);
    let text = text.map_err(|source| AccessError::Read { path: path.to_owned(), source })?;
    Ok(without_mark(&text).to_owned())
}
