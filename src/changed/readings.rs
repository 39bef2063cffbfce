//! Which files beside a spec its text reads while it is parsed, as far as the text tells.
//!
//! `%include`, `%load`, `%(…)` and Lua can read any file. What they name is such a file; where they name none that is
//! there, a file may be read that is named by macros or by a glob, so that every file counts. Commands that only compute
//! (`%(echo %{version} | cut -d. -f1)`) read none. Files that are read are looked through as the spec is. Known hole: what
//! macros of the image read.

use std::collections::BTreeSet;
use std::path::Path;

/// What the texts of a spec read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Readings {
    /// Names of files.
    names: BTreeSet<String>,
    /// True when any file may be read.
    any: bool,
}

/// Programs that print what they are given or what the machine is.
const COMPUTE: [&str; 10] = ["echo", "printf", "date", "uname", "getconf", "nproc", "expr", "true", "false", "id"];
/// Those that read what another one prints, behind a `|`.
const FILTERS: [&str; 9] = ["cut", "tr", "sed", "awk", "head", "tail", "sort", "uniq", "wc"];
/// What Lua reads files by.
const LUA: [&str; 8] = ["io.", "os.", "posix.", "dofile", "loadfile", "require", "rpm.load", "rpm.open"];
/// Bytes of a file that is looked through.
const MOST_BYTES: u64 = 1 << 20;

impl Readings {
    /// Those of the spec file `path`, whose sources are `sources`. `known` says of a name whether a file of it is or was
    /// beside the spec.
    pub(super) fn of(path: &Path, sources: &BTreeSet<&str>, known: impl Fn(&str) -> bool) -> Self {
        let folder = path.parent().unwrap_or(path);
        let mut found = Self::default();
        let mut open = vec![path.to_owned()];
        while let Some(path) = open.pop() {
            for named in found.look(&text(&path), sources, &known) {
                open.push(folder.join(named));
            }
        }
        found
    }

    /// Those of `texts` of macros that every spec is read with, by names alone.
    pub(super) fn of_macros<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        let names = texts.flat_map(readings).flat_map(|reading| words(reading.1)).map(str::to_owned).collect();
        Self { names, any: false }
    }

    /// These and `others`.
    pub(super) fn with(mut self, others: &Self) -> Self {
        self.names.extend(others.names.iter().cloned());
        self.any |= others.any;
        self
    }

    /// True when the file of the name `name` may be read.
    pub(super) fn has(&self, name: &str) -> bool {
        self.any || self.names.contains(name)
    }

    /// Adds what `text` reads; the names that are new.
    fn look(&mut self, text: &str, sources: &BTreeSet<&str>, known: impl Fn(&str) -> bool) -> Vec<String> {
        let mut new = Vec::new();
        for (how, reading) in readings(text) {
            let named: Vec<&str> = words(reading).filter(|word| sources.contains(word) || known(word)).collect();
            self.any |= named.is_empty() && !names_source(reading) && how.can_read(reading);
            new.extend(named.into_iter().filter(|name| self.names.insert((*name).to_owned())).map(str::to_owned));
        }
        new
    }
}

#[derive(Clone, Copy)]
enum How {
    File,
    Command,
    Lua,
}

impl How {
    fn can_read(self, reading: &str) -> bool {
        match self {
            Self::File => true,
            Self::Command => !only_computes(reading),
            Self::Lua => LUA.iter().any(|word| reading.contains(word)),
        }
    }
}

/// The parts of `text` that may read a file.
fn readings(text: &str) -> impl Iterator<Item = (How, &str)> {
    let lines = text.lines().filter_map(|line| {
        let line = line.trim_start();
        line.strip_prefix("%include").or_else(|| line.strip_prefix("%load")).map(|rest| (How::File, rest))
    });
    let between = |start: &'static str, how: How| {
        let (open, close) = if start.ends_with('(') { ('(', ')') } else { ('{', '}') };
        text.match_indices(start).map(move |(at, _)| (how, inside(&text[at + start.len()..], open, close)))
    };
    lines
        .chain(between("%(", How::Command))
        .chain(between("%{load:", How::File))
        .chain(between("%{include:", How::File))
        .chain(between("%{uncompress:", How::File))
        .chain(between("%{exists:", How::File))
        .chain(between("%{lua:", How::Lua))
}

