//! Why an image cannot be read, stored, pulled or pushed.

use std::io;
use std::path::{Path, PathBuf};

use super::RegistryFault;
use crate::address;
use crate::digest::Sha256;

/// Why an image cannot be read, stored, pulled or pushed.
#[derive(Debug, thiserror::Error)]
pub enum OciError {
    /// A file of the layout or an archive cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file of the layout cannot be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The layout has no such image.
    #[error("the image `{digest}` is not in `{}`", root.display())]
    MissingImage {
        /// Digest of its manifest.
        digest: Sha256,
        /// The layout.
        root: PathBuf,
    },
    /// A blob that a manifest names is not there.
    #[error("the blob `{digest}` is missing: there is no `{}`", path.display())]
    MissingBlob {
        /// Its digest.
        digest: Sha256,
        /// Where it should be.
        path: PathBuf,
    },
    /// A blob's content is not what its name says.
    #[error("the blob `{}` is damaged", path.display())]
    DamagedBlob {
        /// The file.
        path: PathBuf,
        /// True when it was removed from the layout.
        is_removed: bool,
        /// What was found.
        source: io::Error,
    },
    /// JSON that is none, or not of the expected form.
    #[error("cannot understand {what}")]
    Json {
        /// The document.
        what: String,
        /// Where and why.
        source: serde_json::Error,
    },
    /// A document or an archive that contradicts itself or needs something unknown.
    #[error("{what}: {problem}")]
    Malformed {
        /// The document or archive.
        what: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A file that holds no image.
    #[error("`{}` is no image: {problem}", path.display())]
    NoImage {
        /// The file or folder.
        path: PathBuf,
        /// What was looked for.
        problem: String,
    },
    /// No image of an index fits this machine.
    #[error("{what} has no image for linux/{wanted}; it has {found}")]
    Platform {
        /// The index.
        what: String,
        /// OCI's word for the architecture.
        wanted: String,
        /// What it has, in words.
        found: String,
    },
    /// An image reference that cannot be parsed.
    #[error("`{}` is no image reference", address::given(reference))]
    Reference {
        /// The text.
        reference: String,
        /// Why.
        source: oci_client::ParseError,
    },
    /// A repository that is not written in full, or with a tag or a digest.
    #[error(
        "`{}` is to be a registry and a repository, and nothing else: `{}`",
        address::given(reference),
        address::given(name)
    )]
    Repository {
        /// The text.
        reference: String,
        /// What is expected.
        name: String,
    },
    /// An image reference that could mean another image tomorrow.
    #[error("the image reference `{reference}` has no sha256 digest, so it could be another image tomorrow")]
    NoDigest {
        /// The text.
        reference: String,
    },
    /// A registry did not do what was asked of it.
    #[error(transparent)]
    Registry(#[from] Box<RegistryFault>),
    /// A transfer was stopped by the user.
    #[error("the transfer of `{reference}` was stopped")]
    Stopped {
        /// The image.
        reference: String,
    },
    /// A file of logins that cannot be understood; its content is not told.
    #[error("cannot understand the logins in `{}`{}", path.display(), place.map(|(line, column)| format!(" (line {line}, column {column})")).unwrap_or_default())]
    Login {
        /// The file.
        path: PathBuf,
        /// Line and column; None for a login that is no base64 of `user:password`.
        place: Option<(usize, usize)>,
    },
    /// A helper that keeps logins failed.
    #[error("`{program}` gives no login for `{registry}`: {problem}")]
    LoginHelper {
        /// The helper.
        program: String,
        /// The registry.
        registry: String,
        /// How it ended, or why it could not be started.
        problem: String,
    },
}

impl OciError {
    /// True when the user asked for what cannot be, as against a fault of the machine or the network.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Registry(fault) => fault.is_usage(),
            Self::Reference { .. }
            | Self::Repository { .. }
            | Self::NoDigest { .. }
            | Self::NoImage { .. }
            | Self::Malformed { .. }
            | Self::Platform { .. }
            | Self::Login { .. }
            | Self::LoginHelper { .. } => true,
            _ => false,
        }
    }

    /// What the user can do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::DamagedBlob { is_removed: true, .. } => Some(
                "it was removed: the same command pulls or makes it again; check the disk if it happens twice".to_owned(),
            ),
            Self::DamagedBlob { path, .. } => Some(format!("get `{}` again", path.display())),
            Self::MissingBlob { .. } | Self::MissingImage { .. } => {
                Some("run the toolchain stage again: what is missing is pulled or made again".to_owned())
            }
            Self::NoImage { .. } => Some(
                "an OCI archive or layout folder, a `docker save` archive or a tar of a root file system is expected, plain or compressed by gzip, xz or zstd"
                    .to_owned(),
            ),
            Self::NoDigest { reference } => Some(format!(
                "write `{reference}@sha256:…`; `docker buildx imagetools inspect` or `skopeo inspect` tell the digest of a tag"
            )),
            Self::Registry(fault) => Some(fault.hint()),
            Self::Login { path, .. } => Some(format!("log in again by `docker login` or `podman login`, or remove `{}`", path.display())),
            Self::LoginHelper { program, registry, .. } => {
                Some(format!("`echo {registry} | {program} get` shows what is wrong with it"))
            }
            _ => None,
        }
    }

    pub(super) fn read(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Read { path: path.to_owned(), source }
    }

    pub(super) fn write(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Write { path: path.to_owned(), source }
    }

    pub(super) fn malformed(what: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Malformed { what: what.into(), problem: problem.into() }
    }
}
