//! Carries out a containerfile through the engine, one layer an instruction.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::StageContext;
use super::base::NEWEST_FILE;
use super::containerfile::{self, Containerfile, Instruction};
use super::copy;
use super::error::ToolchainError;
use super::log::open_log;
use super::place;
use super::provides;
use super::record::{self, Record};
use super::stage::{Instructions, Stage};
use crate::digest::KeyBuilder;
use crate::digest::Sha256;
use crate::engine::{
    Capabilities, ContainerSpec, Exit, GuestPath, HostPath, ImageId, Limits, Mount, Network, Session, Stream, User,
};
use crate::oci::ImageConfig;
use crate::tail::Tail;

/// Counts up when files are copied in another way.
const COPY_VERSION: &str = "2";
const PACKAGES: &str = include_str!("packages.sh");
const GIVEN: &str = concat!(include_str!("database.sh"), include_str!("given.sh"));

/// A containerfile that was read.
pub(super) struct Script {
    path: PathBuf,
    context: PathBuf,
    file: Containerfile,
}

impl Script {
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
        Ok(key.field("config", format!("{:?}", self.configure(ImageConfig::default()))).finish())
    }

    fn step_digest(&self, (line, instruction): &(usize, Instruction)) -> Result<Sha256, ToolchainError> {
        let key = KeyBuilder::new("instruction").field("text", format!("{instruction:?}"));
        Ok(match instruction {
            Instruction::Run { .. } | Instruction::Folder { .. } => key.finish(),
            Instruction::Copy { from, .. } => {
                let copied = copy::digest(&self.context, from).map_err(|fault| self.copy_fault(*line, fault))?;
                key.field("copy-version", COPY_VERSION).field("files", copied.as_bytes()).finish()
            }
        })
    }

    fn copy_fault(&self, line: usize, (file, source): (String, std::io::Error)) -> ToolchainError {
        ToolchainError::Copy { containerfile: self.path.clone(), line, file, source }
    }

    /// What the containerfile changes in the image's configuration `base`.
    fn configure(&self, base: ImageConfig) -> ImageConfig {
        let changed = |entry: &String| entry.split_once('=').is_some_and(|(name, _)| self.file.env.contains_key(name));
        let mut env: Vec<String> = base.env.into_iter().filter(|entry| !changed(entry)).collect();
        env.extend(self.file.env.iter().map(|(name, value)| format!("{name}={value}")));
        let mut labels = base.labels;
        labels.extend(self.file.labels.clone());
        ImageConfig {
            env,
            workdir: self.file.workdir.clone().or(base.workdir),
            user: self.file.user.clone().or(base.user),
            labels,
            ..base
        }
    }
}

/// The containerfile of `stage`, if it has one, for an image on one with the configuration `base`, when that is known.
pub(super) fn read(stage: &Stage, base: Option<&ImageConfig>) -> Result<Option<Script>, ToolchainError> {
    let Some(Instructions { path, context }) = &stage.containerfile else { return Ok(None) };
    let text = std::fs::read_to_string(path).map_err(|source| ToolchainError::ReadContainerfile {
        stage: stage.name.clone(),
        path: path.clone(),
        source,
    })?;
    let file = containerfile::parse(path, &text, base)
        .map_err(|source| ToolchainError::Containerfile { stage: stage.name.clone(), source })?;
    Ok(Some(Script { path: path.clone(), context: context.clone(), file }))
}

/// Installs the packages of `stage`, carries out its containerfile and records what it provides, from the image in `start`
/// on.
pub(super) async fn carry_out(
    stage: &Stage,
    start: Record,
    context: &StageContext<'_>,
) -> Result<Record, ToolchainError> {
    let mut maker = Maker { stage, context, now: start, log: open_log(&context.layout.stage_log(&stage.name))? };
    if !stage.install.is_empty() {
        maker.install().await?;
    }
    if let Some(script) = read(stage, Some(&maker.config()?))? {
        for step in &script.file.steps {
            maker.step(&script, step).await?;
        }
        maker.configure(&script)?;
    }
    if !stage.provides.is_empty() {
        maker.record_provides().await?;
    }
    // A stage above starts from this image and needs the same archives.
    record::save(&context.layout.toolchain_state(), maker.now.image, &maker.now)?;
    Ok(maker.now)
}

/// Digest of what installing `packages` does.
pub(super) fn install_digest(packages: &[String]) -> Sha256 {
    let key = KeyBuilder::new("install").field("script", PACKAGES);
    packages.iter().fold(key, |key, package| key.field("package", package)).finish()
}

struct Maker<'a> {
    stage: &'a Stage,
    context: &'a StageContext<'a>,
    now: Record,
    log: std::fs::File,
}

