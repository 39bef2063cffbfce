//! `drydock plan`: what would be built, and why.

use std::num::NonZeroUsize;
use std::process::ExitCode;

use serde::Serialize;

use super::bench::{Bench, Look};
use super::fault::Fault;
use super::wanted::{AmongArgs, WantedArgs};
use super::{Project, goals, numbers};
use crate::build::Preview;
use crate::graph::{GraphError, Partial};
use crate::plan::{Estimate, Plan, PlannedPackage, PlannedRemote, Reason, State};
use crate::report;

/// Says what would be built and why, without building, downloading or writing anything
#[derive(clap::Args)]
#[command(after_help = "Examples: drydock plan kmod\n          drydock plan --image imageconfigs/minimal-efi.json\n\n\
    What cannot be built is told with the reason, and the exit code is 2; the rest is planned all the same.")]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) wanted: WantedArgs,
    #[command(flatten)]
    among: AmongArgs,
    /// Also tells how long the builds last with so many at a time; several numbers are separated by commas
    #[arg(long, value_name = "N", value_delimiter = ',', value_parser = numbers::at_a_time)]
    jobs: Vec<NonZeroUsize>,
}

/// The plan as data.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    plan: &'a Plan,
    estimates: &'a [Estimate],
}

pub(super) async fn run(project: &Project, args: Args) -> Result<ExitCode, Fault> {
    let (text, verdict) = words(project, &args).await?;
    if project.json {
        report::json(&text)?;
    } else {
        report::data(&text)?;
    }
    verdict.map(|()| ExitCode::SUCCESS)
}

/// What is written, and whether all of it can be built.
pub(super) async fn words(project: &Project, args: &Args) -> Result<(String, Result<(), Fault>), Fault> {
    let pipeline = args.wanted.specs.pipeline(project, project.pipeline()?);
    let bench = Bench::new(project)?;
    let mut look = Look::at(&bench, &pipeline)?;
    let wanted = &args.wanted;
    look.runner.options = wanted.options(&project.folder, args.among.options(&project.folder, look.runner.options)?);
    let is_of_pipeline = wanted.is_empty() && args.among.rebuild.is_empty();
    let goals = if is_of_pipeline { goals::of(&[], look.packages) } else { wanted.goals() };
    let (_, preview, partial) = look.runner.preview_partly(look.packages, &look.made, &goals).await?;
    let estimates: Vec<Estimate> = args.jobs.iter().map(|jobs| preview.plan.estimate(jobs.get())).collect();
    let text = if project.json {
        let document = Document { plan: &preview.plan, estimates: &estimates };
        serde_json::to_string(&document).map_err(|error| Fault::host_error(&error))?
    } else {
        lines(&preview, &partial, &estimates).join("\n")
    };
    Ok((text + "\n", verdict(preview.unsolvable.len(), partial)))
}

fn lines(preview: &Preview, partial: &Partial, estimates: &[Estimate]) -> Vec<String> {
    let plan = &preview.plan;
    let mut lines: Vec<String> = plan.packages.iter().map(|package| line(package, preview)).collect();
    lines.extend(plan.remote.iter().map(remote_line));
    lines.extend(partial.left_out.iter().map(|(spec, obstacle)| format!("cannot      {spec}: {obstacle}")));
    lines.extend(plan.guesses.iter().map(|guess| format!("guess: {guess}")));
    lines.push(summary(preview));
    if !plan.remote.is_empty() {
        lines.push(remote_summary(&plan.remote));
    }
    lines.extend(estimates.iter().map(|Estimate { jobs, seconds, at_least_seconds }| {
        format!("with {jobs} at a time about {seconds:.0} s; no order takes less than {at_least_seconds:.0} s")
    }));
    lines
}

fn summary(preview: &Preview) -> String {
    let counts = preview.plan.counts();
    let count = |state| counts.get(&state).copied().unwrap_or_default();
    format!(
        "{} to build, {} if a dependency changes, {} up to date; about {:.0} s of builds, {:.0} s one after another at least",
        count(State::ToBuild),
        count(State::IfDependencyChanges),
        // Those that the solver refuses have a line of their own and nothing to do.
        count(State::UpToDate).saturating_sub(preview.unsolvable.len() + preview.check_failed.len()),
        // The sum of nothing is -0.
        preview.plan.total_seconds + 0.0,
        preview.plan.critical_seconds + 0.0
    )
}

