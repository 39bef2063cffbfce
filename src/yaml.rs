//! Reads a YAML or JSON file into a raw type; the only place that names the YAML crate.
//!
//! An error shows the file, the line and column, and what was expected there. Unknown keys are refused by the types
//! themselves (`deny_unknown_fields`). A merge key (`<<`) is a key like any other.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserializer as _;
use serde::de::{DeserializeOwned, DeserializeSeed, Visitor};

use crate::address;
use crate::json;
use crate::place::{self, Seek, Step};
use crate::regular;
use crate::text_file::without_mark;
use crate::unique::Unique;
use crate::words;

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
    if is_json(path) {
        json::parse(text).map_err(|fault| wrong(fault.to_string()))
    } else {
        of_yaml(without_mark(text)).map_err(wrong)
    }
}

/// Line and column of the value of `text`, the content of `path`, that `keys` such as `Disks[0].Type` lead to; where there is
/// none, of the nearest one above it.
pub fn place_of(path: &Path, text: &str, keys: &str) -> Option<(usize, usize)> {
    let (steps, text) = (place::steps(keys), without_mark(text));
    (1..=steps.len()).rev().find_map(|count| seek(is_json(path), text, &steps[..count]))
}

fn seek(is_json: bool, text: &str, steps: &[Step<'_>]) -> Option<(usize, usize)> {
    let seek = Seek(steps);
    if is_json {
        let error = seek.deserialize(&mut serde_json::Deserializer::from_str(text)).err()?;
        Some((error.line(), error.column()))
    } else {
        let at = seek.deserialize(serde_yaml::Deserializer::from_str(text)).err()?.location()?;
        Some((at.line(), at.column()))
    }
}

fn is_json(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "json")
}

/// `text` as a `T`, or what is wrong with it, and where.
fn of_yaml<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let is_content = |line: &str| !matches!(line.trim_start().chars().next(), None | Some('#'));
    if !text.lines().any(is_content) {
        return Err(format!("line 1, column 1: {}", words::EMPTY));
    }
    // A type tells of keys that are there twice at the start of its object, and not every type does.
    let read = serde_yaml::from_str::<Unique>(text).and_then(|Unique| serde_yaml::from_str(text));
    read.map_err(|error| told(&error, text))
}

/// What `error` means, with the place in `text`.
fn told(error: &serde_yaml::Error, text: &str) -> String {
    let said = error.to_string();
    let lines_and_columns = |at: serde_yaml::Location| (at.line(), at.column());
    let (place, reason) = if said.contains("more than one document") {
        let reason = "a second document begins here, and a file has one: remove what follows";
        (second_document(text).map(lines_and_columns), reason.to_owned())
    } else if let Some((said, at)) = said.rsplit_once(" at position ") {
        (at.parse().ok().map(|at| line_and_column(text, at)), words::plain_yaml(said))
    } else {
        let place = error.location().map(lines_and_columns);
        let shown = place.map(|(line, column)| format!(" at line {line} column {column}"));
        (place, words::plain_yaml(shown.and_then(|shown| said.strip_suffix(&shown)).unwrap_or(&said)))
    };
    place.map_or_else(|| reason.clone(), |(line, column)| format!("line {line}, column {column}: {reason}"))
}

