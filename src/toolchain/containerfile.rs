//! Reads a containerfile: the usual instructions of a Dockerfile that make sense for a toolchain. Pure.
//!
//! In: the file's text. Out: [`Instruction`]s with their line numbers. `FROM`, `RUN`, `COPY`, `ADD` of a local file,
//! `ENV`, `ARG`, `WORKDIR`, `USER` and `LABEL` are read as BuildKit reads them (continuation lines, `#` comments, exec
//! form, [`words`]); everything else is an error that names the line. The base image is the pipeline's affair: the file
//! starts with `ARG BASE` and `FROM ${BASE}`, so that `docker build --build-arg BASE=…` takes it too. It gives the user and
//! the folder of the first commands, and variables.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::variables::Variables;
use super::words;
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
    /// Makes a folder of the image where there is none.
    Folder {
        /// Absolute.
        path: String,
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
    /// The instructions as they are written.
    pub text: Vec<String>,
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
        reader.file.text.push(instruction);
    }
    if !reader.has_base {
        let wrong = "the file has no `FROM ${BASE}`".to_owned();
        return Err(ContainerfileError { path: path.to_owned(), line: 1, wrong });
    }
    Ok(Containerfile { env: reader.variables.env, ..reader.file })
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
    variables: Variables<'a>,
    has_base: bool,
}

impl<'a> Reader<'a> {
    fn on(base: Option<&'a ImageConfig>) -> Self {
        let (user, workdir) = base.map(|base| (base.user.clone(), base.workdir.clone())).unwrap_or_default();
        let variables = Variables::on(base.map(|base| base.env.as_slice()));
        Self { file: Containerfile { workdir, user, ..Containerfile::default() }, variables, has_base: false }
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
            "ENV" => self.pairs(rest).map(|pairs| self.variables.env.extend(pairs)),
            "LABEL" => self.pairs(rest).map(|pairs| self.file.labels.extend(pairs)),
            "WORKDIR" => self.workdir(line, rest),
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
        self.variables.start();
        Ok(())
    }

    fn arg(&mut self, rest: &str) -> Result<(), String> {
        self.words(rest)?.iter().for_each(|word| self.variables.argument(word));
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
        let env = self.variables.of_command();
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
            Some(paths) => paths
                .iter()
                .map(|path| words::word(path, &|name| self.variables.value(name)))
                .collect::<Result<_, _>>()?,
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
        if word == "ADD"
            && let Some(archive) = paths.iter().find(|path| is_archive(path))
        {
            return Err(format!("`ADD {archive}`: archives are not unpacked, write `COPY` and a `RUN tar`"));
        }
        if let Some(outside) = paths.iter().find(|path| path.split('/').any(|part| part == "..")) {
            return Err(format!(
                "`{word} {outside}` leaves the folder it copies from: the stage's `context` names another"
            ));
        }
        let to = self.absolute(&to);
        if paths.len() > 1 && !to.ends_with('/') {
            return Err(format!("`{word}` of several files needs a folder that ends in `/`, not `{to}`"));
        }
        // A source belongs to the context, written with a `/` before it or not.
        let from = paths.iter().map(|path| path.trim_start_matches('/').to_owned()).collect();
        self.file.steps.push((line, Instruction::Copy { from, to }));
        Ok(())
    }

    fn workdir(&mut self, line: usize, rest: &str) -> Result<(), String> {
        let folder = self.words(rest)?.join(" ");
        if folder.is_empty() {
            return Err("`WORKDIR` names no folder".to_owned());
        }
        let path = self.absolute(&folder);
        let path = if path == "/" { path } else { path.trim_end_matches('/').to_owned() };
        self.file.workdir = Some(path.clone());
        self.file.steps.push((line, Instruction::Folder { path }));
        Ok(())
    }

    /// `path` seen from the folder at this place, without `.` and `..`; what is a folder by its form ends in `/`.
    fn absolute(&self, path: &str) -> String {
        let workdir = if path.starts_with('/') { "" } else { self.file.workdir.as_deref().unwrap_or_default() };
        let mut parts: Vec<&str> = Vec::new();
        for part in workdir.split('/').chain(path.split('/')) {
            match part {
                "" | "." => {}
                ".." => _ = parts.pop(),
                part => parts.push(part),
            }
        }
        let is_folder = matches!(path.rsplit('/').next(), Some("" | "." | ".."));
        let end = if is_folder && !parts.is_empty() { "/" } else { "" };
        format!("/{}{end}", parts.join("/"))
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
        words::words(text, &|name| self.variables.value(name))
    }
}

