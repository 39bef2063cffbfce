//! A spec that does not parse: which, where and why.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::query;

/// A spec that does not parse.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpecFailure {
    /// The spec file, absolute.
    pub spec_path: PathBuf,
    /// What rpm wrote about it, possibly on several lines.
    pub message: String,
}

impl SpecFailure {
    /// True when the spec's name, that of its file without `.spec`, is `name`.
    pub fn is_of(&self, name: &str) -> bool {
        self.spec() == name
    }

    /// The spec's name.
    pub fn spec(&self) -> String {
        self.spec_path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// The line of the spec that rpm names, counted from 1; None where it names none.
    pub fn line(&self) -> Option<u32> {
        let file = format!("{}:", self.spec_path.display());
        let after = |mark: &str| {
            self.message.match_indices(mark).find_map(|(at, _)| number(self.message[at + mark.len()..].trim_start()))
        };
        after(&format!("{file} line ")).or_else(|| after(&file)).or_else(|| after("error: line "))
    }

    /// The first line of rpm's words that says more than that something is wrong, without the place.
    pub fn text(&self) -> &str {
        let lines = || self.message.lines().map(str::trim).filter(|line| !line.is_empty());
        let error = lines().find(|line| line.starts_with("error:")).or_else(|| lines().next()).unwrap_or_default();
        let text = error.trim_start_matches("error:").trim_start();
        let text = text.strip_prefix(&format!("{}:", self.spec_path.display())).unwrap_or(text).trim_start();
        let place = text.strip_prefix("line ").unwrap_or(text);
        match place.split_once(':') {
            Some((line, rest)) if number(place).is_some() && line.bytes().all(|byte| byte.is_ascii_digit()) => {
                rest.trim_start()
            }
            _ => text,
        }
    }
}

impl fmt::Display for SpecFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` does not parse:", self.spec_path.display())?;
        self.message.lines().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

/// The number that `text` starts with, when a `:` follows it.
fn number(text: &str) -> Option<u32> {
    text.split_once(':').and_then(|(digits, _)| digits.parse().ok())
}

/// rpm's lines with the paths of the container replaced by those of the host.
pub(super) fn on_host(message: &str, folders: &[PathBuf]) -> String {
    let mut message = message.to_owned();
    for (number, folder) in folders.iter().enumerate() {
        for shown in [query::SPECS, query::LINKED] {
            message = message.replace(&format!("{shown}/{number}/"), &format!("{}/", folder.display()));
        }
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(message: &str) -> (Option<u32>, String) {
        let failure = SpecFailure { spec_path: "/s/a.spec".into(), message: message.to_owned() };
        (failure.line(), failure.text().to_owned())
    }

    #[test]
    fn the_place_is_taken_from_rpms_words() {
        let parse = "error: parse error in expression:  %{x}\nerror:             ^\nerror: /s/a.spec:38: bad %if condition:  %{x}";
        assert_eq!(told(parse), (Some(38), "parse error in expression:  %{x}".into()));
        assert_eq!(told("error: /s/a.spec: line 3: Unknown tag: Foo"), (Some(3), "Unknown tag: Foo".into()));
        assert_eq!(told("warning: x\nerror: line 12: Tag takes single token only: Name: a b").0, Some(12));
        assert_eq!(told("error: Unable to open /x: No such file"), (None, "Unable to open /x: No such file".into()));
    }

    #[test]
    fn a_failure_names_the_file_of_this_machine() {
        let folders = ["/home/me/SPECS".into(), "/home/me/EXTRA".into()];
        let message = "error: /specs/1/zlib/zlib.spec: line 3: Unknown tag: Foo";
        assert_eq!(on_host(message, &folders), "error: /home/me/EXTRA/zlib/zlib.spec: line 3: Unknown tag: Foo");
    }
}
