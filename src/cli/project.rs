//! The project that a command works on: its folders, its printer, and the user's wish to stop.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::fault::Fault;
use super::interrupt::Interrupt;
use super::lock::Lock;
use super::options::ContainerArgs;
use super::{FormatArg, Global};
use crate::engine::{self, Choice, Engine, EngineError, Home, Outside, Places, Transfer, Tried};
use crate::event::Event;
use crate::layout::Layout;
use crate::oci::Store;
use crate::pipeline::{
    self, Images, MadeStages, Packages, Pipeline, PipelineError, Recipes, RegistryOptions, RemoteOptions,
};
use crate::report::Printer;

/// An open project.
pub(super) struct Project {
    /// Its folder, absolute.
    pub(super) folder: PathBuf,
    /// Where everything is written.
    pub(super) layout: Layout,
    /// Tells events.
    pub(super) printer: Arc<Printer>,
    /// Set when the user wants to stop.
    pub(super) cancel: CancellationToken,
    /// True when the user asked for JSON.
    pub(super) json: bool,
    pipeline: PathBuf,
    /// The toolchain stage whose packages count as the pipeline's.
    stage: Option<String>,
    /// The toolchain stage that packages are built in, when it is not the pipeline's.
    toolchain: Option<String>,
    choice: Choice,
    transfer: Transfer,
    containers: ContainerArgs,
    remote: RemoteOptions,
    /// What the user says of registries.
    pub(super) registry: RegistryOptions,
    /// Time that one spec may take to be read.
    pub(super) spec_seconds: u64,
}

impl Project {
    /// Reads the environment and the current folder; changes nothing.
    pub(super) fn open(global: &Global, interrupt: &Interrupt) -> Result<Self, Fault> {
        let folder = std::path::absolute(&global.project)
            .ok()
            .filter(|folder| folder.is_dir())
            .ok_or_else(|| Fault::usage(format!("there is no project folder `{}`", global.project.display())))?;
        // `.` and `..` in the middle would make two names of one place.
        let folder = folder.canonicalize().map_err(|error| Fault::host_error(&error))?;
        for path in [&folder, &global.build_dir, &global.out_dir] {
            if path.to_str().is_none() {
                let text = format!("the name of the folder `{}` is not UTF-8", path.display());
                return Err(Fault::usage(text).with_hint(Some("give it another name".to_owned())));
            }
        }
        let cache = cache_folder()?;
        let layout = Layout::new(folder.join(&global.build_dir), folder.join(&global.out_dir), cache);
        let layout = global.stage.as_ref().map_or_else(|| layout.clone(), |stage| layout.of_stage(stage));
        let printer = Arc::new(Printer::new(global.format.into()));
        interrupt.answer_by(&printer);
        Ok(Self {
            layout,
            printer,
            cancel: interrupt.token(),
            json: global.format == FormatArg::Json,
            pipeline: folder.join(&global.pipeline),
            stage: global.stage.clone(),
            toolchain: global.toolchain.clone(),
            choice: global.engine.into(),
            transfer: global.transfer.into(),
            containers: global.containers,
            remote: global.remote.options(&folder),
            registry: global.registry.options(&folder),
            spec_seconds: global.spec_timeout,
            folder,
        })
    }

    /// What the user asks of remote repositories; packages of stages use none.
    pub(super) fn remote(&self) -> RemoteOptions {
        RemoteOptions { off: self.remote.off || self.stage.is_some(), ..self.remote.clone() }
    }

    /// The pipeline of the command line.
    pub(super) fn pipeline(&self) -> Result<Pipeline, Fault> {
        self.pipeline_at(&self.pipeline)
    }

    /// The pipeline in `path`, which counts from the project's folder; with `--stage` the stages below that one, and its
    /// packages.
    pub(super) fn pipeline_at(&self, path: &Path) -> Result<Pipeline, Fault> {
        let pipeline = pipeline::read(&self.folder.join(path), &self.folder);
        let pipeline = pipeline.map_err(|error| Fault::usage_error(&error))?;
        match (&self.stage, &self.toolchain) {
            (Some(stage), _) => Ok(pipeline.of_stage(stage)?),
            (None, Some(toolchain)) => Ok(pipeline.with_toolchain(toolchain)?),
            (None, None) => Ok(pipeline),
        }
    }

