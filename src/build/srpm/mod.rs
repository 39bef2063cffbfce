//! Packs source packages without building them: `rpmbuild -bs` in the toolchain image, results in `out/SRPMS`.
//!
//! In: specs, their sources, a toolchain. Out: one SRPM a spec, in the store under a key and hard-linked to `out/SRPMS`.
//! The key is the digest of the spec, its sources, the macros, their files and the image: an SRPM whose key is in the
//! store is not packed again, whatever the times of its files say. The container is that of a build: thrown away after
//! use, without network, user `builder`; no `BuildRequires` are installed, since packing runs nothing of the spec but its
//! macros. The same inputs give the same bytes.
//!
//! An SRPM may come from a server as well ([`verify`]): then the key is that of its name and the digests that it was
//! compared with. A spec that cannot be packed does not stop the others.

mod pack;
mod publish;
#[cfg(test)]
mod tests;
pub mod verify;

use std::path::{Path, PathBuf};

use futures_util::StreamExt;
use tokio_util::sync::CancellationToken;

use self::pack::Attempt;
pub use self::publish::SrpmFolder;
use super::inputs::{self, InputFile};
use super::resolve::inputs_without_buildroot;
use super::tell::tell_damage;
use super::{BuildError, Failure, blocking, package_name};
use crate::cache::{BuildTimes, CacheError, CheckOutcome, Lookup, NewResult, Store, StoredResult, describe, file};
use crate::digest::{KeyBuilder, Sha256};
use crate::engine::Engine;
use crate::event::{Event, Report};
use crate::layout::Layout;
use crate::plan::BuildInputs;
use crate::source::Sources;
use crate::spec::SourcePackage;
use crate::toolchain::Toolchain;

/// What source packages are packed with.
#[derive(Clone, Copy)]
pub struct SrpmContext<'a> {
    /// Runs the containers; not asked for anything while all is up to date.
    pub engine: &'a Engine,
    /// The image and the macros.
    pub toolchain: &'a Toolchain,
    /// The project's folders.
    pub layout: &'a Layout,
    /// Finished results.
    pub store: &'a Store,
    /// Containers at a time; at least 1.
    pub jobs: usize,
    /// Takes events.
    pub report: Report<'a>,
    /// Ends the work; containers are killed.
    pub cancel: &'a CancellationToken,
}

/// What became of one source package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SrpmOutcome {
    /// It is new.
    Made,
    /// It was there already.
    UpToDate,
    /// There is none.
    Failed(Failure),
    /// The run was cancelled before it was done.
    Cancelled,
}

/// An SRPM that a server gave.
pub struct Downloaded<'a> {
    /// The file, which is taken away from there.
    pub path: &'a Path,
    /// Where it came from.
    pub url: &'a str,
    /// [`verify::key`] of what it was compared with.
    pub key: Sha256,
}

/// Packs each of `packages` that is not up to date, and publishes all; gives the outcomes by spec, in the order in which
/// they came.
pub async fn pack_all(
    context: &SrpmContext<'_>,
    packages: &[&SourcePackage],
    sources: &Sources,
    folder: &mut SrpmFolder,
) -> Result<Vec<(String, SrpmOutcome)>, BuildError> {
    let work = context.layout.work().join("srpms");
    blocking(move || file::remove(&work)).await.map_err(BuildError::Records)?;
    let stop = context.cancel.child_token();
    let context = &SrpmContext { cancel: &stop, ..*context };
    let packed = packages.iter().map(|package| one(context, package, sources));
    let mut packed = futures_util::stream::iter(packed).buffer_unordered(context.jobs.max(1));
    let (mut outcomes, mut fault) = (Vec::new(), None);
    while let Some(result) = packed.next().await {
        let published = match result {
            Ok((package, attempt)) => conclude(context, package, attempt, folder),
            Err(error) => Err(error),
        };
        match published {
            Ok(outcome) => outcomes.push(outcome),
            Err(error) => {
                stop.cancel();
                fault.get_or_insert(error);
            }
        }
    }
    fault.map_or(Ok(outcomes), Err)
}

/// Stores the SRPM of `package` that a server gave, and publishes it.
pub async fn keep(
    context: &SrpmContext<'_>,
    package: &SourcePackage,
    downloaded: Downloaded<'_>,
    folder: &mut SrpmFolder,
) -> Result<SrpmOutcome, BuildError> {
    let (name, store) = (package_name(package), context.store.clone());
    let (work, log) =
        (context.layout.work().join("srpms").join(&package.spec), context.layout.srpm_log(&package.spec, &name));
    let (from, url) = (downloaded.path.to_owned(), downloaded.url.to_owned());
    let inputs = inputs_without_buildroot(context.toolchain, package, &[]);
    let (key, file) = (downloaded.key, package.nevra.file_name());
    let kept = blocking(move || {
        file::remove(&work)?;
        std::fs::create_dir_all(&work).map_err(file::writing(&work))?;
        file::link_or_copy(&from, &work.join(&file))?;
        file::remove(&from)?;
        file::write(&log, format!("downloaded from {url}\n").as_bytes())?;
        let rpms = [describe(&work.join(&file))?];
        let stored = add(&store, (key, &inputs), (&work, &rpms, &log));
        file::remove(&work)?;
        stored
    });
    let stored = kept.await.map_err(|source| BuildError::Store { package: name, source })?;
    conclude(context, package, (Attempt::Made(Box::new(stored)), true), folder).map(|(_, outcome)| outcome)
}

