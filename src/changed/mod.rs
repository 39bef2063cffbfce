//! What a git change affects: the specs it is in, what needs these, and the images that hold them.
//!
//! In: two revisions, or one and the working tree; the pipeline and the graph of its packages as they are in the working
//! tree. Out: [`Changed`]. A change of the toolchain that packages are built in, or of the run's macros and their files,
//! affects every spec and every image; one of image tools every image. A spec is affected by what enters its build key
//! ([`crate::plan::BuildInputs`]) or is read while it is parsed: the spec file, its sources and their signatures, files
//! that its text includes, also behind links ([`inputs`]); whether its check runs; what it may do that others may not; and
//! the versions of other specs that it takes by macros. A property test over random edits holds this together with the
//! keys that a plan goes by. What a change of a spec does to another one is known only after it is built: an equal result
//! rebuilds nothing ([`crate::plan`]); what is listed is what *may* have to be built again. So do specs that take packages
//! of remote repositories, where these are others.

mod git;
mod inputs;
mod links;
mod parts;
mod ranges;
mod readings;
mod settings;
mod signed;
#[cfg(test)]
mod tests;
mod versions;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use std::time::SystemTime;

use chrono::{DateTime, Utc};
use serde::Serialize;

pub use git::{Change, FileChange, GitError, Repository};
pub use parts::Part;
pub use ranges::{Range, Ranges, ranges};

use self::inputs::Inputs;
use self::parts::Parts;
use self::settings::{Settings, Sides, settings};
use self::signed::Signed;
use self::versions::{Takers, Touched};
use crate::build;
use crate::graph::{BuildGraph, spec_named};
use crate::image::config::ConfigError;
use crate::package::Capability;
use crate::pipeline::{self, Pipeline, Stage};
use crate::plan::Exception;
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
    /// What of changed spec files may have another value.
    /// Changed spec files, with the fields that may have another value.
    touched: BTreeMap<PathBuf, BTreeSet<&'static str>>,
    signed: Signed,
    /// Files of macros that every spec is read with.
    macro_files: Vec<PathBuf>,
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
    /// The time of the run.
    pub now: SystemTime,
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

/// The files that differ in `ranges`, and what of `place` they are part of. The first range is that of the project's own
/// repository, the others are those of repositories inside it.
pub async fn affected(ranges: &[Range], place: Place<'_>) -> Result<Affected, ChangedError> {
    let (mut files, mut touched, mut signed) = (Vec::new(), BTreeMap::<_, BTreeSet<_>>::new(), Signed::default());
    for range in ranges {
        let changes = range.repository.changes(&range.from, range.to.as_deref()).await?;
        for (path, fields) in versions::touched(range, &changes).await? {
            touched.entry(path).or_default().extend(fields);
        }
        signed.add(range, &changes).await?;
        files.extend(changes);
    }
    files.sort();
    let parts = Parts::new((place.project, place.path), place.pipeline, &files)?;
    let lists = without_effect(ranges, place.pipeline, &files).await?;
    let today = DateTime::<Utc>::from(place.now).date_naive();
    let mut settings = match ranges.first() {
        Some(range) => settings(range, place, today).await?,
        None => Settings::default(),
    };
    let paths = files.iter().flat_map(FileChange::paths).filter(|path| !lists.contains(*path));
    for part in paths.flat_map(|path| parts.besides_specs(path)) {
        match part {
            Part::Toolchain(stage) => {
                of_stage(&stage, place.pipeline, (&mut settings.everything, &mut settings.images));
            }
            Part::MacroFile(name) => drop(settings.everything.insert(format!("macro file `{name}`"))),
            Part::Remote => settings.remote = true,
            Part::Pipeline | Part::Spec(_) | Part::Image(_) => {}
        }
    }
    if settings.provided.before != settings.provided.after {
        let builds = place.pipeline.packages.as_ref().map(|packages| packages.toolchain.as_str());
        if let Some(stage) = builds {
            of_tools(stage, place.pipeline, &mut settings.images);
        }
    }
    let macro_files = place.pipeline.packages.iter().flat_map(|packages| packages.macro_files.clone()).collect();
    Ok(Affected { files, project: place.project.to_owned(), settings, touched, signed, macro_files, parts })
}

/// Lists of what stages provide, among `files`, that name the same packages as before or are compared line by line.
async fn without_effect(
    ranges: &[Range],
    pipeline: &Pipeline,
    files: &[FileChange],
) -> Result<BTreeSet<PathBuf>, ChangedError> {
    let lists = pipeline.stages.iter().filter_map(|stage| match stage {
        Stage::Image(stage) => stage.manifest.as_ref(),
        Stage::Rpms(stage) => Some(&stage.manifest),
        Stage::Packages(_) => None,
    });
    let builds = pipeline.packages.as_ref().map(|packages| packages.toolchain.as_str());
    let own = pipeline.stages.iter().filter(|stage| Some(stage.name()) == builds).find_map(|stage| match stage {
        Stage::Image(stage) => stage.manifest.clone(),
        Stage::Packages(_) | Stage::Rpms(_) => None,
    });
    let mut found: BTreeSet<PathBuf> = own.into_iter().collect();
    for path in lists.filter(|path| files.iter().any(|file| file.path == **path)) {
        for range in ranges {
            let (before, after) = range.both(path).await?;
            let named = |text: Option<String>| pipeline::parse_manifest(path, &text?).ok();
            if let (Some(before), Some(after)) = (named(before), named(after))
                && before == after
            {
                found.insert(path.clone());
            }
        }
    }
    Ok(found)
}

