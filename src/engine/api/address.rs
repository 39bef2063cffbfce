//! The addresses where Docker or Podman may answer, in the order in which their own programs look.
//!
//! In: the environment, Docker's contexts, Podman's connections. Out: addresses, each with the reason why it is one. What
//! the user set is the only place. Files: <https://docs.docker.com/engine/manage-resources/contexts/>,
//! containers.conf(5), podman-system-connection(1).

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::error::ApiError;
use super::flavor::Flavor;
use crate::digest::Sha256;
use crate::engine::Places;
use crate::json::JsonFault;
use crate::regular;

/// Where an engine may answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// `unix:///var/run/docker.sock` and the like.
    pub(super) url: String,
    /// `DOCKER_HOST` and the like; `None` for a place that every installation has.
    pub(super) named_by: Option<String>,
    /// The folder with `ca.pem`, `cert.pem` and `key.pem`, where the connection is by TLS.
    pub(super) tls: Option<PathBuf>,
    /// The file with the key of an `ssh://` connection.
    pub(super) identity: Option<PathBuf>,
}

impl Address {
    fn named(url: &str, by: impl Into<String>) -> Self {
        Self { url: url.to_owned(), named_by: Some(by.into()), tls: None, identity: None }
    }

    fn socket(path: impl AsRef<Path>) -> Self {
        let url = format!("unix://{}", path.as_ref().display());
        Self { url, named_by: None, tls: None, identity: None }
    }

    /// The path of its socket on this machine.
    pub(super) fn socket_path(&self) -> Option<&Path> {
        self.url.strip_prefix("unix://").map(Path::new)
    }
}

/// The addresses of `flavor`, best first.
pub(super) fn addresses(flavor: Flavor, places: &Places) -> Result<Vec<Address>, ApiError> {
    match flavor {
        Flavor::Docker => of_docker(places),
        Flavor::Podman => of_podman(places),
    }
}

fn of_docker(places: &Places) -> Result<Vec<Address>, ApiError> {
    if let Some(host) = &places.docker_host {
        let is_tcp = host.starts_with("tcp://") || host.starts_with("https://");
        let certificates = places.docker_cert_path.clone().or_else(|| places.docker_config.clone());
        let tls = certificates.filter(|_| is_tcp && (places.docker_tls_verify || host.starts_with("https://")));
        return Ok(vec![Address { tls, ..Address::named(host, "DOCKER_HOST") }]);
    }
    if let Some(address) = context(places)? {
        return Ok(vec![address]);
    }
    let runtime = places.runtime_dir.iter().map(|folder| folder.join("docker.sock"));
    // Docker Desktop, Colima, Rancher Desktop.
    let homes =
        [".docker/run/docker.sock", ".docker/desktop/docker.sock", ".colima/default/docker.sock", ".rd/docker.sock"];
    let homes = places.home.iter().flat_map(|home| homes.map(|socket| home.join(socket)));
    Ok([PathBuf::from("/var/run/docker.sock")].into_iter().chain(runtime).chain(homes).map(Address::socket).collect())
}

fn of_podman(places: &Places) -> Result<Vec<Address>, ApiError> {
    if let Some(host) = &places.container_host {
        let identity = places.container_key.clone();
        return Ok(vec![Address { identity, ..Address::named(host, "CONTAINER_HOST") }]);
    }
    if let Some(name) = &places.container_connection {
        let found = connections(places)?.1.remove(name).ok_or_else(|| ApiError::NoConnection(name.clone()))?;
        return Ok(vec![found.address(name)]);
    }
    let own = places.runtime_dir.iter().map(|folder| folder.join("podman/podman.sock"));
    let sockets = own.chain([PathBuf::from("/run/podman/podman.sock")]).map(Address::socket);
    // Last: Podman itself uses its connections only where it does not run by itself.
    let (default, mut known) = connections(places)?;
    let connection = default.and_then(|name| Some(known.remove(&name)?.address(&name)));
    Ok(sockets.chain(connection).collect())
}

/// The address of Docker's current context, unless that is the one called `default`.
fn context(places: &Places) -> Result<Option<Address>, ApiError> {
    let Some(folder) = &places.docker_config else { return Ok(None) };
    let named_by = if places.docker_context.is_some() { "DOCKER_CONTEXT" } else { "`docker context use`" };
    let current = || Ok(json::<DockerConfig>(&folder.join("config.json"))?.and_then(|config| config.current_context));
    let name = places.docker_context.clone().map_or_else(current, |name| Ok(Some(name)))?;
    let Some(name) = name.filter(|name| !name.is_empty() && name != "default") else { return Ok(None) };
    let id = Sha256::of_bytes(name.as_bytes()).to_string();
    let path = folder.join("contexts/meta").join(&id).join("meta.json");
    let fault = || ApiError::NoContext { name: name.clone(), named_by, path: path.clone() };
    let meta = json::<Context>(&path)?.ok_or_else(fault)?;
    let endpoint = meta.endpoints.docker.ok_or_else(fault)?;
    let host = endpoint.host.ok_or_else(fault)?;
    if endpoint.skip_tls_verify {
        return Err(ApiError::Unverified { name, path });
    }
    let tls = folder.join("contexts/tls").join(id).join("docker");
    let tls = Some(tls).filter(|tls| tls.is_dir() && !host.starts_with("unix://"));
    Ok(Some(Address { tls, ..Address::named(&host, format!("the Docker context `{name}` ({named_by})")) }))
}

