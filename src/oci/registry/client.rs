//! The clients that a registry is asked with.

use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::{Client, Reference};

use super::{OciError, Patience};

/// Who asks.
pub(super) const AGENT: &str = concat!("drydock/", env!("CARGO_PKG_VERSION"));
/// How large a document may be; registries take manifests of this size at most.
pub(super) const LIMIT: usize = 4 << 20;
/// What is done in a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Pull,
    Push,
}

/// A client for blobs that speaks plain HTTP to this machine's own registries, and HTTPS to all others.
pub(super) fn client(registry: &str, purpose: Purpose, patience: Patience) -> Client {
    let protocol =
        if is_local(registry) { ClientProtocol::HttpsExcept(vec![registry.to_owned()]) } else { ClientProtocol::Https };
    Client::new(ClientConfig {
        protocol,
        connect_timeout: Some(patience.connect),
        // The client would count the time of sending a blob as time without an answer.
        read_timeout: (purpose == Purpose::Pull).then_some(patience.stall),
        // One request a blob, which every registry understands.
        use_monolithic_push: true,
        user_agent: AGENT,
        ..ClientConfig::default()
    })
}

/// A client for everything else.
pub(super) fn http(reference: &Reference, purpose: Purpose, patience: Patience) -> Result<reqwest::Client, OciError> {
    let mut builder = reqwest::Client::builder()
        .user_agent(AGENT)
        .connect_timeout(patience.connect)
        .https_only(!is_local(reference.resolve_registry()));
    if purpose == Purpose::Pull {
        builder = builder.read_timeout(patience.stall);
    }
    builder.build().map_err(|error| {
        let what = format!("the connection to `{}`", reference.registry());
        OciError::malformed(what, crate::causes::in_one_line(&error))
    })
}

/// True for a registry of this machine.
pub(super) fn is_local(registry: &str) -> bool {
    let port = registry.rsplit_once(':').filter(|(_, port)| port.bytes().all(|digit| digit.is_ascii_digit()));
    matches!(port.map_or(registry, |(host, _)| host), "localhost" | "127.0.0.1" | "[::1]")
}
