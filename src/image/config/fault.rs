//! What is wrong with an image configuration: all faults of one kind together, each with its place in the file.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::regular;
use crate::yaml::{self, ConfigFileError};

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where: `SystemConfigs[0].PartitionSettings[1].ID`; empty for the file as a whole.
    pub place: String,
    /// Line and column of that place, or of what is nearest above it; None where the file has neither.
    pub at: Option<(usize, usize)>,
    /// What is wrong, as the rest of a sentence that starts with the place.
    pub text: String,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read, or is no JSON or YAML.
    #[error(transparent)]
    File(ConfigFileError),
    /// Keys or values are wrong.
    #[error("`{}`: {}", path.display(), listed(faults))]
    Faults {
        /// The configuration.
        path: PathBuf,
        /// At least one.
        faults: Vec<Fault>,
    },
    /// Everything it says is right, and some of it cannot be made yet.
    #[error("`{}` asks for what is not supported yet: {}", path.display(), listed(keys))]
    Unsupported {
        /// The configuration.
        path: PathBuf,
        /// At least one.
        keys: Vec<Fault>,
    },
    /// The schema and the types that hold a configuration disagree.
    #[error("`{}` has the right keys, but does not fit its type: this is a fault in Drydock", path.display())]
    Shape {
        /// The configuration.
        path: PathBuf,
        /// Where they disagree.
        source: serde_json::Error,
    },
    /// There is nothing in it to build.
    #[error("`{}` describes no image", path.display())]
    Empty {
        /// The configuration.
        path: PathBuf,
    },
}

impl ConfigError {
    /// The same with the line and column of each fault in its file.
    pub(super) fn located(mut self) -> Self {
        let (Self::Faults { path, faults } | Self::Unsupported { path, keys: faults }) = &mut self else { return self };
        // It was read a moment ago; without it, the keys say where.
        let text = regular::read_to_string(path).unwrap_or_default();
        for fault in faults {
            fault.at = yaml::place_of(path, &text, &fault.place);
        }
        self
    }

    /// What the user can do.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Unsupported { .. } => "take these keys out of a copy of the file, or build this image elsewhere",
            Self::Faults { .. } => "keys that start with `_` are comments; paths are relative to the file's folder",
            _ => return None,
        };
        Some(text.to_owned())
    }
}

/// One fault on the same line, several on a line each.
fn listed(faults: &[Fault]) -> String {
    match faults {
        [fault] => fault.to_string(),
        _ => faults.iter().map(|fault| format!("\n  {fault}")).collect(),
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((line, column)) = self.at {
            write!(f, "line {line}, column {column}: ")?;
        }
        if self.place.is_empty() {
            f.write_str(&self.text)
        } else {
            write!(f, "{} {}", self.place.escape_debug(), self.text)
        }
    }
}

/// Gathers faults while a file is checked.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    /// Notes that the value at `place` is wrong.
    pub(super) fn add(&mut self, place: impl Into<String>, text: impl Into<String>) {
        self.0.push(Fault { place: place.into(), at: None, text: text.into() });
    }

    /// True when nothing wrong was found so far.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Everything found.
    pub(super) fn into_faults(self) -> Vec<Fault> {
        self.0
    }

    /// An error with all faults found so far, if there are any.
    pub(super) fn refuse(&mut self, path: &Path) -> Result<(), ConfigError> {
        if self.0.is_empty() {
            return Ok(());
        }
        Err(ConfigError::Faults { path: path.to_owned(), faults: std::mem::take(&mut self.0) })
    }
}
