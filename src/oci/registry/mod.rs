//! Images taken from registries and given to them, by the protocol of the OCI distribution specification.
//!
//! In: a reference, the [`Store`] and an [`Access`]. Out: an image in the store, or in the registry. Every blob's digest is
//! checked before it enters the store, and a blob that is at hand is not moved: not asked for when an image is pulled, not
//! sent when one is pushed. What breaks is tried again, three times in all, and goes on where it broke; a transfer that
//! fails all the same keeps the blobs that came. Manifests are moved byte by byte, so that an image keeps its digest.
//!
//! A tag only ever becomes a digest here ([`resolve`]); whoever asks records it. Registries of this machine itself
//! (`localhost`, `127.0.0.1`, `[::1]`) are spoken to in plain HTTP, all others by HTTPS.
//! Format: <https://github.com/opencontainers/distribution-spec/blob/main/spec.md>.

mod aside;
mod client;
mod credentials;
mod download;
mod fault;
#[cfg(fuzzing)]
pub mod fuzzing;
mod login;
mod pull;
mod push;
mod referrers;
mod remote;
mod request;
mod session;
mod upload;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use credentials::Credentials;
pub use fault::{Refusal, RegistryFault};
pub use pull::{Pulled, name_of, pull, repository, resolve, tag_of, with_digest};
pub use push::push;
pub use referrers::{companion, referrers};
use tokio_util::sync::CancellationToken;

use super::{OciError, Store};
use crate::event::Report;
use crate::pace::LEAST_RATE;

/// Blobs on their way at a time.
const AT_A_TIME: usize = 4;

/// How registries are reached.
#[derive(Clone, Copy)]
pub struct Access<'a> {
    /// The user's logins.
    pub credentials: &'a Credentials,
    /// How long a registry may keep Drydock waiting.
    pub patience: Patience,
    /// Tells what is going on.
    pub report: Report<'a>,
    /// Ends the work.
    pub cancel: &'a CancellationToken,
}

/// How long a registry may keep Drydock waiting.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For the next bytes of an answer, and for as many of them as `least_rate` asks for; five times as long for it to
    /// take the next bytes of a blob.
    pub stall: Duration,
    /// Bytes a second that an answer brings at least, on the average of `stall`.
    pub least_rate: u64,
    /// The pause before the first retry; the next one is four times as long.
    pub retry: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { connect: seconds(30), stall: seconds(60), least_rate: LEAST_RATE, retry: seconds(1) }
    }
}

/// How much a transfer moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Layers, configurations and contents of artifacts that went over the network.
    pub blobs: usize,
    /// Their bytes, those that were sent again included; without manifests.
    pub bytes: u64,
    /// Blobs that were at hand where they were to go.
    pub skipped: usize,
}

impl std::ops::AddAssign for Moved {
    fn add_assign(&mut self, other: Self) {
        self.blobs += other.blobs;
        self.bytes += other.bytes;
        self.skipped += other.skipped;
    }
}

impl std::fmt::Display for Moved {
    /// `3 blobs, 12.5 MB; 2 were there`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tenths = self.bytes.div_ceil(100_000);
        let plural = if self.blobs == 1 { "" } else { "s" };
        write!(f, "{} blob{plural}, {}.{} MB; {} were there", self.blobs, tenths / 10, tenths % 10, self.skipped)
    }
}
