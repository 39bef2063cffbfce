//! What a git change affects: the specs it is in, what needs these, and the images that hold them.
//!
//! In: two revisions, or one and the working tree; the pipeline and the graph of its packages as they are in the working
//! tree. Out: [`Changed`]. A change of the toolchain that packages are built in, or of the run's macros, affects every
//! spec and every image; one of image tools every image. What a change of a spec does to another one is known only after
//! it is built: an equal result rebuilds nothing ([`crate::plan`]); what is listed is what *may* have to be built again.

mod git;
mod parts;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Serialize;

pub use git::{Change, FileChange, GitError, Repository};
pub use parts::Part;

use self::parts::Parts;
use crate::graph::BuildGraph;
use crate::image::config::ConfigError;
use crate::pipeline::{Pipeline, Stage};
use crate::yaml;

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
    files: Vec<ChangedFile>,
    other_files: usize,
    everything: BTreeSet<String>,
    /// Of every image.
    images: BTreeSet<String>,
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

/// The files that differ in `range`, and what of `place` they are part of.
pub async fn affected(range: &Range, place: Place<'_>) -> Result<Affected, ChangedError> {
    let changes = range.repository.changes(&range.from, range.to.as_deref()).await?;
    let parts = Parts::new(place.path, place.pipeline, &changes)?;
    let (mut everything, mut images) = (BTreeSet::new(), BTreeSet::new());
    let all = changes.len();
    let mut files = Vec::new();
    for change in changes {
        let part_of: BTreeSet<Part> = [Some(&change.path), change.before.as_ref()]
            .into_iter()
            .flatten()
            .flat_map(|path| parts.of(path))
            .collect();
        if part_of.is_empty() {
            continue;
        }
        for part in &part_of {
            match part {
                Part::Toolchain(stage) => of_stage(stage, place.pipeline, (&mut everything, &mut images)),
                Part::Pipeline => of_pipeline(range, place, (&mut everything, &mut images)).await?,
                Part::Spec(_) | Part::Image(_) => {}
            }
        }
        let short = |path: PathBuf| path.strip_prefix(place.project).map(Path::to_owned).unwrap_or(path);
        let (path, before) = (short(change.path), change.before.map(short));
        files.push(ChangedFile { path, before, change: change.change, part_of });
    }
    Ok(Affected { other_files: all - files.len(), files, everything, images, parts })
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

/// Compares the pipeline file part by part; one that cannot be read on either side counts as changed altogether.
async fn of_pipeline(range: &Range, place: Place<'_>, (everything, images): Reasons<'_>) -> Result<(), ChangedError> {
    let read = async |commit: Option<&String>| -> Result<Option<serde_json::Value>, ChangedError> {
        let text = match commit {
            Some(commit) => range.repository.text(commit, place.path).await?,
            None => std::fs::read_to_string(place.path).ok(),
        };
        Ok(text.and_then(|text| yaml::parse(place.path, &text).ok()))
    };
    let (Some(before), Some(after)) = (read(Some(&range.from)).await?, read(range.to.as_ref()).await?) else {
        everything.insert("the pipeline file".to_owned());
        return Ok(());
    };
    for part in ["/toolchain", "/packages/toolchain", "/packages/specs", "/packages/macros"] {
        if before.pointer(part) != after.pointer(part) {
            everything.insert(format!("`{}` of the pipeline file", part[1..].replace('/', ".")));
        }
    }
    for part in ["/images/toolchain", "/images/version"] {
        if before.pointer(part) != after.pointer(part) {
            images.insert(format!("`{}` of the pipeline file", part[1..].replace('/', ".")));
        }
    }
    Ok(())
}

impl Affected {
    /// True when every spec and image is affected; then the graph tells nothing more.
    pub fn is_everything(&self) -> bool {
        !self.everything.is_empty()
    }

    /// What follows when everything is affected: all specs and `images`.
    pub fn all(self, images: impl Iterator<Item = String>) -> Changed {
        let itself = self.everything.clone();
        let images = images.map(|image| (image, AffectedImage { itself: itself.clone(), ..AffectedImage::default() }));
        let (images, specs) = (images.collect(), self.parts.specs().clone());
        let removed = self.named().into_iter().filter(|spec| !specs.contains(spec)).collect();
        Changed { specs, removed, images, ..self.start() }
    }

    /// What follows by `graph`, where `held` has for each image the specs of which it holds packages.
    pub fn by_graph(self, graph: &BuildGraph, held: &BTreeMap<String, BTreeSet<String>>) -> Changed {
        let (specs, removed): (BTreeSet<String>, BTreeSet<String>) =
            self.named().into_iter().partition(|spec| self.parts.is_present(spec));
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
            let own = self.files.iter().filter(|file| file.part_of.contains(&Part::Image(image.clone())));
            let own = own.map(|file| format!("`{}`", file.path.display()));
            let affected = AffectedImage {
                itself: own.chain(self.images.iter().cloned()).collect(),
                holds: held.intersection(&specs).cloned().collect(),
                holds_dependants: held.iter().filter(|spec| dependants.contains_key(*spec)).cloned().collect(),
            };
            if affected != AffectedImage::default() {
                images.insert(image.clone(), affected);
            }
        }
        Changed { specs, removed, dependants, images, ..self.start() }
    }

    /// Specs that changed files are part of.
    fn named(&self) -> BTreeSet<String> {
        let parts = self.files.iter().flat_map(|file| &file.part_of);
        parts.filter_map(|part| if let Part::Spec(name) = part { Some(name.clone()) } else { None }).collect()
    }

    fn start(self) -> Changed {
        Changed {
            version: JSON_VERSION,
            files: self.files,
            other_files: self.other_files,
            everything: self.everything,
            specs: BTreeSet::new(),
            removed: BTreeSet::new(),
            dependants: BTreeMap::new(),
            images: BTreeMap::new(),
        }
    }
}
