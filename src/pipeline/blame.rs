//! Whose affair an error of the pipeline is, which decides the exit code.

use std::error::Error;

use super::error::PipelineError;
use crate::build::BuildError;
use crate::cache::CacheError;
use crate::engine::EngineError;
use crate::oci::OciError;
use crate::source::SourceError;
use crate::spec::SpecError;
use crate::toolchain::ToolchainError;

/// Whose affair an error is; decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// A package or image.
    Result,
    /// What the user asked for, or a file of the user.
    Usage,
    /// The engine, the disk, the network.
    Host,
    /// The user wanted it to end.
    Nobody,
}

impl PipelineError {
    /// Whose affair it is.
    pub fn blame(&self) -> Blame {
        if is_refusal(self) {
            return Blame::Result;
        }
        if causes(self).any(|error| error.downcast_ref::<CacheError>().is_some_and(CacheError::is_usage)) {
            return Blame::Usage;
        }
        match self {
            Self::Toolchain(error) => of_toolchain(error),
            Self::StagePackages { .. } | Self::StageRoot { .. } => Blame::Result,
            Self::Spec(SpecError::Engine { .. }) => Blame::Host,
            Self::Cancelled | Self::Spec(SpecError::Cancelled) => Blame::Nobody,
            Self::NoStage { .. }
            | Self::NoPart { .. }
            | Self::Unreadable(_)
            | Self::MacroFile { .. }
            | Self::StageFile { .. }
            | Self::StageChanged { .. }
            | Self::SameImage { .. }
            | Self::StageKey { .. }
            | Self::MissingRpms { .. }
            | Self::NothingToVerify { .. }
            | Self::NotOfPackages { .. }
            | Self::UnknownStage { .. }
            | Self::CheckedAndIgnored { .. }
            | Self::CheckedAndOff
            | Self::NothingAsked
            | Self::OtherArch { .. }
            | Self::Taken { .. }
            | Self::IgnoredAndRebuilt { .. }
            | Self::Graph(_)
            | Self::NotLocked(_)
            | Self::Spec(_)
            | Self::Source(SourceError::Unavailable(_) | SourceError::Update(_))
            | Self::Build(
                BuildError::NoSource { .. }
                | BuildError::Changed { .. }
                | BuildError::NoSpec { .. }
                | BuildError::NotBuilt { .. },
            ) => Blame::Usage,
            Self::Remote(error) | Self::Build(BuildError::Remote(error)) if !error.is_host() => Blame::Usage,
            Self::Image(error) if error.is_configuration() => Blame::Usage,
            Self::Attest(error) if error.is_usage() => Blame::Usage,
            // The layout's own damage is none of the user's doing.
            Self::Store(error) if error.is_usage() && !matches!(error, OciError::Malformed { .. }) => Blame::Usage,
            Self::Remote(_)
            | Self::Source(_)
            | Self::Build(_)
            | Self::Image(_)
            | Self::Engine(_)
            | Self::Store(_)
            | Self::StageRpm { .. }
            | Self::Attest(_) => Blame::Host,
        }
    }
}

/// `error` and what it came from.
fn causes(error: &PipelineError) -> impl Iterator<Item = &(dyn Error + 'static)> {
    let first: &(dyn Error + 'static) = error;
    std::iter::successors(Some(first), |error| (**error).source())
}

/// True when a container left what is not taken, which its program is to blame for, in whichever stage.
fn is_refusal(error: &PipelineError) -> bool {
    let engine_error = |error: &(dyn Error + 'static)| {
        let boxed = error.downcast_ref::<Box<EngineError>>().map(AsRef::as_ref);
        error.downcast_ref::<EngineError>().or(boxed).is_some_and(|error| error.refusal().is_some())
    };
    causes(error).any(engine_error) || matches!(error, PipelineError::Engine(error) if error.refusal().is_some())
}

fn of_toolchain(error: &ToolchainError) -> Blame {
    match error {
        ToolchainError::Command { .. } | ToolchainError::Install { .. } => Blame::Result,
        ToolchainError::ReadContainerfile { .. }
        | ToolchainError::Containerfile { .. }
        | ToolchainError::Copy { .. }
        | ToolchainError::CopyOver { .. }
        | ToolchainError::Changed { .. }
        | ToolchainError::NoStageBelow { .. }
        | ToolchainError::Provides { .. }
        | ToolchainError::Database { .. } => Blame::Usage,
        ToolchainError::NoBase { .. }
        | ToolchainError::File { .. }
        | ToolchainError::Rpm { .. }
        | ToolchainError::Cancelled { .. }
        | ToolchainError::Store { .. }
        | ToolchainError::Engine { .. } => Blame::Host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{CollectError, Refusal};

    #[test]
    fn what_a_container_left_is_no_fault_of_the_engine() {
        let refusal = || EngineError::from(CollectError::from(Refusal::Outside("../x".to_owned())));
        let broken = || EngineError::NoEngine { reasons: Vec::new(), hint: None };
        let everywhere = |error: fn() -> EngineError| {
            let stage = || "base".to_owned();
            [
                PipelineError::from(error()),
                ToolchainError::Engine { stage: stage(), source: error() }.into(),
                SpecError::Engine { stage: stage(), source: Box::new(error()) }.into(),
            ]
        };
        assert!(everywhere(refusal).iter().all(|error| error.blame() == Blame::Result));
        assert!(everywhere(broken).iter().all(|error| error.blame() == Blame::Host));
    }
}
