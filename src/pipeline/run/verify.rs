//! Builds packages again, apart from the results at hand, and compares the RPMs byte by byte.
//!
//! What is verified is built in `build/verify`, with a store of its own. Results that it needs and that are not verified
//! themselves are taken from the project's store, so that one package costs one build. When all is equal, the folder goes;
//! otherwise it stays, to be looked at.

use std::collections::BTreeSet;

use super::made::MadeStages;
use super::runner::Runner;
use crate::build::{BuildError, Summary};
use crate::cache::{self, History, file};
use crate::event::Event;
use crate::graph::Goals;
use crate::layout::Layout;
use crate::pipeline::error::PipelineError;
use crate::pipeline::file::{PackageStage, Packages};
use crate::repo::{self, Comparison, PublishedRpm};

/// How a verification went.
#[derive(Clone, Debug)]
pub enum Verified {
    /// Packages did not build again.
    NotBuilt(Box<Summary>),
    /// How the RPMs at hand differ from those that were built now.
    Compared(Comparison),
}

impl Runner<'_> {
    /// Builds the packages of `stage` that `names` name, or all of them, again and compares them.
    pub async fn verify_stage(
        &self,
        stage: &PackageStage,
        made: &MadeStages,
        names: &[String],
    ) -> Result<Verified, PipelineError> {
        let layout = self.layout.of_stage(&stage.name);
        let goals = if names.is_empty() { stage.goals() } else { Goals::Named(names.to_vec()) };
        self.of_stage(&layout).verify(&stage.packages, made, &goals).await
    }

    /// Builds `goals` again and compares them with the RPMs at hand.
    pub async fn verify(
        &self,
        packages: &Packages,
        made: &MadeStages,
        goals: &Goals,
    ) -> Result<Verified, PipelineError> {
        let apart = self.layout.for_verification();
        let (before, verified) = self.take_needs(packages, made, (goals, &apart)).await?;
        let runner = self.apart(&apart);
        let summary = runner.packages(packages, made, goals).await?;
        if !summary.is_success() {
            return Ok(Verified::NotBuilt(Box::new(summary)));
        }
        let is_verified = |rpm: &PublishedRpm| verified.contains(&rpm.spec);
        let now: Vec<PublishedRpm> = runner.repo()?.packages().into_iter().filter(is_verified).collect();
        let comparison = repo::compare(&before, &now).map_err(BuildError::Records)?;
        if comparison.is_equal() {
            file::remove(apart.build()).map_err(BuildError::Records)?;
        } else {
            let text = format!("the RPMs that were built now are in `{}`", apart.rpms().display());
            (self.report)(Event::Note { text });
        }
        Ok(Verified::Compared(comparison))
    }

    /// Fills the folders `apart` with the results that `goals` need. The RPMs at hand of the goals, and their specs.
    async fn take_needs(
        &self,
        packages: &Packages,
        made: &MadeStages,
        (goals, apart): (&Goals, &Layout),
    ) -> Result<(Vec<PublishedRpm>, BTreeSet<String>), PipelineError> {
        let records = BuildError::Records;
        file::remove(apart.build()).map_err(records)?;
        let prepared = self.prepare(packages, made, goals).await?;
        prepared.refuse_left_out()?;
        let verified = prepared.graph.goals.clone();
        let published = self.repo()?.packages();
        let missing: BTreeSet<&String> =
            verified.iter().filter(|spec| !published.iter().any(|rpm| rpm.spec == **spec)).collect();
        if !missing.is_empty() {
            let specs = missing.into_iter().cloned().collect();
            return Err(PipelineError::NothingToVerify { specs });
        }
        let (store, history) = (self.results()?, History::new(self.layout));
        let other = cache::Store::open(apart).map_err(records)?;
        for spec in prepared.graph.needs.keys().filter(|spec| !verified.contains(*spec)) {
            if let Some(last) = history.last(spec).map_err(records)? {
                other.take(&store, last.key).map_err(records)?;
            }
        }
        let before = published.into_iter().filter(|rpm| verified.contains(&rpm.spec)).collect();
        Ok((before, verified))
    }
}
