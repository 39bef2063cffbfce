//! Why sources cannot be had: every fault of every package at once, with the places that were tried.

use std::fmt::{self, Write as _};
use std::path::PathBuf;

use super::signatures::SignaturesError;
use crate::address;
use crate::digest::Sha256;

/// Why [`super::fetch`] gives no sources.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Files are missing or are not what their signatures say. Sorted by spec and file.
    #[error("{}", list(.0))]
    Unavailable(Vec<SourceProblem>),
    /// The source cache, or the list of known digests, cannot be read or written.
    #[error("cannot use the source cache: `{}`", path.display())]
    Cache {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// No HTTP client can be made.
    #[error("cannot prepare downloads")]
    Client(#[source] reqwest::Error),
    /// The new digests of a spec cannot be written.
    #[error("cannot update the signatures")]
    Update(#[source] SignaturesError),
}

/// What is wrong with one file.
#[derive(Debug)]
pub struct SourceProblem {
    /// The spec file that names it.
    pub spec_path: PathBuf,
    /// Name of the spec file without `.spec`.
    pub spec: String,
    /// File name of the source; of the signatures file when that is wrong.
    pub file: String,
    /// What is wrong.
    pub wrong: Wrong,
}

/// A way in which a source is not at hand.
#[derive(Debug)]
pub enum Wrong {
    /// The spec's signatures file cannot be used.
    Signatures(SignaturesError),
    /// The signatures file does not name it.
    Unsigned {
        /// Digest of the file beside the spec, if there is one.
        local: Option<Sha256>,
    },
    /// The file beside the spec is not the one that was signed.
    Mismatch {
        /// The file.
        path: PathBuf,
        /// What the signature says.
        expected: Sha256,
        /// What the file has.
        got: Sha256,
    },
    /// The file beside the spec is a link out of the checkout. What it leads to was not read.
    Outside {
        /// The link.
        path: PathBuf,
        /// Its text.
        target: PathBuf,
    },
    /// The file beside the spec is a link to nothing, and no other place is known.
    Dangling {
        /// The link.
        path: PathBuf,
        /// Its text.
        target: PathBuf,
    },
    /// The file beside the spec cannot be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// No place has it.
    NotFound {
        /// What the signature says.
        expected: Option<Sha256>,
        /// In the order in which they were tried.
        tried: Vec<Tried>,
    },
}

/// A place that did not have a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// A folder, a URL, or a description.
    pub place: String,
    /// Why the file did not come from there.
    pub reason: String,
}

impl Tried {
    /// A place as it may be shown.
    pub(super) fn new(place: &str, reason: String) -> Self {
        Self { place: address::shown(place), reason }
    }
}

impl SourceError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unavailable(problems) => {
                let hints =
                    [update_hint(problems), missing_hint(problems), refused_hint(problems), outside_hint(problems)];
                let hints: Vec<String> = hints.into_iter().flatten().collect();
                (!hints.is_empty()).then(|| hints.join("\n"))
            }
            Self::Cache { .. } => Some("look at the free space and the owner of the cache folder".into()),
            Self::Client(_) => Some("install the system's certificates (package `ca-certificates`)".into()),
            Self::Update(_) => None,
        }
    }
}

fn update_hint(problems: &[SourceProblem]) -> Option<String> {
    let differs = |wrong: &Wrong| match wrong {
        Wrong::Unsigned { .. } | Wrong::Mismatch { .. } => true,
        Wrong::NotFound { tried, .. } => tried.iter().any(|tried| tried.reason.starts_with("has digest")),
        _ => false,
    };
    let mut specs: Vec<&str> = problems.iter().filter(|p| differs(&p.wrong)).map(|p| p.spec.as_str()).collect();
    specs.dedup();
    let names = specs.join(" ");
    (!specs.is_empty()).then(|| {
        format!("if the files are the right ones, `drydock sources --update-signatures {names}` writes their digests")
    })
}

fn missing_hint(problems: &[SourceProblem]) -> Option<String> {
    let missing = problems.iter().any(|problem| matches!(problem.wrong, Wrong::NotFound { .. }));
    missing.then(|| {
        "name a mirror that has the missing files with `--source-url URL`, or put them beside their specs".into()
    })
}

fn refused_hint(problems: &[SourceProblem]) -> Option<String> {
    let refused = |tried: &Tried| tried.reason.starts_with("401") || tried.reason.starts_with("403");
    let refused = problems.iter().any(|problem| match &problem.wrong {
        Wrong::NotFound { tried, .. } => tried.iter().any(refused),
        _ => false,
    });
    refused.then(|| {
        "a server that refuses may want a token (`--source-token-file FILE`) or a client certificate \
         (`--source-client-cert FILE --source-client-key FILE`)"
            .into()
    })
}

fn outside_hint(problems: &[SourceProblem]) -> Option<String> {
    let any = problems.iter().any(|problem| matches!(problem.wrong, Wrong::Outside { .. }));
    any.then(|| "put the file itself into the checkout, or name its folder among the folders of specs".into())
}

fn list(problems: &[SourceProblem]) -> String {
    let files = if problems.len() == 1 { "file is" } else { "files are" };
    let mut text = format!("{} source {files} not at hand", problems.len());
    for problem in problems {
        let _ = write!(text, "\n{problem}");
    }
    text
}

impl fmt::Display for SourceProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  `{}`: `{}`: {}", self.spec_path.display(), self.file, self.wrong)
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signatures(error) => {
                write!(f, "{error}")?;
                std::error::Error::source(error).map_or(Ok(()), |cause| write!(f, ": {cause}"))
            }
            Self::Unsigned { local: Some(digest) } => {
                write!(f, "has no signature; the file beside the spec has digest {digest}")
            }
            Self::Unsigned { local: None } => f.write_str("has no signature"),
            Self::Mismatch { path, expected, got } => {
                write!(f, "`{}` has digest {got}, its signature says {expected}", path.display())
            }
            Self::Outside { path, target } => {
                write!(f, "`{}` is a link to `{}`, which is outside of the checkout", path.display(), target.display())
            }
            Self::Dangling { path, target } => {
                write!(f, "`{}` is a link to `{}`, which is not there", path.display(), target.display())
            }
            Self::Unreadable { path, source } => write!(f, "cannot read `{}`: {source}", path.display()),
            Self::NotFound { expected, tried } => {
                let digest = expected.map(|digest| format!(" (digest {digest})")).unwrap_or_default();
                write!(f, "is nowhere{digest}")?;
                tried.iter().try_for_each(|tried| write!(f, "\n    {}: {}", tried.place, tried.reason))
            }
        }
    }
}
