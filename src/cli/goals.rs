//! What a command is asked to build.

use super::fault::Fault;
use crate::graph::Goals;
use crate::pipeline::Packages;
use crate::spec::LoadedSpecs;

/// The goals of the command line, or the pipeline's when it names none.
pub(super) fn of(names: &[String], packages: &Packages) -> Goals {
    let names = if names.is_empty() { &packages.build } else { names };
    if names.is_empty() { Goals::All } else { Goals::Named(names.to_vec()) }
}

/// Refuses names of which there is no spec.
pub(super) fn known(names: &[String], specs: &LoadedSpecs) -> Result<(), Fault> {
    let unknown: Vec<&str> = names
        .iter()
        .filter(|name| !specs.packages.iter().any(|package| &&package.spec == name))
        .map(String::as_str)
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    Err(Fault::usage(format!("there is no spec file of the name `{}`", unknown.join("`, `"))))
}
