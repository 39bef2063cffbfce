//! Faults that end the reading of specs; a spec that does not parse is a [`super::SpecFailure`] instead.

use std::io;
use std::path::{Path, PathBuf};

use crate::engine::{EngineError, Exit, RelativePath};
use crate::stop;

/// Why specs cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// The user wants to stop.
    #[error("cancelled")]
    Cancelled,
    /// A folder of specs cannot be listed.
    #[error("cannot list the specs in `{}`", path.display())]
    List {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// There is nothing to read.
    #[error("there is no spec in `{}` or in a folder of it", in_a_row(folders))]
    None {
        /// The folders that were looked into.
        folders: Vec<PathBuf>,
        /// Specs that lie deeper.
        deeper: Vec<PathBuf>,
    },
    /// Two spec files have the same name, so that the name does not tell which package is meant.
    #[error("two spec files are called `{name}`: `{}` and `{}`", first.display(), second.display())]
    Twice {
        /// File name.
        name: String,
        /// One of them.
        first: PathBuf,
        /// The other one.
        second: PathBuf,
    },
    /// A spec file, or a file beside it, cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A folder that is not absolute.
    #[error("the folder of specs cannot be shown to a container")]
    Folder(#[from] RelativePath),
    /// The name of an RPM macro is not one.
    #[error("`{name}` is not the name of an RPM macro")]
    Macro {
        /// As given.
        name: String,
    },
    /// The engine is broken.
    #[error("cannot run `rpmspec` in the toolchain image of stage `{stage}`")]
    Engine {
        /// The toolchain's stage.
        stage: String,
        /// What the engine said.
        source: Box<EngineError>,
    },
    /// The container ended before it had looked at all its specs.
    #[error("`rpmspec` in the toolchain image of stage `{stage}`: {exit}{}", said(output))]
    Exit {
        /// The toolchain's stage.
        stage: String,
        /// How it ended.
        exit: Exit,
        /// What it wrote, if anything.
        output: String,
    },
    /// A file of Drydock's own cannot be read or written.
    #[error("cannot use `{}`", path.display())]
    State {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file of saved specs is not one.
    #[error("`{}` holds no saved specs: {reason}", path.display())]
    Saved {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column.
        reason: String,
    },
}

/// Why what is at `path` was not read.
pub(super) fn reading(path: &Path) -> impl Fn(io::Error) -> SpecError {
    move |source| {
        let path = path.to_owned();
        if stop::is_stopped(&source) { SpecError::Cancelled } else { SpecError::Read { path, source } }
    }
}

fn in_a_row(folders: &[PathBuf]) -> String {
    folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join("`, `")
}

/// Which folder to name for a spec that lies too deep.
fn deeper_hint(deeper: &[PathBuf]) -> Option<String> {
    let spec = deeper.first()?;
    let folder = spec.parent()?.parent()?;
    Some(format!("`{}` lies deeper: name the folder `{}`", spec.display(), folder.display()))
}

fn said(output: &str) -> String {
    if output.is_empty() { String::new() } else { format!("\n{output}") }
}

impl SpecError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::None { deeper, .. } => deeper_hint(deeper),
            Self::Twice { .. } => Some("rename one of them, or leave out the folder of one".into()),
            Self::Exit { exit: Exit::Code(126 | 127), .. } => {
                Some("the image needs `rpmspec` (package `rpm` or `rpm-build`) and a user `builder`".into())
            }
            Self::Saved { .. } => Some("write the file again with `drydock plan --save-specs`".into()),
            Self::Engine { source, .. } => source.hint(),
            _ => None,
        }
    }
}
