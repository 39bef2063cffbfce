//! What commands that only look ask of a project's specs.

use std::collections::BTreeMap;

use super::bench::{Bench, Look};
use super::fault::Fault;
use super::wanted::SpecsArgs;
use super::{Project, goals, project};
use crate::build::Preview;
use crate::graph::Partial;
use crate::pipeline::{PipelineError, Prepared};
use crate::spec::{self, LoadedSpecs, Selection};

/// What a run would do with one package.
pub(super) enum Previewed {
    /// What it would do, and what stands in its way.
    Run(Box<(Prepared, Preview, Partial)>),
    /// Nothing: the specs that make it are for other machines; by spec, the tag that says so.
    OtherArch(BTreeMap<String, String>),
}

/// Reads the pipeline's specs and finds what `names` need, without making any toolchain image. What cannot be built
/// is told.
pub(super) async fn look(project: &Project, names: &[String], specs: &SpecsArgs) -> Result<Prepared, Fault> {
    let pipeline = specs.pipeline(project, project.pipeline()?);
    let bench = Bench::new(project)?;
    let mut look = Look::at(&bench, &pipeline)?;
    look.runner.options = specs.options(look.runner.options);
    look.survey(names).await
}

/// What RPM makes of the specs in `folders`, or in the pipeline's, for `arch`; of all specs when `names` is empty.
pub(super) async fn specs(
    project: &Project,
    folders: &SpecsArgs,
    arch: Option<&str>,
    names: &[String],
) -> Result<LoadedSpecs, Fault> {
    let pipeline = folders.pipeline(project, project.pipeline()?);
    let packages = project::packages_of(&pipeline)?;
    let all = spec::names(&packages.specs).map_err(PipelineError::from)?;
    goals::known(names, &all)?;
    let bench = Bench::new(project)?;
    let look = Look::at(&bench, &pipeline)?;
    let mut toolchain = look.runner.toolchain(packages, &look.made)?;
    if let Some(arch) = arch {
        arch.clone_into(&mut toolchain.arch);
    }
    let selection = if names.is_empty() { Selection::All } else { Selection::Named(names) };
    let mut loaded = look.runner.load(packages, &toolchain, selection).await?;
    // Specs that are there for their versions only were not asked for.
    loaded.packages.retain(|package| names.is_empty() || names.contains(&package.spec));
    Ok(loaded)
}

/// What a run would do with `name` and what it needs, and what stands in the way of that.
pub(super) async fn preview(project: &Project, name: &String, specs: &SpecsArgs) -> Result<Previewed, Fault> {
    let pipeline = specs.pipeline(project, project.pipeline()?);
    let bench = Bench::new(project)?;
    let mut look = Look::at(&bench, &pipeline)?;
    look.runner.options = specs.options(look.runner.options);
    let goals = goals::of(std::slice::from_ref(name), look.packages);
    match look.runner.preview_partly(look.packages, &look.made, &goals).await {
        Err(PipelineError::OtherArch { specs, .. }) => Ok(Previewed::OtherArch(specs)),
        previewed => Ok(Previewed::Run(Box::new(previewed?))),
    }
}