impl Maker<'_> {
    /// One instruction; a finished one is found by its key.
    async fn step(&mut self, script: &Script, step: &(usize, Instruction)) -> Result<(), ToolchainError> {
        let key = self.step_key(script.step_digest(step)?);
        if self.is_done(key) {
            return Ok(());
        }
        let (line, instruction) = step;
        let layer = self.work_file("layer")?;
        match instruction {
            Instruction::Folder { path } => {
                let place = place::find(path, Vec::new(), (&self.stage.name, self.now.image), self.context).await?;
                if place.path.ends_with('/') {
                    return Ok(());
                }
                // The shell, since some have the program built in.
                let argv = ["/bin/sh", "-c", "mkdir -p -- \"$1\"", "sh", path].map(str::to_owned);
                let mut spec = self.container(&argv, &BTreeMap::new(), None, "/")?;
                (spec.mounts, spec.network) = (Vec::new(), Network::None);
                self.run(&spec, key, &layer, (script, *line)).await?;
            }
            Instruction::Copy { from, to } => {
                let fault = |fault| script.copy_fault(*line, fault);
                let folders = copy::folders(&script.context, from).map_err(fault)?;
                let place = place::find(to, folders, (&self.stage.name, self.now.image), self.context).await?;
                if let Some(folder) = place.no_folders.first() {
                    let place = [place.path.trim_end_matches('/'), folder].join("/");
                    return Err(ToolchainError::CopyOver {
                        containerfile: script.path.clone(),
                        line: *line,
                        place: place.trim_end_matches('/').to_owned(),
                    });
                }
                copy::layer(&script.context, from, &place.path, &layer).map_err(fault)?;
            }
            Instruction::Run { argv, env, user, workdir } => {
                let spec = self.container(argv, env, user.as_deref(), workdir)?;
                self.run(&spec, key, &layer, (script, *line)).await?;
            }
        }
        self.finish_step(key, &layer)
    }

    /// Installs the packages of the stage with the package manager of the image.
    async fn install(&mut self) -> Result<(), ToolchainError> {
        let key = self.step_key(install_digest(&self.stage.install));
        if self.is_done(key) {
            return Ok(());
        }
        let layer = self.work_file("layer")?;
        let mut argv = ["/bin/sh", "-c", PACKAGES, "packages.sh"].map(str::to_owned).to_vec();
        argv.extend(self.stage.install.iter().cloned());
        let spec = self.container(&argv, &BTreeMap::new(), None, "/")?;
        let (exit, excerpt) = self.derive(&spec, key, &layer).await?;
        if !exit.is_success() {
            let (stage, log) = (self.stage.name.clone(), self.context.layout.stage_log(&self.stage.name));
            return Err(ToolchainError::Install { stage, exit, excerpt, log });
        }
        self.finish_step(key, &layer)
    }

    fn step_key(&self, digest: Sha256) -> Sha256 {
        KeyBuilder::new("step").field("on", self.now.image.as_bytes()).field("do", digest.as_bytes()).finish()
    }

    /// Takes the image of an earlier run when the step was finished then.
    fn is_done(&mut self, key: Sha256) -> bool {
        let known = record::load(&self.context.layout.toolchain_state(), key);
        let image = known.map(|known| known.image).filter(|image| self.context.store.has(*image));
        self.now.image = image.unwrap_or(self.now.image);
        image.is_some()
    }

    /// Puts `layer` on top of the image and keeps that for a later run.
    fn finish_step(&mut self, key: Sha256, layer: &Path) -> Result<(), ToolchainError> {
        self.append(layer)?;
        record::save(&self.context.layout.toolchain_state(), key, &self.now)
    }

    /// What the image says of itself.
    fn config(&self) -> Result<ImageConfig, ToolchainError> {
        let store = self.context.store;
        store.image(self.now.image).and_then(|image| store.config(&image)).map_err(|source| self.store_fault(source))
    }

    /// Gives the image the configuration that the containerfile asks for, without a layer.
    fn configure(&mut self, script: &Script) -> Result<(), ToolchainError> {
        let (store, config) = (self.context.store, script.configure(self.config()?));
        let change = || store.with_config(&store.image(self.now.image)?, &config);
        self.now.image = change().map_err(|source| self.store_fault(source))?.manifest;
        Ok(())
    }

    async fn record_provides(&mut self) -> Result<(), ToolchainError> {
        let fault = |reason: String| ToolchainError::Provides { stage: self.stage.name.clone(), reason };
        let bytes =
            provides::package(&self.stage.name, &self.stage.provides).map_err(|error| fault(error.to_string()))?;
        let folder = self.work_file("provides")?;
        let io_fault = |source| ToolchainError::File { operation: "write", path: folder.clone(), source };
        std::fs::create_dir_all(&folder).map_err(io_fault)?;
        std::fs::write(folder.join("given.rpm"), &bytes).map_err(io_fault)?;
        // `/mnt` is in every root, so that no mount point of ours stays in the image.
        let argv = ["/bin/sh", "-c", GIVEN].map(str::to_owned);
        let env = BTreeMap::from([("SOURCE_DATE_EPOCH".to_owned(), NEWEST_FILE.to_string())]);
        let mut spec = self.container(&argv, &env, None, "/")?;
        spec.network = Network::None;
        spec.mounts = vec![self.read_only(&folder, "/mnt")?];
        let key = KeyBuilder::new("provides").field("on", self.now.image.as_bytes()).field("rpm", &bytes).finish();
        let layer = self.work_file("layer")?;
        let (exit, lines) = self.derive(&spec, key, &layer).await?;
        if !exit.is_success() {
            return Err(fault(format!("rpm ended with {exit}: {}", lines.join("; "))));
        }
        self.append(&layer)
    }

    async fn run(
        &mut self,
        spec: &ContainerSpec,
        key: Sha256,
        layer: &Path,
        (script, line): (&Script, usize),
    ) -> Result<(), ToolchainError> {
        let (exit, excerpt) = self.derive(spec, key, layer).await?;
        if exit.is_success() {
            return Ok(());
        }
        let log = self.context.layout.stage_log(&self.stage.name);
        Err(ToolchainError::Command { containerfile: script.path.clone(), line, exit, excerpt, log })
    }

    /// Runs `spec` and, when it succeeds, writes what it changed to `layer`; gives the last lines of its output, too.
    async fn derive(
        &mut self,
        spec: &ContainerSpec,
        key: Sha256,
        layer: &Path,
    ) -> Result<(Exit, Vec<String>), ToolchainError> {
        let mut tail = Tail::default();
        let log = &mut self.log;
        let mut output = |_: Stream, bytes: &[u8]| {
            tail.push(bytes);
            if let Err(error) = log.write_all(bytes) {
                tracing::warn!(%error, "cannot write the log of a toolchain stage");
            }
        };
        let session = Session { output: &mut output, collect: None, cancel: self.context.cancel };
        let engine = self.context.engine;
        let stage = &self.stage.name;
        let fault = |source| ToolchainError::Engine { stage: stage.clone(), source };
        let exit = engine.derive(spec, key, session).await.map_err(fault)?;
        if exit == Exit::Cancelled {
            return Err(ToolchainError::Cancelled { stage: stage.clone() });
        }
        if exit.is_success() {
            engine.export_changes(key, layer).await.map_err(fault)?;
            engine.remove_derived(key).await.map_err(fault)?;
        }
        Ok((exit, tail.lines()))
    }

    fn container(
        &self,
        argv: &[String],
        env: &BTreeMap<String, String>,
        user: Option<&str>,
        workdir: &str,
    ) -> Result<ContainerSpec, ToolchainError> {
        Ok(ContainerSpec {
            image: ImageId::Stored(self.now.image),
            argv: argv.to_vec(),
            env: env.clone(),
            user: match user {
                None | Some("root" | "0") => User::Root,
                Some(name) => User::Named(name.to_owned()),
            },
            workdir: GuestPath::new(workdir).map_err(|error| self.place_fault(&error))?,
            mounts: self.network_mounts()?,
            network: Network::Outside,
            capabilities: Capabilities::Default,
            limits: Limits::default(),
        })
    }

    /// What a command that downloads packages needs of the host: its archives where the image has none.
    fn network_mounts(&self) -> Result<Vec<Mount>, ToolchainError> {
        let mut mounts = Vec::new();
        if !self.now.apt_lines.is_empty() {
            let folder = self.work_file("apt")?;
            let fault = |source| ToolchainError::File { operation: "write", path: folder.clone(), source };
            std::fs::create_dir_all(&folder).map_err(fault)?;
            std::fs::write(folder.join("host.list"), self.now.apt_lines.join("\n") + "\n").map_err(fault)?;
            mounts.push(self.read_only(&folder, "/etc/apt/sources.list.d")?);
        }
        Ok(mounts)
    }

    fn read_only(&self, host: &Path, guest: &str) -> Result<Mount, ToolchainError> {
        let host = HostPath::new(host).map_err(|error| self.place_fault(&error))?;
        let guest = GuestPath::new(guest).map_err(|error| self.place_fault(&error))?;
        Ok(Mount::ReadOnly { host, guest })
    }

    fn place_fault(&self, error: &crate::engine::RelativePath) -> ToolchainError {
        ToolchainError::place(self.context, error)
    }

    /// Puts the tar archive `layer` on top of the image.
    fn append(&mut self, layer: &Path) -> Result<(), ToolchainError> {
        let store = self.context.store;
        let stack = || {
            let base = store.image(self.now.image)?;
            store.append_layer(&base, layer, &store.config(&base)?)
        };
        self.now.image = tokio::task::block_in_place(stack).map_err(|source| self.store_fault(source))?.manifest;
        std::fs::remove_file(layer).map_err(|source| ToolchainError::File {
            operation: "remove",
            path: layer.to_owned(),
            source,
        })
    }

    fn store_fault(&self, source: crate::oci::OciError) -> ToolchainError {
        ToolchainError::Store { stage: self.stage.name.clone(), source }
    }

    /// A path of this stage for work in progress, in a folder that exists.
    fn work_file(&self, name: &str) -> Result<PathBuf, ToolchainError> {
        let folder = self.context.layout.work().join("toolchain").join(&self.stage.name);
        std::fs::create_dir_all(&folder).map_err(|source| ToolchainError::File {
            operation: "make",
            path: folder.clone(),
            source,
        })?;
        Ok(folder.join(name))
    }
}
