//! Makes the stages of a toolchain, each from those above it.
//!
//! A stage of packages is a run of builds of its own: its RPMs, records and logs are in `build/stages/NAME`, its finished
//! results in the store that all share. When all are built, the RPMs that its image is to have are solved over them alone,
//! down to an empty root, and installed.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use super::finished::finished_stages;
use super::made::{Made, MadeStages, below_image, chain, with_essence};
use super::recipe::{Inputs, PackageInputs, Recipes, same_files};
use super::root::Root;
use super::runner::Runner;
use super::statements;
use crate::attest::Material;
use crate::build::Summary;
use crate::digest::Sha256;
use crate::event::Event;
use crate::graph;
use crate::layout::Layout;
use crate::package::{Dependency, Provides, Requirement, RpmHeader};
use crate::pipeline::error::PipelineError;
use crate::pipeline::file::{PackageStage, Pipeline, Stage, StageRegistry};
use crate::pipeline::options::{CheckOptions, Obstacles, Options, RemoteOptions, Wishes};
use crate::repo::PublishedRpm;
use crate::toolchain::{self, ReadStage, StageContext, StageRpm};

/// Stages on their way.
struct StageRun<'a> {
    /// What they are made from.
    recipes: Recipes<'a>,
    /// Where they are looked up before they are made.
    registry: Option<StageRegistry>,
    /// The key that pulled images must be signed with.
    key: Option<PathBuf>,
    made: MadeStages,
    /// Those that were told of.
    told: BTreeSet<String>,
}

