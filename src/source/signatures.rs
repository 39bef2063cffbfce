//! `<spec>.signatures.json`: the SHA-256 of each source of a spec.
//!
//! The format is Azure Linux's: `{"Signatures": {"<file name>": "<64 hexadecimal digits>"}}`. As there, the word
//! `Signatures` and the digits are read in either case. Nothing else may stand in the file.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{Error as _, MapAccess, Visitor};

use super::whole_file;
use crate::digest::Sha256;
use crate::json;
use crate::printable;
use crate::regular;
use crate::words;

/// Digests by file name.
pub type Signatures = BTreeMap<String, Sha256>;

/// Why a `signatures.json` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SignaturesError {
    /// The file is there and cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The content is not what the format asks for.
    #[error("`{}`, line {line}, column {column}: {reason}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
        /// What is wrong there.
        reason: String,
    },
    /// The file cannot be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// The signatures file of the spec file `spec_path`.
pub fn path_of(spec_path: &Path) -> PathBuf {
    spec_path.with_extension("signatures.json")
}

/// Reads the signatures file `path`; a missing one has no entries.
pub fn read(path: &Path) -> Result<Signatures, SignaturesError> {
    match regular::read_to_string(path) {
        Ok(text) => parse(path, &text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Signatures::new()),
        Err(source) => Err(SignaturesError::Read { path: path.to_owned(), source }),
    }
}

/// The signatures in `text`, the content of `path`.
pub fn parse(path: &Path, text: &str) -> Result<Signatures, SignaturesError> {
    let wrong = |(line, column), reason| SignaturesError::Content { path: path.to_owned(), line, column, reason };
    let file: File = json::parse(text).map_err(|fault| wrong((fault.line, fault.column), fault.reason))?;
    let entry = |(file, digest): (String, String)| match digest.parse() {
        _ if !printable::is_file_name(&file) => {
            let quoted = serde_json::Value::from(file.as_str()).to_string();
            let reason = format!("{file:?} is no name of a file: it has no `/` and no control character");
            Err(wrong(place_of(text, &quoted), reason))
        }
        Ok(parsed) => Ok((file, parsed)),
        Err(error) => Err(wrong(place_of(text, &format!("\"{digest}\"")), format!("`{file}`: {error}"))),
    };
    file.0.into_iter().map(entry).collect()
}

/// Line and column, both counted from 1, of the first `quoted` in `text`; the text's start when it is written otherwise.
fn place_of(text: &str, quoted: &str) -> (usize, usize) {
    let mut lines = text.lines().enumerate();
    let found = lines.find_map(|(line, content)| content.rfind(quoted).map(|column| (line + 1, column + 1)));
    found.unwrap_or((1, 1))
}

/// Puts `entries` in the place of all entries of the file `path`, sorted; tells whether that changed the file.
///
/// The indentation and the end of the file stay as they are; a new file is indented by two spaces.
pub fn write(path: &Path, entries: &Signatures) -> Result<Changed, SignaturesError> {
    let old = regular::read_to_string(path).ok();
    let text = format(entries, old.as_deref());
    if old.as_deref() == Some(&text) {
        return Ok(Changed::No);
    }
    let written = whole_file::replace(path, text.as_bytes());
    written.map(|()| Changed::Yes).map_err(|source| SignaturesError::Write { path: path.to_owned(), source })
}

/// Whether a file is different now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the answers")]
pub enum Changed {
    Yes,
    No,
}

pub(super) fn format(entries: &Signatures, old: Option<&str>) -> String {
    let step = old.and_then(indentation).unwrap_or("  ");
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let lines: Vec<String> =
        entries.iter().map(|(file, digest)| format!("{step}{step}{}: \"{digest}\"", quoted(file))).collect();
    let inner = if lines.is_empty() { String::new() } else { format!("\n{}\n{step}", lines.join(",\n")) };
    let end = if old.is_some_and(|old| !old.ends_with('\n')) { "" } else { "\n" };
    format!("{{\n{step}\"Signatures\": {{{inner}}}\n}}{end}")
}

/// The blanks and tabs that the second line of `text` begins with; JSON knows no other white space in a line.
fn indentation(text: &str) -> Option<&str> {
    let line = text.lines().nth(1)?;
    let step = &line[..line.len() - line.trim_start_matches([' ', '\t']).len()];
    (!step.is_empty()).then_some(step)
}

struct File(BTreeMap<String, String>);

impl<'de> Deserialize<'de> for File {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FileVisitor)
    }
}

struct FileVisitor;

