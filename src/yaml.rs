//! Reads a YAML or JSON file into a raw type; the only place that names the YAML crate.
//!
//! An error shows the file, the line and column, and what was expected there. Unknown keys are refused by the types
//! themselves (`deny_unknown_fields`).

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use crate::address;
use crate::json;
use crate::regular;
use crate::text_file::without_mark;

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
        regular::read_to_string(path).map_err(|source| ConfigFileError::Read { path: path.to_owned(), source })?;
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
        json::parse(text).map_err(|fault| wrong(fault.to_string()))
    } else {
        serde_yaml::from_str(without_mark(text))
            .map_err(|error| wrong(error.to_string().trim_start_matches("error: ").to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_there_twice_is_refused_with_its_place_and_a_mark_says_nothing() {
        let read =
            |name: &str, text: &str| parse::<serde_json::Value>(Path::new(name), text).map_err(|e| e.to_string());
        let told = read("a.json", "{\"a\": 1,\n\"a\": 2}").unwrap_err();
        assert_eq!(told, "`a.json` is not right: the key `a` is there twice at line 2 column 3");
        assert!(read("a.yaml", "a: 1\na: 2\n").unwrap_err().contains("line 2"));
        for (name, text) in [("a.json", "{\"a\": [1]}"), ("a.yaml", "a:\n  - 1\n")] {
            let windows = format!("\u{feff}{}", text.replace('\n', "\r\n"));
            assert_eq!(read(name, &windows).unwrap(), serde_json::json!({ "a": [1] }), "{name}");
        }
    }
}
