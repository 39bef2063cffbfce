//! Runs the stages of a pipeline, in their order.
//!
//! In: a checked [`Pipeline`](super::Pipeline). Out: toolchain images in the store, RPMs in `out/RPMS`, disk images in
//! `out/images`. Each stage finds out by its key whether there is anything to do; the engine is not asked for anything
//! before that, so that a run with nothing to do starts no container.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use tokio_util::sync::CancellationToken;

use super::checks::CheckOptions;
use super::config::Packages;
use super::error::PipelineError;
use super::made::MadeStages;
use super::registry::RegistryOptions;
use super::remote::RemoteOptions;
use super::selection::Wishes;
use crate::build::OnFailure;
use crate::digest::Sha256;
use crate::engine::Engine;
use crate::event::Report;
use crate::layout::Layout;
use crate::oci::Store;
use crate::oci::registry::Credentials;
use crate::plan::Reserve;
use crate::regular;
use crate::source::{Archive, MirrorAccess, SignatureMode};
use crate::spec::asks_database;
use crate::text_file;
use crate::toolchain::{MacroFile, Toolchain};

/// What every stage of a run shares.
pub struct Runner<'a> {
    /// Runs containers.
    pub engine: &'a Engine,
    /// Holds images.
    pub store: &'a Store,
    /// Where everything is written.
    pub layout: &'a Layout,
    /// The host's package archives.
    pub archives: Vec<Archive>,
    /// The user's logins at registries.
    pub credentials: Credentials,
    /// Tells what is going on.
    pub report: Report<'a>,
    /// Ends the run.
    pub cancel: &'a CancellationToken,
    /// What the user asks for.
    pub options: Options,
    /// The file that pins remote packages and base images.
    pub lock_file: PathBuf,
    /// True once repositories were asked because the user wants them to be.
    pub refreshed: AtomicBool,
}

/// What the user can ask of a run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Packages built at a time.
    pub jobs: NonZeroUsize,
    /// Processes that all builds together may run at a time; at least 1.
    pub cpus: usize,
    /// True when builds share them by one jobserver, where they can.
    pub jobserver: bool,
    /// What is kept free of memory and disk.
    pub reserve: Reserve,
    /// Whose `%check` runs, and what a failing one does.
    pub checks: CheckOptions,
    /// What is done with signatures files.
    pub signatures: SignatureMode,
    /// URLs of source mirrors, in the order in which they are tried.
    pub source_urls: Vec<String>,
    /// What the mirrors are asked with.
    pub access: MirrorAccess,
    /// The mirror of the package archives that the pipeline names; None for that of the host or of a base image.
    pub archive_mirror: Option<String>,
    /// Wall time of one package's build.
    pub timeout: Duration,
    /// Memory of one package's build; None for no limit.
    pub memory_bytes: Option<u64>,
    /// Time that one spec may take to be read.
    pub spec_seconds: u64,
    /// What happens to the other packages when one fails.
    pub on_failure: OnFailure,
    /// What happens when something that is asked for cannot be built.
    pub obstacles: Obstacles,
    /// How long builds lasted elsewhere, by spec; for those that were never measured here.
    pub durations: BTreeMap<String, Duration>,
    /// How many steps a rebuild reaches; None for as many as there are.
    pub cascade: Option<u32>,
    /// How often a build that fails is tried again.
    pub retries: u32,
    /// What of the specs is asked for, besides the goals.
    pub wishes: Wishes,
    /// Which remote repositories are used, and how.
    pub remote: RemoteOptions,
    /// Where images of stages are pulled from.
    pub registry: RegistryOptions,
    /// The time of the run.
    pub now: SystemTime,
}

/// What happens when it is known before the first build that something cannot be built: a requirement that nothing
/// satisfies, a ring of builds, a source that cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacles {
    /// Nothing is built.
    Refuse,
    /// What has an obstacle is told and left out, with all that needs it; the rest is built.
    LeaveOut,
}

impl Runner<'_> {
    /// The toolchain that `packages` are built in.
    pub fn toolchain(&self, packages: &Packages, made: &MadeStages) -> Result<Toolchain, PipelineError> {
        let toolchain = toolchain_of(&packages.toolchain, made)?;
        let mut asks = false;
        let files = packages.macro_files.iter().enumerate().map(|(place, path)| {
            let wrong = |source| PipelineError::MacroFile { path: path.clone(), source };
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            let content = regular::read_text(path).map_err(wrong)?;
            // RPM would take them for a part of a name or of a value.
            if let Some(foreign) = text_file::foreign(&content) {
                return Err(wrong(std::io::Error::other(foreign)));
            }
            asks |= asks_database(&content);
            let digest = Sha256::of_bytes(&content);
            Ok(MacroFile { name: format!("{place:02}-{file}"), path: path.clone(), digest })
        });
        let macro_files = files.collect::<Result<_, PipelineError>>()?;
        Ok(Toolchain {
            // Then every spec may depend on all that is given.
            essence: if asks { toolchain.digest } else { toolchain.essence },
            macros: packages.macros.clone(),
            macro_files,
            version_macros: packages.version_macros.clone(),
            ..toolchain
        })
    }
}

/// The toolchain of the stage `name`, without macros.
pub fn toolchain_of(name: &str, made: &MadeStages) -> Result<Toolchain, PipelineError> {
    let made = made.get(name).ok_or_else(|| PipelineError::NoStage { stage: name.to_owned() })?;
    Ok(Toolchain {
        stage: name.to_owned(),
        digest: made.image,
        essence: made.essence,
        given: made.given.clone(),
        arch: std::env::consts::ARCH.to_owned(),
        provides: made.provides.iter().cloned().collect(),
        macros: BTreeMap::new(),
        macro_files: Vec::new(),
        version_macros: None,
        packages: made.packages.clone(),
    })
}

/// The host's package archives; none where there is no `/etc/apt`.
pub fn host_archives() -> Vec<Archive> {
    crate::source::apt::archives(Path::new("/etc/apt"))
}
