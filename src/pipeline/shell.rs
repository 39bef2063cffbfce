//! A program in the container where a package is built; what the package needs is built first.

use super::config::Packages;
use super::error::PipelineError;
use super::made::MadeStages;
use super::runner::Runner;
use crate::build::{self, Connection, Shell, ShellEnd, Summary};
use crate::cache;
use crate::graph::{Goals, GraphError, spec_named};

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
    /// Builds what the package needs and is not up to date, and runs a program where the package itself is built.
    pub async fn shell(
        &self,
        packages: &Packages,
        made: &MadeStages,
        wanted: InShell<'_>,
    ) -> Result<ShellOutcome, PipelineError> {
        let goals = Goals::Named(vec![wanted.name.to_owned()]);
        let mut prepared = self.prepare(packages, made, &goals).await?;
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
        let sources = self.fetch(&prepared).await?;
        let (store, history, repo) = (self.results()?, cache::History::new(self.layout), self.repo()?);
        let (options, index) = (self.build_options(&prepared), prepared.remote_index());
        let context = self.context(&prepared, &sources, (&store, &history, &repo, &options, &index));
        let shell = Shell { spec: &spec, command: wanted.command, connection: wanted.connection };
        Ok(ShellOutcome::Ended(build::shell(&context, &prepared.graph, shell).await?))
    }
}
