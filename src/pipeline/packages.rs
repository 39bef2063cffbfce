//! The package stage: specs are read, ordered, their sources fetched, and what is not up to date is built.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Instant;

use super::config::Packages;
use super::error::PipelineError;
use super::runner::{MadeStages, Runner};
use super::selection::Selected;
use crate::build::{self, BuildContext, BuildError, BuildOptions, Checks, Preview, Summary};
use crate::cache;
use crate::event::Event;
use crate::graph::{self, BuildGraph, Goals};
use crate::image::{self, ImageError};
use crate::package::RpmHeader;
use crate::repo::Repo;
use crate::source::{self, FetchOptions, Patience, SignatureMode, Sources, WantedSource};
use crate::spec::{self, LoadedSpecs, Loader, Selection, Shadowed, SourcePackage, SpecFailure};
use crate::toolchain::Toolchain;

/// Everything that is known before the first build starts.
pub struct Prepared {
    /// The image that packages are built in.
    pub toolchain: Toolchain,
    /// All specs of the folders.
    pub specs: LoadedSpecs,
    /// Whose `%check` runs.
    pub checks: Checks,
    /// Names of specs that are built whether or not their result is at hand.
    rebuild: BTreeSet<String>,
    /// Names of specs whose last result is taken, whatever has changed.
    ignored: BTreeSet<String>,
    /// The specs of the run and their order.
    pub graph: BuildGraph,
}

impl Prepared {
    /// The specs of the run, sorted by name.
    fn packages(&self) -> impl Iterator<Item = &SourcePackage> {
        self.specs.packages.iter().filter(|package| self.graph.needs.contains_key(&package.spec))
    }
}

