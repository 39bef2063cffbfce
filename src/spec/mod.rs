//! Spec files, as RPM itself reads them.
//!
//! In: folders of spec files and a [`Toolchain`]. Out: a [`SourcePackage`] for each spec that parses and a
//! [`SpecFailure`] for each that does not ([`LoadedSpecs`]). `rpmspec` runs in containers of the toolchain image, since
//! only the RPM and the macros that build a package know what its spec says.
//!
//! What was read is kept in `state/specs/` under the digests of all it depends on: the spec, the files beside it, the
//! image without what its stage provides, the arch, the macros and their files, and the versions of other specs that it
//! names ([`versions`]); of a spec that may ask RPM's database ([`asks_database`]), the whole image. When nothing has changed, no container is started and no file is read: which files are
//! the same is told by their size, times and inode (`state/digests/specs.json`). Not covered are specs whose text depends
//! on the time or on files outside their folder.

mod answer;
mod answers;
mod beside;
mod cache;
mod database;
mod declared;
mod error;
mod failure;
mod find;
#[cfg(fuzzing)]
pub mod fuzzing;
mod key;
mod left;
mod package;
mod parsed;
mod progress;
mod query;
mod reach;
mod readable;
mod saved;
mod script;
#[cfg(test)]
pub(crate) mod stand_in;
#[cfg(test)]
mod tests;
mod text;
mod versions;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use futures_util::StreamExt;
use tokio_util::sync::CancellationToken;

pub use beside::Reach;
pub use database::asks_database;
pub use declared::is_path_for_debuggers;
pub use error::SpecError;
pub use failure::SpecFailure;
#[cfg(test)]
pub(crate) use package::tests::zlib;
pub use package::{BinaryPackage, FileEntry, SourceFile, SourcePackage};
pub use versions::{macro_name, version_macros};

use self::answers::Answered;
use self::cache::{Cache, Outcome};
use self::find::SpecFiles;
use self::key::KeyedSpec;
use self::progress::Progress;
use self::query::Batch;
use self::readable::Readable;
use self::text::Glance;
use self::versions::Versions;
use crate::digest::Sha256;
use crate::engine::Engine;
use crate::event::{Event, Report};
use crate::layout::Layout;
use crate::regular;
use crate::source::remembered::FileDigests;
use crate::stop;
use crate::toolchain::Toolchain;

/// The fewest and the most specs of one container: a container's start must not cost more than what it reads, and an
/// interrupted run keeps what finished containers have read.
const BATCH: (usize, usize) = (8, 256);

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
    /// What a spec may use.
    pub limits: Limits,
    /// Is told how many specs have to be read, and how many are.
    pub report: Report<'a>,
}

/// What a spec may use while it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Wall time of `rpmspec` for one question.
    pub seconds: u64,
    /// Memory of the container; a limit of our own when None.
    pub memory_bytes: Option<u64>,
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
    /// Spec files that lie too deep to be read, in folders where nothing else is.
    pub deeper: Vec<PathBuf>,
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
    let SpecFiles { files, astray, .. } = find::spec_files(folders)?;
    let stem = |path: PathBuf| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut names: Vec<String> = files.into_iter().map(|file| file.name).chain(astray.into_iter().map(stem)).collect();
    names.sort();
    Ok(names)
}

/// Reads every `<folder>/*.spec` and `<folder>/*/*.spec` that is selected.
///
/// Containers see the folders read-only, have no network and run as `builder`.
pub async fn load(
    loader: &Loader<'_>,
    folders: &[PathBuf],
    selection: Selection<'_>,
) -> Result<LoadedSpecs, SpecError> {
    let Found { mut open, files, mut cache, mut versions } = prepare(loader, folders).await?;
    let mut loaded = not_read(files);
    if let Selection::Named(names) = selection {
        open = versions::selected(open, names, versions.as_ref());
        loaded.shadowed.retain(|file| names.iter().any(|name| file.name == format!("{name}.spec")));
        loaded.failures.retain(|failure| names.iter().any(|name| failure.is_of(name)));
        loaded.deeper.clear();
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
            let read = read(loader, folders, (unknown, cache)).await?;
            cache = read.0;
            done.extend(read.1);
        }
        if let Some(versions) = &mut versions {
            done[before..].iter().for_each(|(spec, outcome)| versions.learn(&spec.file.name, outcome));
        }
    }
    Ok(collect(done, folders, loaded))
}

