//! `drydock run`: a whole pipeline.

use std::path::PathBuf;
use std::process::ExitCode;

use super::bench::Bench;
use super::fault::Fault;
use super::options::BuildArgs;
use super::wanted::SpecsArgs;
use super::{Project, goals, verdict};

/// Runs a whole pipeline: toolchain image, packages, disk images
#[derive(clap::Args)]
#[command(after_help = "Example: drydock run pipelines/quickstart.yaml --jobs 4")]
pub(super) struct Args {
    /// The pipeline file
    pub(super) file: PathBuf,
    #[command(flatten)]
    pub(super) specs: SpecsArgs,
    #[command(flatten)]
    build: BuildArgs,
}

pub(super) async fn run(project: &Project, args: Args) -> Result<ExitCode, Fault> {
    let pipeline = args.specs.pipeline(project, project.pipeline_at(&args.file)?);
    let _lock = project.lock()?;
    let bench = Bench::new(project)?;
    let runner = bench.runner(args.specs.options(args.build.options(&project.folder)?));
    let made = runner.stages(&pipeline, &pipeline.used_stages()).await?;
    if let Some(packages) = &pipeline.packages {
        let summary = runner.packages(packages, &made, &goals::of(&[], packages)).await?;
        verdict::of_packages(&summary)?;
    }
    if let Some(images) = &pipeline.images {
        let assembled = runner.images((images, pipeline.packages.as_ref()), &images.configs, &made).await?;
        verdict::of_images(&assembled)?;
    }
    Ok(ExitCode::SUCCESS)
}
