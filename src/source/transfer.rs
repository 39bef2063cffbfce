//! How a transfer may go wrong, and how long a server may take for it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::StatusCode;

use crate::digest::Sha256;
use crate::pace::{LEAST_RATE, TooSlow};

/// How long a server may keep Drydock waiting.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For the next bytes of an answer, and for as many of them as `least_rate` asks for.
    pub stall: Duration,
    /// Bytes a second that an answer brings at least, on the average of `stall`.
    pub least_rate: u64,
    /// The pause before the first retry; each further one is twice as long.
    pub retry: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { connect: seconds(15), stall: seconds(60), least_rate: LEAST_RATE, retry: seconds(1) }
    }
}

/// Why a URL did not give the file.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// There is no such host, or it refuses connections.
    #[error("{0}")]
    Unreachable(String),
    /// The host was given time to take the connection and did not.
    #[error("{0}")]
    Silent(String),
    /// The server refused.
    #[error("{0}")]
    Refused(StatusCode),
    /// The transfer broke.
    #[error("{0}")]
    Broken(String),
    /// The server is so slow that the transfer would not end.
    #[error("{0}")]
    Slow(TooSlow),
    /// The content is not what the signature says.
    #[error("has digest {got} instead of {expected} (kept in `{}`)", kept.display())]
    Mismatch { expected: Sha256, got: Sha256, kept: PathBuf },
    /// There is more than the file may have.
    #[error("has more than the {limit} bytes that it may have")]
    TooLarge { limit: u64 },
    /// A file of the cache cannot be written: no other place will do better.
    #[error("cannot write `{}`", path.display())]
    Disk { path: PathBuf, source: io::Error },
}

impl Fault {
    /// True when the same request may succeed a moment later.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Broken(_) => true,
            Self::Refused(status) => {
                status.is_server_error()
                    || [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(status)
            }
            Self::Silent(_) | Self::Slow(_) | Self::Mismatch { .. } | Self::TooLarge { .. } | Self::Disk { .. } => {
                false
            }
        }
    }
}

/// The fault of a request that the client reports.
pub(super) fn transport_fault(error: reqwest::Error) -> Fault {
    let error = error.without_url();
    let mut reasons = Vec::new();
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(&error);
    while let Some(inner) = cause {
        reasons.push(inner.to_string());
        cause = inner.source();
    }
    // The innermost cause alone tells something; those around it say that a request failed.
    let reason = reasons.pop().unwrap_or_else(|| error.to_string());
    if error.is_connect() && error.is_timeout() {
        Fault::Silent(format!("no connection: {reason}"))
    } else if error.is_connect() {
        Fault::Unreachable(format!("no connection: {reason}"))
    } else if error.is_timeout() {
        Fault::Broken(format!("no answer in time: {reason}"))
    } else {
        Fault::Broken(reason)
    }
}
