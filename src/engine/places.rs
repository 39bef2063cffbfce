//! Where engines may be found, as the environment and the user say.

use std::path::PathBuf;

use super::Outside;

/// How Docker and Podman get the files that containers see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transfer {
    /// By mounts where the engine is seen to share our file system, else by a copy.
    #[default]
    Auto,
    /// By mounts: the user knows that the engine sees the same files at the same paths.
    Mount,
    /// By a copy.
    Copy,
}

/// Where engines may be found, as the environment and the user say.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// `DOCKER_HOST`.
    pub docker_host: Option<String>,
    /// `DOCKER_CONTEXT`.
    pub docker_context: Option<String>,
    /// `DOCKER_TLS_VERIFY`: true with any value.
    pub docker_tls_verify: bool,
    /// `DOCKER_CERT_PATH`.
    pub docker_cert_path: Option<PathBuf>,
    /// `DOCKER_CONFIG`, or `.docker` in the home folder.
    pub docker_config: Option<PathBuf>,
    /// `CONTAINER_HOST`.
    pub container_host: Option<String>,
    /// `CONTAINER_SSHKEY`.
    pub container_key: Option<PathBuf>,
    /// `CONTAINER_CONNECTION`.
    pub container_connection: Option<String>,
    /// `containers` in `XDG_CONFIG_HOME`, or in `.config` in the home folder.
    pub containers_config: Option<PathBuf>,
    /// The folders with `containers.conf` that count for every user, the strongest last.
    pub containers_system: Vec<PathBuf>,
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`.
    pub runtime_dir: Option<PathBuf>,
    /// How Docker and Podman get the files that containers see.
    pub transfer: Transfer,
    /// How containers reach other machines.
    pub outside: Outside,
    /// How many processes and threads a container has at a time whose spec does not say it; None for [`PIDS`].
    pub pids: Option<u32>,
}

/// Enough for every build that is known, and too few for a fork bomb to stop the machine.
pub const PIDS: u32 = 16_384;

impl Places {
    /// The places that the variables which `read` gives name; an empty one counts as unset.
    pub fn of(read: impl Fn(&str) -> Option<String>, transfer: Transfer) -> Self {
        let text = |name: &str| read(name).filter(|value| !value.is_empty());
        let path = |name: &str| text(name).map(PathBuf::from);
        let in_home = |name: &str| path("HOME").map(|home| home.join(name));
        Self {
            docker_host: text("DOCKER_HOST"),
            docker_context: text("DOCKER_CONTEXT"),
            docker_tls_verify: text("DOCKER_TLS_VERIFY").is_some(),
            docker_cert_path: path("DOCKER_CERT_PATH"),
            docker_config: path("DOCKER_CONFIG").or_else(|| in_home(".docker")),
            container_host: text("CONTAINER_HOST"),
            container_key: path("CONTAINER_SSHKEY"),
            container_connection: text("CONTAINER_CONNECTION"),
            containers_config: path("XDG_CONFIG_HOME").or_else(|| in_home(".config")).map(|it| it.join("containers")),
            containers_system: ["/usr/share/containers", "/etc/containers"].map(PathBuf::from).into(),
            home: path("HOME"),
            runtime_dir: path("XDG_RUNTIME_DIR"),
            transfer,
            outside: Outside::default(),
            pids: None,
        }
    }

    pub(super) fn pids(&self) -> u32 {
        self.pids.unwrap_or(PIDS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_variable_counts_as_unset() {
        let read = |name: &str| match name {
            "DOCKER_HOST" | "DOCKER_TLS_VERIFY" | "DOCKER_CONFIG" => Some(String::new()),
            "HOME" => Some("/home/me".to_owned()),
            "CONTAINER_HOST" => Some("unix:///x".to_owned()),
            _ => None,
        };
        let places = Places::of(read, Transfer::Auto);
        assert_eq!((places.docker_host, places.docker_tls_verify), (None, false));
        assert_eq!(places.docker_config.unwrap(), PathBuf::from("/home/me/.docker"));
        assert_eq!(places.containers_config.unwrap(), PathBuf::from("/home/me/.config/containers"));
        assert_eq!(places.container_host.as_deref(), Some("unix:///x"));
    }
}