impl<'de> Visitor<'de> for FileVisitor {
    type Value = File;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with the one key `Signatures`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<File, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<String>()? {
            if !key.eq_ignore_ascii_case("Signatures") {
                return Err(A::Error::custom(words::unknown("key", &key, &["Signatures"])));
            }
            if found.replace(map.next_value()?).is_some() {
                return Err(A::Error::custom(words::twice("Signatures")));
            }
        }
        found.map(File).ok_or_else(|| A::Error::custom("the key `Signatures` is missing"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::causes;

    const ZEROS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

    fn read_text(text: &str) -> Result<Signatures, String> {
        parse(Path::new("/s/a.signatures.json"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn key_and_digits_are_read_in_either_case() {
        let digits = "ab".repeat(32);
        for (key, shown) in [("Signatures", digits.clone()), ("signatures", digits.to_uppercase())] {
            let read = read_text(&format!("{{\"{key}\": {{\"a.tar\": \"{shown}\"}}}}")).unwrap();
            assert_eq!(read["a.tar"].to_string(), digits);
        }
    }

    #[test]
    fn a_fault_is_told_with_its_place() {
        let wrong = read_text("{\n \"Signatures\": {\n  \"a.tar\": \"12\"\n }\n}").unwrap_err();
        assert_eq!(
            wrong,
            "`/s/a.signatures.json`, line 3, column 12: `a.tar`: `12` is not a SHA-256 digest: 64 hexadecimal digits are expected"
        );
        let unknown = read_text("{\n \"Signature\": {}\n}").unwrap_err();
        assert!(
            unknown.contains("line 2") && unknown.contains("`Signature` is no known key; did you mean `Signatures`?"),
            "{unknown}"
        );
        assert!(read_text("{}").unwrap_err().contains("`Signatures` is missing"));
        assert!(read_text("{\"Signatures\": {}").unwrap_err().contains("line 1"));
    }

    #[test]
    fn a_file_that_is_signed_twice_is_told_and_editors_of_other_systems_are_understood() {
        let twice = format!("{{\"Signatures\": {{\n\"a\": \"{ZEROS}\",\n\"a\": \"{ZEROS}\"}}}}");
        assert_eq!(
            read_text(&twice).unwrap_err(),
            "`/s/a.signatures.json`, line 3, column 3: the key `a` is there twice: remove one of them"
        );
        let windows = format!("\u{feff}{{\r\n\"Signatures\": {{\r\n\"a\": \"{ZEROS}\"\r\n}}}}\r\n");
        assert_eq!(read_text(&windows).unwrap().len(), 1);
    }

    #[test]
    fn a_name_that_no_file_has_is_refused() {
        for name in ["", "..", "../a", "a/b", "a\\u001bb", "a\\nb"] {
            let told = read_text(&format!("{{\n\"Signatures\": {{\n \"{name}\": \"{ZEROS}\"}}}}")).unwrap_err();
            assert!(told.contains("line 3, column 2: ") && told.contains("is no name of a file"), "{told}");
        }
    }

    #[test]
    fn an_update_keeps_the_formatting() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.signatures.json");
        let entries = Signatures::from([("b".into(), ZEROS.parse().unwrap()), ("a".into(), ZEROS.parse().unwrap())]);
        std::fs::write(&path, "{\n \"Signatures\": {\n  \"x\": \"00\"\n }\n}").unwrap();
        assert_eq!(write(&path, &entries).unwrap(), Changed::Yes);
        assert_eq!(write(&path, &entries).unwrap(), Changed::No);
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, format!("{{\n \"Signatures\": {{\n  \"a\": \"{ZEROS}\",\n  \"b\": \"{ZEROS}\"\n }}\n}}"));
        assert_eq!(read(&path).unwrap(), entries);
    }

    #[test]
    fn a_pipe_is_told_and_not_waited_for() {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.signatures.json");
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR, 0).unwrap();
        let error = read(&path).unwrap_err();
        assert!(causes::in_one_line(&error).ends_with("a.signatures.json`: it is a pipe, not a file"), "{error:?}");
    }

    #[test]
    fn a_new_file_is_indented_by_two_spaces() {
        let folder = tempfile::tempdir().unwrap();
        let path = path_of(&folder.path().join("a.spec"));
        write(&path, &Signatures::from([("a".into(), ZEROS.parse().unwrap())])).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, format!("{{\n  \"Signatures\": {{\n    \"a\": \"{ZEROS}\"\n  }}\n}}\n"));
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_whatever_stood_there(
            names in prop::collection::btree_map("[a-z\"\\\\][A-Z0-9 ü_+~.\"\\\\-]{0,12}", any::<[u8; 4]>(), 0..6),
            old in prop::option::of("\\PC{0,3}(\n|\r\n)[ \t\u{b}\u{a0}]{0,4}\\PC{0,5}\n?"),
        ) {
            let entries: Signatures =
                names.into_iter().map(|(name, seed)| (name, Sha256::of_bytes(&seed))).collect();
            let text = format(&entries, old.as_deref());
            prop_assert_eq!(read_text(&text), Ok(entries.clone()));
            prop_assert_eq!(format(&entries, Some(&text)), text);
        }

        #[test]
        fn any_text_is_read_or_refused_at_a_line_of_it(text in "(\\{|\"Signatures\"|:|\"[a-f0-9]{64}\"|\"a\"|,|\\}|\n| |\\PC){0,12}") {
            match parse(Path::new("a"), &text) {
                Ok(entries) => prop_assert!(entries.len() * 64 <= text.len()),
                Err(SignaturesError::Content { line, reason, .. }) => {
                    prop_assert!(line <= text.matches('\n').count() + 1 && !reason.is_empty());
                }
                Err(other) => prop_assert!(false, "{}", other),
            }
        }
    }
}
