//! Finding the socket of Docker or Podman and making sure that something answers there.
//!
//! In: what the environment says. Out: a connection, what answers, and whether it can be expected to see our files. A
//! socket that does not answer or refuses us is told, never skipped in silence. A Podman that answers on Docker's socket
//! is called Podman.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use bollard::models::SystemVersion;
use bollard::{API_DEFAULT_VERSION, Docker};

use super::address::{self, Address};
use super::error::ApiError;
use super::flavor::Flavor;
use super::init;
use super::ssh::Tunnel;
use crate::engine::Places;

/// A daemon that is there and silent for so long is not used.
const ANSWER: Duration = Duration::from_secs(20);

/// Longer than any build: bollard's time limit also covers `wait`, and deadlines are kept elsewhere.
const REQUEST_SECONDS: u64 = 30 * 24 * 3600;

/// Whose a socket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SocketOwner {
    /// The system's, or not known.
    System,
    /// An ordinary user's.
    User,
}

/// A daemon that answered.
pub(super) struct Connection {
    /// The client.
    pub(super) docker: Docker,
    /// What answers, whosever socket it is.
    pub(super) flavor: Flavor,
    /// True when the daemon's socket is on this machine.
    pub(super) is_local: bool,
    /// Whose the socket is, and so the daemon behind it.
    pub(super) owner: SocketOwner,
    /// Product, version, address, and who named it, for people.
    pub(super) description: String,
    /// Keeps the way to another machine open.
    pub(super) tunnel: Option<Tunnel>,
}

/// Connects to the first socket that is there.
///
/// # Errors
/// The first fault among the sockets that exist, or [`ApiError::NoSocket`] when there is none.
pub(super) async fn connect(flavor: Flavor, places: &Places) -> Result<Connection, ApiError> {
    let addresses = address::addresses(flavor, places)?;
    let mut fault = None;
    for address in &addresses {
        if address.socket_path().is_some_and(|path| !path.exists()) {
            continue;
        }
        match open(flavor, address).await {
            Ok(connection) => return Ok(connection),
            Err(error) => fault = fault.or(Some(error)),
        }
    }
    let tried = addresses.into_iter().map(|address| address.url).collect();
    Err(fault.unwrap_or(ApiError::NoSocket { engine: flavor.title(), tried }))
}

async fn open(flavor: Flavor, address: &Address) -> Result<Connection, ApiError> {
    let (engine, url) = (flavor.title(), &address.url);
    let silent = |source| ApiError::Silent { engine, address: url.clone(), source };
    if let Some(path) = address.socket_path() {
        tokio::net::UnixStream::connect(path).await.map_err(|error| match error.kind() {
            std::io::ErrorKind::PermissionDenied => ApiError::Permission { engine, address: url.clone() },
            _ => silent(Box::new(error)),
        })?;
    }
    let tunnel = tunnel(flavor, address)?;
    let docker = match (&tunnel, &address.tls) {
        (Some(tunnel), _) => client(&tunnel.url())?,
        (None, Some(certificates)) => client_by_tls(url, certificates)?,
        (None, None) => client(url)?,
    };
    let asked = tokio::time::timeout(ANSWER, docker.version()).await;
    let said = || tunnel.as_ref().map(Tunnel::said).filter(|said| !said.is_empty());
    let version = match (asked, said()) {
        (Ok(Ok(version)), _) => version,
        (_, Some(said)) => return Err(silent(said.into())),
        (Ok(Err(error)), None) => return Err(silent(Box::new(error))),
        (Err(elapsed), None) => return Err(silent(Box::new(elapsed))),
    };
    let theirs = version.arch.clone().unwrap_or_default();
    if theirs != init::ARCHITECTURE {
        return Err(ApiError::Architecture { address: url.clone(), theirs, ours: init::ARCHITECTURE });
    }
    let flavor = answering(&version);
    let named_by = address.named_by.as_ref().map(|by| format!(", named by {by}")).unwrap_or_default();
    let description = format!("{} {} at {url}{named_by}", flavor.title(), version.version.unwrap_or_default());
    let is_local = address.socket_path().is_some();
    Ok(Connection { docker, flavor, is_local, owner: owner(url), description, tunnel })
}

fn tunnel(flavor: Flavor, address: &Address) -> Result<Option<Tunnel>, ApiError> {
    if !address.url.starts_with("ssh://") {
        return Ok(None);
    }
    let folder = std::env::temp_dir();
    let opened = Tunnel::open(flavor, address, &folder);
    let opened = opened.map_err(|source| ApiError::Folder { folder, source })?;
    opened.map(Some).ok_or_else(|| ApiError::Address(address.url.clone()))
}

fn owner(address: &str) -> SocketOwner {
    let socket = address.strip_prefix("unix://").and_then(|path| Path::new(path).metadata().ok());
    if socket.is_some_and(|socket| socket.uid() != 0) { SocketOwner::User } else { SocketOwner::System }
}

/// A client of the engine at `address`; nothing is asked of it yet.
pub(super) fn client(address: &str) -> Result<Docker, ApiError> {
    let connected = match address.split_once("://") {
        Some(("unix", _)) => Docker::connect_with_unix(address, REQUEST_SECONDS, API_DEFAULT_VERSION),
        Some(("tcp" | "http", _)) => Docker::connect_with_http(address, REQUEST_SECONDS, API_DEFAULT_VERSION),
        _ => return Err(ApiError::Address(address.to_owned())),
    };
    connected.map_err(ApiError::request("use the engine address", address))
}

/// A client that shows the certificate of the folder `certificates` and takes a server that its authority vouches for.
fn client_by_tls(address: &str, certificates: &Path) -> Result<Docker, ApiError> {
    let file = |name: &str| {
        let path = certificates.join(name);
        // Whether it is right shows later, and then without its name.
        match std::fs::File::open(&path) {
            Ok(_) => Ok(path),
            Err(source) => Err(ApiError::Settings { path, source }),
        }
    };
    let (key, certificate, authority) = (file("key.pem")?, file("cert.pem")?, file("ca.pem")?);
    let version = API_DEFAULT_VERSION;
    Docker::connect_with_ssl(address, &key, &certificate, &authority, REQUEST_SECONDS, version)
        .map_err(ApiError::request("use the engine address", address))
}

fn answering(version: &SystemVersion) -> Flavor {
    let is_podman = |name: &str| name.starts_with("Podman");
    let mut components = version.components.iter().flatten();
    if components.any(|component| is_podman(&component.name)) { Flavor::Podman } else { Flavor::Docker }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_without_a_daemon_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("docker.sock");
        let places = Places { docker_host: Some(format!("unix://{}", path.display())), ..Places::default() };
        assert!(matches!(connect(Flavor::Docker, &places).await, Err(ApiError::NoSocket { .. })));
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let fault = connect(Flavor::Docker, &places).await.err().unwrap();
        assert!(matches!(fault, ApiError::Silent { .. }), "{fault}");
        let places = Places { docker_host: Some("fd://".to_owned()), ..Places::default() };
        assert!(matches!(connect(Flavor::Docker, &places).await, Err(ApiError::Address(_))));
    }
}
