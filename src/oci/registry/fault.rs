//! Why a registry did not do what was asked of it: in its own word where it gave one, with the registry, the image and
//! the blob by name, and without anything that could be a credential.

use std::fmt;
use std::time::Duration;

use oci_client::errors::{DigestError, OciDistributionError, OciEnvelope, OciErrorCode};

use crate::causes;
use crate::digest::Sha256;

/// How much of a registry's own words is told: some send a page.
const SAID_AT_MOST: usize = 300;

/// A registry did not do what was asked of it.
#[derive(Debug)]
pub struct RegistryFault {
    /// `pull`, `push`, …
    pub(super) verb: &'static str,
    /// The manifest or blob.
    pub(super) what: String,
    /// The image, as it was asked for.
    pub(super) reference: String,
    /// The registry's host.
    pub(super) registry: String,
    /// What happened.
    pub refusal: Refusal,
    pub(super) cause: Option<Cause>,
    /// The pause that the registry asks for.
    pub(super) wait: Option<Duration>,
}

/// What a registry did instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It wants a login, or another one.
    Unauthorized,
    /// It does not know the image or the blob.
    Missing,
    /// It is asked too often.
    TooOften,
    /// It has a fault of its own; its HTTP status.
    Broken(u16),
    /// It cannot be reached, or the connection broke or stood still.
    Connection,
    /// It gave other bytes than those that were asked for.
    OtherBytes {
        /// What was asked for.
        expected: Sha256,
        /// What came; None for more bytes than the manifest says.
        actual: Option<Sha256>,
    },
    /// What it gave cannot be written here.
    Disk,
    /// It gave an answer that is not understood.
    Answer,
}

/// The text of a foreign error.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Cause(pub(super) String);

impl RegistryFault {
    /// The fault with its cause.
    pub(super) fn because(mut self: Box<Self>, cause: String) -> Box<Self> {
        self.cause = Some(Cause(cause));
        self
    }

    /// True when the same request may succeed a moment later.
    pub(super) fn is_passing(&self) -> bool {
        matches!(self.refusal, Refusal::TooOften | Refusal::Broken(_) | Refusal::Connection)
    }

    /// True when the user asked for what cannot be had, or may not have it.
    pub fn is_usage(&self) -> bool {
        matches!(self.refusal, Refusal::Unauthorized | Refusal::Missing)
    }

    /// What the user can do.
    pub fn hint(&self) -> String {
        let registry = &self.registry;
        match self.refusal {
            Refusal::Unauthorized => format!(
                "log in by `docker login {registry}` or `podman login {registry}`, and check the name: many registries say the same of what they do not have"
            ),
            Refusal::Missing if self.what.starts_with("the blob") => {
                format!("`{registry}` has lost a part of the image: push the image again from where it is whole")
            }
            Refusal::Missing => format!("check the name, the tag and the digest of `{}`", self.reference),
            Refusal::TooOften => format!("wait some minutes, or log in: `{registry}` may allow more to those it knows"),
            Refusal::Broken(_) => format!("try again later; whoever runs `{registry}` finds the reason in its log"),
            Refusal::Connection => format!("check the network, the name `{registry}` and the proxy settings"),
            Refusal::OtherBytes { .. } => format!(
                "nothing of it was kept; `{registry}` or a proxy before it damages what it holds: push the image again from where it is whole"
            ),
            Refusal::Disk if self.verb == "push" => "check the disk that the image is on".to_owned(),
            Refusal::Disk => "make room where the project's build folder is, and run the same command again: what came so far is kept".to_owned(),
            Refusal::Answer => format!("check that `{registry}` is a container registry, and its log"),
        }
    }
}

impl fmt::Display for RegistryFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { verb, what, reference, registry, .. } = self;
        write!(f, "cannot {verb} {what} of `{reference}`: ")?;
        match &self.refusal {
            Refusal::Unauthorized => write!(f, "`{registry}` refuses it: no login, or not the right one"),
            Refusal::Missing => write!(f, "`{registry}` does not have it"),
            Refusal::TooOften => write!(f, "`{registry}` is asked too often"),
            Refusal::Broken(status) => write!(f, "`{registry}` has a fault of its own (HTTP {status})"),
            Refusal::Connection => write!(f, "the connection to `{registry}` fails"),
            Refusal::OtherBytes { expected, actual: Some(actual) } => {
                write!(f, "`{registry}` gave bytes with digest `{actual}` where `{expected}` was asked for")
            }
            Refusal::OtherBytes { expected, actual: None } => {
                write!(f, "`{registry}` gave more bytes than `{expected}` has")
            }
            Refusal::Disk if *verb == "push" => f.write_str("its file cannot be read"),
            Refusal::Disk => f.write_str("it cannot be written"),
            Refusal::Answer => write!(f, "`{registry}` gave an answer that is not understood"),
        }
    }
}

