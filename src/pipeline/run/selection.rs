//! Which specs the words of the user mean.

use std::collections::BTreeSet;

use super::runner::Runner;
use crate::event::Event;
use crate::graph::{Goals, GraphError, spec_named, specs_named};
use crate::image::{self, ImageError};
use crate::package::Requirement;
use crate::pipeline::error::PipelineError;
use crate::spec::SourcePackage;

/// What of the specs is asked for.
pub(super) struct Selected {
    /// What is built, with what it needs.
    pub(super) goals: Goals,
    /// Names of specs that are built whether or not their result is at hand.
    pub(super) rebuild: BTreeSet<String>,
    /// Names of specs that are not built.
    pub(super) ignored: BTreeSet<String>,
}

impl Runner<'_> {
    /// What the user's wishes mean, for a run that builds `goals` besides.
    pub(super) fn select(&self, goals: &Goals, specs: &[SourcePackage], arch: &str) -> Result<Selected, PipelineError> {
        let wishes = &self.options.wishes;
        let named = |words| specs_named(words, specs).map_err(GraphError::unknown_goals);
        let (rebuild, ignored) = (named(&wishes.rebuild)?, named(&wishes.ignore)?);
        let both: Vec<String> = rebuild.intersection(&ignored).cloned().collect();
        if !both.is_empty() {
            return Err(PipelineError::IgnoredAndRebuilt { specs: both });
        }
        let goals = match goals {
            Goals::All => Goals::All,
            Goals::Named(words) => {
                let of_images = self.made_for_images(specs, arch)?;
                let all: Vec<String> = words.iter().chain(&rebuild).cloned().chain(of_images).collect();
                if all.is_empty() {
                    return Err(PipelineError::NothingAsked);
                }
                Goals::Named(all)
            }
        };
        Ok(Selected { goals, rebuild, ignored })
    }

    /// Names of the packages of the images that are asked for, as far as a spec makes them; the others are told.
    fn made_for_images(&self, specs: &[SourcePackage], arch: &str) -> Result<BTreeSet<String>, PipelineError> {
        let mut made = BTreeSet::new();
        for path in &self.options.wishes.images {
            let config = image::config::read(path).map_err(ImageError::from)?;
            let wanted = image::packages::wanted(&config, arch);
            let names = wanted.iter().flat_map(Requirement::dependencies).map(|one| one.name.clone());
            let (here, elsewhere): (BTreeSet<_>, BTreeSet<_>) = names.partition(|name| spec_named(name, specs).is_ok());
            if !elsewhere.is_empty() {
                let elsewhere = elsewhere.into_iter().collect::<Vec<_>>().join("`, `");
                let text = format!("image {}: no spec makes `{elsewhere}`", config.name);
                (self.report)(Event::Note { text });
            }
            made.extend(here);
        }
        Ok(made)
    }
}
