//! What a git change affects: the specs it is in, what needs these, and the images that hold them.
//!
//! In: two revisions, or one and the working tree; the pipeline and the graph of its packages as they are in the working
//! tree. Out: [`Changed`]. A change of the toolchain that packages are built in, or of the run's macros and their files,
//! affects every spec and every image; one of image tools every image. A spec is affected by what enters its build key
//! ([`crate::plan::BuildInputs`]): the spec file, its sources and their signatures, also behind links; whether its check
//! runs; what it may do that others may not; and the versions of other specs that it takes by macros. What a change of a spec does to another one is known only after
//! it is built: an equal result rebuilds nothing ([`crate::plan`]); what is listed is what *may* have to be built again.

mod git;
mod parts;
mod settings;
#[cfg(test)]
mod tests;
mod versions;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Serialize;

pub use git::{Change, FileChange, GitError, Repository};
pub use parts::Part;

use self::parts::Parts;
use self::settings::{Settings, settings};
use crate::graph::{BuildGraph, spec_named};
use crate::image::config::ConfigError;
use crate::pipeline::{Pipeline, Stage};
use crate::spec::SourcePackage;

/// The version of [`Changed`] as JSON; counts up when something in it changes its meaning or goes away.
const JSON_VERSION: u32 = 1;

/// What a change affects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Changed {
    /// The version of this form.
    pub version: u32,
    /// Changed files that something is made from, sorted.
    pub files: Vec<ChangedFile>,
    /// How many other files have changed.
    pub other_files: usize,
    /// What makes the change one of every spec and image, in words; empty when nothing does.
    pub everything: BTreeSet<String>,
    /// Specs with changed files, or all when everything is affected.
    pub specs: BTreeSet<String>,
    /// Specs that are gone.
    pub removed: BTreeSet<String>,
    /// Other specs whose buildroots have packages of these, directly or through others.
    pub dependants: BTreeMap<String, Dependant>,
    /// Affected images, and why.
    pub images: BTreeMap<String, AffectedImage>,
}

/// A changed file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ChangedFile {
    /// Its path, relative to the project's folder where it is below it.
    pub path: PathBuf,
    /// Where it was before.
    pub before: Option<PathBuf>,
    /// What happened to it.
    pub change: Change,
    /// What it is part of.
    pub part_of: BTreeSet<Part>,
}

/// A spec that needs a changed one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Dependant {
    /// Changed specs that its build needs itself.
    pub needs: BTreeSet<String>,
    /// Changed specs that it needs only through others.
    pub through_others: BTreeSet<String>,
}

/// Why an image is affected.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct AffectedImage {
    /// What of it has changed itself, in words.
    pub itself: BTreeSet<String>,
    /// Changed specs of which it holds packages.
    pub holds: BTreeSet<String>,
    /// Specs that need changed ones and of which it holds packages.
    pub holds_dependants: BTreeSet<String>,
}

/// Which files have changed, and what they are part of.
pub struct Affected {
    files: Vec<FileChange>,
    project: PathBuf,
    settings: Settings,
    /// Specs whose version may be another one.
    touched: BTreeSet<String>,
    /// What macros with versions of other specs begin with.
    prefix: Option<String>,
    parts: Parts,
}

/// The pipeline whose parts are looked at.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// The project's folder.
    pub project: &'a Path,
    /// The pipeline file.
    pub path: &'a Path,
    /// What it says now.
    pub pipeline: &'a Pipeline,
}

