//! One run of `rpmbuild -bs` in a throwaway container.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{InputFile, SrpmContext, add};
use crate::build::container::{PackageBuild, output_folder, source_container};
use crate::build::log::{self, Log};
use crate::build::resolve::macros_of;
use crate::build::{BuildError, Check, Failure, blocking, collect, inputs, package_name, phase};
use crate::cache::{CacheError, StoredResult, file};
use crate::digest::Sha256;
use crate::engine::{Collect, Exit, Limits, Session};
use crate::plan::BuildInputs;
use crate::spec::SourcePackage;

/// Packing copies and compresses sources; a spec that takes longer does not end.
const TIME_LIMIT: Duration = Duration::from_mins(30);

/// How packing ended.
pub(super) enum Attempt {
    /// The SRPM is in the store.
    Made(Box<StoredResult>),
    /// It gives no SRPM.
    Failed(Failure),
    /// The run was cancelled.
    Cancelled,
}

/// What is packed.
pub(super) struct Wanted {
    pub(super) key: Sha256,
    pub(super) inputs: BuildInputs,
    /// The spec and its sources.
    pub(super) files: Vec<InputFile>,
}

/// Packs `package` and stores its SRPM.
pub(super) async fn pack(
    context: &SrpmContext<'_>,
    package: &SourcePackage,
    wanted: Wanted,
) -> Result<Attempt, BuildError> {
    let folder = context.layout.work().join("srpms").join(&package.spec);
    let packed = in_folder(context, package, wanted, &folder).await;
    let fault = |source| BuildError::Store { package: package_name(package), source };
    let removed = blocking(move || file::remove(&folder)).await.map_err(fault);
    let packed = packed?;
    removed.map(|()| packed)
}

async fn in_folder(
    context: &SrpmContext<'_>,
    package: &SourcePackage,
    wanted: Wanted,
    folder: &Path,
) -> Result<Attempt, BuildError> {
    if context.cancel.is_cancelled() {
        return Ok(Attempt::Cancelled);
    }
    let name = package_name(package);
    let store_fault = |source| BuildError::Store { package: name.clone(), source };
    let log_path = context.layout.srpm_log(&package.spec, &name);
    let mut log = Log::create(log_path.clone(), context.cancel.child_token()).map_err(store_fault)?;
    let (inputs, outputs) = (folder.join("inputs"), folder.join("outputs"));
    prepare(context, &wanted.files, (&inputs, &outputs)).await?;
    let spec = source_container(&PackageBuild {
        package,
        image: context.toolchain.image(),
        macros: &macros_of(context.toolchain, package),
        macro_files: &context.toolchain.macro_files,
        check: Check::Off,
        exceptions: &BTreeSet::new(),
        cpus: 1,
        jobserver: None,
        limits: Limits { timeout: Some(TIME_LIMIT), ..Limits::default() },
        inputs: &inputs,
    })?;
    let (collect, stop) = (Collect { from: output_folder()?, into: outputs.clone() }, log.stop());
    let session = Session { output: &mut |_, bytes| log.add(bytes), collect: Some(collect), cancel: &stop };
    let run = context.engine.run(&spec, session).await;
    log.finish().map_err(store_fault)?;
    let failed = |status: String, excerpt: Vec<String>| {
        Attempt::Failed(Failure { phase: "rpmbuild -bs".to_owned(), status, excerpt, log: log_path.clone() })
    };
    let exit = match run {
        Ok(exit) => exit,
        Err(source) => {
            return match source.refusal() {
                Some(refusal) => Ok(failed(refusal.to_string(), Vec::new())),
                None => Err(BuildError::Engine { package: name, source }),
            };
        }
    };
    match exit {
        Exit::Cancelled => Ok(Attempt::Cancelled),
        Exit::Code(0) => match collected(context, package, wanted, (outputs, &log_path)).await.map_err(store_fault)? {
            Ok(stored) => Ok(Attempt::Made(Box::new(stored))),
            Err(reason) => Ok(failed(reason, Vec::new())),
        },
        exit => {
            let text = log::read_end(&log_path).map_err(store_fault)?;
            Ok(failed(exit.to_string(), phase::excerpt(&text)))
        }
    }
}

async fn prepare(
    context: &SrpmContext<'_>,
    files: &[InputFile],
    (inputs, outputs): (&Path, &Path),
) -> Result<(), BuildError> {
    let (inputs, outputs) = (inputs.to_owned(), outputs.to_owned());
    let (files, macro_files) = (files.to_vec(), context.toolchain.macro_files.clone());
    blocking(move || {
        inputs::prepare(&inputs, &files, &macro_files)?;
        std::fs::create_dir_all(&outputs).map_err(|source| BuildError::Folder { path: outputs, source })
    })
    .await
}

/// Stores what rpmbuild left; or why that cannot be the SRPM of `package`.
async fn collected(
    context: &SrpmContext<'_>,
    package: &SourcePackage,
    wanted: Wanted,
    (folder, log): (PathBuf, &Path),
) -> Result<Result<StoredResult, String>, CacheError> {
    let (store, nevra, log) = (context.store.clone(), package.nevra.clone(), log.to_owned());
    blocking(move || {
        let made = collect::outputs(&folder)?;
        let [rpm] = made.rpms.as_slice() else {
            return Ok(Err(format!("rpmbuild left {} packages and not one", made.rpms.len())));
        };
        if rpm.header.nevra != nevra {
            return Ok(Err(format!("rpmbuild made `{}` and not `{nevra}`", rpm.header.nevra)));
        }
        add(&store, (wanted.key, &wanted.inputs), (&folder, &made.rpms, &log)).map(Ok)
    })
    .await
}
