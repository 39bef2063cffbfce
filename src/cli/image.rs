//! `drydock image`: disk images from image configurations.

use std::path::PathBuf;
use std::process::ExitCode;

use super::bench::Bench;
use super::fault::Fault;
use super::wanted::SpecsArgs;
use super::{Project, options, project, verdict};
use crate::pipeline;

/// Makes disk images from image configurations and the packages in the output folder
#[derive(clap::Args)]
#[command(after_help = "Example: drydock image imageconfigs/minimal-efi.json\n\n\
    An image holds no package whose spec is not in the folders of specs any more.")]
pub(super) struct Args {
    /// Image configurations, JSON or YAML
    #[arg(required = true)]
    configs: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) specs: SpecsArgs,
}

pub(super) async fn run(project: &Project, args: Args) -> Result<ExitCode, Fault> {
    let pipeline = args.specs.pipeline(project, project.pipeline()?);
    let images = project::images_of(&pipeline)?;
    let configs: Vec<PathBuf> = args.configs.iter().map(|path| project.folder.join(path)).collect();
    pipeline::distinct_images(&configs)?;
    let _lock = project.lock()?;
    let bench = Bench::new(project)?;
    let runner = bench.runner(options::looking());
    let made = runner.stages(&pipeline, &[&images.toolchain]).await?;
    let assembled = runner.images((images, pipeline.packages.as_ref()), &configs, &made).await?;
    verdict::of_images(&assembled)?;
    Ok(ExitCode::SUCCESS)
}
