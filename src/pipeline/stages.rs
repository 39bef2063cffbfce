//! Makes the stages of a toolchain, each from those above it.
//!
//! A stage of packages is a run of builds of its own: its RPMs, records and logs are in `build/stages/NAME`, its finished
//! results in the store that all share. When all are built, the RPMs that its image is to have are solved over them alone,
//! down to an empty root, and installed.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use super::error::PipelineError;
use super::recipe;
use super::runner::{Made, MadeStages, Obstacles, Options, Runner};
use super::selection::Wishes;
use super::stage::{PackageStage, Stage};
use super::{CheckOptions, RemoteOptions};
use crate::build::Summary;
use crate::digest::Sha256;
use crate::event::Event;
use crate::graph;
use crate::layout::Layout;
use crate::oci::Store;
use crate::package::{Dependency, Provides, Requirement, RpmHeader};
use crate::repo::{PublishedRpm, Repo};
use crate::source::remembered::FileDigests;
use crate::toolchain::{self, Finished, Installed, StageContext, StageRpm, ToolchainError};

/// The name of the list of digests of the files of stages.
const DIGESTS: &str = "stages";

impl Runner<'_> {
    /// Makes the images of `stages`, which stand in order, or finds them.
    pub async fn stages(&self, stages: &[Stage]) -> Result<MadeStages, PipelineError> {
        let mut made = MadeStages::new();
        for stage in stages {
            let started = Instant::now();
            let title = format!("toolchain {}", stage.name());
            (self.report)(Event::StageStarted { stage: title.clone() });
            let (one, outcome) = match stage {
                Stage::Image(stage) => self.image_stage(stage, &made).await?,
                Stage::Packages(stage) => self.package_stage(stage, &made).await?,
            };
            (self.report)(Event::StageFinished { stage: title, elapsed: started.elapsed(), outcome });
            made.insert(stage.name().to_owned(), one);
        }
        Ok(made)
    }

    async fn image_stage(&self, stage: &toolchain::Stage, made: &MadeStages) -> Result<(Made, String), ToolchainError> {
        let below = stage.origin.below().and_then(|name| made.get(name));
        let context = self.stage_context();
        let finished = toolchain::build(stage, below.map(|below| below.image), &context).await?;
        let base = toolchain::base_of(stage, below.map(|below| below.image), self.layout)?;
        let installed = toolchain::installed(&stage.name, finished.image, &context).await?;
        let outcome = describe(&finished);
        Ok((Made { base, ..with_provides(stage, below, (finished.image, installed)) }, outcome))
    }

    async fn package_stage(&self, stage: &PackageStage, made: &MadeStages) -> Result<(Made, String), PipelineError> {
        let below = below_packages(stage, made)?;
        let key = key(stage, below, self.layout)?;
        if let Some(image) = toolchain::image_of(key, self.layout, self.store)
            && let Some(installed) = toolchain::known_packages(&self.layout.toolchain_state(), image)
        {
            return Ok((of_packages(image, installed), format!("up to date, image sha256:{}", image.short())));
        }
        let layout = self.layout.of_stage(&stage.name);
        let runner = self.of_stage(&layout);
        let summary = runner.packages(&stage.packages, made, &stage.goals()).await?;
        if !summary.is_success() {
            return Err(PipelineError::StagePackages { stage: stage.name.clone(), summary: Box::new(summary) });
        }
        let rpms = chosen(stage, &runner.repo()?, &summary)?;
        let context = self.stage_context();
        let (image, was_there) = toolchain::assemble(&stage.name, below, &rpms, &context).await?;
        let installed = toolchain::installed(&stage.name, image, &context).await?;
        toolchain::keep_image(key, image, self.layout)?;
        let count = installed.packages.len();
        let state = if was_there { "the same image" } else { "made" };
        Ok((of_packages(image, installed), format!("{state}, image sha256:{} with {count} packages", image.short())))
    }

    /// What builds the packages of a stage whose folders are `layout`: no remote packages, nothing left out; the pipeline
    /// lists no checks for them.
    pub(super) fn of_stage<'a>(&'a self, layout: &'a Layout) -> Runner<'a> {
        let options = Options {
            checks: CheckOptions::of_pipeline(),
            wishes: Wishes::default(),
            remote: RemoteOptions { off: true, ..RemoteOptions::default() },
            obstacles: Obstacles::Refuse,
            cascade: None,
            ..self.options.clone()
        };
        Runner { options, ..self.apart(layout) }
    }

    /// The same runner with other folders.
    pub(super) fn apart<'a>(&'a self, layout: &'a Layout) -> Runner<'a> {
        Runner {
            engine: self.engine,
            store: self.store,
            layout,
            archives: self.archives.clone(),
            credentials: self.credentials.clone(),
            report: self.report,
            cancel: self.cancel,
            options: self.options.clone(),
            lock_file: self.lock_file.clone(),
            refreshed: AtomicBool::new(false),
        }
    }

    fn stage_context(&self) -> StageContext<'_> {
        StageContext {
            engine: self.engine,
            store: self.store,
            layout: self.layout,
            archives: &self.archives,
            credentials: &self.credentials,
            report: self.report,
            cancel: self.cancel,
        }
    }
}