/// True for what `docker build` would unpack.
fn is_archive(path: &str) -> bool {
    let endings = [".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst"];
    endings.iter().any(|ending| path.ends_with(ending))
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
        let text = "ARG A=1 PATH=/no B=2\nFROM ${BASE}\nARG A PATH=/no\nENV PATH=/opt/bin:$PATH\nRUN true\nUSER root\n\nRUN \\\n\n  id\n";
        let (env, user) = (vec!["PATH=/usr/bin".to_owned()], Some("builder".to_owned()));
        let base = ImageConfig { env, user, workdir: Some("/src".to_owned()), ..ImageConfig::default() };
        let file = read_on(&base, text).unwrap();
        let run = |command: &str, user: &str| Instruction::Run {
            argv: vec!["/bin/sh".into(), "-c".into(), command.into()],
            env: [("A".into(), "1".into()), ("PATH".into(), "/opt/bin:/usr/bin".into())].into(),
            user: Some(user.to_owned()),
            workdir: "/src".to_owned(),
        };
        assert_eq!(file.steps, [(5, run("true", "builder")), (8, run("id", "root"))]);
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
        assert_eq!(file.steps, [(5, Instruction::Folder { path: "/src".into() }), (6, run), (9, copy)]);
        assert_eq!(file.user.as_deref(), Some("builder"));
    }

    #[test]
    fn arguments_count_where_docker_build_has_them() {
        let env = |text: &str| -> Result<BTreeMap<String, String>, String> {
            let base = ImageConfig { env: vec!["X=base".to_owned()], ..ImageConfig::default() };
            let file = read_on(&base, &format!("ARG A=1\nFROM ${{BASE}}\n{text}\nRUN true\n"))?;
            match file.steps.last() {
                Some((_, Instruction::Run { env, .. })) => Ok(env.clone()),
                other => panic!("{other:?}"),
            }
        };
        let expected = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        assert_eq!(env("").unwrap(), expected(&[]), "what stands before `FROM` is not seen");
        assert_eq!(env("ARG A").unwrap(), expected(&[("A", "1")]));
        assert_eq!(env("ARG B=2\nARG B").unwrap(), expected(&[("B", "2")]));
        assert_eq!(env("ARG B").unwrap(), expected(&[]));
        assert_eq!(env("ARG X=arg").unwrap(), expected(&[]), "the image's variable is stronger");
        assert_eq!(env("ARG TARGETOS").unwrap(), expected(&[("TARGETOS", "linux")]));
        assert!(env("LABEL a=$A").unwrap_err().contains("`$A` has no value"));
    }

    #[test]
    fn places_are_seen_from_the_folder() {
        let to = |text: &str| match read(&format!("FROM $BASE\n{text}\n")).unwrap().steps.pop() {
            Some((_, Instruction::Copy { from, to })) => (from.join(" "), to),
            other => panic!("{other:?}"),
        };
        for (text, from, place) in [
            ("COPY f .", "f", "/"),
            ("WORKDIR /w/../x/\nCOPY f .", "f", "/x/"),
            ("WORKDIR /x\nWORKDIR y\nCOPY f ./sub/.", "f", "/x/y/sub/"),
            ("WORKDIR /x\nCOPY f ../y/", "f", "/y/"),
            ("COPY /f ../../g", "f", "/g"),
            ("ARG A=h\nCOPY [\"$A i\", \"/x y\"]", "h i", "/x y"),
        ] {
            assert_eq!(to(text), (from.to_owned(), place.to_owned()), "{text}");
        }
        assert_eq!(read("FROM $BASE\nWORKDIR /w/../x/\n").unwrap().workdir.as_deref(), Some("/x"));
    }

    #[test]
    fn what_is_not_supported_is_named_with_its_line() {
        let with = |line: &str| read(&format!("FROM ${{BASE}}\n{line}\n")).unwrap_err();
        assert_eq!(
            with("HEALTHCHECK NONE"),
            format!("`a.containerfile` line 2: `HEALTHCHECK` is not supported: use {SUPPORTED}")
        );
        assert!(with("ADD https://example.org/x /x").contains("only local files"));
        assert!(with("ADD x.tar.gz /x").contains("archives are not unpacked"));
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
