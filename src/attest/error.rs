//! Why an image cannot be signed, or its signature is not trusted.

use std::io;
use std::path::{Path, PathBuf};

use crate::digest::Sha256;
use crate::oci::OciError;

/// Why an image cannot be signed, or its signature is not trusted.
#[derive(Debug, thiserror::Error)]
pub enum AttestError {
    /// A key cannot be read.
    #[error("cannot read the key `{}`", path.display())]
    ReadKey {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file that holds no key that can be used.
    #[error("`{}` is no {kind} key that can be used: {problem}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// `private` or `public`.
        kind: &'static str,
        /// What is in it.
        problem: String,
    },
    /// The signing itself failed.
    #[error("cannot sign {what}")]
    Sign {
        /// The image.
        what: String,
    },
    /// Nobody has signed the image.
    #[error("the image `{image}` has no {what}", image = image.to_oci())]
    Unsigned {
        /// The image.
        image: Sha256,
        /// `signature` or `attestation of type …`.
        what: String,
    },
    /// Others have signed the image, or its signatures are not about it.
    #[error("none of the {count} {what}s of the image `{image}` counts: {problems}", image = image.to_oci())]
    Untrusted {
        /// The image.
        image: Sha256,
        /// `signature` or `attestation of type …`.
        what: String,
        /// How many there are.
        count: usize,
        /// What is wrong with each.
        problems: String,
    },
    /// A new document cannot be written as JSON.
    #[error("cannot write {what} as JSON")]
    Json {
        /// The document.
        what: &'static str,
        /// Why.
        source: serde_json::Error,
    },
    /// The image store or the registry failed.
    #[error(transparent)]
    Oci(#[from] OciError),
}

impl AttestError {
    /// True when the user asked for what cannot be, as against a fault of the machine or the network.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Oci(error) => error.is_usage(),
            Self::Sign { .. } | Self::Json { .. } => false,
            _ => true,
        }
    }

    /// What the user can do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Key { kind: "private", .. } => Some(
                "`openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt` makes one"
                    .to_owned(),
            ),
            Self::Key { .. } => {
                Some("`openssl pkey -in PRIVATE.pem -pubout` writes the public key of a private one".to_owned())
            }
            Self::Unsigned { .. } => Some("ask whoever pushed the image to push it with `--sign-key`".to_owned()),
            Self::Untrusted { .. } => Some(
                "do not use the image unless you know why; check that the key is the one of whoever pushed it"
                    .to_owned(),
            ),
            Self::Oci(error) => error.hint(),
            _ => None,
        }
    }

    pub(super) fn key(path: &Path, kind: &'static str, problem: impl Into<String>) -> Self {
        Self::Key { path: path.to_owned(), kind, problem: problem.into() }
    }
}
