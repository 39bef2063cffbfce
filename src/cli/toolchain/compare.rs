//! `drydock toolchain verify` and `compare`: the RPMs of stages, byte by byte.

use std::process::ExitCode;

use crate::cli::bench::Bench;
use crate::cli::fault::Fault;
use crate::cli::options::WorkArgs;
use crate::cli::project::Project;
use crate::cli::verify;
use crate::pipeline::{Pipeline, Verified};
use crate::repo::{self, PublishedRpm, Repo};

pub(super) async fn verify(
    project: &Project,
    stage: &str,
    names: &[String],
    work: &WorkArgs,
) -> Result<ExitCode, Fault> {
    let pipeline = project.pipeline()?;
    let stage = pipeline.package_stage(stage)?;
    let options = work.options(&project.folder)?;
    let _lock = project.lock()?;
    let bench = Bench::new(project)?;
    let runner = bench.runner(options);
    let made = runner.stages(&pipeline, &[&stage.packages.toolchain]).await?;
    verify::tell(runner.verify_stage(stage, &made, names).await?)
}

pub(super) fn stages(project: &Project, first: &str, second: &str) -> Result<ExitCode, Fault> {
    let pipeline = project.pipeline()?;
    let (first, second) = (rpms(project, &pipeline, first)?, rpms(project, &pipeline, second)?);
    let comparison = repo::compare(&first, &second).map_err(|error| Fault::host_error(&error))?;
    verify::tell(Verified::Compared(comparison))
}

fn rpms(project: &Project, pipeline: &Pipeline, stage: &str) -> Result<Vec<PublishedRpm>, Fault> {
    let stage = pipeline.package_stage(stage)?;
    let repo = Repo::open(&project.layout.of_stage(&stage.name)).map_err(|error| Fault::host_error(&error))?;
    let rpms = repo.packages();
    if rpms.is_empty() {
        let hint = format!("drydock toolchain build {}", stage.name);
        let text = format!("there are no RPMs of stage `{}`", stage.name);
        return Err(Fault::usage(text).with_hint(Some(hint)));
    }
    Ok(rpms)
}
