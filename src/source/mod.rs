//! The sources of specs: found beside the spec, in the cache of the user, or downloaded; always named by their SHA-256.
//!
//! In: the files that specs name ([`WantedSource`]) and `<spec>.signatures.json`, which says what each must be
//! ([`signatures`]). Out: for each file a path of this machine and its digest ([`Sources`]), or all that is wrong at once
//! ([`SourceError`]).
//!
//! A file is looked for, in this order:
//! 1. in the folder of its spec, and in the folders below that;
//! 2. in the source cache, by digest;
//! 3. at each mirror: `URL/<file>`, then `URL/<spec>/<sha256>/<file>`;
//! 4. at the URL that the spec gives;
//! 5. by digest, in the source indexes of package archives ([`apt::archives`] reads which ones the machine uses).
//!
//! Nothing is contacted while places 1 and 2 have everything. A file that a place gives with a wrong digest is moved to
//! `quarantine/` of the cache, and the next place is tried.
//!
//! | path below the source cache | what |
//! |---|---|
//! | `<sha256>` | a finished source |
//! | `parts/*.part`, `parts/*.part.from` | what has arrived of a file, and what its server must vouch for to go on |
//! | `quarantine/<sha256>` | content that was not what was asked for |
//! | `by-url/<key>` | which digest an unsigned URL had, so that it is downloaded once |
//!
//! Everything there may be deleted at any time. Processes that want the same file wait for each other.

mod access;
pub mod apt;
mod archive;
mod checkout;
mod download;
mod error;
mod first;
#[cfg(fuzzing)]
pub mod fuzzing;
mod index;
mod local;
mod lock;
mod part;
mod places;
mod receive;
pub(crate) mod remembered;
pub(crate) mod seen;
pub mod signatures;
mod transfer;
mod web;
#[cfg(test)]
mod tests;
pub(crate) mod whole_file;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

pub use access::{AccessError, AccessRequest, MirrorAccess};
pub use apt::{Archive, Trust};
pub use checkout::Checkout;
pub use error::{SourceError, SourceProblem, Tried, Wrong};
pub use first::{Accepted, first_accepted};
pub use transfer::Patience;
pub use web::{Web, WebAccess, WebError, WebFile};

use self::local::Standing;
use self::remembered::FileDigests;
use self::signatures::Signatures;
use crate::digest::Sha256;
use crate::event::{Event, Report};
use crate::layout::Layout;

/// Whether a file is a source or a patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceKind {
    /// `Source`: must be signed.
    Source,
    /// `Patch`: must be signed unless it is beside the spec.
    Patch,
}

/// A file that a spec names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedSource {
    /// Name of the spec file without `.spec`.
    pub spec: String,
    /// The spec file, absolute; its folder is the first place to look.
    pub spec_path: PathBuf,
    /// File name, without folders.
    pub file: String,
    /// Source or patch.
    pub kind: SourceKind,
    /// Where the spec says it is.
    pub url: Option<String>,
    /// The digest that it must have, whatever the signatures say; None to go by the signatures.
    pub expected: Option<Sha256>,
}

/// What is done with `<spec>.signatures.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureMode {
    /// Every source must have the digest that is written there.
    Enforce,
    /// It is not read; what is found is taken.
    Skip,
    /// It is written anew with the digests of what is found, for the specs whose files are wanted.
    Update,
}

/// How sources are found.
#[derive(Clone, Debug)]
pub struct FetchOptions {
    /// What is done with signatures.
    pub mode: SignatureMode,
    /// What links beside specs may lead to.
    pub checkout: Checkout,
    /// URLs of mirrors, in the order in which they are tried.
    pub mirrors: Vec<String>,
    /// What the mirrors are asked with.
    pub access: MirrorAccess,
    /// Package archives, in the order in which they are tried.
    pub archives: Vec<Archive>,
    /// How long servers may take.
    pub patience: Patience,
    /// The time of the run; tells how old an index is.
    pub now: SystemTime,
}

/// A source that is at hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedSource {
    /// The file; beside the spec, or in the cache under its digest.
    pub path: PathBuf,
    /// Its digest.
    pub sha256: Sha256,
    /// Its size.
    pub bytes: u64,
}

/// All wanted files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// By spec name and file name.
    pub files: BTreeMap<(String, String), FetchedSource>,
}

impl WantedSource {
    /// Where the file is when it comes with the spec.
    fn path_beside(&self) -> PathBuf {
        self.spec_path.with_file_name(&self.file)
    }

