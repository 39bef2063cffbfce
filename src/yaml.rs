//! Reads a YAML or JSON file into a raw type; the only place that names the YAML crate.
//!
//! An error shows the file, the line and column, and what was expected there. Unknown keys are refused by the types
//! themselves (`deny_unknown_fields`). A merge key (`<<`) is a key like any other.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserializer as _;
use serde::de::{DeserializeOwned, Visitor};

use crate::address;
use crate::json;
use crate::regular;
use crate::text_file::without_mark;
use crate::unique::Unique;

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
        let text = without_mark(text);
        of_yaml(text).map_err(|error| wrong(told(&error, text)))
    }
}

/// Duplicate keys first: a type tells of those at the start of its object, and not every type tells of them.
fn of_yaml<T: DeserializeOwned>(text: &str) -> Result<T, serde_yaml::Error> {
    serde_yaml::from_str::<Unique>(text)?;
    serde_yaml::from_str(text)
}

/// What `error` says of `text`, with places that the reader leaves out: a second document's, and the file's first.
fn told(error: &serde_yaml::Error, text: &str) -> String {
    let said = error.to_string();
    let is_second = said.contains("more than one document");
    let said = if is_second { "a second document begins, and one is expected".to_owned() } else { said };
    match if is_second { second_document(text) } else { error.location() } {
        Some(at) if !said.contains(" at line ") => format!("{said} at line {} column {}", at.line(), at.column()),
        _ => said,
    }
}

/// The reader tells the place of what a type refuses. Asked for a document behind a fault in `text`, it would panic.
fn second_document(text: &str) -> Option<serde_yaml::Location> {
    let second = serde_yaml::Deserializer::from_str(text).nth(1)?;
    second.deserialize_any(Nothing).err()?.location()
}

/// Takes no value at all.
struct Nothing;

impl Visitor<'_> for Nothing {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fault_of(text: &str) -> String {
        parse::<Known>(Path::new("a.yaml"), text).unwrap_err().to_string()
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Known {
        suite: Option<String>,
        mirrors: Option<Vec<bool>>,
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        let read = |text: &str| {
            let Known { suite, mirrors } = parse(Path::new("a.yaml"), text).unwrap();
            (suite.unwrap_or_default(), mirrors.unwrap_or_default())
        };
        for (text, suite) in [("3.0", "3.0"), ("0755", "0755"), ("no", "no"), ("!x 1", "1"), ("'~'", "~"), ("~", "")] {
            assert_eq!(read(&format!("suite: {text}\n")).0, suite, "{text}");
        }
        assert_eq!(read("suite: 99999999999999999999999999\n").0, "99999999999999999999999999");
        assert_eq!(read("mirrors: [&yes true, *yes]\n").1, [true, true]);
        assert_eq!(read("\u{feff}mirrors:\r\n  - true\r\n").1, [true]);
    }

    #[test]
    fn what_is_no_configuration_is_refused_with_its_place() {
        for (text, parts) in [
            ("suite: a\nmirrors:\n- {a: 1}\n", &["mirrors[0]", "line 3 column 3"][..]),
            ("suite: a\nmirrors: [no]\n", &["mirrors[0]", "line 2 column 11"]),
            ("suite: a\nsiute: a\n", &["siute", "line 2 column 1"]),
            ("suite: a\nmirrors: [true]\nsuite: b\n", &["`suite` is there twice", "line 3 column 1"]),
            ("suite: a\n<<: {suite: b}\n", &["<<", "line 2 column 1"]),
            ("suite:\n\t- a\n", &["line 2"]),
            ("suite: *a\n", &["line 1 column 8"]),
            ("suite: a\n---\nsuite: b\n", &["second document", "line 3 column 1"]),
            ("[a]: b\n", &["line 1 column 1"]),
        ] {
            let told = fault_of(text);
            assert!(parts.iter().all(|part| told.contains(part)), "{text:?}: {told}");
        }
    }

    #[test]
    fn aliases_that_grow_without_an_end_are_refused_at_once() {
        let level = |at: u32| format!("a{at}: &a{at} [{}]\n", vec![format!("*a{}", at - 1); 10].join(", "));
        let bomb = format!("a0: &a0 [x]\n{}", (1..12).map(level).collect::<String>());
        let begun = std::time::Instant::now();
        let told = parse::<serde_json::Value>(Path::new("a.yaml"), &bomb).unwrap_err().to_string();
        assert!(told.contains("repetition limit"), "{told}");
        assert!(begun.elapsed().as_secs() < 10);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(
            text in "(suite|mirrors|: |\n|- |  |\t|---\n|[&*]a |!a |!!null |~|[\\[\\]{}|>,'\"#%@?]|true|\\PC){0,10}",
        ) {
            let _ = parse::<Known>(Path::new("a.yaml"), &text);
            let _ = parse::<serde_json::Value>(Path::new("a.yaml"), &text);
        }
    }

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
