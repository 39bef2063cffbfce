//! The package stage: what is not up to date gets its sources and is built.

use std::time::Instant;

use super::made::MadeStages;
use super::prepare::{Prepared, is_named};
use super::replan::Replanner;
use super::rivals::claims;
use super::runner::Runner;
use super::sources::Gathered;
use crate::build::{self, BuildContext, BuildError, BuildOptions, Preview, Summary, Survey};
use crate::cache;
use crate::causes;
use crate::event::Event;
use crate::graph::{BuildGraph, Goals, Partial, RemoteIndex};
use crate::pipeline::error::{PipelineError, not_for_this_arch};
use crate::pipeline::file::Packages;
use crate::pipeline::options::Obstacles;
use crate::repo::Repo;
use crate::source::{SourceError, Sources};

/// What a build uses besides what is prepared.
type Tools<'a> = (&'a cache::Store, &'a cache::History, &'a Repo, &'a BuildOptions, &'a RemoteIndex<'a>);

impl Runner<'_> {
    /// Builds what of `goals` is not up to date.
    pub async fn packages(
        &self,
        packages: &Packages,
        made: &MadeStages,
        goals: &Goals,
    ) -> Result<Summary, PipelineError> {
        let started = Instant::now();
        (self.report)(Event::StageStarted { stage: "packages".to_owned() });
        let summary = match Box::pin(self.built(packages, made, goals)).await {
            Err(PipelineError::Build(BuildError::Remote(error))) if error.is_outdated() => {
                // What a repository lacks it has told to be there; its metadata are asked for again now, once.
                (self.report)(Event::Note { text: format!("{error}\n  new metadata are asked for") });
                Box::pin(self.built(packages, made, goals)).await?
            }
            built => built?,
        };
        let outcome = describe(&summary);
        (self.report)(Event::StageFinished { stage: "packages".to_owned(), elapsed: started.elapsed(), outcome });
        Ok(summary)
    }

    /// Plans and builds `goals`.
    async fn built(&self, packages: &Packages, made: &MadeStages, goals: &Goals) -> Result<Summary, PipelineError> {
        let (prepared, gathered) = Box::pin(self.ready(packages, made, goals)).await.inspect_err(|error| {
            // The error itself counts.
            let _ = build::write_broken(self.layout, causes::in_one_line(error));
        })?;
        let mut summary = self.build(&prepared, &gathered.sources, &gathered.survey).await?;
        self.keep_lock(&prepared, made)?;
        let asked = prepared.specs.failures.iter().filter(|failure| *goals == Goals::All || is_named(failure, goals));
        summary.unreadable = asked.map(|failure| failure.spec_path.clone()).collect();
        Ok(summary)
    }

    /// What is to be built, with its sources, once nothing stands in the way.
    async fn ready(
        &self,
        packages: &Packages,
        made: &MadeStages,
        goals: &Goals,
    ) -> Result<(Prepared, Gathered), PipelineError> {
        let (mut prepared, mut partial) = match self.options.obstacles {
            Obstacles::Refuse => {
                let mut prepared = self.prepare(packages, made, goals).await?;
                let graph = std::mem::take(&mut prepared.graph);
                (prepared, Partial::whole(graph))
            }
            Obstacles::LeaveOut => self.prepare_partly(packages, made, goals).await?,
        };
        let mut gathered = self.gather(&prepared, &mut partial).await?;
        prepared.graph = std::mem::take(&mut partial.graph);
        let problems = std::mem::take(&mut gathered.problems);
        if self.options.obstacles == Obstacles::LeaveOut {
            prepared.left_out.extend(partial.left_out.iter().map(|(spec, why)| (spec.clone(), why.to_string())));
            self.tell_obstacles(partial, problems);
        } else if !problems.is_empty() {
            return Err(SourceError::Unavailable(problems).into());
        }
        if !prepared.graph.excluded.is_empty() {
            let specs = not_for_this_arch(&prepared.graph.excluded);
            let text = format!("not for {} and left out: {specs}", prepared.toolchain.arch);
            (self.report)(Event::Note { text });
        }
        Ok((prepared, gathered))
    }

    async fn build(&self, prepared: &Prepared, sources: &Sources, survey: &Survey) -> Result<Summary, PipelineError> {
        let (store, history, repo) = (self.results()?, cache::History::new(self.layout), self.repo()?);
        let claims = claims(&prepared.specs);
        repo.let_go(|spec, nevra| !claims.holds(spec, nevra));
        let (options, index) = (self.build_options(prepared), prepared.remote_index());
        let planner = Replanner { runner: self, prepared };
        let context = self.context(prepared, sources, (&store, &history, &repo, &options, &index));
        let context = BuildContext { planner: Some(&planner), supplier: Some(&planner), ..context };
        Ok(build::build_all(&context, &prepared.graph, survey).await?)
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
            supplier: None,
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

    /// What [`Runner::packages`] would do, without a container or a download; `sources` are those of every spec of the
    /// graph.
    pub(super) fn preview_with(&self, prepared: &Prepared, sources: &Sources) -> Result<Preview, PipelineError> {
        self.look((prepared, &prepared.graph), sources, build::preview)
    }

    /// What `look` makes of `graph` and of the results at hand.
    pub(super) fn look<T>(
        &self,
        (prepared, graph): (&Prepared, &BuildGraph),
        sources: &Sources,
        look: impl Fn(&BuildContext<'_>, &BuildGraph) -> Result<T, BuildError>,
    ) -> Result<T, PipelineError> {
        let (store, history, repo) = (self.results()?, cache::History::new(self.layout), self.repo()?);
        let (options, index) = (self.build_options(prepared), prepared.remote_index());
        let context = self.context(prepared, sources, (&store, &history, &repo, &options, &index));
        let looked = look(&context, graph);
        store.remember();
        Ok(looked?)
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
        ("failed and not needed", summary.unneeded.failed.len()),
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
