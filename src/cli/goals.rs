//! What a command is asked to build.

use super::fault::Fault;
use crate::graph::Goals;
use crate::pipeline::Packages;
use crate::suggest::nearest;

/// The goals of the command line, or the pipeline's when it names none.
pub(super) fn of(names: &[String], packages: &Packages) -> Goals {
    let names = if names.is_empty() { &packages.build } else { names };
    if names.is_empty() { Goals::All } else { Goals::Named(names.to_vec()) }
}

/// Refuses names that are not among those of the specs, `all`.
pub(super) fn known(names: &[String], all: &[String]) -> Result<(), Fault> {
    let unknown = names.iter().filter(|name| !all.contains(name));
    let lines: Vec<String> = unknown
        .map(|name| {
            let nearest = nearest(name, all.iter().map(String::as_str));
            let nearest =
                if nearest.is_empty() { String::new() } else { format!("; nearest: `{}`", nearest.join("`, `")) };
            format!("there is no spec file of the name `{name}`{nearest}")
        })
        .collect();
    if lines.is_empty() { Ok(()) } else { Err(Fault::usage(lines.join("\n"))) }
}
