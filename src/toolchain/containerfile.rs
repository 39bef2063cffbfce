//! Reads a containerfile: the usual instructions of a Dockerfile that make sense for a toolchain. Pure.
//!
//! In: the file's text. Out: [`Instruction`]s with their line numbers. `FROM`, `RUN`, `COPY`, `ADD` of a local file,
//! `ENV`, `ARG`, `WORKDIR`, `USER` and `LABEL` are read as BuildKit reads them (continuation lines, `#` comments, exec
//! form, [`words`]); everything else is an error that names the line. The base image is the pipeline's affair: the file
//! starts with `ARG BASE` and `FROM ${BASE}`, so that `docker build --build-arg BASE=…` takes it too. It gives the user and
//! the folder of the first commands, and variables.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::words::words;
use crate::oci::ImageConfig;

/// One instruction, with variables already replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Instruction {
    /// Runs a command line in the image.
    Run {
        /// Program and arguments.
        argv: Vec<String>,
        /// `ENV` and `ARG` values at this place.
        env: BTreeMap<String, String>,
        /// `USER` at this place.
        user: Option<String>,
        /// `WORKDIR` at this place.
        workdir: String,
    },
    /// Puts files of the stage's context into the image.
    Copy {
        /// Paths relative to the stage's context.
        from: Vec<String>,
        /// Absolute; a folder when it ends in `/`.
        to: String,
    },
}

/// A containerfile's instructions and what its image says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Containerfile {
    /// In the file's order, with the line of each.
    pub steps: Vec<(usize, Instruction)>,
    /// `ENV` at the end.
    pub env: BTreeMap<String, String>,
    /// `LABEL` at the end.
    pub labels: BTreeMap<String, String>,
    /// `WORKDIR` at the end.
    pub workdir: Option<String>,
    /// `USER` at the end.
    pub user: Option<String>,
}

/// An instruction that cannot be carried out.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{}` line {line}: {wrong}", path.display())]
pub struct ContainerfileError {
    /// The containerfile.
    pub path: PathBuf,
    /// Line of the instruction, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub wrong: String,
}

const SUPPORTED: &str = "FROM, RUN, COPY, ADD, ENV, ARG, WORKDIR, USER and LABEL";

/// Reads `text`, the content of `path`, for an image on one with the configuration `base`. While that is not known, what
/// it may give stands as it is.
pub(super) fn parse(path: &Path, text: &str, base: Option<&ImageConfig>) -> Result<Containerfile, ContainerfileError> {
    let mut reader = Reader::on(base);
    for (line, instruction) in logical_lines(text) {
        reader.read(line, &instruction).map_err(|wrong| ContainerfileError { path: path.to_owned(), line, wrong })?;
    }
    if !reader.has_base {
        let wrong = "the file has no `FROM ${BASE}`".to_owned();
        return Err(ContainerfileError { path: path.to_owned(), line: 1, wrong });
    }
    Ok(reader.file)
}

/// Joins continued lines and drops comments and empty lines; the number is that of the first physical line.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut continued = false;
    for (at, physical) in text.lines().enumerate() {
        let trimmed = physical.trim();
        if trimmed.starts_with('#') || trimmed.is_empty() {
            continue;
        }
        let (part, goes_on) = match physical.trim_end().strip_suffix('\\') {
            Some(part) => (part, true),
            None => (physical, false),
        };
        match lines.last_mut() {
            Some((_, line)) if continued => line.push_str(part),
            _ => lines.push((at + 1, part.trim_start().to_owned())),
        }
        continued = goes_on;
    }
    lines
}

#[derive(Default)]
struct Reader<'a> {
    file: Containerfile,
    args: BTreeMap<String, String>,
    has_base: bool,
    /// What the image below says of itself, when that is known.
    base: Option<&'a ImageConfig>,
}

impl<'a> Reader<'a> {
    fn on(base: Option<&'a ImageConfig>) -> Self {
        let (user, workdir) = base.map(|base| (base.user.clone(), base.workdir.clone())).unwrap_or_default();
        Self { file: Containerfile { workdir, user, ..Containerfile::default() }, base, ..Self::default() }
    }

