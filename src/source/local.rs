//! What needs no network: the files beside the specs and in the source cache, compared with their signatures.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;

use super::error::{SourceError, SourceProblem, Wrong};
use super::remembered::FileDigests;
use super::signatures::{self, Signatures};
use super::{Checkout, FetchedSource, SignatureMode, SourceKind, WantedSource};
use crate::digest::Sha256;
use crate::event::{Event, Report};
use crate::layout::Layout;

/// Name of the list of known digests.
pub(super) const DIGESTS: &str = "sources";

/// Where a wanted file stands before anything is downloaded.
pub(super) enum Standing {
    /// It is here and right.
    Here(FetchedSource),
    /// It has to be downloaded.
    Away {
        /// The digest that it must have; None to take what comes.
        expected: Option<Sha256>,
        /// The digest that it had so far; tells where to look when nothing is expected.
        formerly: Option<Sha256>,
    },
    /// It cannot be used.
    Wrong(SourceProblem),
}

/// The signatures of each spec, by spec file.
type AllSignatures = BTreeMap<PathBuf, Signatures>;

/// Looks at every wanted file; the answers have the order of `wanted`.
pub(super) fn look(
    wanted: &[WantedSource],
    mode: SignatureMode,
    (checkout, layout): (&Checkout, &Layout),
    stop: &CancellationToken,
) -> Result<(Vec<Standing>, Vec<Event>), SourceError> {
    let (known, mut problems) = read_signatures(wanted, mode, checkout);
    let (cache, digests) = (layout.sources(), FileDigests::open(layout, DIGESTS).until(stop));
    let search = Search { mode, known: &known, checkout, cache, digests };
    let mut standings = Vec::with_capacity(wanted.len());
    for file in wanted {
        // A file whose signatures cannot be read is told once, with the first file of its spec.
        let standing = match problems.remove(&file.spec_path) {
            Some(problem) => Standing::Wrong(problem),
            None => search.standing(file)?,
        };
        standings.push(standing);
    }
    let path = layout.state();
    search.digests.save().map_err(|source| SourceError::Cache { path, source })?;
    Ok((standings, unused_entries(wanted, &known)))
}

fn read_signatures(
    wanted: &[WantedSource],
    mode: SignatureMode,
    checkout: &Checkout,
) -> (AllSignatures, BTreeMap<PathBuf, SourceProblem>) {
    let (mut known, mut problems) = (AllSignatures::new(), BTreeMap::new());
    if mode == SignatureMode::Skip {
        return (known, problems);
    }
    for file in wanted {
        if known.contains_key(&file.spec_path) {
            continue;
        }
        let path = signatures::path_of(&file.spec_path);
        let read = match checkout.link_out(&path) {
            Some(target) => Err(Wrong::Outside { path: path.clone(), target }),
            None => signatures::read(&path).map_err(Wrong::Signatures),
        };
        let read = read.unwrap_or_else(|wrong| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            problems.insert(file.spec_path.clone(), file.problem_of(name, wrong));
            Signatures::new()
        });
        known.insert(file.spec_path.clone(), read);
    }
    (known, problems)
}

/// A warning for each signature of a file that its spec does not name.
fn unused_entries(wanted: &[WantedSource], known: &AllSignatures) -> Vec<Event> {
    let named: BTreeSet<(&Path, &str)> = wanted.iter().map(|w| (w.spec_path.as_path(), w.file.as_str())).collect();
    let entries =
        known.iter().flat_map(|(spec, entries)| entries.keys().map(move |file| (spec.as_path(), file.as_str())));
    let unused = entries.filter(|entry| !named.contains(entry));
    let warning = |(spec, file): (&Path, &str)| {
        let path = signatures::path_of(spec);
        Event::Warning { text: format!("`{}` signs `{file}`, which the spec does not name", path.display()) }
    };
    unused.map(warning).collect()
}

struct Search<'a> {
    mode: SignatureMode,
    known: &'a AllSignatures,
    checkout: &'a Checkout,
    cache: PathBuf,
    digests: FileDigests,
}

impl Search<'_> {
    fn standing(&self, file: &WantedSource) -> Result<Standing, SourceError> {
        let signed = self.known.get(&file.spec_path).and_then(|entries| entries.get(&file.file)).copied();
        let known = file.expected.or(signed);
        let expected = if self.mode == SignatureMode::Enforce { known } else { file.expected };
        let wrong = |wrong| Ok(Standing::Wrong(file.problem_of(file.file.clone(), wrong)));
        let local = match self.beside(file) {
            Ok(local) => local,
            Err(fault) => return wrong(fault),
        };
        let needs_signature = self.mode == SignatureMode::Enforce && expected.is_none();
        match (local, expected) {
            // A patch beside its spec is part of the spec, and so is its digest of the build key.
            (Some(found), None) if needs_signature && file.kind == SourceKind::Source => {
                wrong(Wrong::Unsigned { local: Some(found.sha256) })
            }
            (None, None) if needs_signature => wrong(file.dangling().unwrap_or(Wrong::Unsigned { local: None })),
            (Some(found), Some(expected)) if found.sha256 != expected => {
                wrong(Wrong::Mismatch { path: found.path, expected, got: found.sha256 })
            }
            (Some(found), _) => Ok(Standing::Here(found)),
            (None, expected) => self.in_cache(known, expected),
        }
    }

    fn in_cache(&self, known: Option<Sha256>, expected: Option<Sha256>) -> Result<Standing, SourceError> {
        let away = Standing::Away { expected, formerly: known };
        let Some(digest) = known else { return Ok(away) };
        let path = self.cache.join(digest.to_string());
        match self.digests.digest(&path) {
            Ok((sha256, bytes)) if sha256 == digest => Ok(Standing::Here(FetchedSource { path, sha256, bytes })),
            Ok(_) => {
                let damaged = self.cache.join("quarantine").join(digest.to_string());
                let moved = super::whole_file::publish(&path, &damaged);
                moved.map(|()| away).map_err(|source| SourceError::Cache { path, source })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(away),
            Err(source) => Err(SourceError::Cache { path, source }),
        }
    }

    /// The file in the spec's folder, or in a folder below it.
    fn beside(&self, file: &WantedSource) -> Result<Option<FetchedSource>, Wrong> {
        let folder = file.spec_path.parent().unwrap_or(Path::new("/"));
        let direct = file.path_beside();
        let found = if direct.is_file() { Some(direct) } else { below(folder, &file.file, 0) };
        let Some(path) = found else { return Ok(None) };
        if let Some(target) = self.checkout.link_out(&path) {
            return Err(Wrong::Outside { path, target });
        }
        match self.digests.digest(&path) {
            Ok((sha256, bytes)) => Ok(Some(FetchedSource { path, sha256, bytes })),
            Err(source) => Err(Wrong::Unreadable { path, source }),
        }
    }
}

/// The first file called `name` in the folders below `folder`, in the order of their names.
fn below(folder: &Path, name: &str, depth: usize) -> Option<PathBuf> {
    const DEEPEST: usize = 8;
    let entries = std::fs::read_dir(folder).ok()?.flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let mut folders: Vec<PathBuf> = folders.map(|entry| entry.path()).collect();
    folders.sort();
    folders.into_iter().filter(|_| depth < DEEPEST).find_map(|folder| {
        let here = folder.join(name);
        if here.is_file() { Some(here) } else { below(&folder, name, depth + 1) }
    })
}

/// Tells all events.
pub(super) fn tell(events: Vec<Event>, report: Report<'_>) {
    events.into_iter().for_each(report);
}
