//! Faults of Docker or Podman: no socket, a refused request, a daemon that went away.

use std::io;
use std::path::PathBuf;

use bollard::errors::Error as Bollard;

use super::archive::ArchiveError;
use crate::engine::CollectError;
use crate::oci::OciError;

/// Why Docker or Podman did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// None of the places has a socket.
    #[error("no {engine} socket at {}", .tried.join(", "))]
    NoSocket {
        /// `Docker` or `Podman`.
        engine: &'static str,
        /// The places, in the order in which they were tried.
        tried: Vec<String>,
    },
    /// The address is none that Drydock knows.
    #[error("the engine address `{0}` is neither `unix://PATH`, `tcp://HOST:PORT` nor `ssh://USER@HOST`")]
    Address(String),
    /// A file that says where engines are cannot be read.
    #[error("cannot read `{}`, which says how an engine is reached", .path.display())]
    Settings {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no such Docker context.
    #[error("there is no Docker context `{name}`, which {named_by} names: `{}` gives no address", .path.display())]
    NoContext {
        /// Its name.
        name: String,
        /// What names it.
        named_by: &'static str,
        /// Where it would be.
        path: PathBuf,
    },
    /// A Docker context wants that nobody checks who answers.
    #[error("the Docker context `{name}` has `SkipTLSVerify` in `{}`, and no engine is used that does not prove who it is", .path.display())]
    Unverified {
        /// Its name.
        name: String,
        /// The context's file.
        path: PathBuf,
    },
    /// There is no such connection of Podman.
    #[error("there is no Podman connection `{0}`, which CONTAINER_CONNECTION names")]
    NoConnection(String),
    /// The socket is there and the user may not use it.
    #[error("permission denied on the {engine} socket `{address}`")]
    Permission {
        /// `Docker` or `Podman`.
        engine: &'static str,
        /// The socket.
        address: String,
    },
    /// The socket is there, and nothing answers that can be understood.
    #[error("no {engine} answers at `{address}`")]
    Silent {
        /// `Docker` or `Podman`.
        engine: &'static str,
        /// The socket.
        address: String,
        /// What was seen.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The engine's machine has another processor.
    #[error("the engine at `{address}` runs on {theirs}, Drydock on {ours}")]
    Architecture {
        /// The socket.
        address: String,
        /// `arm64` and the like.
        theirs: String,
        /// Likewise.
        ours: &'static str,
    },
    /// The folder of the engine's files cannot be written.
    #[error("cannot write the engine's files in `{}`", .folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An image of the store cannot be read.
    #[error("cannot read the image `{image}` for the engine")]
    Store {
        /// Digest of its manifest.
        image: String,
        /// Why.
        source: OciError,
    },
    /// An image of the store cannot be packed for the engine.
    #[error("cannot pack the image `{image}` for the engine")]
    Archive {
        /// Digest of its manifest.
        image: String,
        /// Why.
        source: ArchiveError,
    },
    /// The engine did not take an image.
    #[error("cannot load the image `{image}` into the engine")]
    Load {
        /// Digest of its manifest.
        image: String,
        /// Why.
        source: Bollard,
    },
    /// The engine took an image and does not have it afterwards.
    #[error("the engine took the image `{image}` and does not show it")]
    Vanished {
        /// Digest of its manifest, or key of a derived image.
        image: String,
    },
    /// There is no derived image of this name.
    #[error("the engine has no derived image `{0}`")]
    NotDerived(String),
    /// A request about a container or an image failed.
    #[error("cannot {operation} `{thing}`")]
    Request {
        /// What was wanted, such as `create the container`.
        operation: &'static str,
        /// Name of the container or image.
        thing: String,
        /// The engine's answer.
        source: Bollard,
    },
    /// Containers of an engine with a root of its own should see this machine's network.
    #[error("Docker with a user namespace of its own (userns-remap) gives no container this machine's network")]
    NoHostNetwork,
    /// Docker was started without the network that containers get.
    #[error("Docker has no bridge network, so that its containers reach no other machine")]
    NoBridge,
    /// The program of a container does not exist or is not executable.
    #[error("cannot start `{program}` in the container")]
    Program {
        /// Name or path of the program.
        program: String,
        /// Where it was looked for.
        tried: Vec<String>,
        /// Why.
        source: io::Error,
    },
    /// The engine stopped answering while a container ran.
    #[error("the engine stopped answering while the container `{container}` ran")]
    Lost {
        /// Name of the container.
        container: String,
        /// The last error.
        source: Bollard,
    },
    /// The engine gave no whole archive of a container's output folder, however often it was asked.
    #[error("the engine gives no whole archive of the output folder of the container `{container}`")]
    Cut {
        /// Name of the container.
        container: String,
        /// What is missing.
        source: Box<CollectError>,
    },
    /// A file of the host that a container should see cannot be read.
    #[error("cannot read `{}` for the container", .path.display())]
    Input {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The changes of a derived image cannot be written.
    #[error("cannot write the changes of the derived image `{image}` to `{}`", .path.display())]
    Export {
        /// The key of the derived image.
        image: String,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// `docker save` gave no layer with the digest of the image's last one.
    #[error("the engine's archive of the derived image `{image}` has no layer `{layer}`")]
    NoLayer {
        /// The key of the derived image.
        image: String,
        /// Digest of the layer.
        layer: String,
    },
}

impl ApiError {
    /// A function that tells which operation on `thing` failed.
    pub(super) fn request(operation: &'static str, thing: &str) -> impl FnOnce(Bollard) -> Self {
        move |source| Self::Request { operation, thing: thing.to_owned(), source }
    }

    /// What the user can do.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoSocket { engine: "Docker", .. } => {
                "start Docker, set DOCKER_HOST, or use `--engine podman` or `--engine embedded`".to_owned()
            }
            Self::NoSocket { .. } => {
                "start it by `podman system service --time=0 &`, set CONTAINER_HOST, or use `--engine embedded`".to_owned()
            }
            Self::NoContext { .. } => "see `docker context ls`, or set DOCKER_HOST".to_owned(),
            Self::Unverified { name, .. } => format!(
                "give it the authority of the daemon's certificate: `docker context update {name} --docker \
                 host=tcp://…,ca=ca.pem,cert=cert.pem,key=key.pem`"
            ),
            Self::NoConnection(_) => "see `podman system connection list`, or set CONTAINER_HOST".to_owned(),
            Self::Silent { address, .. } if address.starts_with("ssh://") => {
                format!("try `ssh` to that machine by hand: the engine's program must be in the PATH of a login there, for `{address}`")
            }
            Self::Permission { engine: "Docker", .. } => {
                "add yourself to the group `docker` (`sudo usermod -aG docker $USER`, then log in again), or use rootless \
                 Docker, rootless Podman or `--engine embedded`"
                    .to_owned()
            }
            Self::Permission { .. } => {
                "use your own Podman (`podman system service --time=0 &`) or `--engine embedded`".to_owned()
            }
            Self::Silent { address, .. } if address.starts_with("tcp://") || address.starts_with("https://") => {
                "does it speak TLS? DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH=FOLDER are for that: `ca.pem` is who vouches \
                 for the daemon's certificate, `cert.pem` and `key.pem` are yours"
                    .to_owned()
            }
            Self::Silent { .. } => "is its daemon running? A socket can outlive it".to_owned(),
            Self::Architecture { .. } => "use an engine on a machine with the same processor".to_owned(),
            Self::Program { tried, .. } if tried.len() > 1 => {
                format!("looked for in {}; a script needs its interpreter in the image, too", tried.join(", "))
            }
            Self::Program { .. } => "a script needs its interpreter in the image, too".to_owned(),
            Self::Store { source, .. } | Self::Archive { source: ArchiveError::Layer(source), .. } => return source.hint(),
            Self::NoHostNetwork => "leave out `--network host`: its containers have a network of their own".to_owned(),
            Self::NoBridge => "start `dockerd` without `--bridge none`, or give `--network host`".to_owned(),
            Self::Cut { .. } => "repeat the command; if it is told again, restart the engine".to_owned(),
            Self::Lost { .. } => {
                "start the engine again and repeat the command: it removes what is left of the container and goes on".to_owned()
            }
            _ => return None,
        })
    }
}
