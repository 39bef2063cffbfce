//! `drydock explain`: why a package is or is not built.

use std::process::ExitCode;

use super::fault::Fault;
use super::query::{self, Previewed};
use super::wanted::SpecsArgs;
use super::{Project, plan};
use crate::build::Preview;
use crate::cache::{FailedBuild, History, LastBuild};
use crate::graph;
use crate::plan::{PlannedPackage, State};
use crate::report;

/// Says why a package is or is not built, and what went into its last result
#[derive(clap::Args)]
#[command(after_help = "Example: drydock explain zlib")]
pub(super) struct Args {
    /// Name of the spec file without `.spec`
    name: String,
    #[command(flatten)]
    pub(super) specs: SpecsArgs,
}

pub(super) async fn run(project: &Project, args: &Args) -> Result<ExitCode, Fault> {
    report::data(&words(project, args).await?)?;
    Ok(ExitCode::SUCCESS)
}

/// What is written.
pub(super) async fn words(project: &Project, args: &Args) -> Result<String, Fault> {
    let (prepared, preview, partial) = match query::preview(project, &args.name, &args.specs).await? {
        Previewed::Run(run) => *run,
        Previewed::OtherArch(specs) => return Ok(specs.iter().map(other_arch).collect()),
    };
    let named = graph::spec_named(&args.name, &prepared.specs.packages).unwrap_or(&args.name);
    let spec = prepared.graph.goals.first().cloned().unwrap_or_else(|| named.to_owned());
    let package = preview.plan.packages.iter().find(|package| package.spec == spec);
    let words = match (partial.left_out.get(&spec), package) {
        (Some(obstacle), _) => format!("cannot be built: {obstacle}"),
        (None, Some(package)) => in_words(package, &preview),
        (None, None) => return Err(Fault::usage(format!("nothing is built for `{}`", args.name))),
    };
    let mut text = format!("{spec}: {words}\n");
    let history = History::new(&project.layout);
    let fault = |error: crate::cache::CacheError| Fault::host_error(&error).with_hint(error.hint());
    if let Some(last) = history.last(&spec).map_err(fault)? {
        text.push_str(&inputs(&last));
    }
    if let Some(failed) = history.failed(&spec).map_err(fault)? {
        text.push_str(&failure(&failed));
    }
    Ok(text)
}

fn other_arch((spec, why): (&String, &String)) -> String {
    format!("{spec}: not built for this architecture: {why}\n")
}

fn in_words(package: &PlannedPackage, preview: &Preview) -> String {
    if let Some(reason) = preview.unsolvable.get(&package.spec) {
        return format!("cannot be built: {reason}");
    }
    if preview.check_failed.contains(&package.spec) {
        return "its %check failed, and every input is the same as then".to_owned();
    }
    match package.state {
        State::UpToDate => "up to date: every input is the one of its last result".to_owned(),
        State::ToBuild => format!("to be built: {}", plan::in_words(&package.reasons)),
        State::IfDependencyChanges => {
            let on: Vec<&str> = package.waits_for.iter().map(String::as_str).collect();
            format!("depends on {}: it is built when one of them gives something new", on.join(", "))
        }
    }
}

fn inputs(last: &LastBuild) -> String {
    let inputs = &last.inputs;
    let mut lines = vec![
        format!("last result: key {}", last.key),
        format!("  image      sha256:{}", inputs.image),
        format!("  spec       sha256:{}", inputs.spec_digest),
    ];
    lines.extend(inputs.sources.iter().map(|(file, digest)| format!("  source     {file} sha256:{digest}")));
    lines.extend(inputs.macros.iter().map(|(name, value)| format!("  macro      {name} = {value}")));
    lines.extend(inputs.macro_files.iter().map(|(file, digest)| format!("  macro file {file} sha256:{digest}")));
    lines.extend(inputs.buildroot.iter().map(|(nevra, digest)| format!("  buildroot  {nevra} {}", digest.short())));
    lines.push(format!("  arch       {}", inputs.arch));
    lines.push(format!("  %check     {}", if inputs.check { "runs" } else { "does not run" }));
    lines.join("\n") + "\n"
}

fn failure(failed: &FailedBuild) -> String {
    let mut lines = vec![format!("last failure: {} in {}", failed.status, failed.phase)];
    lines.extend(failed.excerpt.iter().map(|line| format!("  | {line}")));
    lines.push(format!("  log: {}", failed.log.display()));
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::super::Command;
    use super::super::stand_in::Small;

    async fn told(name: &str) -> String {
        let small = Small::of_every_kind();
        let (project, command) = small.open(&["explain", name]);
        let Command::Explain(args) = command else { panic!("another command") };
        super::words(&project, &args).await.unwrap_or_else(|fault| fault.show())
    }

    #[tokio::test]
    async fn a_spec_for_another_architecture_is_told_with_its_line() {
        insta::assert_snapshot!(told("far").await, @"far: not built for this architecture: ExclusiveArch: s390x");
    }

    #[tokio::test]
    async fn what_cannot_be_built_is_told_with_the_reason() {
        insta::assert_snapshot!(told("lost").await, @"lost: cannot be built: no package provides `nothing-such`");
        insta::assert_snapshot!(told("app").await, @"app: to be built: it was never built");
    }
}
