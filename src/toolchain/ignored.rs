//! `.dockerignore`: which files of a context `COPY` leaves out.
//!
//! In: the file of patterns that BuildKit and Buildah take: `NAME.dockerignore` beside the containerfile `NAME`, otherwise
//! `.containerignore` or `.dockerignore` of the context. Out: an answer for each path below the context. Rules: "Build
//! context" in Docker's manual. A pattern stands for a path and all that is below it; `*`, `?`, `[…]` and `\` are those of
//! Go's `filepath.Match`, `**` is any number of folders, `!` takes files in again, and of several the last one counts.

use std::io;
use std::path::{Path, PathBuf};

use crate::text_file;

/// The patterns of a context.
#[derive(Debug, Default)]
pub(super) struct Ignored {
    /// In the file's order.
    patterns: Vec<Pattern>,
}

#[derive(Debug)]
struct Pattern {
    /// Relative to the context, without empty parts and `.`.
    text: Vec<char>,
    /// True for one that takes files in again.
    is_exception: bool,
}

/// The file of patterns for the containerfile `path`, which copies from `context`.
pub(super) fn file(path: &Path, context: &Path) -> Option<PathBuf> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".dockerignore");
    let files = [PathBuf::from(beside), context.join(".containerignore"), context.join(".dockerignore")];
    files.into_iter().find(|file| file.is_file())
}

impl Ignored {
    /// The patterns of the file `path`.
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        Self::parse(&text_file::read(path)?)
    }

    fn parse(text: &str) -> io::Result<Self> {
        let mut patterns = Vec::new();
        for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.starts_with('#')) {
            let line = line.trim();
            let (is_exception, line) = line.strip_prefix('!').map_or((false, line), |rest| (true, rest.trim()));
            let text: Vec<char> = clean(line).chars().collect();
            if text.is_empty() {
                continue;
            }
            if !is_whole(&text) {
                let wrong = format!("line {}: `{line}` is no pattern: a `[` or `\\` has no end", at + 1);
                return Err(io::Error::new(io::ErrorKind::InvalidData, wrong));
            }
            patterns.push(Pattern { text, is_exception });
        }
        Ok(Self { patterns })
    }

    /// True when `path`, relative to the context, is left out.
    pub(super) fn has(&self, path: &str) -> bool {
        let path: Vec<char> = clean(path).chars().collect();
        let ends = (0..path.len()).filter(|at| path[*at] == '/').chain([path.len()]);
        let ends: Vec<usize> = ends.collect();
        let fits = |pattern: &&Pattern| ends.iter().any(|end| matches(&pattern.text, &path[..*end]));
        !path.is_empty() && self.patterns.iter().rev().find(fits).is_some_and(|pattern| !pattern.is_exception)
    }

    /// True when something below a folder that is left out may be taken in again.
    pub(super) fn has_exceptions(&self) -> bool {
        self.patterns.iter().any(|pattern| pattern.is_exception)
    }
}

/// `path` without a leading `/`, empty parts and `.`; `..` takes the part before it away.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').filter(|part| !matches!(*part, "" | ".")) {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    parts.join("/")
}

/// True when every `[` and `\` of a pattern has what belongs to it.
fn is_whole(pattern: &[char]) -> bool {
    match pattern {
        [] => true,
        ['\\', rest @ ..] => !rest.is_empty() && is_whole(&rest[1..]),
        ['[', rest @ ..] => class(rest, 'x').is_some_and(|(_, rest)| is_whole(rest)),
        [_, rest @ ..] => is_whole(rest),
    }
}