    fn read(&mut self, line: usize, instruction: &str) -> Result<(), String> {
        let (word, rest) = instruction.split_once(char::is_whitespace).unwrap_or((instruction, ""));
        let (word, rest) = (word.to_ascii_uppercase(), rest.trim());
        if !self.has_base && word != "ARG" && word != "FROM" {
            return Err(format!("`{word}` stands before `FROM`"));
        }
        match word.as_str() {
            "FROM" => self.from(rest),
            "ARG" => self.arg(rest),
            "RUN" => self.run(line, rest),
            "COPY" | "ADD" => self.copy(line, &word, rest),
            "ENV" => self.pairs(rest).map(|pairs| self.file.env.extend(pairs)),
            "LABEL" => self.pairs(rest).map(|pairs| self.file.labels.extend(pairs)),
            "WORKDIR" => self.workdir(rest),
            "USER" => {
                self.file.user = Some(self.words(rest)?.join(" "));
                Ok(())
            }
            other => Err(format!("`{other}` is not supported: use {SUPPORTED}")),
        }
    }

    fn from(&mut self, rest: &str) -> Result<(), String> {
        if self.has_base {
            return Err("a second `FROM`: a stage of the pipeline has one base".to_owned());
        }
        if rest != "${BASE}" && rest != "$BASE" {
            return Err(format!("`FROM {rest}`: the base is the pipeline's, write `FROM ${{BASE}}`"));
        }
        self.has_base = true;
        Ok(())
    }

    fn arg(&mut self, rest: &str) -> Result<(), String> {
        for word in self.words(rest)? {
            let (name, value) = word.split_once('=').unwrap_or((&word, ""));
            if name != "BASE" {
                self.args.insert(name.to_owned(), value.to_owned());
            }
        }
        Ok(())
    }

    fn run(&mut self, line: usize, rest: &str) -> Result<(), String> {
        if rest.starts_with("--") {
            return Err("flags of `RUN` are not supported".to_owned());
        }
        let argv = match exec_form(rest)? {
            Some(argv) => argv,
            None if rest.is_empty() => return Err("`RUN` has no command".to_owned()),
            None => ["/bin/sh", "-c", rest].map(str::to_owned).to_vec(),
        };
        let mut env = self.args.clone();
        env.extend(self.file.env.clone());
        let workdir = self.file.workdir.clone().unwrap_or_else(|| "/".to_owned());
        let step = Instruction::Run { argv, env, user: self.file.user.clone(), workdir };
        self.file.steps.push((line, step));
        Ok(())
    }

    fn copy(&mut self, line: usize, word: &str, rest: &str) -> Result<(), String> {
        if rest.starts_with("--") {
            return Err(format!("flags of `{word}` are not supported"));
        }
        let mut paths = match exec_form(rest)? {
            Some(paths) => paths,
            None => self.words(rest)?,
        };
        let to = paths.pop().filter(|_| !paths.is_empty());
        let to = to.ok_or_else(|| format!("`{word}` needs at least one source and a destination"))?;
        if let Some(url) = paths.iter().find(|path| path.contains("://")) {
            return Err(format!("`{word} {url}`: only local files can be added, since a download has no digest here"));
        }
        if let Some(pattern) = paths.iter().find(|path| path.contains(['*', '?'])) {
            return Err(format!("`{word} {pattern}`: patterns are not supported, name the files or their folder"));
        }
        if let Some(outside) = paths.iter().find(|path| path.split('/').any(|part| part == "..")) {
            return Err(format!(
                "`{word} {outside}` leaves the folder it copies from: the stage's `context` names another"
            ));
        }
        let to = if to.starts_with('/') { to } else { self.absolute(&to) };
        if paths.len() > 1 && !to.ends_with('/') {
            return Err(format!("`{word}` of several files needs a folder that ends in `/`, not `{to}`"));
        }
        self.file.steps.push((line, Instruction::Copy { from: paths, to }));
        Ok(())
    }

    fn workdir(&mut self, rest: &str) -> Result<(), String> {
        let folder = self.words(rest)?.join(" ");
        self.file.workdir = Some(if folder.starts_with('/') { folder } else { self.absolute(&folder) });
        Ok(())
    }

    fn absolute(&self, path: &str) -> String {
        let workdir = self.file.workdir.as_deref().unwrap_or("/").trim_end_matches('/');
        format!("{workdir}/{path}")
    }

    /// `key=value …`, or the old form `key value`.
    fn pairs(&self, rest: &str) -> Result<Vec<(String, String)>, String> {
        let words = self.words(rest)?;
        match words.first() {
            None => Err("a name and a value are expected".to_owned()),
            Some(first) if !first.contains('=') => Ok(vec![(first.clone(), words[1..].join(" "))]),
            Some(_) => words
                .iter()
                .map(|word| word.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned())))
                .collect::<Option<_>>()
                .ok_or_else(|| "every word must be `name=value`".to_owned()),
        }
    }

    /// The words of `text`, with the values of `ENV` and `ARG`.
    fn words(&self, text: &str) -> Result<Vec<String>, String> {
        words(text, &|name| {
            let below = || {
                let mut entries = self.base?.env.iter();
                entries.find_map(|entry| entry.strip_prefix(name)?.strip_prefix('=')).map(str::to_owned)
            };
            let arg = || self.args.get(name).cloned();
            let not_known_yet = || self.base.is_none().then(|| format!("${{{name}}}"));
            self.file.env.get(name).cloned().or_else(below).or_else(arg).or_else(not_known_yet)
        })
    }
}

