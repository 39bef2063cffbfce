//! The package stage: sources are fetched, and what is not up to date is built.

use std::path::PathBuf;
use std::time::Instant;

use super::config::Packages;
use super::error::PipelineError;
use super::made::MadeStages;
use super::prepare::{Prepared, is_named};
use super::replan::Replanner;
use super::runner::{Obstacles, Runner};
use crate::build::{self, BuildContext, BuildError, BuildOptions, Preview, Summary};
use crate::cache;
use crate::event::Event;
use crate::graph::{Goals, RemoteIndex};
use crate::repo::Repo;
use crate::source::{self, Checkout, FetchOptions, Patience, SignatureMode, SourceProblem, Sources, WantedSource};
use crate::spec::SourcePackage;

/// What a build uses besides what is prepared.
type Tools<'a> = (&'a cache::Store, &'a cache::History, &'a Repo, &'a BuildOptions, &'a RemoteIndex<'a>);

impl Runner<'_> {
    /// Finds the sources of every spec of the graph.
    pub async fn fetch(&self, prepared: &Prepared) -> Result<Sources, PipelineError> {
        let found = self.find_sources(prepared.packages(), &prepared.checkout, self.options.signatures).await?;
        Ok(source::complete(found)?)
    }

    /// Finds the sources of `wanted`, specs of `packages`.
    pub async fn fetch_for(
        &self,
        packages: &Packages,
        wanted: impl Iterator<Item = &SourcePackage>,
        mode: SignatureMode,
    ) -> Result<Sources, PipelineError> {
        Ok(source::complete(self.find_sources(wanted, &self.checkout(packages), mode).await?)?)
    }

    /// Finds the sources of `packages`, and what is wrong with the others.
    pub(super) async fn find_sources(
        &self,
        packages: impl Iterator<Item = &SourcePackage>,
        checkout: &Checkout,
        mode: SignatureMode,
    ) -> Result<(Sources, Vec<SourceProblem>), PipelineError> {
        let wanted: Vec<WantedSource> = packages.flat_map(SourcePackage::wanted_sources).collect();
        let options = FetchOptions { checkout: checkout.clone(), ..self.fetch_options(mode) };
        Ok(source::fetch(&wanted, &options, self.layout, self.report).await?)
    }

    /// The project and the folders of the specs of `packages`.
    pub(super) fn checkout(&self, packages: &Packages) -> Checkout {
        let project = self.lock_file.parent().into_iter();
        Checkout::new(project.chain(packages.specs.iter().map(PathBuf::as_path)))
    }

    /// How sources are found; without a checkout, whose links are not followed then.
    pub(super) fn fetch_options(&self, mode: SignatureMode) -> FetchOptions {
        FetchOptions {
            mode,
            checkout: Checkout::default(),
            mirrors: self.options.source_urls.clone(),
            access: self.options.access.clone(),
            archives: self.archives.clone(),
            patience: Patience::default(),
            now: self.options.now,
        }
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
        let (prepared, sources) = match self.options.obstacles {
            Obstacles::Refuse => {
                let prepared = self.prepare(packages, made, goals).await?;
                let sources = self.fetch(&prepared).await?;
                (prepared, sources)
            }
            Obstacles::LeaveOut => self.prepare_what_can_be_built(packages, made, goals).await?,
        };
        let mut summary = self.build(&prepared, &sources).await?;
        self.keep_lock(&prepared, made)?;
        let asked = prepared.specs.failures.iter().filter(|failure| *goals == Goals::All || is_named(failure, goals));
        summary.unreadable = asked.map(|failure| failure.spec_path.clone()).collect();
        let outcome = describe(&summary);
        (self.report)(Event::StageFinished { stage: "packages".to_owned(), elapsed: started.elapsed(), outcome });
        Ok(summary)
    }

    async fn build(&self, prepared: &Prepared, sources: &Sources) -> Result<Summary, PipelineError> {
        let (store, history, repo) = (self.results()?, cache::History::new(self.layout), self.repo()?);
        let (options, index) = (self.build_options(prepared), prepared.remote_index());
        let planner = Replanner { runner: self, prepared };
        let context = self.context(prepared, sources, (&store, &history, &repo, &options, &index));
        let context = BuildContext { planner: Some(&planner), ..context };
        Ok(build::build_all(&context, &prepared.graph).await?)
    }

    pub(super) fn context<'a>(
        &'a self,
        prepared: &'a Prepared,
        sources: &'a Sources,
        (store, history, repo, options, remote_index): Tools<'a>,
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
            remote: &prepared.remote,
            remote_index,
            options,
            planner: None,
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
        let sources = source::complete(source::signed(&wanted, &prepared.checkout, self.layout).await?)?;
        self.preview_with(prepared, &sources)
    }

    /// [`Runner::preview`] with the sources of every spec of the graph.
    pub(super) fn preview_with(&self, prepared: &Prepared, sources: &Sources) -> Result<Preview, PipelineError> {
        let (store, history, repo) = (self.results()?, cache::History::new(self.layout), self.repo()?);
        let (options, index) = (self.build_options(prepared), prepared.remote_index());
        let context = self.context(prepared, sources, (&store, &history, &repo, &options, &index));
        Ok(build::preview(&context, &prepared.graph)?)
    }

    pub(super) fn build_options(&self, prepared: &Prepared) -> BuildOptions {
        let options = &self.options;
        BuildOptions {
            jobs: options.jobs.get(),
            cpus: options.cpus,
            jobserver: options.jobserver,
            reserve: options.reserve,
            checks: prepared.checks.clone(),
            rebuild: prepared.rebuild.clone(),
            ignored: prepared.ignored.clone(),
            durations: options.durations.clone(),
            cascade: options.cascade,
            retries: options.retries,
            timeout: Some(options.timeout),
            memory_bytes: options.memory_bytes,
            exceptions: prepared.exceptions.clone(),
            on_failure: options.on_failure,
            left_out: prepared.left_out.clone(),
        }
    }
}

fn describe(summary: &Summary) -> String {
    let always = [("built", summary.built.len()), ("up to date", summary.up_to_date.len())];
    let others = [
        ("failed", summary.failed.len()),
        ("blocked", summary.blocked.len()),
        ("not begun", summary.unfinished.len()),
        ("left out", summary.left_out.len()),
        ("not readable", summary.unreadable.len()),
    ];
    counts(always, others)
}

/// `2 built, 0 up to date, 1 failed`: of `others` those that are not 0.
pub(super) fn counts<const N: usize>(always: [(&str, usize); 2], others: [(&str, usize); N]) -> String {
    let others = others.into_iter().filter(|(_, count)| *count > 0);
    let parts: Vec<String> = always.into_iter().chain(others).map(|(what, count)| format!("{count} {what}")).collect();
    parts.join(", ")
}