impl std::error::Error for RegistryFault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_ref().map(|cause| cause as _)
    }
}

impl Cause {
    /// What the registry said, or else the error and its causes, without the queries of URLs: a registry may have signed
    /// them.
    pub(super) fn of(error: &OciDistributionError) -> Option<Self> {
        match error {
            OciDistributionError::AuthenticationFailure(said)
            | OciDistributionError::ServerError { message: said, .. } => Self::said(said),
            OciDistributionError::RegistryError { envelope, .. } => Self::said(&messages(envelope)),
            OciDistributionError::UnauthorizedError { .. } => None,
            other => Self::said(&causes::in_one_line(other)),
        }
    }

    /// What the registry said in an answer that says no.
    pub(super) fn of_answer(said: &[u8]) -> Option<Self> {
        match serde_json::from_slice(said) {
            Ok(envelope) => Self::said(&messages(&envelope)),
            Err(_) => Self::said(&String::from_utf8_lossy(said)),
        }
    }

    fn said(text: &str) -> Option<Self> {
        let text: String = text.chars().take(SAID_AT_MOST).collect();
        let mut kept = String::with_capacity(text.len());
        let mut in_query = false;
        for letter in text.trim().chars() {
            in_query = if in_query { !(letter.is_whitespace() || "),`\"".contains(letter)) } else { letter == '?' };
            if !in_query {
                kept.push(letter);
            }
        }
        (!kept.is_empty()).then_some(Self(kept))
    }
}

fn messages(envelope: &OciEnvelope) -> String {
    envelope.errors.iter().map(|error| error.message.as_str()).collect::<Vec<_>>().join("; ")
}

/// What an answer with this status means, which says `said`.
pub(super) fn refusal_of_answer(status: u16, said: &[u8]) -> Refusal {
    match of_status(status) {
        Refusal::Answer => {
            let envelope: Option<OciEnvelope> = serde_json::from_slice(said).ok();
            envelope.and_then(|envelope| Some(of_code(&envelope.errors.first()?.code))).unwrap_or(Refusal::Answer)
        }
        refusal => refusal,
    }
}

/// What an error of the client means.
pub(super) fn refusal_of(error: &OciDistributionError) -> Refusal {
    match error {
        OciDistributionError::AuthenticationFailure(_) | OciDistributionError::UnauthorizedError { .. } => {
            Refusal::Unauthorized
        }
        OciDistributionError::ImageManifestNotFoundError(_) => Refusal::Missing,
        OciDistributionError::ServerError { code, .. } => of_status(*code),
        OciDistributionError::RegistryError { envelope, .. } => {
            envelope.errors.first().map_or(Refusal::Answer, |error| of_code(&error.code))
        }
        OciDistributionError::RequestError(request) => match request.status() {
            Some(status) => of_status(status.as_u16()),
            None if request.is_builder() || request.is_decode() => Refusal::Answer,
            None => Refusal::Connection,
        },
        OciDistributionError::DigestError(DigestError::VerificationError { expected, actual }) => {
            match (expected.parse(), actual.parse()) {
                (Ok(expected), Ok(actual)) => Refusal::OtherBytes { expected, actual: Some(actual) },
                _ => Refusal::Answer,
            }
        }
        OciDistributionError::IoError(_) => Refusal::Connection,
        _ => Refusal::Answer,
    }
}

fn of_status(status: u16) -> Refusal {
    match status {
        401 | 403 => Refusal::Unauthorized,
        404 => Refusal::Missing,
        429 => Refusal::TooOften,
        408 => Refusal::Connection,
        500.. => Refusal::Broken(status),
        _ => Refusal::Answer,
    }
}

fn of_code(code: &OciErrorCode) -> Refusal {
    match code {
        OciErrorCode::Unauthorized | OciErrorCode::Denied => Refusal::Unauthorized,
        OciErrorCode::BlobUnknown
        | OciErrorCode::ManifestBlobUnknown
        | OciErrorCode::ManifestUnknown
        | OciErrorCode::NameUnknown
        | OciErrorCode::NotFound => Refusal::Missing,
        OciErrorCode::Toomanyrequests => Refusal::TooOften,
        _ => Refusal::Answer,
    }
}
