//! Why a toolchain stage cannot be made.

use std::io;
use std::path::PathBuf;

use super::StageContext;
use super::containerfile::ContainerfileError;
use crate::engine::{EngineError, Exit, RelativePath};
use crate::oci::OciError;
use crate::package::header::HeaderError;

/// A stage could not be made; nothing of it is used.
#[derive(Debug, thiserror::Error)]
pub enum ToolchainError {
    /// The containerfile, or the file that says what is not copied, cannot be read.
    #[error("cannot read `{}` of stage `{stage}`", path.display())]
    ReadContainerfile {
        /// The stage.
        stage: String,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The containerfile says something that is not carried out.
    #[error("stage `{stage}` cannot be made")]
    Containerfile {
        /// The stage.
        stage: String,
        /// Line and reason.
        source: ContainerfileError,
    },
    /// `COPY` names a file that is not there, or not a regular file, folder or link.
    #[error("`{}` line {line}: cannot copy `{file}`", containerfile.display())]
    Copy {
        /// The containerfile.
        containerfile: PathBuf,
        /// Line of the instruction.
        line: usize,
        /// The file as the instruction names it.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// A folder is copied to where the image has something else.
    #[error("`{}` line {line}: `{place}` is a folder in what is copied, and a link or a file in the image", containerfile.display())]
    CopyOver {
        /// The containerfile.
        containerfile: PathBuf,
        /// Line of the instruction.
        line: usize,
        /// The path in the image.
        place: String,
    },
    /// The user has changed a file while the stage was made: its image would have another content than its key says.
    #[error("`{}` was changed while stage `{stage}` was made", path.display())]
    Changed {
        /// The stage.
        stage: String,
        /// The file.
        path: PathBuf,
    },
    /// A command of the containerfile failed.
    #[error("`{}` line {line}: the command ended with {exit}{}", containerfile.display(), quoted(excerpt))]
    Command {
        /// The containerfile.
        containerfile: PathBuf,
        /// Line of the instruction.
        line: usize,
        /// How it ended.
        exit: Exit,
        /// Its last lines.
        excerpt: Vec<String>,
        /// The whole output.
        log: PathBuf,
    },
    /// None of the bases could be had.
    #[error("no base of stage `{stage}` can be had:{}", list(tried))]
    NoBase {
        /// The stage.
        stage: String,
        /// Each base with the reason.
        tried: Vec<(String, String)>,
    },
    /// The stage starts from one that is not made.
    #[error("stage `{stage}` starts from `{below}`, which has no image")]
    NoStageBelow {
        /// The stage.
        stage: String,
        /// The stage that it starts from.
        below: String,
    },
    /// The package of the stage's `provides` could not be made or installed.
    #[error("cannot record what stage `{stage}` provides: {reason}")]
    Provides {
        /// The stage.
        stage: String,
        /// What rpm said.
        reason: String,
    },
    /// The RPM database of the image cannot be read.
    #[error("cannot read which packages the image of stage `{stage}` has: {reason}")]
    Database {
        /// The stage.
        stage: String,
        /// How `rpm` ended, and what it said.
        reason: String,
    },
    /// The RPMs of the stage could not be installed into an empty root.
    #[error("the packages of stage `{stage}` cannot be installed: {exit}{}", quoted(excerpt))]
    Install {
        /// The stage.
        stage: String,
        /// How it ended.
        exit: Exit,
        /// The last lines of the output.
        excerpt: Vec<String>,
        /// The whole output.
        log: PathBuf,
    },
    /// An RPM of the stage cannot be read.
    #[error("cannot read `{}` of stage `{stage}`", path.display())]
    Rpm {
        /// The stage.
        stage: String,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: HeaderError,
    },
    /// A file of ours could not be written or read.
    #[error("cannot {operation} `{}`", path.display())]
    File {
        /// `write`, `read`, …
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The run was cancelled.
    #[error("cancelled while making stage `{stage}`")]
    Cancelled {
        /// The stage.
        stage: String,
    },
    /// The image store failed.
    #[error("cannot keep the image of stage `{stage}`")]
    Store {
        /// The stage.
        stage: String,
        /// The cause.
        source: OciError,
    },
    /// The engine failed.
    #[error("the engine failed while making stage `{stage}`")]
    Engine {
        /// The stage.
        stage: String,
        /// The cause.
        source: EngineError,
    },
}

impl ToolchainError {
    /// A folder of the project that has no absolute path.
    pub(super) fn place(context: &StageContext<'_>, error: &RelativePath) -> Self {
        let source = io::Error::other(error.to_string());
        Self::File { operation: "mount", path: context.layout.work(), source }
    }

    /// What the user can do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Command { log, .. } | Self::Install { log, .. } => {
                Some(format!("the whole output is in `{}`", log.display()))
            }
            Self::Changed { .. } => Some("run the same command again; finished steps are kept".to_owned()),
            Self::CopyOver { place, .. } => Some(format!(
                "copy what is in the folder by an instruction of its own, as in `COPY DIR/ {place}/`: it goes where the link leads"
            )),
            Self::NoBase { .. } => {
                Some("a base can be an image by digest, an archive, or `debootstrap` with a mirror".into())
            }
            Self::Engine { source, .. } => source.hint(),
            Self::Store { source, .. } => source.hint(),
            _ => None,
        }
    }
}

fn quoted(excerpt: &[String]) -> String {
    excerpt.iter().map(|line| format!("\n  | {line}")).collect()
}

fn list(tried: &[(String, String)]) -> String {
    tried.iter().map(|(base, reason)| format!("\n  {base}: {reason}")).collect()
}