/// Podman's connections by name, and the name of the default one. Root's are among the system's settings.
fn connections(places: &Places) -> Result<(Option<String>, BTreeMap<String, Destination>), ApiError> {
    let (mut default, mut all) = (None, BTreeMap::new());
    for folder in places.containers_system.iter().chain(&places.containers_config) {
        let engine = settings(folder.join("containers.conf"))?;
        default = engine.active_service.or(default);
        all.extend(engine.service_destinations);
    }
    let newer = places.containers_config.as_ref().map(|folder| folder.join("podman-connections.json"));
    let newer = newer.map(|path| json::<Connections>(&path)).transpose()?.flatten().unwrap_or_default().connection;
    all.extend(newer.connections);
    Ok((newer.default.filter(|name| !name.is_empty()).or(default), all))
}

fn settings(path: PathBuf) -> Result<EngineConf, ApiError> {
    let Some(text) = read(&path)? else { return Ok(EngineConf::default()) };
    let parsed = toml::from_str::<ContainersConf>(&text).map(|settings| settings.engine);
    let fault = |fault: toml::de::Error| io::Error::new(io::ErrorKind::InvalidData, fault.message().to_owned());
    parsed.map_err(|error| ApiError::Settings { path, source: fault(error) })
}

fn read(path: &Path) -> Result<Option<String>, ApiError> {
    match regular::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(fault) if matches!(fault.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(source) => Err(ApiError::Settings { path: path.to_owned(), source }),
    }
}

fn json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, ApiError> {
    let Some(text) = read(path)? else { return Ok(None) };
    let parsed = serde_json::from_str(&text);
    let wrong = |fault: serde_json::Error| io::Error::other(JsonFault::from(&fault));
    parsed.map(Some).map_err(|fault| ApiError::Settings { path: path.to_owned(), source: wrong(fault) })
}

/// Docker's `config.json`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DockerConfig {
    current_context: Option<String>,
}

/// A context's `meta.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Context {
    #[serde(default)]
    endpoints: Endpoints,
}

