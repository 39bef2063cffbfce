//! Why a run ends without its results, and whose affair that is.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::missing::MissingRpm;
use crate::attest::AttestError;
use crate::build::{BuildError, Summary};
use crate::cache::CacheError;
use crate::engine::EngineError;
use crate::graph::GraphError;
use crate::image::ImageError;
use crate::oci::OciError;
use crate::remote::RemoteError;
use crate::source::SourceError;
use crate::spec::{SpecError, SpecFailure};
use crate::toolchain::ToolchainError;

/// A stage could not do its work; a package or image that fails is told in the stage's result instead.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The user wants the run to stop.
    #[error("cancelled")]
    Cancelled,
    /// A stage has no image.
    #[error("stage `{stage}` has no image")]
    NoStage {
        /// The stage.
        stage: String,
    },
    /// The pipeline has no such part.
    #[error("pipeline `{pipeline}` has no `{part}`")]
    NoPart {
        /// Its name.
        pipeline: String,
        /// `packages` or `images`.
        part: &'static str,
    },
    /// Specs that were asked for do not parse.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Unreadable(Vec<SpecFailure>),
    /// A file of RPM macros cannot be read.
    #[error("cannot read the macro file `{}`", path.display())]
    MacroFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The checks of these specs are asked for and left out at the same time.
    #[error("the checks of `{}` are to run alone and to be ignored at the same time", specs.join("`, `"))]
    CheckedAndIgnored {
        /// Names of the specs, sorted.
        specs: Vec<String>,
    },
    /// Checks are asked for by name and turned off at the same time.
    #[error("checks are to run that the pipeline does not list, and `--check off` turns all checks off")]
    CheckedAndOff,
    /// A spec that was asked for would make RPMs of another one.
    #[error("`{spec}.spec` cannot be built: {why}")]
    Taken {
        /// The spec.
        spec: String,
        /// Why, in words.
        why: String,
    },
    /// What was asked for names no package that a spec makes.
    #[error("nothing is to be built: no spec makes any of the packages that were asked for")]
    NothingAsked,
    /// All that was asked for is for other machines.
    #[error("nothing that is asked for can be built for `{arch}`: {}", not_for_this_arch(specs))]
    OtherArch {
        /// RPM's word for the architecture of the run.
        arch: String,
        /// By spec, the tag that leaves it out.
        specs: BTreeMap<String, String>,
    },
    /// Specs are to be built again and to be ignored.
    #[error("`{}` cannot be built again and ignored at the same time", specs.join("`, `"))]
    IgnoredAndRebuilt {
        /// Names of the specs, sorted.
        specs: Vec<String>,
    },
    /// The packages of a stage are asked for, and it has none.
    #[error("stage `{stage}` is not made of packages that are built here")]
    NotOfPackages {
        /// The stage.
        stage: String,
    },
    /// A stage is asked for that is not there.
    #[error("pipeline `{pipeline}` has no stage `{stage}`; it has `{}`", known.join("`, `"))]
    UnknownStage {
        /// The pipeline's name.
        pipeline: String,
        /// The stage.
        stage: String,
        /// Those that it has.
        known: Vec<String>,
    },
    /// Packages of a stage have no RPMs.
    #[error("stage `{stage}` cannot be made: {}", summary.account())]
    StagePackages {
        /// The stage.
        stage: String,
        /// How their builds ended.
        summary: Box<Summary>,
    },
    /// The packages of a stage cannot be installed into an empty root.
    #[error("the packages of stage `{stage}` do not make a root of their own:\n{reason}")]
    StageRoot {
        /// The stage.
        stage: String,
        /// What is missing or in conflict.
        reason: String,
    },
    /// There is nothing to compare with.
    #[error("there is no RPM of `{}` to compare with", specs.join("`, `"))]
    NothingToVerify {
        /// Names of the specs, sorted.
        specs: Vec<String>,
    },
    /// The keys of a stage of RPMs cannot be used.
    #[error("the keys of stage `{stage}` cannot be used: {problem}")]
    StageKey {
        /// The stage.
        stage: String,
        /// Which, and why not.
        problem: String,
    },
    /// RPMs of a stage's manifest cannot be had.
    #[error("{}", tell_missing(stage, missing))]
    MissingRpms {
        /// The stage.
        stage: String,
        /// Each, with where it was looked for.
        missing: Vec<MissingRpm>,
    },
    /// An RPM of a stage cannot be read.
    #[error("an RPM of stage `{stage}` cannot be read")]
    StageRpm {
        /// The stage.
        stage: String,
        /// Which, and why not.
        source: CacheError,
    },
    /// A file that a stage is made from cannot be read.
    #[error("cannot read `{}` of stage `{stage}`", path.display())]
    StageFile {
        /// The stage.
        stage: String,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The user has changed a file while a stage was made from it.
    #[error("`{}` was changed while stage `{stage}` was made", path.display())]
    StageChanged {
        /// The stage.
        stage: String,
        /// The file or folder.
        path: PathBuf,
    },
    /// Two image configurations have one name, and their images would have one, too.
    #[error("`{}` and `{}` both make the image `{name}`", first.display(), second.display())]
    SameImage {
        /// The name.
        name: String,
        /// A configuration.
        first: PathBuf,
        /// Another one.
        second: PathBuf,
    },
    /// A toolchain stage failed.
    #[error(transparent)]
    Toolchain(#[from] ToolchainError),
    /// The specs could not be read.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The graph has no order, or something is missing in it.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// Packages are missing that the lock file does not list.
    #[error("what the lock file lists is not enough, and `--locked` forbids to add to it\n{0}")]
    NotLocked(GraphError),
    /// Sources are missing or wrong.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Remote repositories cannot be used.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The package stage broke down.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The image stage broke down.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The engine broke down.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The image store or a registry broke down.
    #[error(transparent)]
    Store(#[from] OciError),
    /// An image of a stage is not trusted, or cannot be described.
    #[error(transparent)]
    Attest(#[from] AttestError),
}

/// Specs with the tags that leave them out.
pub(super) fn not_for_this_arch(specs: &BTreeMap<String, String>) -> String {
    specs.iter().map(|(spec, why)| format!("`{spec}` ({why})")).collect::<Vec<_>>().join(", ")
}

impl PipelineError {
    /// What the user can do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoStage { stage } => Some(format!("make it with `drydock toolchain build {stage}`")),
            Self::NoPart { part, .. } => {
                Some(format!("add `{part}:` to the pipeline file, or name another one by --pipeline"))
            }
            Self::Unreadable(_) => Some("correct the spec, then run the same command again".to_owned()),
            Self::MissingRpms { .. } => Some(
                "name a server or a folder that has them in the stage's `urls` or `folders`, or check the manifest"
                    .to_owned(),
            ),
            Self::Cancelled
            | Self::MacroFile { .. }
            | Self::StageFile { .. }
            | Self::StageKey { .. }
            | Self::StageRpm { .. }
            | Self::NotOfPackages { .. }
            | Self::UnknownStage { .. } => None,
            Self::NothingToVerify { .. } => Some("build it first".to_owned()),
            Self::StageChanged { .. } => Some("run the same command again; finished packages are kept".to_owned()),
            Self::SameImage { .. } => Some("an image is called as its configuration: rename one of them".to_owned()),
            Self::StagePackages { .. } => Some("run the same command again: what is finished is kept".to_owned()),
            Self::StageRoot { .. } => {
                Some("a spec of the stage must make what is missing, or `install` leave out what needs it".to_owned())
            }
            Self::CheckedAndIgnored { .. } => Some("name each in `--check-only` or in `--check-ignore`".to_owned()),
            Self::OtherArch { .. } => {
                Some("take a machine of its architecture; `drydock specs` says which that is".to_owned())
            }
            Self::NothingAsked => Some("name packages, or build every spec with `--all`".to_owned()),
            Self::Taken { .. } => {
                Some("give one of the packages another name, version or release, or remove its spec".to_owned())
            }
            Self::IgnoredAndRebuilt { .. } => Some("name each in `--rebuild` or in `--ignore`".to_owned()),
            Self::CheckedAndOff => Some("take `--check warn` or `--check fail`".to_owned()),
            Self::Toolchain(error) => error.hint(),
            Self::Spec(error) => error.hint(),
            Self::Graph(error) => error.hint(),
            Self::NotLocked(_) => {
                Some("run the same command without `--locked`, and commit the new lock file".to_owned())
            }
            Self::Source(error) => error.hint(),
            Self::Remote(error) => error.hint(),
            Self::Build(error) => error.hint(),
            Self::Image(error) => error.hint(),
            Self::Engine(error) => error.hint(),
            Self::Store(error) => error.hint(),
            Self::Attest(error) => error.hint(),
        }
    }
}

fn tell_missing(stage: &str, missing: &[MissingRpm]) -> String {
    let mut lines = vec![format!("{} RPMs of stage `{stage}` cannot be had", missing.len())];
    for rpm in missing {
        lines.push(format!("  `{}`", rpm.file));
        lines.extend(rpm.tried.iter().map(|tried| format!("    {}: {}", tried.place, tried.reason)));
    }
    lines.join("\n")
}
