//! A program in the container where a package is built; what the package needs is built first.

use super::made::MadeStages;
use super::prepare::Prepared;
use super::runner::Runner;
use crate::build::{self, Connection, Shell, ShellEnd, Summary};
use crate::cache;
use crate::graph::{Goals, GraphError, spec_named};
use crate::pipeline::error::PipelineError;
use crate::pipeline::file::Packages;
use crate::source::{self, SignatureMode, Sources};
use crate::spec::SourcePackage;

/// What is started, and where its output goes.
pub struct InShell<'a> {
    /// The package, by its spec or by a package that its spec makes.
    pub name: &'a str,
    /// Program and arguments.
    pub command: &'a [String],
    /// What it is connected to.
    pub connection: Connection<'a>,
}

/// How it went.
pub enum ShellOutcome {
    /// It was tried to start the program.
    Ended(ShellEnd),
    /// Something that the package needs cannot be built.
    NeedsFailed(Box<Summary>),
}

impl Runner<'_> {
    /// The sources of the graph by their signatures, of which those of `spec` are at hand.
    async fn sources_for(&self, prepared: &Prepared, spec: &str) -> Result<Sources, PipelineError> {
        let (mode, grounds) = (self.options.signatures, &prepared.grounds);
        let of = |package: &&SourcePackage| package.spec == spec || mode != SignatureMode::Enforce;
        let own: Vec<_> = prepared.packages().filter(of).flat_map(SourcePackage::wanted_sources).collect();
        let found = source::complete(self.fetch_wanted(&own, grounds, mode).await?)?;
        let mut all = if mode == SignatureMode::Enforce { self.signed(prepared).await?.0 } else { Sources::default() };
        all.files.extend(found.files);
        Ok(all)
    }

    /// Builds what the package needs and is not up to date, and runs a program where the package itself is built.
    pub async fn shell(
        &self,
        packages: &Packages,
        made: &MadeStages,
        wanted: InShell<'_>,
    ) -> Result<ShellOutcome, PipelineError> {
        let goals = Goals::Named(vec![wanted.name.to_owned()]);
        let mut prepared = self.prepare(packages, made, &goals).await?;
        prepared.refuse_left_out()?;
        let named = spec_named(wanted.name, &prepared.specs.packages).map(str::to_owned);
        let spec = named.map_err(|unknown| GraphError::UnknownGoals(vec![unknown]))?;
        let needs = prepared.graph.needs.get(&spec).cloned().unwrap_or_default();
        if !needs.is_empty() {
            let needs = Goals::Named(needs.into_iter().collect());
            let summary = self.packages(packages, made, &needs).await?;
            if !summary.is_success() {
                return Ok(ShellOutcome::NeedsFailed(Box::new(summary)));
            }
            // New RPMs may provide what was only guessed.
            prepared = self.prepare(packages, made, &goals).await?;
        }
        let sources = self.sources_for(&prepared, &spec).await?;
        let (store, history, repo) = (self.results()?, cache::History::new(self.layout), self.repo()?);
        let (options, index) = (self.build_options(&prepared), prepared.remote_index());
        let context = self.context(&prepared, &sources, (&store, &history, &repo, &options, &index));
        let shell = Shell { spec: &spec, command: wanted.command, connection: wanted.connection };
        Ok(ShellOutcome::Ended(build::shell(&context, &prepared.graph, shell).await?))
    }
}