#[derive(Default, Deserialize)]
struct Endpoints {
    docker: Option<Endpoint>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Endpoint {
    host: Option<String>,
    #[serde(default, rename = "SkipTLSVerify")]
    skip_tls_verify: bool,
}

/// `podman-connections.json`.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Connections {
    connection: KnownConnections,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct KnownConnections {
    default: Option<String>,
    connections: BTreeMap<String, Destination>,
}

/// `containers.conf`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ContainersConf {
    engine: EngineConf,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct EngineConf {
    active_service: Option<String>,
    service_destinations: BTreeMap<String, Destination>,
}

#[derive(Deserialize)]
struct Destination {
    #[serde(alias = "URI")]
    uri: String,
    #[serde(alias = "Identity")]
    identity: Option<PathBuf>,
}

impl Destination {
    fn address(self, name: &str) -> Address {
        let identity = self.identity.filter(|path| !path.as_os_str().is_empty());
        Address { identity, ..Address::named(&self.uri, format!("Podman's connection `{name}`")) }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn urls(flavor: Flavor, places: &Places) -> Vec<String> {
        addresses(flavor, places).unwrap().into_iter().map(|address| address.url).collect()
    }

    #[test]
    fn a_place_that_the_user_set_is_the_only_one() {
        let (home, runtime_dir) = (Some("/home/me".into()), Some("/run/user/7".into()));
        let mut places = Places { home, runtime_dir, ..Places::default() };
        let docker = urls(Flavor::Docker, &places);
        assert_eq!(docker[..2], ["unix:///var/run/docker.sock", "unix:///run/user/7/docker.sock"]);
        assert_eq!(docker[2], "unix:///home/me/.docker/run/docker.sock");
        let podman = ["unix:///run/user/7/podman/podman.sock", "unix:///run/podman/podman.sock"];
        assert_eq!(urls(Flavor::Podman, &places), podman);
        places.docker_host = Some("tcp://10.0.0.1:2375".to_owned());
        assert_eq!(urls(Flavor::Docker, &places), ["tcp://10.0.0.1:2375"]);
        assert_eq!(addresses(Flavor::Docker, &places).unwrap()[0].tls, None);
        places.docker_tls_verify = true;
        places.docker_cert_path = Some("/certs/client".into());
        let address = addresses(Flavor::Docker, &places).unwrap().remove(0);
        assert_eq!((address.tls, address.named_by.as_deref()), (Some("/certs/client".into()), Some("DOCKER_HOST")));
    }

    fn write(folder: &Path, name: &str, text: &str) {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn a_docker_context_names_the_place_and_its_certificates() {
        let folder = tempfile::tempdir().unwrap();
        let mut places = Places { docker_config: Some(folder.path().to_owned()), ..Places::default() };
        let usual = urls(Flavor::Docker, &places);
        write(folder.path(), "config.json", r#"{"auths": {}, "currentContext": "default"}"#);
        assert_eq!(urls(Flavor::Docker, &places), usual);
        write(folder.path(), "config.json", r#"{"currentContext": "far"}"#);
        assert!(matches!(addresses(Flavor::Docker, &places), Err(ApiError::NoContext { .. })));
        let id = Sha256::of_bytes(b"far").to_string();
        let meta = r#"{"Name": "far", "Metadata": {}, "Endpoints": {"docker": {"Host": "tcp://far:2376", "SkipTLSVerify": false}}}"#;
        write(folder.path(), &format!("contexts/meta/{id}/meta.json"), meta);
        let address = addresses(Flavor::Docker, &places).unwrap().remove(0);
        assert_eq!((&*address.url, &address.tls), ("tcp://far:2376", &None));
        assert!(address.named_by.unwrap().contains("`far`"));
        write(folder.path(), &format!("contexts/tls/{id}/docker/ca.pem"), "");
        assert!(addresses(Flavor::Docker, &places).unwrap()[0].tls.as_ref().unwrap().ends_with("docker"));
        write(folder.path(), &format!("contexts/meta/{id}/meta.json"), &meta.replace("false", "true"));
        let fault = addresses(Flavor::Docker, &places).unwrap_err();
        assert!(fault.to_string().contains("SkipTLSVerify") && fault.hint().unwrap().contains("context update far"));
        places.docker_context = Some("default".to_owned());
        assert_eq!(urls(Flavor::Docker, &places), usual);
        places.docker_context = Some("none".to_owned());
        assert!(addresses(Flavor::Docker, &places).unwrap_err().to_string().contains("`none`"));
        places.docker_host = Some("unix:///x".to_owned());
        assert_eq!(urls(Flavor::Docker, &places), ["unix:///x"], "DOCKER_HOST goes before");
    }

    #[test]
    fn podmans_connections_of_both_files_are_known() {
        let folder = tempfile::tempdir().unwrap();
        let mut places = Places { containers_config: Some(folder.path().to_owned()), ..Places::default() };
        let conf = "[engine]\nactive_service = \"old\"\nruntime = \"runc\"\n[engine.service_destinations.old]\n\
             uri = \"ssh://core@old:22/run/podman/podman.sock\"\nidentity = \"/keys/old\"\n";
        write(folder.path(), "containers.conf", conf);
        let address = addresses(Flavor::Podman, &places).unwrap().pop().unwrap();
        assert_eq!(
            (&*address.url, address.identity),
            ("ssh://core@old:22/run/podman/podman.sock", Some("/keys/old".into()))
        );
        let system = tempfile::tempdir().unwrap();
        write(system.path(), "containers.conf", &conf.replace("old", "roots"));
        places.containers_system = vec![system.path().to_owned()];
        assert_eq!(urls(Flavor::Podman, &places).pop().unwrap(), "ssh://core@old:22/run/podman/podman.sock");
        places.container_connection = Some("roots".to_owned());
        assert_eq!(urls(Flavor::Podman, &places), ["ssh://core@roots:22/run/podman/podman.sock"]);
        places.container_connection = None;
        let json =
            r#"{"Connection": {"Default": "new", "Connections": {"new": {"URI": "unix:///new.sock"}}}, "Farm": {}}"#;
        write(folder.path(), "podman-connections.json", json);
        assert_eq!(urls(Flavor::Podman, &places), ["unix:///run/podman/podman.sock", "unix:///new.sock"]);
        places.container_connection = Some("old".to_owned());
        assert_eq!(urls(Flavor::Podman, &places), ["ssh://core@old:22/run/podman/podman.sock"]);
        places.container_connection = Some("other".to_owned());
        assert!(addresses(Flavor::Podman, &places).unwrap_err().to_string().contains("`other`"));
        write(folder.path(), "containers.conf", "[engine");
        assert!(matches!(addresses(Flavor::Podman, &places), Err(ApiError::Settings { .. })));
    }
}
