//! What a run has to do, before anything is fetched or built for it.
//!
//! Build keys come from digests alone, and signatures say those of sources: a run finds out what is up to date without
//! having a single source.

use super::preview::{State, walk};
use super::{BuildContext, BuildError, apart};
use crate::graph::BuildGraph;

/// What is known of each spec of a graph.
pub struct Survey {
    /// In the order of the graph.
    pub(super) states: Vec<(String, State)>,
}

/// Looks at every spec of `graph`, from the store and the records alone.
pub fn survey(context: &BuildContext<'_>, graph: &BuildGraph) -> Result<Survey, BuildError> {
    let options = apart::options(context, &apart::asked_for(context, graph));
    let context = &BuildContext { options: &options, ..*context };
    let states = walk(context, graph)?.into_iter().map(|step| (step.package.spec.clone(), step.state)).collect();
    Ok(Survey { states })
}

impl Survey {
    /// Specs that are built whatever becomes of others.
    pub fn built(&self) -> impl Iterator<Item = &str> {
        self.to_build(|reasons| reasons > 0)
    }

    /// Specs that are built when something that they need comes out another than before.
    pub fn perhaps_built(&self) -> impl Iterator<Item = &str> {
        self.to_build(|reasons| reasons == 0)
    }

    fn to_build(&self, wanted: impl Fn(usize) -> bool) -> impl Iterator<Item = &str> {
        self.states.iter().filter_map(move |(spec, state)| match state {
            State::ToBuild { reasons, .. } if wanted(reasons.len()) => Some(spec.as_str()),
            _ => None,
        })
    }
}
