//! `drydock changed`: what a git change affects.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::SystemTime;

use super::Project;
use super::bench::{Bench, Look};
use super::fault::Fault;
use super::wanted::SpecsArgs;
use crate::changed::{self, Affected, Change, Changed, ChangedError, ChangedFile, GitError, Place};
use crate::event::Event;
use crate::pipeline::Pipeline;
use crate::report;

/// Says what a git change affects: specs, what needs them, and images
#[derive(clap::Args)]
#[command(
    after_help = "Example: drydock changed --from origin/main\n\nSpecs and what needs them are those of the working tree."
)]
pub(super) struct Args {
    /// The commit, branch or tag that is compared with
    #[arg(long, value_name = "REV")]
    from: String,
    /// Another one that has the change, instead of the working tree with its uncommitted and untracked files
    #[arg(long, value_name = "REV")]
    to: Option<String>,
    #[command(flatten)]
    pub(super) specs: SpecsArgs,
}

pub(super) async fn run(project: &Project, args: Args) -> Result<ExitCode, Fault> {
    let changed = find(project, &args).await?;
    if project.json {
        report::json(&(serde_json::to_string(&changed).map_err(|error| Fault::host_error(&error))? + "\n"))?;
    } else {
        report::data(&(text(&changed) + "\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn find(project: &Project, args: &Args) -> Result<Changed, Fault> {
    let pipeline = args.specs.pipeline(project, project.pipeline()?);
    let ranges = changed::ranges(&project.folder, &pipeline, (&args.from, args.to.as_deref())).await;
    let ranges = ranges.map_err(git_fault)?;
    for text in ranges.notes {
        project.tell(&Event::Note { text });
    }
    let (path, now) = (project.pipeline_path(), SystemTime::now());
    let place = Place { project: &project.folder, path, pipeline: &pipeline, now };
    let affected = changed::affected(&ranges.all, place).await.map_err(fault)?;
    follow((project, &pipeline), &args.specs, affected).await
}

async fn follow(
    (project, pipeline): (&Project, &Pipeline),
    specs: &SpecsArgs,
    affected: Affected,
) -> Result<Changed, Fault> {
    let configs = pipeline.images.as_ref().map(|images| images.configs.clone()).unwrap_or_default();
    if affected.is_everything() {
        let name = |path: &std::path::PathBuf| path.file_stem().map(|name| name.to_string_lossy().into_owned());
        return Ok(affected.all(configs.iter().filter_map(name)));
    }
    let bench = Bench::new(project)?;
    let mut look = Look::at(&bench, pipeline)?;
    look.runner.options = specs.options(look.runner.options);
    let prepared = look.survey(&[]).await?;
    let held = look.runner.specs_of_images(&configs, &prepared)?;
    Ok(affected.by_graph(&prepared.graph, &prepared.specs.packages, &held))
}

fn text(changed: &Changed) -> String {
    let mut lines: Vec<String> = changed.files.iter().map(file).collect();
    lines.extend(changed.everything.iter().map(|what| format!("everything: {what} has changed")));
    lines.extend(changed.specs.iter().map(|spec| format!("spec       {spec}")));
    lines.extend(changed.removed.iter().map(|spec| format!("gone       {spec}")));
    for (spec, dependant) in &changed.dependants {
        let mut why = Vec::new();
        why.extend((!dependant.needs.is_empty()).then(|| format!("needs {}", list(&dependant.needs))));
        let through = &dependant.through_others;
        why.extend((!through.is_empty()).then(|| format!("needs {} through others", list(through))));
        lines.push(format!("dependant  {spec}: {}", why.join(", ")));
    }
    for (name, image) in &changed.images {
        let mut why = Vec::new();
        why.extend((!image.itself.is_empty()).then(|| format!("changed by {}", list(&image.itself))));
        why.extend((!image.holds.is_empty()).then(|| format!("holds {}", list(&image.holds))));
        let dependants = &image.holds_dependants;
        why.extend((!dependants.is_empty()).then(|| format!("holds {}, which need changed ones", list(dependants))));
        lines.push(format!("image      {name}: {}", why.join("; ")));
    }
    lines.push(format!(
        "{} specs changed, {} gone, {} need them, {} images affected; {} other files changed",
        changed.specs.len(),
        changed.removed.len(),
        changed.dependants.len(),
        changed.images.len(),
        changed.other_files
    ));
    lines.join("\n")
}

fn file(file: &ChangedFile) -> String {
    let what = match file.change {
        Change::Added => "added",
        Change::Modified => "modified",
        Change::Deleted => "deleted",
        Change::Renamed => "renamed",
        Change::Copied => "copied",
    };
    let before = file.before.as_ref().map(|before| format!(" (from {})", before.display())).unwrap_or_default();
    format!("{what:10} {}{before}", file.path.display())
}

fn list(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

#[allow(clippy::needless_pass_by_value, reason = "it is what map_err calls")]
fn git_fault(error: GitError) -> Fault {
    let hint = error.hint();
    let fault = match error {
        GitError::NoRepository { .. } | GitError::Revision { .. } => Fault::usage_error(&error),
        GitError::Start(_) | GitError::Failed { .. } | GitError::Answer { .. } => Fault::host_error(&error),
    };
    fault.with_hint(hint)
}

fn fault(error: ChangedError) -> Fault {
    match error {
        ChangedError::Git(error) => git_fault(error),
        ChangedError::Image(error) => Fault::usage_error(&error).with_hint(error.hint()),
    }
}

#[cfg(test)]
mod tests;