/// The words of `["a", "b"]`; None when the text does not start with `[`.
fn exec_form(text: &str) -> Result<Option<Vec<String>>, String> {
    if !text.starts_with('[') {
        return Ok(None);
    }
    serde_json::from_str(text).map(Some).map_err(|error| format!("the exec form is not a JSON list of texts: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Containerfile, String> {
        read_on(&ImageConfig::default(), text)
    }

    fn read_on(base: &ImageConfig, text: &str) -> Result<Containerfile, String> {
        parse(Path::new("a.containerfile"), text, Some(base)).map_err(|error| error.to_string())
    }

    #[test]
    fn the_base_gives_variables_a_user_and_a_folder() {
        let text = "ARG A=1 PATH=/no\nFROM ${BASE}\nENV PATH=/opt/bin:$PATH\nRUN true\nUSER root\n\nRUN \\\n\n  id\n";
        let (env, user) = (vec!["PATH=/usr/bin".to_owned()], Some("builder".to_owned()));
        let base = ImageConfig { env, user, workdir: Some("/src".to_owned()), ..ImageConfig::default() };
        let file = read_on(&base, text).unwrap();
        let run = |command: &str, user: &str| Instruction::Run {
            argv: vec!["/bin/sh".into(), "-c".into(), command.into()],
            env: [("A".into(), "1".into()), ("PATH".into(), "/opt/bin:/usr/bin".into())].into(),
            user: Some(user.to_owned()),
            workdir: "/src".to_owned(),
        };
        assert_eq!(file.steps, [(4, run("true", "builder")), (7, run("id", "root"))]);
        assert!(read(text).unwrap().env["PATH"].ends_with(":/no"), "the base has no PATH");
        let early = parse(Path::new("a.containerfile"), text, None).unwrap();
        assert_eq!(early.env["PATH"], "/opt/bin:/no");
        let early = parse(Path::new("a.containerfile"), "FROM $BASE\nENV PATH=/x:$PATH\n", None).unwrap();
        assert_eq!(early.env["PATH"], "/x:${PATH}");
    }

    #[test]
    fn instructions_keep_their_lines_and_state() {
        let text = "# base\nARG BASE\nFROM ${BASE}\nENV A=1 B=\"two words\"\nWORKDIR /src\nRUN echo \\\n  # why\n  \"$A\"\nCOPY x y/\nUSER builder\n";
        let file = read(text).unwrap();
        let env = BTreeMap::from([("A".into(), "1".into()), ("B".into(), "two words".into())]);
        let argv = vec!["/bin/sh".into(), "-c".into(), "echo   \"$A\"".into()];
        let run = Instruction::Run { argv, env, user: None, workdir: "/src".into() };
        let copy = Instruction::Copy { from: vec!["x".into()], to: "/src/y/".into() };
        assert_eq!(file.steps, [(6, run), (9, copy)]);
        assert_eq!(file.user.as_deref(), Some("builder"));
    }

    #[test]
    fn what_is_not_supported_is_named_with_its_line() {
        let with = |line: &str| read(&format!("FROM ${{BASE}}\n{line}\n")).unwrap_err();
        assert_eq!(
            with("HEALTHCHECK NONE"),
            format!("`a.containerfile` line 2: `HEALTHCHECK` is not supported: use {SUPPORTED}")
        );
        assert!(with("ADD https://example.org/x /x").contains("only local files"));
        assert!(with("COPY a/*.repo /x/").contains("`COPY a/*.repo`: patterns are not supported"));
        assert!(with("COPY ../x /x").contains("leaves the folder it copies from"));
        assert!(with("COPY a b /x").contains("ends in `/`"));
        assert!(with("LABEL a=$MISSING").contains("`$MISSING` has no value"));
        let doubling = format!("ENV A=0123456789abcdef\n{}", "ENV A=$A$A\n".repeat(40));
        assert!(with(&doubling).ends_with("line 15: with `$A` it is longer than 131072 bytes"), "{}", with(&doubling));
        assert!(with("FROM ${BASE}").contains("second `FROM`"));
        assert!(read("FROM debian:12\n").unwrap_err().contains("the base is the pipeline's"));
        assert!(read("RUN true\n").unwrap_err().contains("before `FROM`"));
    }
}
