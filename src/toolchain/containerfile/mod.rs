//! Reads a containerfile: the usual instructions of a Dockerfile that make sense for a toolchain. Pure.
//!
//! In: the file's text. Out: [`Instruction`]s with their line numbers. `FROM`, `RUN`, `COPY`, `ADD` of a local file,
//! `ENV`, `ARG`, `WORKDIR`, `USER` and `LABEL` are read as BuildKit reads them (continuation lines, `#` comments, heredocs,
//! exec form, [`words`]); everything else is an error that names the line. The base image is the pipeline's affair: the file
//! starts with `ARG BASE` and `FROM ${BASE}`, so that `docker build --build-arg BASE=…` takes it too. It gives the user and
//! the folder of the first commands, and variables.

mod lines;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use self::lines::{Document, Written};
use super::variables::Variables;
use super::words;
use crate::json::JsonFault;
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
    /// Runs a script of the containerfile, which names its interpreter.
    Script {
        /// Begins with `#!`.
        text: String,
        /// `ENV` and `ARG` values at this place.
        env: BTreeMap<String, String>,
        /// `USER` at this place.
        user: Option<String>,
        /// `WORKDIR` at this place.
        workdir: String,
    },
    /// Puts files into the image that stand in the containerfile.
    Write {
        /// Names and contents.
        files: Vec<(String, String)>,
        /// Absolute; a folder when it ends in `/`.
        to: String,
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
    let fault = |(line, wrong)| ContainerfileError { path: path.to_owned(), line, wrong };
    for written in lines::read(text).map_err(fault)? {
        reader.read(&written).map_err(|wrong| fault((written.line, wrong)))?;
        reader.file.text.push(written.text);
        reader.file.text.extend(written.documents.into_iter().map(|document| document.text));
    }
    if !reader.has_base {
        return Err(fault((1, "the file has no `FROM ${BASE}`".to_owned())));
    }
    Ok(Containerfile { env: reader.variables.env, ..reader.file })
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

    fn read(&mut self, written: &Written) -> Result<(), String> {
        let Written { line, text, documents } = written;
        let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let (word, rest) = (word.to_ascii_uppercase(), rest.trim());
        if !self.has_base && word != "ARG" && word != "FROM" {
            return Err(format!("`{word}` stands before `FROM`"));
        }
        match word.as_str() {
            "FROM" => self.from(rest),
            "ARG" => self.arg(rest),
            "RUN" => self.run(*line, rest, documents),
            "COPY" | "ADD" => self.copy(*line, &word, (rest, documents)),
            "ENV" => self.pairs(rest).map(|pairs| self.variables.env.extend(pairs)),
            "LABEL" => self.pairs(rest).map(|pairs| self.file.labels.extend(pairs)),
            "WORKDIR" => self.workdir(*line, rest),
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

    fn run(&mut self, line: usize, rest: &str, documents: &[Document]) -> Result<(), String> {
        if rest.starts_with("--") {
            return Err("flags of `RUN` are not supported".to_owned());
        }
        let env = self.variables.of_command();
        let workdir = self.file.workdir.clone().unwrap_or_else(|| "/".to_owned());
        let user = self.file.user.clone();
        let shell = |command: String| vec!["/bin/sh".to_owned(), "-c".to_owned(), command];
        let argv = match (exec_form(rest)?, documents) {
            (Some(argv), _) => argv,
            (None, _) if rest.is_empty() => return Err("`RUN` has no command".to_owned()),
            (None, [script]) if lines::is_heredoc(rest) => {
                let text = script.content();
                if text.starts_with("#!") {
                    self.file.steps.push((line, Instruction::Script { text, env, user, workdir }));
                    return Ok(());
                }
                shell(text)
            }
            // The shell has heredocs of its own.
            (None, documents) => {
                let texts = documents.iter().map(|document| format!("\n{}{}", document.text, document.name));
                shell(std::iter::once(rest.to_owned()).chain(texts).collect())
            }
        };
        self.file.steps.push((line, Instruction::Run { argv, env, user, workdir }));
        Ok(())
    }

    fn copy(&mut self, line: usize, word: &str, (rest, documents): (&str, &[Document])) -> Result<(), String> {
        if rest.starts_with("--") {
            return Err(format!("flags of `{word}` are not supported"));
        }
        let written = match exec_form(rest)? {
            Some(paths) => paths,
            None => words::as_written(rest).into_iter().filter(|word| !lines::is_heredoc(word)).collect(),
        };
        let mut paths: Vec<String> = written
            .iter()
            .map(|path| words::word(path, &|name| self.variables.value(name)))
            .collect::<Result<_, _>>()?;
        let to = paths.pop().filter(|_| !paths.is_empty() || !documents.is_empty());
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
        if paths.len() + documents.len() > 1 && !to.ends_with('/') {
            return Err(format!("`{word}` of several files needs a folder that ends in `/`, not `{to}`"));
        }
        if !paths.is_empty() {
            // A source belongs to the context, written with a `/` before it or not.
            let from = paths.iter().map(|path| path.trim_start_matches('/').to_owned()).collect();
            self.file.steps.push((line, Instruction::Copy { from, to: to.clone() }));
        }
        if !documents.is_empty() {
            let files = documents.iter().map(|document| self.file_of(document)).collect::<Result<_, _>>()?;
            self.file.steps.push((line, Instruction::Write { files, to }));
        }
        Ok(())
    }

    /// The name and the content of a file that stands in the containerfile.
    fn file_of(&self, document: &Document) -> Result<(String, String), String> {
        let (name, text) = (document.name.clone(), document.content());
        if name.contains('/') || name == "." || name == ".." {
            return Err(format!("`<<{name}` is no name of a file"));
        }
        if !document.has_variables {
            return Ok((name, text));
        }
        let filled = words::document(&text, &|variable| self.variables.value(variable));
        filled
            .map(|text| (name.clone(), text))
            .map_err(|wrong| format!("{wrong}; `<<'{name}'` keeps the text as it is"))
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
    serde_json::from_str(text)
        .map(Some)
        .map_err(|error| format!("the exec form is no JSON list of texts: {}", JsonFault::from(&error).reason))
}