    /// What is wrong with the file when it is a link beside the spec that leads to nothing.
    fn dangling(&self) -> Option<Wrong> {
        let path = self.path_beside();
        let target = std::fs::read_link(&path).ok().filter(|_| !path.exists())?;
        Some(Wrong::Dangling { path, target })
    }

    /// The same, as a place that did not have the file.
    fn tried_beside(&self) -> Option<Tried> {
        let reason = self.dangling()?.to_string();
        Some(Tried { place: "beside the spec".to_owned(), reason })
    }

    fn problem(&self, wrong: Wrong) -> SourceProblem {
        self.problem_of(self.file.clone(), wrong)
    }

    fn problem_of(&self, file: String, wrong: Wrong) -> SourceProblem {
        SourceProblem { spec_path: self.spec_path.clone(), spec: self.spec.clone(), file, wrong }
    }
}

/// Finds every wanted file and makes sure that it is the right one.
///
/// Reads the folders of the specs; writes the source cache, the index cache and the project's state; with
/// [`SignatureMode::Update`] also the signatures files of the specs all of whose files were found. What cannot be had, or
/// is wrong, comes beside what was found; sorted by spec and file.
pub async fn fetch(
    wanted: &[WantedSource],
    options: &FetchOptions,
    layout: &Layout,
    report: Report<'_>,
) -> Result<(Sources, Vec<SourceProblem>), SourceError> {
    let (standings, events) = look(wanted, options.mode, (&options.checkout, layout)).await?;
    if options.mode != SignatureMode::Update {
        local::tell(events, report);
    }
    fetch_away(wanted, standings, (options, layout, report)).await
}

/// The same, for what [`signed`] was asked before: signatures of files that no spec names are not told again.
pub async fn bring(
    wanted: &[WantedSource],
    options: &FetchOptions,
    layout: &Layout,
    report: Report<'_>,
) -> Result<(Sources, Vec<SourceProblem>), SourceError> {
    let (standings, _) = look(wanted, options.mode, (&options.checkout, layout)).await?;
    fetch_away(wanted, standings, (options, layout, report)).await
}