/// Asks `rpmspec` about `unknown` and keeps what it says after each container. The first fault stops all containers.
async fn read(
    loader: &Loader<'_>,
    folders: &[PathBuf],
    (unknown, mut cache): (Vec<KeyedSpec>, Cache),
) -> Result<(Cache, Vec<(KeyedSpec, Outcome)>), SpecError> {
    let (unknown, mut all) = glanced(loader, unknown).await?;
    if !cache.knows_all() && unknown.iter().any(|spec| spec.reads_far) {
        cache = cache.with_all(everything(loader, folders).await?);
    }
    let stop = loader.cancel.child_token();
    let progress = Progress::new(loader.report, unknown.len());
    let readable = readable(loader, folders, &unknown).await?;
    let all_batches = batches((loader, &progress), (folders, &readable), &unknown);
    let batches = all_batches.into_iter().map(|batch| batch.run(&stop));
    let mut batches = futures_util::stream::iter(batches).buffer_unordered(loader.jobs.get());
    let mut fault = None;
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

/// The files that containers see, for every user.
async fn readable(loader: &Loader<'_>, folders: &[PathBuf], specs: &[KeyedSpec]) -> Result<Readable, SpecError> {
    let macro_files = loader.toolchain.macro_files.iter().map(|file| file.path.clone());
    let linked = specs.iter().filter_map(|spec| spec.file.linked.clone());
    let paths: Vec<PathBuf> = folders.iter().cloned().chain(linked).chain(macro_files).collect();
    let (top, stop) = (loader.layout.scratch(), loader.cancel.clone());
    aside(loader, move || Readable::new(&paths, &top, &stop)).await
}

/// The digest of everything in `folders`.
async fn everything(loader: &Loader<'_>, folders: &[PathBuf]) -> Result<Sha256, SpecError> {
    let (digests, folders) = (digests(loader), folders.to_vec());
    aside(loader, move || key::all_digest(&folders, &digests)).await
}

/// The known digests of files of specs.
fn digests(loader: &Loader<'_>) -> FileDigests {
    FileDigests::open(loader.layout, "specs").until(loader.cancel)
}

/// What `work` gives, on a thread that may wait for files.
async fn aside<T: Send + 'static>(
    loader: &Loader<'_>,
    work: impl FnOnce() -> Result<T, SpecError> + Send + 'static,
) -> Result<T, SpecError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(SpecError::State { path: loader.layout.state(), source: error.into() }))
}

/// Looks at the texts of `specs`: those that rpm can read, and those that are faulty before that.
async fn glanced(
    loader: &Loader<'_>,
    specs: Vec<KeyedSpec>,
) -> Result<(Vec<KeyedSpec>, Vec<(KeyedSpec, Outcome)>), SpecError> {
    let stop = loader.cancel.clone();
    let macro_files: Vec<PathBuf> = loader.toolchain.macro_files.iter().map(|file| file.path.clone()).collect();
    let looked = aside(loader, move || {
        let (mut sound, mut faulty) = (Vec::with_capacity(specs.len()), Vec::new());
        let mut reach = Reach::new(macro_files.iter());
        for mut spec in specs {
            let bytes = stop::check(&stop).and_then(|()| regular::read_text(&spec.file.path));
            let bytes = match bytes {
                Err(long) if regular::is_too_long(&long) => {
                    faulty.push((spec, Outcome::Failure(format!("error: {long}"))));
                    continue;
                }
                bytes => bytes.map_err(error::reading(&spec.file.path))?,
            };
            let Glance { fault, loses_section } = text::glance(&bytes, &query::guest_path(&spec));
            spec.loses_section = loses_section;
            let is_at_top = !spec.file.relative.contains('/');
            spec.asks_database = asks_database(&bytes) || reach.beside(&spec.file.path, is_at_top).asks_database;
            spec.reads_far = reach.is_far(&spec.file.path, is_at_top, &String::from_utf8_lossy(&bytes));
            match fault {
                Some(fault) => faulty.push((spec, Outcome::Failure(fault))),
                None => sound.push(spec),
            }
        }
        Ok((sound, faulty))
    });
    looked.await
}