type Reasons<'a> = (&'a mut BTreeSet<String>, &'a mut BTreeSet<String>);

fn of_stage(stage: &str, pipeline: &Pipeline, (everything, images): Reasons<'_>) {
    let builds = pipeline.packages.as_ref().map(|packages| packages.toolchain.as_str());
    if builds.is_some_and(|last| stands_on(last, stage, &pipeline.stages)) {
        everything.insert(format!("toolchain stage `{stage}`"));
    } else {
        of_tools(stage, pipeline, images);
    }
}

fn of_tools(stage: &str, pipeline: &Pipeline, images: &mut BTreeSet<String>) {
    let assembles = pipeline.images.as_ref().map(|images| images.toolchain.as_str());
    if assembles.is_some_and(|last| stands_on(last, stage, &pipeline.stages)) {
        images.insert(format!("toolchain stage `{stage}`"));
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
        let paths: Vec<&Path> = self.files.iter().flat_map(FileChange::paths).collect();
        let inputs = Inputs::new(&self.parts, (sources, &self.macro_files), (&paths, &self.signed));
        let files = self.changed(|path| inputs.of(path));
        let readers: BTreeSet<String> = paths.iter().flat_map(|path| inputs.readers(path)).collect();
        let (mut specs, removed): (BTreeSet<String>, BTreeSet<String>) =
            named(&files).into_iter().partition(|spec| self.parts.is_present(spec));
        specs.extend(self.turned(sources));
        specs.extend(self.taking((&inputs, &readers), sources));
        if self.settings.remote {
            specs.extend(graph.remote.keys().cloned());
        }
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

    /// Specs whose checks run and did not, that may do what they might not, or that require what the toolchain's stage
    /// provides and did not; or the other way round.
    fn turned(&self, sources: &[SourcePackage]) -> BTreeSet<String> {
        let Settings { checked: Sides { before, after }, excepted, .. } = &self.settings;
        let spec = |word: &String| spec_named(word, sources).ok().map(str::to_owned);
        let has_check = |spec: &String| sources.iter().any(|source| source.spec == *spec && source.has_check);
        let runs = |list: &BTreeSet<String>| list.iter().filter_map(spec).filter(has_check).collect::<BTreeSet<_>>();
        let (before, after) = (runs(before), runs(after));
        let counts = |(spec, allowed): &&(String, String)| {
            let exists = sources.iter().any(|source| source.spec == *spec);
            exists && (*allowed != Exception::NetworkInCheck.to_string() || after.contains(spec))
        };
        let excepted = excepted.before.symmetric_difference(&excepted.after).filter(counts);
        let turned = before.symmetric_difference(&after).chain(excepted.map(|(spec, _)| spec)).cloned();
        let Sides { before, after: now } = &self.settings.provided;
        let given: Vec<Capability> = before.symmetric_difference(now).map(|text| Capability::parse(text)).collect();
        let needs = |source: &&SourcePackage| {
            let check = source.has_check && after.contains(&source.spec);
            let all = source.asks_database && !given.is_empty();
            all || build::required(source, check, &given).next().is_some()
        };
        turned.chain(sources.iter().filter(needs).map(|source| source.spec.clone())).collect()
    }

    /// Specs that take something of the versions of changed or removed ones, or took it; `readers` read files that have
    /// changed.
    fn taking(&self, (inputs, readers): (&Inputs, &BTreeSet<String>), sources: &[SourcePackage]) -> BTreeSet<String> {
        let Sides { before, after } = &self.settings.prefix;
        let has_changed = !self.touched.is_empty() || !readers.is_empty();
        if before.is_none() && after.is_none() || before == after && !has_changed {
            return BTreeSet::new();
        }
        let takers = Takers::of(sources);
        if before != after {
            return before.iter().chain(after).flat_map(|prefix| takers.with_prefix(prefix)).collect();
        }
        let mut touched = Touched::new();
        for (path, fields) in &self.touched {
            // A spec file that another one of its name stands before says nothing of the spec.
            let spec = versions::name_of(path).filter(|name| inputs.of(path).contains(&Part::Spec((*name).to_owned())));
            if let Some(spec) = spec {
                touched.entry(spec.to_owned()).or_default().extend(fields);
            }
        }
        for spec in readers {
            touched.entry(spec.clone()).or_default().extend(takers.not_literal(spec));
        }
        after.iter().flat_map(|prefix| takers.taking(prefix, touched.clone())).collect()
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