/// Why it cannot be said.
#[derive(Debug, thiserror::Error)]
pub enum ChangedError {
    /// Git cannot tell.
    #[error(transparent)]
    Git(#[from] GitError),
    /// An image configuration is wrong.
    #[error(transparent)]
    Image(#[from] ConfigError),
}

/// The two sides of a change; None is the working tree.
#[derive(Clone, Debug)]
pub struct Range {
    /// The repository.
    pub repository: Repository,
    /// A commit.
    pub from: String,
    /// A commit.
    pub to: Option<String>,
}

impl Range {
    /// True when both are of one repository.
    pub fn is_of(&self, other: &Self) -> bool {
        self.repository.root() == other.repository.root()
    }

    /// The same of the repository that `folder` is in, when that is another one; and, in words, what it is compared with:
    /// the commit that this repository records for it, what it calls by the same name, or else its last commit.
    pub async fn inside(
        &self,
        folder: &Path,
        (from, to): (&str, Option<&str>),
    ) -> Result<Option<(Self, String)>, GitError> {
        let Ok(repository) = Repository::of(folder).await else { return Ok(None) };
        if repository.root() == self.repository.root() {
            return Ok(None);
        }
        let recorded = self.repository.recorded(&self.from, repository.root()).await?;
        let (commit, words) = match (recorded, repository.commit(from).await) {
            (Some(commit), _) => (commit, "the commit that is recorded for it".to_owned()),
            (None, Ok(commit)) => (commit, format!("its own `{from}`")),
            (None, Err(_)) => (repository.commit("HEAD").await?, "its last commit".to_owned()),
        };
        let to = match (&self.to, to) {
            (Some(own), Some(word)) => match self.repository.recorded(own, repository.root()).await? {
                Some(commit) => Some(commit),
                None => repository.commit(word).await.ok(),
            },
            _ => None,
        };
        Ok(Some((Self { repository, from: commit, to }, words)))
    }
}

/// The folders that the pipeline's packages and stages come from, as far as they are there.
pub fn folders(pipeline: &Pipeline) -> BTreeSet<PathBuf> {
    let packages = pipeline.packages.iter().flat_map(|packages| packages.specs.iter().chain(&packages.macro_files));
    let specs = pipeline.packages.iter().flat_map(|packages| &packages.specs);
    let linked = specs.flat_map(|folder| std::fs::read_dir(folder).into_iter().flatten().flatten());
    let linked = linked.filter_map(|entry| entry.path().canonicalize().ok());
    let all = packages.cloned().chain(linked).chain(pipeline.stages.iter().flat_map(Stage::inputs));
    let folder = |path: PathBuf| if path.is_dir() { Some(path) } else { path.parent().map(Path::to_owned) };
    all.filter_map(folder).filter(|folder| folder.is_dir()).collect()
}

/// The files that differ in `ranges`, and what of `place` they are part of. The first range is that of the project's own
/// repository, the others are those of repositories inside it.
pub async fn affected(ranges: &[Range], place: Place<'_>) -> Result<Affected, ChangedError> {
    let (mut files, mut touched) = (Vec::new(), BTreeSet::new());
    for range in ranges {
        let changes = range.repository.changes(&range.from, range.to.as_deref()).await?;
        touched.extend(versions::touched(range, &changes).await?);
        files.extend(changes);
    }
    files.sort();
    let parts = Parts::new(place.path, place.pipeline, &files)?;
    let mut settings = match ranges.first() {
        Some(range) => settings(range, place).await?,
        None => Settings::default(),
    };
    for part in files.iter().flat_map(FileChange::paths).flat_map(|path| parts.of(path)) {
        match part {
            Part::Toolchain(stage) => {
                of_stage(&stage, place.pipeline, (&mut settings.everything, &mut settings.images));
            }
            Part::MacroFile(name) => drop(settings.everything.insert(format!("macro file `{name}`"))),
            Part::Pipeline | Part::Spec(_) | Part::Image(_) => {}
        }
    }
    let prefix = place.pipeline.packages.as_ref().and_then(|packages| packages.version_macros.clone());
    Ok(Affected { files, project: place.project.to_owned(), settings, touched, prefix, parts })
}

type Reasons<'a> = (&'a mut BTreeSet<String>, &'a mut BTreeSet<String>);

fn of_stage(stage: &str, pipeline: &Pipeline, (everything, images): Reasons<'_>) {
    let builds = pipeline.packages.as_ref().map(|packages| packages.toolchain.as_str());
    let assembles = pipeline.images.as_ref().map(|images| images.toolchain.as_str());
    let reason = format!("toolchain stage `{stage}`");
    if builds.is_some_and(|last| stands_on(last, stage, &pipeline.stages)) {
        everything.insert(reason);
    } else if assembles.is_some_and(|last| stands_on(last, stage, &pipeline.stages)) {
        images.insert(reason);
    }
}

/// True when `stage` is `last` or one of those below it.
fn stands_on(last: &str, stage: &str, stages: &[Stage]) -> bool {
    let mut at = Some(last);
    while let Some(name) = at.filter(|name| *name != stage) {
        at = stages.iter().find(|stage| stage.name() == name).and_then(Stage::below);
    }
    at.is_some()
}

impl Affected {
    /// True when every spec and image is affected; then the graph tells nothing more.
    pub fn is_everything(&self) -> bool {
        !self.settings.everything.is_empty()
    }

    /// What follows when everything is affected: all specs and `images`.
    pub fn all(self, images: impl Iterator<Item = String>) -> Changed {
        let itself = self.settings.everything.clone();
        let images = images.map(|image| (image, AffectedImage { itself: itself.clone(), ..AffectedImage::default() }));
        let (images, specs) = (images.collect(), self.parts.specs().clone());
        let files = self.changed(|path| self.parts.of(path));
        let removed = named(&files).into_iter().filter(|spec| !specs.contains(spec)).collect();
        Changed { specs, removed, images, ..self.start(files) }
    }

    /// What follows by `graph`, where `sources` are all specs as they are now, and `held` has for each image the specs of
    /// which it holds packages.
    pub fn by_graph(
        self,
        graph: &BuildGraph,
        sources: &[SourcePackage],
        held: &BTreeMap<String, BTreeSet<String>>,
    ) -> Changed {
        let inputs = self.parts.with_inputs(sources);
        let files = self.changed(|path| inputs.of(path));
        let (mut specs, removed): (BTreeSet<String>, BTreeSet<String>) =
            named(&files).into_iter().partition(|spec| self.parts.is_present(spec));
        let spec = |word: &String| spec_named(word, sources).ok().map(str::to_owned);
        let has_check = |spec: &String| sources.iter().any(|source| source.spec == *spec && source.has_check);
        specs.extend(self.settings.checked.iter().filter_map(spec).filter(has_check));
        specs.extend(self.settings.excepted.iter().filter_map(spec));
        specs.extend(versions::takers(&self.touched, self.prefix.as_deref(), sources));
        let mut dependants: BTreeMap<String, Dependant> = BTreeMap::new();
        for spec in &specs {
            let direct = graph.rdeps(spec);
            for dependant in graph.all_rdeps(spec).into_iter().filter(|dependant| !specs.contains(*dependant)) {
                let entry = dependants.entry(dependant.to_owned()).or_default();
                let list = if direct.contains(dependant) { &mut entry.needs } else { &mut entry.through_others };
                list.insert(spec.clone());
            }
        }
        let mut images = BTreeMap::new();
        for (image, held) in held {
            let own = files.iter().filter(|file| file.part_of.contains(&Part::Image(image.clone())));
            let own = own.map(|file| format!("`{}`", file.path.display()));
            let affected = AffectedImage {
                itself: own.chain(self.settings.images.iter().cloned()).collect(),
                holds: held.intersection(&specs).cloned().collect(),
                holds_dependants: held.iter().filter(|spec| dependants.contains_key(*spec)).cloned().collect(),
            };
            if affected != AffectedImage::default() {
                images.insert(image.clone(), affected);
            }
        }
        Changed { specs, removed, dependants, images, ..self.start(files) }
    }

    /// The changed files that something is made from, by what `of` says of a path.
    fn changed(&self, of: impl Fn(&Path) -> BTreeSet<Part>) -> Vec<ChangedFile> {
        let short = |path: &Path| path.strip_prefix(&self.project).unwrap_or(path).to_owned();
        let changed = self.files.iter().map(|file| ChangedFile {
            part_of: file.paths().flat_map(&of).collect(),
            path: short(&file.path),
            before: file.before.as_deref().map(short),
            change: file.change,
        });
        changed.filter(|file| !file.part_of.is_empty()).collect()
    }

    fn start(self, files: Vec<ChangedFile>) -> Changed {
        Changed {
            version: JSON_VERSION,
            other_files: self.files.len() - files.len(),
            files,
            everything: self.settings.everything,
            specs: BTreeSet::new(),
            removed: BTreeSet::new(),
            dependants: BTreeMap::new(),
            images: BTreeMap::new(),
        }
    }
}

/// Specs that changed files are part of.
fn named(files: &[ChangedFile]) -> BTreeSet<String> {
    let parts = files.iter().flat_map(|file| &file.part_of);
    parts.filter_map(|part| if let Part::Spec(name) = part { Some(name.clone()) } else { None }).collect()
}
