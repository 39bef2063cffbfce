//! Spec files, as RPM itself reads them.
//!
//! In: folders of spec files and a [`Toolchain`]. Out: a [`SourcePackage`] for each spec that parses and a
//! [`SpecFailure`] for each that does not ([`LoadedSpecs`]). `rpmspec` runs in containers of the toolchain image, since
//! only the RPM and the macros that build a package know what its spec says.
//!
//! What was read is kept in `state/specs/` under the digests of all it depends on: the spec, the files beside it, the
//! image, the arch, the macros. When nothing has changed, no container is started and no file is read: which files are
//! the same is told by their size, times and inode (`state/digests/specs.json`). Not covered are specs whose text depends
//! on the time or on files outside their folder.

mod answer;
mod cache;
mod error;
mod find;
mod key;
mod package;
mod parsed;
mod query;
mod saved;
mod script;
#[cfg(test)]
mod tests;

use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

pub use error::SpecError;
pub use package::{BinaryPackage, SourceFile, SourcePackage};

use self::cache::{Cache, Outcome};
use self::key::KeyedSpec;
use self::query::{Answered, Batch};
use crate::engine::Engine;
use crate::event::{Event, Report};
use crate::layout::Layout;
use crate::source::remembered::FileDigests;
use crate::toolchain::Toolchain;

/// The fewest and the most specs of one container: a container's start must not cost more than what it reads, and an
/// interrupted run keeps what finished containers have read.
const BATCH: (usize, usize) = (8, 128);

/// What specs are read with.
pub struct Loader<'a> {
    /// Runs the containers; not used while everything is known.
    pub engine: &'a Engine,
    /// The image and the macros.
    pub toolchain: &'a Toolchain,
    /// Where what was read is kept.
    pub layout: &'a Layout,
    /// Containers at a time.
    pub jobs: NonZeroUsize,
    /// Stops the reading.
    pub cancel: &'a CancellationToken,
    /// Is told how many specs have to be read.
    pub report: Report<'a>,
}

/// What the specs of some folders say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadedSpecs {
    /// Sorted by spec name; each name once.
    pub packages: Vec<SourcePackage>,
    /// Specs that do not parse, sorted by path.
    pub failures: Vec<SpecFailure>,
}

/// A spec that does not parse.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpecFailure {
    /// The spec file, absolute.
    pub spec_path: PathBuf,
    /// What rpm wrote about it, possibly on several lines.
    pub message: String,
}

impl fmt::Display for SpecFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` does not parse:", self.spec_path.display())?;
        self.message.lines().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

/// Reads every `<folder>/*.spec` and `<folder>/*/*.spec`.
///
/// Containers see the folders read-only, have no network and run as `builder`.
pub async fn load(loader: &Loader<'_>, folders: &[PathBuf]) -> Result<LoadedSpecs, SpecError> {
    let (specs, mut cache) = prepare(loader, folders).await?;
    let unknown: Vec<KeyedSpec> =
        specs.iter().filter(|spec| cache.outcome(&spec.file.name, spec.key).is_none()).cloned().collect();
    let mut passing = Vec::new();
    if !unknown.is_empty() {
        let text = format!("reading {} of {} specs with rpmspec", unknown.len(), specs.len());
        (loader.report)(Event::Note { text });
        (cache, passing) = read(loader, folders, (&unknown, cache)).await?;
    }
    let outcomes = specs.iter().filter_map(|spec| {
        let passed = passing.iter().find(|(name, _)| *name == spec.file.name).map(|(_, outcome)| outcome);
        cache.outcome(&spec.file.name, spec.key).or(passed).map(|outcome| (spec, outcome))
    });
    Ok(collect(outcomes, folders))
}

/// What became of a spec that another run has to ask about again, by spec name.
type Passing = Vec<(String, Outcome)>;

/// Asks `rpmspec` about `unknown` and keeps what it says after each container. The first fault stops all containers.
async fn read(
    loader: &Loader<'_>,
    folders: &[PathBuf],
    (unknown, mut cache): (&[KeyedSpec], Cache),
) -> Result<(Cache, Passing), SpecError> {
    let stop = loader.cancel.child_token();
    let batches = batches(loader, folders, unknown).into_iter().map(|batch| batch.run(&stop));
    let mut batches = futures_util::stream::iter(batches).buffer_unordered(loader.jobs.get());
    let (mut passing, mut fault) = (Vec::new(), None);
    while let Some(answered) = batches.next().await {
        match answered {
            Err(error) => {
                stop.cancel();
                fault.get_or_insert(error);
            }
            Ok(answered) => {
                for Answered { spec, outcome, lasting } in answered {
                    if lasting {
                        cache.insert(&spec.file.name, spec.key, outcome);
                    } else {
                        passing.push((spec.file.name, outcome));
                    }
                }
                cache = save(cache).await?;
            }
        }
    }
    fault.map_or(Ok((cache, passing)), Err)
}

/// Finds the specs and what is known of them, on a thread that may wait for files.
async fn prepare(loader: &Loader<'_>, folders: &[PathBuf]) -> Result<(Vec<KeyedSpec>, Cache), SpecError> {
    let (layout, folders) = (loader.layout.clone(), folders.to_vec());
    let (state, context) = (layout.state(), key::context(loader.toolchain));
    let prepared = tokio::task::spawn_blocking(move || {
        let digests = FileDigests::open(&layout, "specs");
        let specs = key::keyed(find::spec_files(&folders)?, &digests)?;
        digests.save().map_err(|source| SpecError::State { path: layout.state(), source })?;
        Ok((specs, Cache::open(&layout.state(), context)))
    });
    prepared.await.unwrap_or_else(|error| Err(SpecError::State { path: state, source: error.into() }))
}

fn batches<'a>(loader: &'a Loader<'a>, folders: &'a [PathBuf], specs: &[KeyedSpec]) -> Vec<Batch<'a>> {
    let size = specs.len().div_ceil(loader.jobs.get()).clamp(BATCH.0, BATCH.1);
    let shares = specs.chunks(size).map(<[KeyedSpec]>::to_vec).enumerate();
    shares.map(|(number, specs)| Batch { loader, folders, specs, number }).collect()
}

async fn save(cache: Cache) -> Result<Cache, SpecError> {
    let path = cache.path().to_owned();
    let saved = tokio::task::spawn_blocking(move || cache.save().map(|()| cache)).await;
    saved.unwrap_or_else(|error| Err(error.into())).map_err(|source| SpecError::State { path, source })
}

/// What is kept has no paths of this machine, so these are put in: a project may have moved.
fn collect<'a>(outcomes: impl Iterator<Item = (&'a KeyedSpec, &'a Outcome)>, folders: &[PathBuf]) -> LoadedSpecs {
    let mut loaded = LoadedSpecs::default();
    for (spec, outcome) in outcomes {
        let spec_path = spec.file.path.clone();
        match outcome {
            Outcome::Package(package) => loaded.packages.push(SourcePackage { spec_path, ..(**package).clone() }),
            Outcome::Failure(message) => {
                loaded.failures.push(SpecFailure { spec_path, message: on_host(message, folders) });
            }
        }
    }
    loaded.failures.sort_by(|a, b| a.spec_path.cmp(&b.spec_path));
    loaded
}

/// rpm's lines with the paths of the container replaced by those of the host.
fn on_host(message: &str, folders: &[PathBuf]) -> String {
    let mut message = message.to_owned();
    for (number, folder) in folders.iter().enumerate() {
        message = message.replace(&format!("{}/{number}/", query::SPECS), &format!("{}/", folder.display()));
    }
    message
}