/// The stages that are made, without making any: each with its image, or None from the first one that is missing on.
pub fn finished_stages(
    stages: &[Stage],
    layout: &Layout,
    store: &Store,
) -> Result<Vec<(String, Option<Made>)>, PipelineError> {
    let mut made = MadeStages::new();
    let mut found = Vec::new();
    for stage in stages {
        let is_ready = stage.below().is_none_or(|below| made.contains_key(below));
        let one = match stage {
            _ if !is_ready => None,
            Stage::Image(stage) => finished_image(stage, &made, layout, store)?,
            Stage::Packages(stage) => {
                let image = toolchain::image_of(key(stage, below_packages(stage, &made)?, layout)?, layout, store);
                image.and_then(|image| {
                    Some(of_packages(image, toolchain::known_packages(&layout.toolchain_state(), image)?))
                })
            }
        };
        if let Some(one) = &one {
            made.insert(stage.name().to_owned(), one.clone());
        }
        found.push((stage.name().to_owned(), one));
    }
    Ok(found)
}

fn finished_image(
    stage: &toolchain::Stage,
    made: &MadeStages,
    layout: &Layout,
    store: &Store,
) -> Result<Option<Made>, ToolchainError> {
    let below = stage.origin.below().and_then(|name| made.get(name));
    let below_image = below.map(|below| below.image);
    let image = toolchain::up_to_date(stage, below_image, layout, store)?;
    let base = toolchain::base_of(stage, below_image, layout)?;
    Ok(image.map(|image| {
        let installed = toolchain::known_packages(&layout.toolchain_state(), image).unwrap_or_default();
        Made { base, ..with_provides(stage, below, (image, installed)) }
    }))
}

/// The image that the packages of `stage` are built in.
fn below_packages(stage: &PackageStage, made: &MadeStages) -> Result<Sha256, PipelineError> {
    let name = &stage.packages.toolchain;
    let below = made.get(name).ok_or_else(|| PipelineError::NoStage { stage: name.clone() })?;
    Ok(below.image)
}

fn key(stage: &PackageStage, below: Sha256, layout: &Layout) -> Result<Sha256, PipelineError> {
    let wrong = |(path, source)| PipelineError::StageFile { stage: stage.name.clone(), path, source };
    let digests = FileDigests::open(layout, DIGESTS);
    let key = recipe::of_packages(stage, below, &digests).map_err(wrong)?;
    digests.save().map_err(|source: io::Error| wrong((PathBuf::from(DIGESTS), source)))?;
    Ok(key)
}

/// The RPMs that the image of `stage` has, sorted by path: what it is to have, with what that needs.
fn chosen(stage: &PackageStage, repo: &Repo, summary: &Summary) -> Result<Vec<StageRpm>, PipelineError> {
    let done: BTreeSet<&String> = summary.built.iter().chain(&summary.up_to_date).collect();
    let published = repo.packages();
    let made = published.iter().filter(|rpm| !rpm.rpm.is_source() && done.contains(&rpm.spec));
    let rpms: Vec<&PublishedRpm> = made.collect();
    let headers: Vec<&RpmHeader> = rpms.iter().map(|rpm| &rpm.rpm.header).collect();
    let everything = || headers.iter().filter(|header| !is_for_debuggers(header)).map(|header| named(header));
    let wanted: Vec<Requirement> =
        if stage.install.is_empty() { everything().collect() } else { stage.install.clone() };
    let solution = graph::solve(&wanted, &headers, &Provides::default());
    let solution =
        solution.map_err(|source| PipelineError::StageRoot { stage: stage.name.clone(), reason: source.reason })?;
    let is_taken =
        |rpm: &&&PublishedRpm| solution.iter().any(|header| std::ptr::eq(*header, &raw const rpm.rpm.header));
    let mut chosen: Vec<StageRpm> = rpms.iter().filter(is_taken).map(|rpm| stage_rpm(rpm)).collect();
    chosen.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(chosen)
}

fn stage_rpm(rpm: &PublishedRpm) -> StageRpm {
    let (content, build_time) = (rpm.rpm.content, rpm.rpm.build_time);
    StageRpm { path: rpm.path.clone(), content, spec: rpm.spec.clone(), build_time }
}

/// True for the symbols and sources that debuggers read.
fn is_for_debuggers(header: &RpmHeader) -> bool {
    ["-debuginfo", "-debugsource"].iter().any(|end| header.nevra.name.ends_with(end))
}

fn named(header: &RpmHeader) -> Requirement {
    Requirement::Simple(Dependency { name: header.nevra.name.clone(), bound: None })
}

/// What the stage says of itself and of those below it, and what its RPM database says where that knows packages.
fn with_provides(stage: &toolchain::Stage, below: Option<&Made>, (image, installed): (Sha256, Installed)) -> Made {
    let (mut provides, mut packages) =
        below.map(|below| (below.provides.clone(), below.packages.clone())).unwrap_or_default();
    provides.extend(stage.provides.iter().cloned());
    packages.extend(stage.packages.iter().cloned());
    if !installed.packages.is_empty() {
        provides.extend(installed.provides);
        packages.extend(installed.packages);
    }
    Made { image, provides, packages, base: None }
}

fn of_packages(image: Sha256, installed: Installed) -> Made {
    Made { image, provides: installed.provides, packages: installed.packages, base: None }
}

fn describe(finished: &Finished) -> String {
    let state = if finished.up_to_date { "up to date" } else { "made" };
    format!("{state}, image sha256:{} from {}", finished.image.short(), finished.base)
}
