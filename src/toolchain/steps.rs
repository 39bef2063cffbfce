//! Carries out a containerfile through the engine, one layer an instruction.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::StageContext;
use super::base::NEWEST_FILE;
use super::containerfile::{Containerfile, Instruction};
use super::copy::{Files, LayerFault};
use super::error::ToolchainError;
use super::log::open_log;
use super::place;
use super::provides;
use super::record::{self, Record};
use super::script::{Script, configure, copy_fault};
use super::stage::Stage;
use crate::digest::KeyBuilder;
use crate::digest::Sha256;
use crate::engine::{
    Capabilities, ContainerSpec, Exit, GuestPath, HostPath, ImageId, Limits, Mount, Network, Session, Stream, User,
};
use crate::oci::ImageConfig;
use crate::tail::Tail;

/// Where a script of the containerfile is while it runs.
const SCRIPT_PLACE: &str = "/mnt/script";
const PACKAGES: &str = include_str!("packages.sh");
const GIVEN: &str = concat!(include_str!("database.sh"), include_str!("given.sh"));

/// Installs the packages of `stage`, carries out its containerfile, which `script` is, and records what it provides, from
/// the image in `start` on.
pub(super) async fn carry_out(
    (stage, script): (&Stage, Option<&Script>),
    start: Record,
    context: &StageContext<'_>,
) -> Result<Record, ToolchainError> {
    let mut maker = Maker { stage, context, now: start, log: open_log(&context.layout.stage_log(&stage.name))? };
    if !stage.install.is_empty() {
        maker.install().await?;
    }
    if let Some(script) = script {
        let file = script.on(stage, &maker.config()?)?;
        for step in &file.steps {
            maker.step(script, step).await?;
        }
        maker.configure(&file)?;
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
                self.copy(script.files(*line, from)?, to, &layer, (script, *line)).await?;
            }
            Instruction::Write { files, to } => {
                self.copy(&Files::of_texts(files), to, &layer, (script, *line)).await?;
            }
            Instruction::Script { text, env, user, workdir } => {
                let folder = self.script_folder(text)?;
                let mut spec = self.container(&[SCRIPT_PLACE.to_owned()], env, user.as_deref(), workdir)?;
                // `/mnt` is in every root, so that no mount point of ours stays in the image.
                spec.mounts.push(self.read_only(&folder, "/mnt")?);
                self.run(&spec, key, &layer, (script, *line)).await?;
            }
            Instruction::Run { argv, env, user, workdir } => {
                let spec = self.container(argv, env, user.as_deref(), workdir)?;
                self.run(&spec, key, &layer, (script, *line)).await?;
            }
        }
        self.finish_step(key, &layer)
    }

    /// Makes a layer of `files` at `to`.
    async fn copy(
        &self,
        files: &Files,
        to: &str,
        layer: &Path,
        (script, line): (&Script, usize),
    ) -> Result<(), ToolchainError> {
        let image = (self.stage.name.as_str(), self.now.image);
        let place = place::find(to, files.folders.clone(), image, self.context).await?;
        if let Some(folder) = place.no_folders.first() {
            let place = [place.path.trim_end_matches('/'), folder].join("/");
            let place = place.trim_end_matches('/').to_owned();
            return Err(ToolchainError::CopyOver { containerfile: script.path.clone(), line, place });
        }
        tokio::task::block_in_place(|| files.layer(&place.path, layer)).map_err(|fault| match fault {
            LayerFault::Changed(path) => ToolchainError::Changed { stage: self.stage.name.clone(), path },
            LayerFault::File(path, source) => copy_fault(&script.path, line, path.display().to_string(), source),
        })
    }

    /// A folder with a script that every user may run.
    fn script_folder(&self, text: &str) -> Result<PathBuf, ToolchainError> {
        let folder = self.work_file("script")?;
        let write = || {
            std::fs::create_dir_all(&folder)?;
            let path = folder.join("script");
            std::fs::write(&path, text)?;
            [&folder, &path]
                .into_iter()
                .try_for_each(|path| std::fs::set_permissions(path, Permissions::from_mode(0o755)))
        };
        write().map_err(|source| ToolchainError::File { operation: "write", path: folder.clone(), source })?;
        Ok(folder)
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
    fn configure(&mut self, file: &Containerfile) -> Result<(), ToolchainError> {
        let (store, config) = (self.context.store, configure(file, self.config()?));
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