/// `text` up to the bracket that closes the one before it.
fn inside(text: &str, open: char, close: char) -> &str {
    let mut depth = 1;
    for (at, letter) in text.char_indices() {
        depth += i32::from(letter == open) - i32::from(letter == close);
        if depth == 0 {
            return &text[..at];
        }
    }
    text
}

/// What may be names of files.
fn words(reading: &str) -> impl Iterator<Item = &str> {
    let is_inside = |letter: char| letter.is_alphanumeric() || "._+-~^@".contains(letter);
    reading.split(move |letter| !is_inside(letter)).filter(|word| !word.is_empty())
}

/// True when a source or patch is named by its number: that counts as one.
fn names_source(reading: &str) -> bool {
    ["%{S:", "%{P:", "%{SOURCE", "%{PATCH", "%SOURCE", "%PATCH"].iter().any(|start| reading.contains(start))
}

/// True when every command is one that reads no file.
fn only_computes(command: &str) -> bool {
    let is_plain = !command.contains(['<', '*', '?', '`']) && !command.contains("$(");
    let command = command.replace("2>&1", "").replace("2>/dev/null", "").replace("||", ";");
    let program = |part: &str| part.split_whitespace().next().unwrap_or_default().to_owned();
    let computes = |list: &str| {
        let mut programs = list.split('|').map(program);
        let first = programs.next().unwrap_or_default();
        COMPUTE.contains(&first.as_str()) && programs.all(|other| FILTERS.contains(&other.as_str()))
    };
    is_plain && command.split([';', '&', '\n']).filter(|list| !list.trim().is_empty()).all(computes)
}

fn text(path: &Path) -> String {
    use std::io::Read;
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(MOST_BYTES).read_to_end(&mut bytes));
    if read.is_ok() { String::from_utf8_lossy(&bytes).into_owned() } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, beside: &[(&str, &str)]) -> Readings {
        let place = tempfile::tempdir().unwrap();
        for (name, text) in beside.iter().chain([&("a.spec", text)]) {
            std::fs::write(place.path().join(name), text).unwrap();
        }
        let known = |name: &str| beside.iter().any(|(known, _)| *known == name);
        Readings::of(&place.path().join("a.spec"), &BTreeSet::from(["a.tar"]), known)
    }

    fn names(found: &Readings) -> String {
        let any = if found.any { ["any"].as_slice() } else { &[] };
        found.names.iter().map(String::as_str).chain(any.iter().copied()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_is_named_is_read_and_looked_through() {
        let beside = [("one.inc", "%include two.inc\n"), ("two.inc", ""), ("vars", ""), ("README", ""), ("x.lua", "")];
        assert_eq!(names(&of("%include one.inc\n%doc README\n", &beside)), "one.inc two.inc");
        assert_eq!(names(&of("Version: %(. %{_sourcedir}/vars; echo $V)\n", &beside)), "vars");
        assert_eq!(names(&of("%{lua: dofile('x.lua')}", &beside)), "x.lua");
        assert_eq!(names(&of("%{load:%{SOURCE3}}\n%(tar tf a.tar)", &beside)), "a.tar");
    }

    #[test]
    fn what_cannot_be_told_reads_anything_and_what_computes_reads_nothing() {
        for text in [
            "%include %{name}.inc\n",
            "%(cat *.version)",
            "%(ls | wc -l)",
            "%(head -1 %{name}.x)",
            "%{lua: for line in io.lines(x)}",
        ] {
            assert!(of(text, &[("README", "")]).has("README"), "{text}");
        }
        for text in [
            "%(echo %{version} | cut -d. -f1)",
            "%(uname -m 2>/dev/null || echo x86_64)",
            "%(date +%%s)",
            "%{lua: print(rpm.expand('%{version}'))}",
            "%{?x:%(printf '%%s' 1)}",
            "%if 0%{?x}\n%endif\ncat README",
        ] {
            assert!(!of(text, &[("README", "")]).has("README"), "{text}");
        }
    }
}
