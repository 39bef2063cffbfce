//! What private servers are asked with: flags for mirrors of sources, the user's other tools' logins for registries.

use std::path::{Path, PathBuf};

use super::fault::Fault;
use crate::oci::registry::Credentials;
use crate::source::{AccessRequest, MirrorAccess};

/// Mirrors of sources, and what private ones are asked with.
#[derive(clap::Args, Clone, Default)]
pub(super) struct MirrorArgs {
    /// A mirror of sources, as `URL/<file>` or `URL/<name>/<sha256>/<file>`; may be given several times
    #[arg(long = "source-url", value_name = "URL")]
    pub(super) source_urls: Vec<String>,
    /// A file with a bearer token for the mirror, or for the mirror URL where there are several; instead, the variable
    /// `DRYDOCK_SOURCE_TOKEN` may hold a token
    #[arg(long = "source-token-file", value_name = "[URL=]FILE")]
    token_files: Vec<String>,
    /// A PEM file with the client certificate that mirrors are shown
    #[arg(long = "source-client-cert", value_name = "FILE", requires = "client_key")]
    client_cert: Option<PathBuf>,
    /// A PEM file with the key of the client certificate
    #[arg(long = "source-client-key", value_name = "FILE", requires = "client_cert")]
    client_key: Option<PathBuf>,
    /// A PEM file with certificates that mirrors are trusted by, besides the system's
    #[arg(long = "source-ca", value_name = "FILE")]
    trusted: Option<PathBuf>,
    /// The mirror of the package archives that the pipeline names in `archives`, instead of that of this machine's apt
    /// configuration, or of the base image's
    #[arg(long, value_name = "URL")]
    pub(super) archive_mirror: Option<String>,
}

impl MirrorArgs {
    /// Reads the files, whose relative paths count from `folder`, for the mirrors and for the URLs `more`.
    pub(super) fn access(&self, folder: &Path, more: &[String]) -> Result<MirrorAccess, Fault> {
        let request = AccessRequest {
            mirrors: self.source_urls.iter().chain(more).cloned().collect(),
            token_files: self.token_files.iter().map(|text| token_file(text, folder)).collect(),
            token: token_of_environment(),
            client: self
                .client_cert
                .as_ref()
                .zip(self.client_key.as_ref())
                .map(|(cert, key)| (folder.join(cert), folder.join(key))),
            trusted: self.trusted.as_ref().map(|path| folder.join(path)),
        };
        MirrorAccess::read(&request).map_err(|error| Fault::usage_error(&error).with_hint(error.hint()))
    }
}

/// The mirror, when one is named, and the file.
fn token_file(text: &str, folder: &Path) -> (Option<String>, PathBuf) {
    let is_url = text.starts_with("http://") || text.starts_with("https://");
    match text.rsplit_once('=').filter(|_| is_url) {
        Some((url, file)) => (Some(url.to_owned()), folder.join(file)),
        None => (None, folder.join(text)),
    }
}

#[expect(clippy::disallowed_methods, reason = "the environment is read here, once")]
fn token_of_environment() -> Option<String> {
    std::env::var("DRYDOCK_SOURCE_TOKEN").ok().filter(|token| !token.is_empty())
}

/// The logins that Docker, Podman and Skopeo keep, in the order in which Podman looks for them.
#[expect(clippy::disallowed_methods, reason = "the environment is read here, once")]
pub(super) fn credentials() -> Credentials {
    let folder = |variable: &str| std::env::var_os(variable).filter(|text| !text.is_empty()).map(PathBuf::from);
    let home = folder("HOME");
    let own = folder("REGISTRY_AUTH_FILE");
    let runtime = folder("XDG_RUNTIME_DIR").map(|folder| folder.join("containers/auth.json"));
    let settings = folder("XDG_CONFIG_HOME").or_else(|| Some(home.as_ref()?.join(".config")));
    let docker = folder("DOCKER_CONFIG").or_else(|| Some(home.as_ref()?.join(".docker")));
    let files = [
        own.or(runtime),
        settings.map(|folder| folder.join("containers/auth.json")),
        docker.map(|folder| folder.join("config.json")),
    ];
    Credentials { files: files.into_iter().flatten().collect(), search_path: std::env::var_os("PATH") }
}