fn remote_line(remote: &PlannedRemote) -> String {
    let PlannedRemote { nevra, repository, bytes, at_hand, needed_by, .. } = remote;
    let state = if *at_hand { "at hand".to_owned() } else { format!("{bytes} bytes") };
    let specs: Vec<&str> = needed_by.iter().map(String::as_str).collect();
    format!("remote      {nevra}: from {repository}, for {}; {state}", specs.join(", "))
}

fn remote_summary(all: &[PlannedRemote]) -> String {
    let away: Vec<&PlannedRemote> = all.iter().filter(|remote| !remote.at_hand).collect();
    let bytes: u64 = away.iter().map(|remote| remote.bytes).sum();
    let mut from: Vec<&str> = all.iter().map(|remote| remote.repository.as_str()).collect();
    from.sort_unstable();
    from.dedup();
    format!("{} remote packages from {}; {} to download, {bytes} bytes", all.len(), from.join(", "), away.len())
}

/// Fails when something cannot be built, with all that is missing and all rings.
fn verdict(unsolvable: usize, partial: Partial) -> Result<(), Fault> {
    let count = partial.left_out.len() + unsolvable;
    if count == 0 {
        return Ok(());
    }
    let errors = partial.errors();
    let hint = errors.first().and_then(GraphError::hint);
    let specs = if count == 1 { "spec" } else { "specs" };
    let texts: String = errors.iter().map(|error| format!("\n{error}")).collect();
    Err(Fault::usage(format!("{count} {specs} cannot be built{texts}")).with_hint(hint))
}

fn line(package: &PlannedPackage, preview: &Preview) -> String {
    let spec = &package.spec;
    if let Some(reason) = preview.unsolvable.get(spec) {
        return format!("cannot      {spec}: {reason}");
    }
    if preview.check_failed.contains(spec) {
        return format!("failed      {spec}: its %check failed before, with the same inputs");
    }
    match package.state {
        State::UpToDate => format!("up to date  {spec}"),
        State::ToBuild => format!("build       {spec}: {}", in_words(&package.reasons)),
        State::IfDependencyChanges => {
            let on: Vec<&str> = package.waits_for.iter().map(String::as_str).collect();
            format!("depends     {spec}: is built when {} gives something new", on.join(" or "))
        }
    }
}

/// Reasons as one sentence.
pub(super) fn in_words(reasons: &[Reason]) -> String {
    reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::super::Command;
    use super::super::stand_in::Small;

    async fn told(words: &[&str]) -> String {
        let small = Small::new(&[
            ("app", "BuildRequires: lib"),
            ("lib", "BuildRequires: nothing-such"),
            ("far", "ExclusiveArch: s390x"),
            ("lone", ""),
        ]);
        let (project, command) = small.open(&[&["plan"], words].concat());
        let Command::Plan(args) = command else { panic!("another command") };
        small.shown(&match super::words(&project, &args).await {
            Ok((text, Ok(()))) => text,
            Ok((text, Err(fault))) => text + &fault.show(),
            Err(fault) => fault.show(),
        })
    }

    #[tokio::test]
    async fn what_cannot_be_built_is_planned_around_and_is_a_usage_error() {
        insta::assert_snapshot!(told(&["app", "lone"]).await, @r"
        build       lone: it was never built
        cannot      app: it needs `lib`, which cannot be built
        cannot      lib: no package provides `nothing-such`
        1 to build, 0 if a dependency changes, 0 up to date; about 60 s of builds, 60 s one after another at least
        exit code: 2
        error: 2 specs cannot be built
        no package provides `nothing-such`
          required by: `[DIR]/SPECS/lib.spec` (BuildRequires)
        hint: add a spec that provides it, name a repository that has it with `--repo`, or name it in the toolchain's `provides` when its image has it
        ");
        insta::assert_snapshot!(told(&["lone"]).await, @r"
        build       lone: it was never built
        1 to build, 0 if a dependency changes, 0 up to date; about 60 s of builds, 60 s one after another at least
        ");
        insta::assert_snapshot!(told(&["far"]).await, @r"
        exit code: 2
        error: nothing that is asked for can be built for `x86_64`: `far` (ExclusiveArch: s390x)
        hint: take a machine of its architecture; `drydock specs` says which that is
        ");
    }
}
