//! A containerfile with the files that it copies: what a stage's key stands for is what its image gets.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;

use super::containerfile::{self, Containerfile, Instruction};
use super::copy::{Context, Files};
use super::error::ToolchainError;
use super::ignored::{self, Ignored};
use super::stage::{Instructions, Stage};
use crate::digest::{KeyBuilder, Sha256};
use crate::oci::ImageConfig;
use crate::stop;
use crate::text_file;

/// Counts up when files are copied in another way.
const COPY_VERSION: &str = "2";

/// A containerfile and the files that it copies, as they were when they were read. Both are read once: what the digest
/// stands for is what is carried out.
pub(super) struct Script {
    pub(super) path: PathBuf,
    text: String,
    file: Containerfile,
    /// By what an instruction copies.
    copied: BTreeMap<Vec<String>, Files>,
}

impl Script {
    /// The containerfile of `stage`, if it has one, on a base that is not known yet.
    pub(super) fn read(stage: &Stage, stop: &CancellationToken) -> Result<Option<Self>, ToolchainError> {
        let Some(Instructions { path, context }) = &stage.containerfile else { return Ok(None) };
        let text = text_file::read(path).map_err(|source| ToolchainError::ReadContainerfile {
            stage: stage.name.clone(),
            path: path.clone(),
            source,
        })?;
        let file = parse(stage, path, &text, None)?;
        let ignored = match ignored::file(path, context) {
            Some(file) => Ignored::read(&file).map_err(|source| ToolchainError::ReadContainerfile {
                stage: stage.name.clone(),
                path: file.clone(),
                source,
            })?,
            None => Ignored::default(),
        };
        let from_here = Context { folder: context, ignored: &ignored };
        let mut copied = BTreeMap::new();
        for (line, instruction) in &file.steps {
            if let Instruction::Copy { from, .. } = instruction {
                let fault = |(name, source)| match source {
                    source if stop::is_stopped(&source) => ToolchainError::Cancelled { stage: stage.name.clone() },
                    source => copy_fault(path, *line, name, source),
                };
                copied.insert(from.clone(), Files::read(from_here, from, stop).map_err(fault)?);
            }
        }
        Ok(Some(Self { path: path.clone(), text, file, copied }))
    }

    /// The same containerfile, as it is on an image with the configuration `base`.
    pub(super) fn on(&self, stage: &Stage, base: &ImageConfig) -> Result<Containerfile, ToolchainError> {
        parse(stage, &self.path, &self.text, Some(base))
    }

    /// Digest of the instructions and of the files that they copy.
    pub(super) fn digest(&self) -> Result<Sha256, ToolchainError> {
        let mut key = KeyBuilder::new("containerfile");
        // What the base decides is not known yet: as they are written, the instructions stand for all that it may be.
        for line in &self.file.text {
            key = key.field("line", line);
        }
        for step in &self.file.steps {
            key = key.field("step", self.step_digest(step)?.as_bytes());
        }
        Ok(key.field("config", format!("{:?}", configure(&self.file, ImageConfig::default()))).finish())
    }

    pub(super) fn step_digest(&self, (line, instruction): &(usize, Instruction)) -> Result<Sha256, ToolchainError> {
        let key = KeyBuilder::new("instruction").field("text", format!("{instruction:?}"));
        Ok(match instruction {
            Instruction::Run { .. }
            | Instruction::Script { .. }
            | Instruction::Folder { .. }
            | Instruction::Write { .. } => key.finish(),
            Instruction::Copy { from, .. } => {
                let copied = self.files(*line, from)?.digest();
                key.field("copy-version", COPY_VERSION).field("files", copied.as_bytes()).finish()
            }
        })
    }

    /// What an instruction copies. A name that only the base decides was not there when the files were read.
    pub(super) fn files(&self, line: usize, from: &[String]) -> Result<&Files, ToolchainError> {
        let unknown = || io::Error::other("the name depends on a variable of the base image");
        self.copied.get(from).ok_or_else(|| copy_fault(&self.path, line, from.join(" "), unknown()))
    }
}

fn parse(stage: &Stage, path: &Path, text: &str, base: Option<&ImageConfig>) -> Result<Containerfile, ToolchainError> {
    containerfile::parse(path, text, base)
        .map_err(|source| ToolchainError::Containerfile { stage: stage.name.clone(), source })
}

pub(super) fn copy_fault(containerfile: &Path, line: usize, file: String, source: io::Error) -> ToolchainError {
    ToolchainError::Copy { containerfile: containerfile.to_owned(), line, file, source }
}

/// What the containerfile changes in the image's configuration `base`.
pub(super) fn configure(file: &Containerfile, base: ImageConfig) -> ImageConfig {
    let changed = |entry: &String| entry.split_once('=').is_some_and(|(name, _)| file.env.contains_key(name));
    let mut env: Vec<String> = base.env.into_iter().filter(|entry| !changed(entry)).collect();
    env.extend(file.env.iter().map(|(name, value)| format!("{name}={value}")));
    let mut labels = base.labels;
    labels.extend(file.labels.clone());
    ImageConfig {
        env,
        workdir: file.workdir.clone().or(base.workdir),
        user: file.user.clone().or(base.user),
        labels,
        ..base
    }
}
