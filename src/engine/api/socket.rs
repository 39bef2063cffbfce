//! Finding the socket of Docker or Podman and making sure that something answers there.
//!
//! In: what the environment says. Out: a connection, what answers, and whether it can be expected to see our files. A
//! socket that does not answer or refuses us is told, never skipped in silence. A Podman that answers on Docker's socket
//! is called Podman. Places: <https://docs.docker.com/reference/cli/docker/#environment-variables>, podman-system-service(1).

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use bollard::models::SystemVersion;
use bollard::{API_DEFAULT_VERSION, Docker};

use super::error::ApiError;
use super::init;
use crate::engine::Places;

/// A daemon that is there and silent for so long is not used.
const ANSWER: Duration = Duration::from_secs(20);

/// Longer than any build: bollard's time limit also covers `wait`, and deadlines are kept elsewhere.
const REQUEST_SECONDS: u64 = 30 * 24 * 3600;

/// Whose socket is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Flavor {
    /// Docker, or what answers in its place.
    Docker,
    /// Podman.
    Podman,
}

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
    /// `unix:///var/run/docker.sock` and the like.
    pub(super) address: String,
    /// Whose the socket is, and so the daemon behind it.
    pub(super) owner: SocketOwner,
    /// Product and version, for people.
    pub(super) version: String,
}

impl Flavor {
    /// The name for people.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Docker => "Docker",
            Self::Podman => "Podman",
        }
    }

    /// The addresses where its socket can be, best first; one that the user set is the only one.
    fn addresses(self, places: &Places) -> Vec<String> {
        let (wanted, own, system) = match self {
            Self::Docker => (&places.docker_host, "docker.sock", "/var/run/docker.sock"),
            Self::Podman => (&places.container_host, "podman/podman.sock", "/run/podman/podman.sock"),
        };
        if let Some(host) = wanted {
            return vec![host.clone()];
        }
        let own = places.runtime_dir.as_ref().map(|folder| format!("unix://{}", folder.join(own).display()));
        let system = Some(format!("unix://{system}"));
        match self {
            Self::Docker => [system, own].into_iter().flatten().collect(),
            Self::Podman => [own, system].into_iter().flatten().collect(),
        }
    }
}

/// Connects to the first socket that is there.
///
/// # Errors
/// The first fault among the sockets that exist, or [`ApiError::NoSocket`] when there is none.
pub(super) async fn connect(flavor: Flavor, places: &Places) -> Result<Connection, ApiError> {
    let addresses = flavor.addresses(places);
    let mut fault = None;
    for address in &addresses {
        if address.strip_prefix("unix://").is_some_and(|path| !Path::new(path).exists()) {
            continue;
        }
        match open(flavor, address).await {
            Ok(connection) => return Ok(connection),
            Err(error) => fault = fault.or(Some(error)),
        }
    }
    Err(fault.unwrap_or(ApiError::NoSocket { engine: flavor.title(), tried: addresses }))
}

async fn open(flavor: Flavor, address: &str) -> Result<Connection, ApiError> {
    let engine = flavor.title();
    let silent = |source| ApiError::Silent { engine, address: address.to_owned(), source };
    if let Some(path) = address.strip_prefix("unix://") {
        tokio::net::UnixStream::connect(path).await.map_err(|error| match error.kind() {
            std::io::ErrorKind::PermissionDenied => ApiError::Permission { engine, address: address.to_owned() },
            _ => silent(Box::new(error)),
        })?;
    }
    let docker = client(address)?;
    let version = tokio::time::timeout(ANSWER, docker.version())
        .await
        .map_err(|elapsed| silent(Box::new(elapsed)))?
        .map_err(|error| silent(Box::new(error)))?;
    let theirs = version.arch.clone().unwrap_or_default();
    if theirs != init::ARCHITECTURE {
        return Err(ApiError::Architecture { address: address.to_owned(), theirs, ours: init::ARCHITECTURE });
    }
    let flavor = answering(&version);
    let version = format!("{} {}", flavor.title(), version.version.unwrap_or_default());
    Ok(Connection { docker, flavor, address: address.to_owned(), owner: owner(address), version })
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

fn answering(version: &SystemVersion) -> Flavor {
    let is_podman = |name: &str| name.starts_with("Podman");
    let mut components = version.components.iter().flatten();
    if components.any(|component| is_podman(&component.name)) { Flavor::Podman } else { Flavor::Docker }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_the_user_set_is_the_only_one() {
        let mut places = Places { runtime_dir: Some("/run/user/7".into()), ..Places::default() };
        assert_eq!(
            Flavor::Docker.addresses(&places),
            ["unix:///var/run/docker.sock", "unix:///run/user/7/docker.sock"]
        );
        assert_eq!(
            Flavor::Podman.addresses(&places),
            ["unix:///run/user/7/podman/podman.sock", "unix:///run/podman/podman.sock"]
        );
        places.docker_host = Some("tcp://10.0.0.1:2375".to_owned());
        assert_eq!(Flavor::Docker.addresses(&places), ["tcp://10.0.0.1:2375"]);
    }

    #[tokio::test]
    async fn a_socket_without_a_daemon_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("docker.sock");
        let places = Places { docker_host: Some(format!("unix://{}", path.display())), ..Places::default() };
        assert!(matches!(connect(Flavor::Docker, &places).await, Err(ApiError::NoSocket { .. })));
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let fault = connect(Flavor::Docker, &places).await.err().unwrap();
        assert!(matches!(fault, ApiError::Silent { .. }), "{fault}");
        let places = Places { docker_host: Some("ssh://host".to_owned()), ..Places::default() };
        assert!(matches!(connect(Flavor::Docker, &places).await, Err(ApiError::Address(_))));
    }
}