/// Line and column of the byte `at` of `text`.
fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, line.chars().count() + 1)
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

    /// What is said, without the name of the file.
    fn fault_of(text: &str) -> String {
        let told = parse::<Known>(Path::new("a.yaml"), text).unwrap_err().to_string();
        told.strip_prefix("`a.yaml` is not right: ").unwrap().to_owned()
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

    fn faults_of<const N: usize>(texts: [&str; N]) -> String {
        texts.map(|text| format!("{text:?}\n  {}\n", fault_of(text))).concat()
    }

    #[test]
    fn what_is_no_yaml_is_told_in_plain_words_with_its_place() {
        let texts = [
            "",
            "# a\n",
            "suite:\n\t- a\n",
            "\tsuite: a\n",
            "suite: *a\n",
            "suite: a\n---\nsuite: b\n",
            "suite: a: b\n",
            "suite: 'a\n",
            "suite: [a\n",
            "suite: {a\n",
            "suite: \"\\q\"\n",
            "suite: a\n  mirrors: b\n",
            "suite: @a\n",
            "suite: %a\n",
            "suite: - a\n",
            "suite: a\nmirrors\n",
            "suite: !<a\n",
            "suite: a\nmirrors: ü\u{7}\n",
        ];
        insta::assert_snapshot!(faults_of(texts), @r##"
        ""
          line 1, column 1: there is nothing in the file
        "# a\n"
          line 1, column 1: there is nothing in the file
        "suite:\n\t- a\n"
          line 2, column 1: no value begins with this: put text into quotes, and indent by spaces, not by tabs
        "\tsuite: a\n"
          line 1, column 1: no value begins with this: put text into quotes, and indent by spaces, not by tabs
        "suite: *a\n"
          line 1, column 8: no `&` above has the name that is repeated here: put text that begins with `*` into quotes
        "suite: a\n---\nsuite: b\n"
          line 3, column 1: a second document begins here, and a file has one: remove what follows
        "suite: a: b\n"
          line 1, column 9: a `:` stands where no key may be: put the text into quotes, or mend the indentation
        "suite: 'a\n"
          line 2, column 1: the text ends within quotes: the closing one is missing
        "suite: [a\n"
          line 2, column 1: a `,` or a `]` is expected here
        "suite: {a\n"
          line 2, column 1: a `,` or a `}` is expected here
        "suite: \"\\q\"\n"
          line 1, column 9: this `\` begins no escape: in double quotes, a backslash is written as `\\`
        "suite: a\n  mirrors: b\n"
          line 2, column 10: a `:` stands where no key may be: put the text into quotes, or mend the indentation
        "suite: @a\n"
          line 1, column 8: no value begins with this: put text into quotes, and indent by spaces, not by tabs
        "suite: %a\n"
          line 1, column 8: no value begins with this: put text into quotes, and indent by spaces, not by tabs
        "suite: - a\n"
          line 1, column 8: a list may not begin here: begin it on a line of its own
        "suite: a\nmirrors\n"
          line 3, column 1: a `:` is expected after the key above
        "suite: !<a\n"
          line 1, column 11: YAML cannot be read on from here: put the text into quotes
        "suite: a\nmirrors: ü\u{7}\n"
          line 2, column 11: a control character stands here: remove it, or write it as an escape in double quotes
        "##);
    }

    #[test]
    fn yaml_of_another_shape_is_told_in_plain_words_with_its_place() {
        let texts = [
            "suite: a\nmirrors:\n- {a: 1}\n",
            "suite: a\nmirrors: [no]\n",
            "mirrors: yes\n",
            "suite: [a]\n",
            "suite: a\nsiute: a\n",
            "suite: a\nxyz: a\n",
            "suite: a\nmirrors: [true]\nsuite: b\n",
            "suite: a\n<<: {suite: b}\n",
            "[a]: b\n",
            "- a\n",
            "suite\n",
            "\"a b: c\": 1\n",
        ];
        insta::assert_snapshot!(faults_of(texts), @r#"
        "suite: a\nmirrors:\n- {a: 1}\n"
          line 3, column 3: `mirrors[0]`: this is an object of keys and values, and true or false is expected
        "suite: a\nmirrors: [no]\n"
          line 2, column 11: `mirrors[0]`: this is the text "no", and true or false is expected
        "mirrors: yes\n"
          line 1, column 10: `mirrors`: this is the text "yes", and a list is expected
        "suite: [a]\n"
          line 1, column 8: `suite`: this is a list, and text is expected
        "suite: a\nsiute: a\n"
          line 2, column 1: `siute` is no known key; did you mean `suite`?
        "suite: a\nxyz: a\n"
          line 2, column 1: `xyz` is no known key; known here: suite, mirrors
        "suite: a\nmirrors: [true]\nsuite: b\n"
          line 3, column 1: the key `suite` is there twice: remove one of them
        "suite: a\n<<: {suite: b}\n"
          line 2, column 1: `<<` is no known key; known here: suite, mirrors
        "[a]: b\n"
          line 1, column 1: this is a list, and text is expected
        "- a\n"
          line 1, column 1: this is a list, and an object of keys and values is expected
        "suite\n"
          line 1, column 1: this is the text "suite", and an object of keys and values is expected
        "\"a b: c\": 1\n"
          line 1, column 1: `a b: c` is no known key; known here: suite, mirrors
        "#);
    }

    #[test]
    fn the_keys_that_lead_to_a_fault_are_told() {
        type Deep = std::collections::BTreeMap<String, Vec<Known>>;
        let told = |text: &str| parse::<Deep>(Path::new("a.yaml"), text).unwrap_err().to_string();
        let told = told("'a b: c':\n- suite: a\n- mirrors: [1]\n");
        assert_eq!(
            told,
            "`a.yaml` is not right: line 3, column 13: `a b: c[1].mirrors[0]`: this is the number `1`, and true or false is expected"
        );
    }

    #[test]
    fn the_place_of_a_value_is_found() {
        let yaml = "a:\n- b: 1\n- C: {d: 1, e.f: 2}\n  g: 3\n";
        let json = "{\"a\": [\n{\"b\": 1},\n{\"C\": {\"d\": 1,\n\"e.f\": 2}, \"g\": 3}]}";
        for (keys, in_yaml, in_json) in [
            ("a", (1, 1), (1, 4)),
            ("a[1].c.d", (3, 7), (3, 10)),
            ("a[1].c[`e.f`]", (3, 13), (4, 5)),
            ("a[1].g", (4, 3), (4, 14)),
            ("a[0]", (2, 3), (2, 1)),
            ("a[0].x.y", (2, 3), (2, 1)),
            ("a[7]", (1, 1), (1, 4)),
        ] {
            assert_eq!(place_of(Path::new("a.yaml"), yaml, keys), Some(in_yaml), "{keys}");
            assert_eq!(place_of(Path::new("a.json"), json, keys), Some(in_json), "{keys}");
        }
        assert_eq!(place_of(Path::new("a.yaml"), yaml, "x"), None);
    }

    #[test]
    fn aliases_that_grow_without_an_end_are_refused_at_once() {
        let level = |at: u32| format!("a{at}: &a{at} [{}]\n", vec![format!("*a{}", at - 1); 10].join(", "));
        let bomb = format!("a0: &a0 [x]\n{}", (1..12).map(level).collect::<String>());
        let told = parse::<serde_json::Value>(Path::new("a.yaml"), &bomb).unwrap_err().to_string();
        assert!(told.contains("aliases (`*`) repeat too much"), "{told}");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(
            text in "(suite|mirrors|: |\n|- |  |\t|---\n|[&*]a |!a |!!null |~|[\\[\\]{}|>,'\"#%@?]|true|\\PC){0,10}",
        ) {
            if let Err(error) = parse::<Known>(Path::new("a.yaml"), &text) {
                let said = error.to_string();
                let theirs = ["did not find", "found ", "invalid type", "unknown field", "not allowed", " at line "];
                prop_assert!(!theirs.iter().any(|words| said.contains(words)), "{said}");
                prop_assert!(said.starts_with("`a.yaml` is not right: line "), "{said}");
            }
            let _ = parse::<serde_json::Value>(Path::new("a.yaml"), &text);
        }
    }

    #[test]
    fn a_key_that_is_there_twice_is_refused_with_its_place_and_a_mark_says_nothing() {
        let read =
            |name: &str, text: &str| parse::<serde_json::Value>(Path::new(name), text).map_err(|e| e.to_string());
        let told = read("a.json", "{\"a\": 1,\n\"a\": 2}").unwrap_err();
        assert_eq!(told, "`a.json` is not right: line 2, column 3: the key `a` is there twice: remove one of them");
        assert!(read("a.yaml", "a: 1\na: 2\n").unwrap_err().contains("line 2"));
        for (name, text) in [("a.json", "{\"a\": [1]}"), ("a.yaml", "a:\n  - 1\n")] {
            let windows = format!("\u{feff}{}", text.replace('\n', "\r\n"));
            assert_eq!(read(name, &windows).unwrap(), serde_json::json!({ "a": [1] }), "{name}");
        }
    }
}
