//! Faults of an engine, as opposed to a program that fails in a container.

use super::api::ApiError;
use super::collect::{CollectError, Refusal};
use super::embedded::SandboxError;
use super::trial::TrialError;

/// The engine, the host or an image is broken; a program that fails in its container is an [`super::Exit`].
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A fault of Docker or Podman.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// A fault of the embedded engine.
    #[error(transparent)]
    Embedded(#[from] SandboxError),
    /// The files of a container's output folder were not taken.
    #[error(transparent)]
    Collect(#[from] CollectError),
    /// A container was run for a trial, in vain.
    #[error(transparent)]
    Trial(#[from] TrialError),
    /// None of the engines can be used.
    #[error("no container engine can be used: {}", .reasons.join("; "))]
    NoEngine {
        /// One sentence an engine, in the order in which they were tried.
        reasons: Vec<String>,
        /// What the user can do to use the embedded engine, which needs no daemon.
        hint: Option<String>,
    },
}

impl EngineError {
    /// What the container left in its output folder that is not taken: then its program is to blame, and nothing is wrong
    /// with the engine.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Collect(CollectError::Refused(refusal)) => Some(refusal),
            _ => None,
        }
    }

    /// What the user can do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Api(fault) => fault.hint(),
            Self::Embedded(fault) => fault.hint(),
            Self::Trial(fault) => fault.hint(),
            Self::Collect(_) => None,
            Self::NoEngine { hint: None, .. } => Some("start Docker or Podman".to_owned()),
            Self::NoEngine { hint: Some(hint), .. } => {
                Some(format!("start Docker or Podman; or, for the embedded engine: {hint}"))
            }
        }
    }
}
