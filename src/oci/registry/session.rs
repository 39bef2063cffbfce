//! What a login at a repository has given.

use oci_client::Client;
use reqwest::header::HeaderValue;
use tokio::time::Instant;

/// What is sent along with requests.
#[derive(Clone)]
pub(super) struct Session {
    /// Sends and gets blobs.
    pub(super) client: Client,
    /// For requests of our own; None when the registry asks for nothing.
    pub(super) authorization: Option<HeaderValue>,
    /// When it began.
    pub(super) since: Instant,
    /// When it is to be renewed; None for one that does not end.
    pub(super) ends: Option<Instant>,
}

impl Session {
    pub(super) fn is_over(&self) -> bool {
        self.ends.is_some_and(|ends| ends <= Instant::now())
    }

    /// True when another token may be had.
    pub(super) fn can_be_renewed(&self) -> bool {
        self.ends.is_some()
    }
}