    /// The pipeline file of the command line, absolute.
    pub(super) fn pipeline_path(&self) -> &Path {
        &self.pipeline
    }

    /// Tells `event`.
    pub(super) fn tell(&self, event: &Event) {
        self.printer.tell(event);
    }

    /// The image store, made when it is missing.
    pub(super) fn store(&self) -> Result<Store, Fault> {
        Store::open(self.layout.oci()).map_err(|error| Fault::host_error(&error).with_hint(error.hint()))
    }

    /// The engine that the command line asks for; it is connected when it is needed first.
    pub(super) fn engine(&self, store: &Store) -> Engine {
        let places = self.places();
        if places.outside == Outside::Host {
            let text = "commands that download something see this machine's own network (`--network host`)".to_owned();
            self.tell(&Event::Note { text });
        }
        let printer = Arc::clone(&self.printer);
        let engine = Engine::new(self.choice, places, self.home(store));
        engine.telling(move |description| printer.tell(&Event::Engine { description }))
    }

    /// Runs small containers on the engine of `choice`.
    pub(super) async fn try_out(&self, choice: Choice, store: &Store) -> Result<Tried, EngineError> {
        let top = self.layout.scratch();
        Box::pin(engine::try_out((choice, &self.places()), self.home(store), &top, &self.cancel)).await
    }

    fn places(&self) -> Places {
        let Places { outside, pids, .. } = self.containers.places();
        Places { outside, pids, ..places(self.transfer) }
    }

    fn home(&self, store: &Store) -> Home {
        let trees = vec![self.folder.clone(), self.layout.build().to_owned(), self.layout.cache().to_owned()];
        Home::new(store.clone(), self.layout.embedded(), trees)
    }

    /// The stages that are made; `needed` must be one of them.
    pub(super) fn made(&self, pipeline: &Pipeline, needed: &str, store: &Store) -> Result<MadeStages, Fault> {
        let finished = pipeline::finished_stages(&pipeline.stages, &Recipes::new(&self.layout, &self.cancel), store)?;
        let made: MadeStages = finished.into_iter().filter_map(|(name, made)| Some((name, made?))).collect();
        if made.contains_key(needed) {
            return Ok(made);
        }
        let hint = format!("make it with `drydock toolchain build {needed}`");
        Err(Fault::usage(format!("stage `{needed}` is not made, or its inputs have changed")).with_hint(Some(hint)))
    }

    /// Makes this the only command that changes the project's files.
    pub(super) fn lock(&self) -> Result<Lock, Fault> {
        Lock::take(&self.layout.lock(), &self.layout)
    }

    /// Makes this the only command that gives the project's images to a registry: others may work on the project, but
    /// none removes anything.
    pub(super) fn lock_for_push(&self) -> Result<Lock, Fault> {
        Lock::take(&self.layout.push_lock(), &self.layout)
    }
}

/// The pipeline's package stage.
pub(super) fn packages_of(pipeline: &Pipeline) -> Result<&Packages, Fault> {
    let missing = || PipelineError::NoPart { pipeline: pipeline.name.clone(), part: "packages" };
    Ok(pipeline.packages.as_ref().ok_or_else(missing)?)
}

/// The pipeline's image stage.
pub(super) fn images_of(pipeline: &Pipeline) -> Result<&Images, Fault> {
    let missing = || PipelineError::NoPart { pipeline: pipeline.name.clone(), part: "images" };
    Ok(pipeline.images.as_ref().ok_or_else(missing)?)
}

#[expect(clippy::disallowed_methods, reason = "the environment is read here, once")]
fn places(transfer: Transfer) -> Places {
    Places::of(|name| std::env::var(name).ok(), transfer)
}

#[expect(clippy::disallowed_methods, reason = "the environment is read here, once")]
fn cache_folder() -> Result<PathBuf, Fault> {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    let base =
        base.ok_or_else(|| Fault::usage("neither XDG_CACHE_HOME nor HOME is set: there is no place for the cache"))?;
    Ok(base.join("drydock"))
}
