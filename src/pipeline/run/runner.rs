//! Runs the stages of a pipeline, in their order.
//!
//! In: a checked [`Pipeline`](crate::pipeline::Pipeline). Out: toolchain images in the store, RPMs in `out/RPMS`, disk images in
//! `out/images`. Each stage finds out by its key whether there is anything to do; the engine is not asked for anything
//! before that, so that a run with nothing to do starts no container.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use tokio_util::sync::CancellationToken;

use super::made::MadeStages;
use crate::digest::Sha256;
use crate::engine::Engine;
use crate::event::Report;
use crate::layout::Layout;
use crate::oci::Store;
use crate::oci::registry::Credentials;
use crate::pipeline::error::PipelineError;
use crate::pipeline::file::Packages;
use crate::pipeline::options::Options;
use crate::regular;
use crate::source::Archive;
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