async fn fetch_away(
    wanted: &[WantedSource],
    standings: Vec<Standing>,
    (options, layout, report): (&FetchOptions, &Layout, Report<'_>),
) -> Result<(Sources, Vec<SourceProblem>), SourceError> {
    let (mut sources, mut problems, mut away) = (Sources::default(), Vec::new(), Vec::new());
    for (file, standing) in wanted.iter().zip(standings) {
        match standing {
            Standing::Here(found) => sources.insert(file, found),
            Standing::Wrong(problem) => problems.push(problem),
            Standing::Away { expected, formerly } => away.push(places::Away { file, expected, formerly }),
        }
    }
    if !away.is_empty() {
        let (found, missing) = places::download_all(away, options, layout, report).await?;
        remember(found.iter().map(|(_, found)| found.clone()).collect(), layout).await?;
        for (file, found) in found {
            sources.insert(file, found);
        }
        problems.extend(missing);
    }
    if options.mode == SignatureMode::Update {
        update(wanted, &sources, report).await?;
    }
    problems.sort_by(|a, b| (&a.spec_path, &a.file).cmp(&(&b.spec_path, &b.file)));
    Ok((sources, problems))
}

/// `sources` when they are all there.
///
/// # Errors
/// [`SourceError::Unavailable`] with all `problems`.
pub fn complete((sources, problems): (Sources, Vec<SourceProblem>)) -> Result<Sources, SourceError> {
    if problems.is_empty() { Ok(sources) } else { Err(SourceError::Unavailable(problems)) }
}

/// What [`fetch`] would give when every signature is right, without looking anywhere but beside the specs and in the
/// cache: a file that is not there has the digest and the place that it will have, and the size 0. Also what is wrong,
/// sorted by spec and file. Tells of signatures of files that no spec names.
pub async fn signed(
    wanted: &[WantedSource],
    checkout: &Checkout,
    layout: &Layout,
    report: Report<'_>,
) -> Result<(Sources, Vec<SourceProblem>), SourceError> {
    let (standings, events) = look(wanted, SignatureMode::Enforce, (checkout, layout)).await?;
    local::tell(events, report);
    let (mut sources, mut problems) = (Sources::default(), Vec::new());
    for (file, standing) in wanted.iter().zip(standings) {
        match standing {
            Standing::Here(found) => sources.insert(file, found),
            Standing::Wrong(problem) => problems.push(problem),
            Standing::Away { expected: Some(sha256), .. } => {
                let path = layout.sources().join(sha256.to_string());
                sources.insert(file, FetchedSource { path, sha256, bytes: 0 });
            }
            Standing::Away { expected: None, .. } => problems.push(file.problem(Wrong::Unsigned { local: None })),
        }
    }
    problems.sort_by(|a, b| (&a.spec_path, &a.file).cmp(&(&b.spec_path, &b.file)));
    Ok((sources, problems))
}

/// What of `wanted` can be had nowhere, by the digests of signatures: places are asked whether they have it, and nothing is
/// downloaded but indexes. Sorted by spec and file.
pub async fn missing(
    wanted: &[WantedSource],
    options: &FetchOptions,
    layout: &Layout,
    report: Report<'_>,
) -> Result<Vec<SourceProblem>, SourceError> {
    let (standings, _) = look(wanted, SignatureMode::Enforce, (&options.checkout, layout)).await?;
    let (mut problems, mut away) = (Vec::new(), Vec::new());
    for (file, standing) in wanted.iter().zip(standings) {
        match standing {
            Standing::Here(_) => {}
            Standing::Wrong(problem) => problems.push(problem),
            Standing::Away { expected, formerly } => away.push(places::Away { file, expected, formerly }),
        }
    }
    if !away.is_empty() {
        problems.extend(places::look_for_all(away, options, layout, report).await?);
    }
    problems.sort_by(|a, b| (&a.spec_path, &a.file).cmp(&(&b.spec_path, &b.file)));
    Ok(problems)
}

impl Sources {
    fn insert(&mut self, file: &WantedSource, found: FetchedSource) {
        self.files.insert((file.spec.clone(), file.file.clone()), found);
    }
}

/// Keeps the next run from hashing what this one has just downloaded.
async fn remember(downloaded: Vec<FetchedSource>, layout: &Layout) -> Result<(), SourceError> {
    let (layout, path) = (layout.clone(), layout.state());
    let saved = tokio::task::spawn_blocking(move || {
        let digests = FileDigests::open(&layout, local::DIGESTS);
        for found in downloaded {
            digests.note(&found.path, found.sha256);
        }
        digests.save()
    });
    saved.await.unwrap_or_else(|error| Err(error.into())).map_err(|source| SourceError::Cache { path, source })
}

/// [`local::look`] on a thread that may wait for files, and that ends soon after nobody waits for it any more.
async fn look(
    wanted: &[WantedSource],
    mode: SignatureMode,
    (checkout, layout): (&Checkout, &Layout),
) -> Result<(Vec<Standing>, Vec<Event>), SourceError> {
    let (wanted, checkout, layout, state) = (wanted.to_vec(), checkout.clone(), layout.clone(), layout.state());
    let stop = CancellationToken::new();
    let _ends = stop.clone().drop_guard();
    let looked = tokio::task::spawn_blocking(move || local::look(&wanted, mode, (&checkout, &layout), &stop)).await;
    looked.unwrap_or_else(|error| Err(SourceError::Cache { path: state, source: error.into() }))
}

/// Writes the signatures of each spec all of whose sources were found. Patches beside the spec need none.
async fn update(wanted: &[WantedSource], sources: &Sources, report: Report<'_>) -> Result<(), SourceError> {
    let mut entries: BTreeMap<PathBuf, Signatures> = BTreeMap::new();
    let mut incomplete = BTreeSet::new();
    for file in wanted {
        let of_spec = entries.entry(file.spec_path.clone()).or_default();
        let found = sources.files.get(&(file.spec.clone(), file.file.clone()));
        let Some(found) = found else {
            incomplete.insert(file.spec_path.clone());
            continue;
        };
        let beside = file.spec_path.parent().is_some_and(|folder| found.path.starts_with(folder));
        if file.kind == SourceKind::Source || !beside {
            of_spec.insert(file.file.clone(), found.sha256);
        }
    }
    entries.retain(|spec, _| !incomplete.contains(spec));
    for (spec, entries) in entries {
        let path = signatures::path_of(&spec);
        let text = format!("`{}` is up to date with {} sources", path.display(), entries.len());
        let written = tokio::task::spawn_blocking(move || signatures::write(&path, &entries)).await;
        let changed = written.map_err(|error| SourceError::Cache { path: spec, source: error.into() })?;
        if changed.map_err(SourceError::Update)? == signatures::Changed::Yes {
            report(Event::Note { text });
        }
    }
    Ok(())
}
