//! Reads a YAML or JSON file into a raw type; the only place that names the YAML crate.
//!
//! An error shows the file, the line and column, and what was expected there. Unknown keys are refused by the types
//! themselves (`deny_unknown_fields`).

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use crate::address;

/// Why a configuration file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigFileError {
    /// The file cannot be opened or read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The content is not what the file's kind asks for.
    #[error("`{}` is not right: {message}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Place and reason, possibly on several lines.
        message: String,
    },
}

/// The content of `path` as a `T`: JSON when the name ends in `.json`, YAML otherwise.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<T, ConfigFileError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| ConfigFileError::Read { path: path.to_owned(), source })?;
    parse(path, &text)
}

/// `text`, the content of `path`, as a `T`.
pub fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, ConfigFileError> {
    // The lines around the place are shown, and an address in them may have a password.
    let wrong = |message: String| ConfigFileError::Content {
        path: path.to_owned(),
        message: address::in_text(&message).into_owned(),
    };
    if path.extension().is_some_and(|extension| extension == "json") {
        serde_json::from_str(text).map_err(|error| wrong(error.to_string()))
    } else {
        serde_yaml::from_str(text).map_err(|error| wrong(error.to_string().trim_start_matches("error: ").to_owned()))
    }
}