impl Runner<'_> {
    /// Makes the images of the stages `wanted` of `pipeline`, or finds them; of the stages below only those that are
    /// needed for that.
    pub async fn stages(&self, pipeline: &Pipeline, wanted: &[&str]) -> Result<MadeStages, PipelineError> {
        let own = pipeline.registry.as_ref();
        let recipes = Recipes::new(self.layout, self.cancel);
        let mut run = StageRun {
            registry: self.options.registry.over(own),
            key: self.options.registry.key_over(own),
            made: self.made_stages(pipeline, &recipes)?,
            told: BTreeSet::new(),
            recipes,
        };
        for name in wanted {
            let chain = chain(&pipeline.stages, name);
            let mut there = chain.len();
            while there > 0 && !Box::pin(self.is_there(&chain[..there], &mut run)).await? {
                there -= 1;
            }
            for upto in there + 1..=chain.len() {
                Box::pin(self.make(&chain[..upto], &mut run)).await?;
            }
        }
        Ok(run.made)
    }

    fn made_stages(&self, pipeline: &Pipeline, recipes: &Recipes<'_>) -> Result<MadeStages, PipelineError> {
        let finished = finished_stages(&pipeline.stages, recipes, self.store)?;
        Ok(finished.into_iter().filter_map(|(name, made)| Some((name, made?))).collect())
    }

    /// True when the stage at the end of `chain` is made, or can be pulled.
    async fn is_there(&self, chain: &[&Stage], run: &mut StageRun<'_>) -> Result<bool, PipelineError> {
        let Some(stage) = chain.last() else { return Ok(false) };
        let title = format!("toolchain {}", stage.name());
        let started = Instant::now();
        if let Some(made) = run.made.get(stage.name())
            && self.is_trusted(made, (chain, &run.recipes), run.key.as_deref())?
        {
            if run.told.insert(title.clone()) {
                (self.report)(Event::StageStarted { stage: title.clone() });
                let outcome = outcome("up to date", made);
                (self.report)(Event::StageFinished { stage: title, elapsed: started.elapsed(), outcome });
            }
            return Ok(true);
        }
        let Some(registry) = &run.registry else { return Ok(false) };
        let Some(made) = self.pulled((chain, &run.recipes), registry).await? else { return Ok(false) };
        run.told.insert(title.clone());
        let outcome = outcome("pulled", &made);
        (self.report)(Event::StageFinished { stage: title, elapsed: started.elapsed(), outcome });
        run.made.insert(stage.name().to_owned(), made);
        Ok(true)
    }

    /// Makes the stage at the end of `chain`; those before it are made.
    async fn make(&self, chain: &[&Stage], run: &mut StageRun<'_>) -> Result<(), PipelineError> {
        let Some(stage) = chain.last() else { return Ok(()) };
        let started = Instant::now();
        let title = format!("toolchain {}", stage.name());
        (self.report)(Event::StageStarted { stage: title.clone() });
        let below = stage.below().map(|below| below_image(below, &run.made)).transpose()?;
        let key = run.recipes.key(stage, below)?;
        let (state, made) = match run.recipes.inputs(stage)?.as_ref() {
            Inputs::Image(read) => self.image_stage(read, below, (chain, &run.recipes)).await?,
            Inputs::Packages(inputs) => self.package_stage(inputs, key, chain, &run.made).await?,
            Inputs::Rpms(inputs) => self.rpm_stage(inputs, key, chain, &run.made).await?,
        };
        run.told.insert(title.clone());
        let outcome = outcome(state, &made);
        (self.report)(Event::StageFinished { stage: title, elapsed: started.elapsed(), outcome });
        run.made.insert(stage.name().to_owned(), made);
        Ok(())
    }

    async fn image_stage(
        &self,
        read: &ReadStage,
        below: Option<Sha256>,
        (chain, recipes): (&[&Stage], &Recipes<'_>),
    ) -> Result<(&'static str, Made), PipelineError> {
        let (context, stage) = (self.stage_context(), read.stage());
        let finished = toolchain::build(read, below, &context).await?;
        let base = toolchain::base_of(read.key(below), self.layout);
        let installed = toolchain::installed(&stage.name, finished.image, &context).await?;
        // Said also of an image that is there: the run that made it may have been stopped before.
        let about = (finished.image, recipes.of_chain(chain)?);
        let from = (finished.base.as_str(), below.or_else(|| base.as_ref().map(|(_, image)| *image)));
        statements::attach_commands(stage, about, from, &installed, self.store)?;
        let state = if finished.up_to_date { "up to date" } else { "made" };
        let image = with_essence(chain, finished.image, self.store)?;
        Ok((state, Made { base, ..Made::of(chain, image, installed) }))
    }

    async fn package_stage(
        &self,
        inputs: &PackageInputs,
        recipe: Sha256,
        chain: &[&Stage],
        made: &MadeStages,
    ) -> Result<(&'static str, Made), PipelineError> {
        let stage = &inputs.stage;
        let below = below_image(&stage.packages.toolchain, made)?;
        let layout = self.layout.of_stage(&stage.name);
        let runner = self.of_stage(&layout);
        let summary = runner.packages(&stage.packages, made, &stage.goals()).await?;
        if !summary.is_success() {
            return Err(PipelineError::StagePackages { stage: stage.name.clone(), summary: Box::new(summary) });
        }
        same_files(&stage.name, &inputs.seen)?;
        let published = runner.repo()?.packages();
        let rpms = chosen(stage, &published, &summary)?;
        let specs: BTreeSet<&String> = rpms.iter().map(|rpm| &rpm.spec).collect();
        let vendor = stage.packages.macros.get("vendor").map_or("unknown", String::as_str);
        let sources = published.iter().filter(|rpm| rpm.rpm.is_source() && specs.contains(&rpm.spec));
        let material =
            |rpm: &PublishedRpm| Material { uri: statements::purl_of(vendor, &rpm.rpm), digest: rpm.rpm.sha256 };
        let root = Root {
            stage: &stage.name,
            recipe,
            seen: None,
            from: (&stage.packages.toolchain, below),
            rpms: stage_rpms(&rpms),
            listed: rpms.iter().map(|rpm| (rpm.path.as_path(), &rpm.rpm)).collect(),
            vendor,
            materials: sources.map(material).collect(),
        };
        self.root(root, chain).await
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

    pub(super) fn stage_context(&self) -> StageContext<'_> {
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

/// The RPMs that the image of `stage` has, sorted by path: what it is to have, with what that needs.
fn chosen<'a>(
    stage: &PackageStage,
    published: &'a [PublishedRpm],
    summary: &Summary,
) -> Result<Vec<&'a PublishedRpm>, PipelineError> {
    let done: BTreeSet<&String> = summary.built.iter().chain(&summary.up_to_date).collect();
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
    let mut chosen: Vec<&PublishedRpm> = rpms.iter().filter(is_taken).copied().collect();
    chosen.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(chosen)
}

fn stage_rpms(rpms: &[&PublishedRpm]) -> Vec<StageRpm> {
    let stage_rpm = |rpm: &&PublishedRpm| {
        let (content, build_time) = (rpm.rpm.content, rpm.rpm.build_time);
        StageRpm { path: rpm.path.clone(), file: rpm.rpm.file.clone(), content, spec: rpm.spec.clone(), build_time }
    };
    rpms.iter().map(stage_rpm).collect()
}

/// True for the symbols and sources that debuggers read.
fn is_for_debuggers(header: &RpmHeader) -> bool {
    ["-debuginfo", "-debugsource"].iter().any(|end| header.nevra.name.ends_with(end))
}

fn named(header: &RpmHeader) -> Requirement {
    Requirement::Simple(Dependency { name: header.nevra.name.clone(), bound: None })
}

fn outcome(state: &str, made: &Made) -> String {
    let image = format!("{state}, image sha256:{}", made.image.short());
    match (&made.pulled, &made.base) {
        (Some(reference), _) => format!("{image} of `{reference}`"),
        (None, Some((base, _))) => format!("{image} from {base}"),
        (None, None) if made.packages.is_empty() => image,
        (None, None) => format!("{image} with {} packages", made.packages.len()),
    }
}