impl Runner<'_> {
    /// Reads the specs of `packages` and finds what `goals` need.
    pub async fn prepare(
        &self,
        packages: &Packages,
        made: &MadeStages,
        goals: &Goals,
    ) -> Result<Prepared, PipelineError> {
        let toolchain = self.toolchain(packages, made)?;
        let specs = self.load(packages, &toolchain, Selection::All).await?;
        self.tell_unreadable(&specs.failures, goals)?;
        let Selected { goals, rebuild, ignored } = self.select(goals, &specs.packages, &toolchain.arch)?;
        let checks = self.options.checks.select(packages, &specs)?;
        let known = self.known()?;
        let inputs =
            graph::Inputs { specs: &specs.packages, given: &toolchain.provides, known: &known, checked: &checks.asked };
        let mut graph = graph::resolve(inputs, &self.options.checks.with_goals(&goals))?;
        graph.take_as_built(&ignored);
        Ok(Prepared { toolchain, specs, checks, rebuild, ignored, graph })
    }

    /// Tells which specs do not parse; refuses to go on when one of `goals` is among them.
    fn tell_unreadable(&self, failures: &[SpecFailure], goals: &Goals) -> Result<(), PipelineError> {
        let is_goal = |failure: &&SpecFailure| match goals {
            Goals::All => false,
            Goals::Named(words) => {
                words.iter().any(|word| failure.spec_path.file_stem().is_some_and(|stem| stem == word.as_str()))
            }
        };
        let asked: Vec<SpecFailure> = failures.iter().filter(is_goal).cloned().collect();
        if !asked.is_empty() {
            return Err(PipelineError::Unreadable(asked));
        }
        for failure in failures {
            (self.report)(Event::Warning { text: format!("{failure}\n  it is left out") });
        }
        Ok(())
    }

    /// For each of `configs`, image configurations, its name and the specs of which the image holds packages.
    pub fn specs_of_images(
        &self,
        configs: &[PathBuf],
        prepared: &Prepared,
    ) -> Result<BTreeMap<String, BTreeSet<String>>, PipelineError> {
        let known = self.known()?;
        let inputs = graph::Inputs {
            specs: &prepared.specs.packages,
            given: &prepared.toolchain.provides,
            known: &known,
            checked: &BTreeSet::new(),
        };
        let mut held = BTreeMap::new();
        for path in configs {
            let config = image::config::read(path).map_err(ImageError::from)?;
            let wanted = image::packages::wanted(&config, &prepared.toolchain.arch);
            held.insert(config.name, graph::specs_held(&wanted, inputs)?);
        }
        Ok(held)
    }

    /// Headers of the RPMs in the repository.
    fn known(&self) -> Result<Vec<RpmHeader>, PipelineError> {
        Ok(self.repo()?.packages().into_iter().map(|rpm| rpm.rpm.header).collect())
    }

    /// What RPM makes of the specs of `packages`.
    pub async fn load(
        &self,
        packages: &Packages,
        toolchain: &Toolchain,
        selection: Selection<'_>,
    ) -> Result<LoadedSpecs, PipelineError> {
        let loader = Loader {
            engine: self.engine,
            toolchain,
            layout: self.layout,
            jobs: self.options.jobs,
            report: self.report,
            cancel: self.cancel,
        };
        let specs = spec::load(&loader, &packages.specs, selection).await?;
        for Shadowed { name, taken, left_out } in &specs.shadowed {
            let (taken, left_out) = (taken.display(), left_out.display());
            let text = format!("`{name}` is there twice: `{taken}` counts, `{left_out}` is left out");
            (self.report)(Event::Warning { text });
        }
        Ok(specs)
    }

    /// Finds the sources of every spec of the graph.
    pub async fn fetch(&self, prepared: &Prepared) -> Result<Sources, PipelineError> {
        self.fetch_for(prepared.packages(), self.options.signatures).await
    }

    /// Finds the sources of `packages`.
    pub async fn fetch_for(
        &self,
        packages: impl Iterator<Item = &SourcePackage>,
        mode: SignatureMode,
    ) -> Result<Sources, PipelineError> {
        let wanted: Vec<WantedSource> = packages.flat_map(SourcePackage::wanted_sources).collect();
        let options = FetchOptions {
            mode,
            mirrors: self.options.source_urls.clone(),
            archives: self.archives.clone(),
            patience: Patience::default(),
            now: self.options.now,
        };
        Ok(source::fetch(&wanted, &options, self.layout, self.report).await?)
    }

    /// Builds what of `goals` is not up to date.
    pub async fn packages(
        &self,
        packages: &Packages,
        made: &MadeStages,
        goals: &Goals,
    ) -> Result<Summary, PipelineError> {
        let started = Instant::now();
        (self.report)(Event::StageStarted { stage: "packages".to_owned() });
        let prepared = self.prepare(packages, made, goals).await?;
        let sources = self.fetch(&prepared).await?;
        let mut summary = self.build(&prepared, &sources).await?;
        if *goals == Goals::All {
            summary.unreadable = prepared.specs.failures.iter().map(|failure| failure.spec_path.clone()).collect();
        }
        let outcome = describe(&summary);
        (self.report)(Event::StageFinished { stage: "packages".to_owned(), elapsed: started.elapsed(), outcome });
        Ok(summary)
    }

    async fn build(&self, prepared: &Prepared, sources: &Sources) -> Result<Summary, PipelineError> {
        let (store, history, repo) = (self.results()?, cache::History::new(self.layout), self.repo()?);
        let options = self.build_options(prepared);
        let context = self.context(prepared, sources, (&store, &history, &repo, &options));
        Ok(build::build_all(&context, &prepared.graph).await?)
    }

    pub(super) fn context<'a>(
        &'a self,
        prepared: &'a Prepared,
        sources: &'a Sources,
        (store, history, repo, options): (&'a cache::Store, &'a cache::History, &'a Repo, &'a BuildOptions),
    ) -> BuildContext<'a> {
        BuildContext {
            engine: self.engine,
            toolchain: &prepared.toolchain,
            layout: self.layout,
            store,
            history,
            repo,
            specs: &prepared.specs.packages,
            sources,
            options,
            report: self.report,
            cancel: self.cancel,
        }
    }

    /// The repository of built RPMs.
    pub fn repo(&self) -> Result<Repo, PipelineError> {
        Ok(Repo::open(self.layout).map_err(BuildError::Repository)?)
    }

    /// The store of finished packages.
    pub(super) fn results(&self) -> Result<cache::Store, PipelineError> {
        Ok(cache::Store::open(self.layout).map_err(BuildError::Records)?)
    }

    /// What [`Runner::packages`] would do, without a container or a download.
    pub async fn preview(&self, prepared: &Prepared) -> Result<Preview, PipelineError> {
        let wanted: Vec<WantedSource> = prepared.packages().flat_map(SourcePackage::wanted_sources).collect();
        let sources = source::signed(&wanted, self.layout).await?;
        let (store, history, repo) = (self.results()?, cache::History::new(self.layout), self.repo()?);
        let options = self.build_options(prepared);
        let context = self.context(prepared, &sources, (&store, &history, &repo, &options));
        Ok(build::preview(&context, &prepared.graph)?)
    }

    pub(super) fn build_options(&self, prepared: &Prepared) -> BuildOptions {
        let options = &self.options;
        BuildOptions {
            jobs: options.jobs.get(),
            cpus: options.cpus,
            checks: prepared.checks.clone(),
            rebuild: prepared.rebuild.clone(),
            ignored: prepared.ignored.clone(),
            retries: options.retries,
            timeout: Some(options.timeout),
            memory_bytes: options.memory_bytes,
            on_failure: options.on_failure,
        }
    }
}

fn describe(summary: &Summary) -> String {
    let mut parts = vec![format!("{} built", summary.built.len()), format!("{} up to date", summary.up_to_date.len())];
    let more = [
        ("failed", summary.failed.len()),
        ("blocked", summary.blocked.len()),
        ("not begun", summary.unfinished.len()),
        ("not readable", summary.unreadable.len()),
    ];
    parts.extend(more.iter().filter(|(_, count)| *count > 0).map(|(what, count)| format!("{count} {what}")));
    parts.join(", ")
}
