//! Plans a package again in the middle of a run, with what its build asked for and what the builds before it made.

use std::collections::BTreeSet;

use futures_util::future::LocalBoxFuture;

use super::prepare::Prepared;
use super::rivals::{claims, in_order};
use super::runner::Runner;
use crate::build::{BuildError, Ended, Late, Planner, Replanned, Supplier};
use crate::causes;
use crate::graph::{self, Goals, GraphError, Obstacle, Partial, Ring, Unresolved};
use crate::pipeline::error::PipelineError;
use crate::source::{self, SignatureMode, SourceError, WantedSource};
use crate::spec::SourcePackage;

/// Plans packages of a run again, and brings their sources.
pub(super) struct Replanner<'a> {
    pub(super) runner: &'a Runner<'a>,
    pub(super) prepared: &'a Prepared,
}

impl Planner for Replanner<'_> {
    fn plan<'a>(&'a self, spec: &'a str, ended: Ended) -> LocalBoxFuture<'a, Result<Replanned, BuildError>> {
        Box::pin(async move {
            match self.needs(spec, ended)? {
                Ok(late) => Ok(self.with_sources(late).await),
                Err(why) => Ok(Replanned::Refused(why)),
            }
        })
    }

    fn needed(&self, ended: Ended) -> Result<BTreeSet<String>, BuildError> {
        let mut learned = self.runner.learned(&self.prepared.specs.packages)?;
        learned.ended = ended;
        let Ok(mut partial) = graph::resolve_partly(self.prepared.inputs(&learned), &self.prepared.goals) else {
            // What the goals are is not known any more: then everything counts.
            return Ok(self.prepared.specs.packages.iter().map(|package| package.spec.clone()).collect());
        };
        partial.graph.take_as_built(&self.prepared.ignored);
        Ok(partial.graph.needs.into_keys().chain(partial.left_out.into_keys()).collect())
    }
}

impl Replanner<'_> {
    /// What stands in the way of `spec`, with what comes near to it.
    fn why(partial: &Partial, spec: &str, obstacle: &Obstacle) -> String {
        let is_of = |ring: &&Ring| ring.members.iter().any(|member| member == spec);
        let rings: Vec<Ring> = partial.rings.iter().filter(is_of).cloned().collect();
        if !rings.is_empty() {
            return GraphError::Cycle { rings }.to_string();
        }
        match obstacle {
            Obstacle::Unresolved(missing) => {
                let is_it = |one: &&Unresolved| missing.contains(&one.requirement);
                GraphError::Unresolved(partial.unresolved.iter().filter(is_it).cloned().collect()).to_string()
            }
            other => other.to_string(),
        }
    }

    /// What `spec` and all that it needs need, or why it cannot be built.
    fn needs(&self, spec: &str, ended: Ended) -> Result<Result<Late, String>, BuildError> {
        let mut learned = self.runner.learned(&self.prepared.specs.packages)?;
        learned.ended = ended;
        // It may be in no plan that is made with what is known by now.
        let goals = match &self.prepared.goals {
            Goals::All => Goals::All,
            Goals::Named(words) => Goals::Named(words.iter().cloned().chain([spec.to_owned()]).collect()),
        };
        let mut partial = match graph::resolve_partly(self.prepared.inputs(&learned), &goals) {
            Ok(partial) => partial,
            Err(error) => return Ok(Err(error.to_string())),
        };
        if let Some(obstacle) = partial.left_out.get(spec) {
            return Ok(Err(Self::why(&partial, spec, obstacle)));
        }
        let run = in_order(&partial.graph, &self.prepared.graph);
        let refused = claims(&self.prepared.specs).refused(&learned.owned, &run);
        partial.graph.take_as_built(&self.prepared.ignored);
        let mut late = Late::default();
        let mut open = vec![spec.to_owned()];
        while let Some(next) = open.pop() {
            let Some(direct) = partial.graph.needs.remove(&next) else { continue };
            open.extend(direct.iter().cloned());
            late.unsure.extend(partial.graph.unsure.remove(&next).map(|unsure| (next.clone(), unsure)));
            late.needs.insert(next, direct);
        }
        if let Some((refused, taken)) = refused.iter().find(|(refused, _)| late.needs.contains_key(*refused)) {
            return Ok(Err(format!("it needs `{refused}.spec`, which cannot be built: {taken}")));
        }
        Ok(Ok(late))
    }

    /// What is known of the sources of those specs that no plan had before.
    async fn with_sources(&self, late: Late) -> Replanned {
        let is_new = |package: &&SourcePackage| {
            late.needs.contains_key(&package.spec) && !self.prepared.graph.needs.contains_key(&package.spec)
        };
        let new = self.prepared.specs.packages.iter().filter(is_new);
        let wanted: Vec<WantedSource> = new.flat_map(SourcePackage::wanted_sources).collect();
        let (runner, grounds) = (self.runner, &self.prepared.grounds);
        let found = match runner.options.signatures {
            SignatureMode::Enforce => {
                let signed = source::signed(&wanted, &grounds.checkout, runner.layout, runner.report).await;
                signed.map_err(PipelineError::from)
            }
            mode => runner.fetch_wanted(&wanted, grounds, mode).await,
        };
        match found {
            Ok((sources, problems)) if problems.is_empty() => Replanned::Needs { late, sources },
            Ok((_, problems)) => Replanned::Refused(SourceError::Unavailable(problems).to_string()),
            Err(error) => Replanned::Refused(error.to_string()),
        }
    }
}

impl Supplier for Replanner<'_> {
    fn supply<'a>(&'a self, package: &'a SourcePackage) -> LocalBoxFuture<'a, Result<Option<String>, BuildError>> {
        Box::pin(async move {
            match self.runner.bring(&package.wanted_sources(), &self.prepared.grounds).await {
                Ok((_, problems)) if problems.is_empty() => Ok(None),
                Ok((_, problems)) => Ok(Some(SourceError::Unavailable(problems).to_string())),
                Err(PipelineError::Source(error)) => Err(error.into()),
                Err(error) => Ok(Some(causes::in_one_line(&error))),
            }
        })
    }
}