fn matches(pattern: &[char], path: &[char]) -> bool {
    match pattern {
        [] => path.is_empty(),
        ['*', '*', rest @ ..] => {
            let rest = rest.strip_prefix(&['/']).unwrap_or(rest);
            let folders = (0..path.len()).filter(|at| path[*at] == '/').map(|at| at + 1);
            rest.is_empty() || std::iter::once(0).chain(folders).any(|at| matches(rest, &path[at..]))
        }
        ['*', rest @ ..] => {
            let name = path.iter().position(|letter| *letter == '/').unwrap_or(path.len());
            (0..=name).any(|at| matches(rest, &path[at..]))
        }
        ['?', rest @ ..] => path.first().is_some_and(|letter| *letter != '/') && matches(rest, &path[1..]),
        ['[', rest @ ..] => match path.first().and_then(|letter| class(rest, *letter)) {
            Some((is_in, rest)) => is_in && matches(rest, &path[1..]),
            None => false,
        },
        ['\\', letter, rest @ ..] | [letter, rest @ ..] => path.first() == Some(letter) && matches(rest, &path[1..]),
    }
}

/// Whether `letter` is in the class whose text, after its `[`, begins `pattern`, and what follows the class; None for one
/// without an end.
fn class(pattern: &[char], letter: char) -> Option<(bool, &[char])> {
    let (is_not, mut rest) = pattern.strip_prefix(&['^']).map_or((false, pattern), |rest| (true, rest));
    let (mut is_in, mut is_first) = (false, true);
    loop {
        let (low, after) = match rest {
            [']', rest @ ..] if !is_first => return Some((is_in != is_not && letter != '/', rest)),
            ['\\', low, rest @ ..] | [low, rest @ ..] => (*low, rest),
            [] => return None,
        };
        (is_in, rest) = match after {
            ['-', high, more @ ..] if *high != ']' => (is_in || (low..=*high).contains(&letter), more),
            _ => (is_in || low == letter, after),
        };
        is_first = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left_out<'a>(patterns: &str, paths: &[&'a str]) -> Vec<&'a str> {
        let ignored = Ignored::parse(patterns).unwrap();
        paths.iter().copied().filter(|path| ignored.has(path)).collect()
    }

    #[test]
    fn patterns_mean_what_dockers_manual_says() {
        let all = ["a", "a/b", "a/b/c", "b", "ab", "temp", "x/temp", "x/y/tempa", "README.md", "x/README.md"];
        for (patterns, expected) in [
            ("", &[][..]),
            ("# a\n.\n/\n", &[]),
            ("a", &["a", "a/b", "a/b/c"]),
            (" /a/ ", &["a", "a/b", "a/b/c"]),
            ("a/../b", &["b"]),
            ("a/b", &["a/b", "a/b/c"]),
            ("*/b", &["a/b", "a/b/c"]),
            ("*/temp*", &["x/temp"]),
            ("*/*/temp*", &["x/y/tempa"]),
            ("temp?", &[]),
            ("?b", &["ab"]),
            ("**/temp*", &["temp", "x/temp", "x/y/tempa"]),
            ("**/*.md", &["README.md", "x/README.md"]),
            ("a/**", &["a/b", "a/b/c"]),
            ("x/**/tempa", &["x/y/tempa"]),
            ("[a-b]", &["a", "a/b", "a/b/c", "b"]),
            ("[^a]", &["b", "x/temp", "x/y/tempa", "x/README.md"]),
            ("\\a", &["a", "a/b", "a/b/c"]),
            ("*\n!a\n", &["b", "ab", "temp", "x/temp", "x/y/tempa", "README.md", "x/README.md"]),
            ("*.md\n!README.md\nREADME*", &["README.md"]),
            ("README*\n!README.md", &[]),
            ("a\n!a/b", &["a"]),
        ] {
            assert_eq!(left_out(patterns, &all), expected, "{patterns:?}");
        }
    }

    #[test]
    fn a_pattern_without_its_end_is_told_with_its_line() {
        let told = Ignored::parse("a\n[b").unwrap_err().to_string();
        assert_eq!(told, "line 2: `[b` is no pattern: a `[` or `\\` has no end");
    }

    #[test]
    fn the_file_beside_the_containerfile_comes_first() {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name);
        let found = || file(&path("x.containerfile"), place.path());
        assert_eq!(found(), None);
        for name in [".dockerignore", ".containerignore", "x.containerfile.dockerignore"] {
            std::fs::write(path(name), "").unwrap();
            assert_eq!(found(), Some(path(name)));
        }
    }
}
