//! `drydock build`: packages and what they need.

use std::process::ExitCode;

use super::bench::Bench;
use super::fault::Fault;
use super::options::BuildArgs;
use super::wanted::WantedArgs;
use super::{Project, project, verdict};
use crate::pipeline::Obstacles;

/// Builds packages and what they need, and nothing else
#[derive(clap::Args)]
#[command(after_help = "Example: drydock build kmod --specs-dir SPECS")]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) wanted: WantedArgs,
    #[command(flatten)]
    build: BuildArgs,
}

pub(super) async fn run(project: &Project, args: Args) -> Result<ExitCode, Fault> {
    let wanted = &args.wanted;
    if wanted.is_empty() && args.build.among.rebuild.is_empty() {
        let hint = "name packages, as in `drydock build kmod`; `--all` builds every spec, `--image CONFIG` what an image \
                    needs, `--rebuild NAME` a package whose result is at hand";
        return Err(Fault::usage("nothing is asked for").with_hint(Some(hint.to_owned())));
    }
    let pipeline = wanted.specs.pipeline(project, project.pipeline()?);
    let packages = project::packages_of(&pipeline)?;
    let mut options = wanted.options(&project.folder, args.build.options(&project.folder)?);
    if wanted.all {
        options.obstacles = Obstacles::LeaveOut;
    }
    let _lock = project.lock()?;
    let bench = Bench::new(project)?;
    let runner = bench.runner(options);
    let made = runner.stages(&pipeline, &[&packages.toolchain]).await?;
    let summary = runner.packages(packages, &made, &wanted.goals()).await?;
    verdict::of_packages(&summary)?;
    Ok(ExitCode::SUCCESS)
}
