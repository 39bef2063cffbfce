//! Spec files, as RPM itself reads them.
//!
//! In: folders of spec files and a [`Toolchain`]. Out: a [`SourcePackage`] for each spec that parses and a
//! [`SpecFailure`] for each that does not ([`LoadedSpecs`]). `rpmspec` runs in containers of the toolchain image, since
//! only the RPM and the macros that build a package know what its spec says.
//!
//! What was read is kept in `state/specs/` under the digests of all it depends on: the spec, the files beside it, the
//! image, the arch, the macros and their files, and the versions of other specs that it names ([`versions`]). When nothing has changed, no container is started and no file is read: which files are
//! the same is told by their size, times and inode (`state/digests/specs.json`). Not covered are specs whose text depends
//! on the time or on files outside their folder.

mod answer;
mod cache;
mod error;
mod failure;
mod find;
#[cfg(fuzzing)]
pub mod fuzzing;
mod key;
mod package;
mod parsed;
mod query;
mod saved;
mod script;
#[cfg(test)]
mod tests;
mod versions;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use futures_util::StreamExt;
use tokio_util::sync::CancellationToken;

pub use error::SpecError;
pub use failure::SpecFailure;
pub use package::{BinaryPackage, SourceFile, SourcePackage};

use self::cache::{Cache, Outcome};
use self::find::SpecFiles;
use self::key::KeyedSpec;
use self::query::{Answered, Batch};
use self::versions::Versions;
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
    /// Spec files that do not count, since a folder that stands before theirs has one of the same name; sorted by name.
    pub shadowed: Vec<Shadowed>,
}

impl LoadedSpecs {
    /// True when the spec `name` is there and does not parse.
    pub fn is_unreadable(&self, name: &str) -> bool {
        self.failures.iter().any(|failure| failure.is_of(name))
    }
}

/// A spec file that another one of the same name stands in for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shadowed {
    /// Name of both files.
    pub name: String,
    /// The one that counts.
    pub taken: PathBuf,
    /// The other one.
    pub left_out: PathBuf,
}

/// Which specs are read.
#[derive(Clone, Copy, Debug)]
pub enum Selection<'a> {
    /// All.
    All,
    /// Those with these names, and those whose versions they take.
    Named(&'a [String]),
}

/// The names of all `<folder>/*.spec` and `<folder>/*/*.spec`, without `.spec`, sorted.
pub fn names(folders: &[PathBuf]) -> Result<Vec<String>, SpecError> {
    Ok(find::spec_files(folders)?.files.into_iter().map(|file| file.name).collect())
}

/// Reads every `<folder>/*.spec` and `<folder>/*/*.spec` that is selected.
///
/// Containers see the folders read-only, have no network and run as `builder`.
pub async fn load(
    loader: &Loader<'_>,
    folders: &[PathBuf],
    selection: Selection<'_>,
) -> Result<LoadedSpecs, SpecError> {
    let Found { mut open, mut shadowed, mut cache, mut versions } = prepare(loader, folders).await?;
    if let Selection::Named(names) = selection {
        open = versions::selected(open, names, versions.as_ref());
        shadowed.retain(|file| names.iter().any(|name| file.name == format!("{name}.spec")));
    }
    let all = open.len();
    let mut done: Vec<(KeyedSpec, Outcome)> = Vec::with_capacity(all);
    while !open.is_empty() {
        let ready = match &versions {
            None => std::mem::take(&mut open),
            Some(versions) => versions.ready(&mut open),
        };
        if ready.is_empty() {
            done.extend(open.drain(..).map(|spec| (spec.clone(), versions::ring(&spec.uses))));
        }
        let (known, unknown): (Vec<_>, Vec<_>) = ready.into_iter().partition(|spec| cache.outcome(spec).is_some());
        let kept = known.into_iter().filter_map(|spec| cache.outcome(&spec).cloned().map(|outcome| (spec, outcome)));
        let before = done.len();
        done.extend(kept);
        if !unknown.is_empty() {
            let text = format!("reading {} of {all} specs with rpmspec", unknown.len());
            (loader.report)(Event::Note { text });
            let read = read(loader, folders, (&unknown, cache)).await?;
            cache = read.0;
            done.extend(read.1);
        }
        if let Some(versions) = &mut versions {
            done[before..].iter().for_each(|(spec, outcome)| versions.learn(&spec.file.name, outcome));
        }
    }
    Ok(collect(done, folders, shadowed))
}

/// Asks `rpmspec` about `unknown` and keeps what it says after each container. The first fault stops all containers.
async fn read(
    loader: &Loader<'_>,
    folders: &[PathBuf],
    (unknown, mut cache): (&[KeyedSpec], Cache),
) -> Result<(Cache, Vec<(KeyedSpec, Outcome)>), SpecError> {
    let stop = loader.cancel.child_token();
    let batches = batches(loader, folders, unknown).into_iter().map(|batch| batch.run(&stop));
    let mut batches = futures_util::stream::iter(batches).buffer_unordered(loader.jobs.get());
    let (mut all, mut fault) = (Vec::with_capacity(unknown.len()), None);
    while let Some(answered) = batches.next().await {
        match answered {
            Err(error) => {
                stop.cancel();
                fault.get_or_insert(error);
            }
            Ok(answered) => {
                for Answered { spec, outcome, lasting } in answered {
                    if lasting {
                        cache.insert(&spec, outcome.clone());
                    }
                    all.push((spec, outcome));
                }
                cache = save(cache).await?;
            }
        }
    }
    fault.map_or(Ok((cache, all)), Err)
}

/// The specs of some folders, and what is known of them.
struct Found {
    open: Vec<KeyedSpec>,
    shadowed: Vec<Shadowed>,
    cache: Cache,
    versions: Option<Versions>,
}

/// Finds the specs and what is known of them, on a thread that may wait for files.
async fn prepare(loader: &Loader<'_>, folders: &[PathBuf]) -> Result<Found, SpecError> {
    let (layout, folders) = (loader.layout.clone(), folders.to_vec());
    let (state, context) = (layout.state(), key::context(loader.toolchain));
    let (prefix, dist) = (loader.toolchain.version_macros.clone(), loader.toolchain.macros.get("dist").cloned());
    let prepared = tokio::task::spawn_blocking(move || {
        let digests = FileDigests::open(&layout, "specs");
        let SpecFiles { files, shadowed } = find::spec_files(&folders)?;
        let mut open = key::keyed(files, &digests)?;
        digests.save().map_err(|source| SpecError::State { path: layout.state(), source })?;
        let cache = Cache::open(&layout.state(), context);
        let versions = prefix.map(|prefix| Versions::new(&prefix, dist.as_ref(), &open));
        if let Some(versions) = &versions {
            versions.find(&mut open, &cache)?;
        }
        Ok(Found { open, shadowed, cache, versions })
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
fn collect(done: Vec<(KeyedSpec, Outcome)>, folders: &[PathBuf], shadowed: Vec<Shadowed>) -> LoadedSpecs {
    let mut loaded = LoadedSpecs { shadowed, ..LoadedSpecs::default() };
    for (spec, outcome) in done {
        let spec_path = spec.file.path;
        match outcome {
            Outcome::Package(package) => loaded.packages.push(SourcePackage { spec_path, ..*package }),
            Outcome::Failure(message) => {
                loaded.failures.push(SpecFailure { spec_path, message: failure::on_host(&message, folders) });
            }
        }
    }
    loaded.packages.sort_by(|a, b| a.spec.cmp(&b.spec));
    loaded.failures.sort_by(|a, b| a.spec_path.cmp(&b.spec_path));
    loaded
}