/// The SRPM of `key` in the store, published; None when the store has none.
pub async fn known(
    context: &SrpmContext<'_>,
    package: &SourcePackage,
    key: Sha256,
    folder: &mut SrpmFolder,
) -> Result<Option<SrpmOutcome>, BuildError> {
    let Some(stored) = stored(context, package, key).await? else { return Ok(None) };
    conclude(context, package, (Attempt::Made(Box::new(stored)), false), folder).map(|(_, outcome)| Some(outcome))
}

/// The SRPM of `package` when it was packed before from these `sources`, published; None otherwise. The files themselves
/// are not read.
pub async fn packed_before(
    context: &SrpmContext<'_>,
    package: &SourcePackage,
    sources: &Sources,
    folder: &mut SrpmFolder,
) -> Result<Option<SrpmOutcome>, BuildError> {
    let files = inputs::files(package, sources)?;
    known(context, package, key(&inputs_without_buildroot(context.toolchain, package, &files)), folder).await
}

/// What the store holds, or what packing gives; with it whether it is new.
async fn one<'a>(
    context: &SrpmContext<'_>,
    package: &'a SourcePackage,
    sources: &Sources,
) -> Result<(&'a SourcePackage, (Attempt, bool)), BuildError> {
    let files = inputs::files(package, sources)?;
    let inputs = inputs_without_buildroot(context.toolchain, package, &files);
    let key = key(&inputs);
    if let Some(stored) = stored(context, package, key).await? {
        return Ok((package, (Attempt::Made(Box::new(stored)), false)));
    }
    let attempt = pack::pack(context, package, pack::Wanted { key, inputs, files }).await?;
    Ok((package, (attempt, true)))
}

async fn stored(
    context: &SrpmContext<'_>,
    package: &SourcePackage,
    key: Sha256,
) -> Result<Option<StoredResult>, BuildError> {
    let store = context.store.clone();
    let wrong = |source| BuildError::Store { package: package_name(package), source };
    let lookup = blocking(move || store.get(key)).await.map_err(wrong)?;
    tell_damage(context.report, &package_name(package), &lookup);
    match lookup {
        Lookup::Found(result) => Ok(Some(*result)),
        Lookup::Absent | Lookup::Damaged { .. } => Ok(None),
    }
}

/// Publishes what was made and tells what was not.
fn conclude(
    context: &SrpmContext<'_>,
    package: &SourcePackage,
    (attempt, is_new): (Attempt, bool),
    folder: &mut SrpmFolder,
) -> Result<(String, SrpmOutcome), BuildError> {
    let outcome = match attempt {
        Attempt::Cancelled => SrpmOutcome::Cancelled,
        Attempt::Failed(failure) => SrpmOutcome::Failed(failure),
        Attempt::Made(result) => {
            let wrong = |source| BuildError::Store { package: package_name(package), source };
            match tokio::task::block_in_place(|| folder.publish(&package.spec, &result)).map_err(wrong)? {
                Some(other) => SrpmOutcome::Failed(taken(context, package, &other)),
                None if is_new => {
                    context.store.note(&result);
                    SrpmOutcome::Made
                }
                None => SrpmOutcome::UpToDate,
            }
        }
    };
    tell(context, package, &outcome);
    Ok((package.spec.clone(), outcome))
}

fn taken(context: &SrpmContext<'_>, package: &SourcePackage, other: &str) -> Failure {
    Failure {
        phase: "publish".to_owned(),
        status: format!("`{other}.spec` makes an SRPM of the same name, `{}`", package.nevra.file_name()),
        excerpt: Vec::new(),
        log: context.layout.srpm_log(&package.spec, &package_name(package)),
    }
}

fn tell(context: &SrpmContext<'_>, package: &SourcePackage, outcome: &SrpmOutcome) {
    match outcome {
        SrpmOutcome::Made => {
            let text = format!("published {}", package.nevra.file_name());
            (context.report)(Event::Note { text });
        }
        SrpmOutcome::Failed(failure) => {
            let lines: String = failure.excerpt.iter().map(|line| format!("\n  | {line}")).collect();
            let Failure { phase, status, log, .. } = failure;
            let text = format!("`{}` is not packed: {phase}: {status}{lines}\n  log: {}", package.spec, log.display());
            (context.report)(Event::Warning { text });
        }
        SrpmOutcome::UpToDate | SrpmOutcome::Cancelled => {}
    }
}

/// The key of the SRPM that `inputs` give.
fn key(inputs: &BuildInputs) -> Sha256 {
    KeyBuilder::new("srpm").field("inputs", inputs.key().0.as_bytes()).finish()
}

/// Adds the one RPM of `folder` to the store.
fn add(
    store: &Store,
    (key, inputs): (Sha256, &BuildInputs),
    (folder, rpms, log): (&Path, &[crate::cache::BuiltRpm], &PathBuf),
) -> Result<StoredResult, CacheError> {
    let (check, times) = (CheckOutcome::Off, BuildTimes::default());
    store.add(&NewResult { key, inputs, folder, rpms, log, check, times })
}