/// The specs of some folders, and what is known of them.
struct Found {
    open: Vec<KeyedSpec>,
    /// What was found besides.
    files: SpecFiles,
    cache: Cache,
    versions: Option<Versions>,
}

/// Finds the specs and what is known of them, on a thread that may wait for files.
async fn prepare(loader: &Loader<'_>, folders: &[PathBuf]) -> Result<Found, SpecError> {
    let (layout, digests, folders) = (loader.layout.clone(), digests(loader), folders.to_vec());
    let (context, image) = (key::context(loader.toolchain), loader.toolchain.digest);
    let (prefix, dist) = (loader.toolchain.version_macros.clone(), loader.toolchain.macros.get("dist").cloned());
    let prepared = aside(loader, move || {
        let mut files = find::spec_files(&folders)?;
        let mut open = key::keyed(std::mem::take(&mut files.files), &digests)?;
        let mut cache = Cache::open(&layout.spec_state(), context, image);
        if cache.has_far() {
            cache = cache.with_all(key::all_digest(&folders, &digests)?);
        }
        digests.save().map_err(|source| SpecError::State { path: layout.state(), source })?;
        let versions = prefix.map(|prefix| Versions::new(&prefix, dist.as_ref(), &open));
        if let Some(versions) = &versions {
            versions.find(&mut open, &cache)?;
        }
        Ok(Found { open, files, cache, versions })
    });
    prepared.await
}

fn batches<'a>(
    (loader, progress): (&'a Loader<'a>, &'a Progress<'a>),
    (folders, readable): (&'a [PathBuf], &'a Readable),
    specs: &[KeyedSpec],
) -> Vec<Batch<'a>> {
    let shares = specs.chunks(batch_size(specs.len(), loader.jobs.get())).map(<[KeyedSpec]>::to_vec);
    shares.map(|specs| Batch { loader, folders, readable, specs, progress }).collect()
}

/// Equal shares, so that all `jobs` end together.
fn batch_size(specs: usize, jobs: usize) -> usize {
    let rounds = specs.div_ceil(BATCH.1 * jobs).max(1);
    specs.div_ceil(rounds * jobs).clamp(BATCH.0, BATCH.1)
}

async fn save(cache: Cache) -> Result<Cache, SpecError> {
    let path = cache.path().to_owned();
    let saved = tokio::task::spawn_blocking(move || cache.save().map(|()| cache)).await;
    saved.unwrap_or_else(|error| Err(error.into())).map_err(|source| SpecError::State { path, source })
}

/// What is there to tell of files that no spec is read from.
fn not_read(files: SpecFiles) -> LoadedSpecs {
    let SpecFiles { shadowed, astray, unnamed, deeper, .. } = files;
    let lost = |spec_path: PathBuf| {
        let target = std::fs::read_link(&spec_path).unwrap_or_default();
        let target = target.display();
        let message = if spec_path.exists() {
            format!(
                "error: it is a link to `{target}`, out of its folder, and the container that reads specs sees nothing \
                 else\nput the file itself there, or make a link of its folder"
            )
        } else {
            format!("error: it is a link to `{target}`, where nothing is")
        };
        SpecFailure { spec_path, message }
    };
    let unsayable = |path: PathBuf| {
        let name = path.to_string_lossy();
        let shown = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
        let message = "error: its name is not UTF-8 or has a control character in it\ngive it another name".to_owned();
        SpecFailure { spec_path: name.chars().map(shown).collect::<String>().into(), message }
    };
    let failures = astray.into_iter().map(lost).chain(unnamed.into_iter().map(unsayable)).collect();
    LoadedSpecs { failures, shadowed, deeper, ..LoadedSpecs::default() }
}

/// What is kept has no paths of this machine, so these are put in: a project may have moved.
fn collect(done: Vec<(KeyedSpec, Outcome)>, folders: &[PathBuf], mut loaded: LoadedSpecs) -> LoadedSpecs {
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
