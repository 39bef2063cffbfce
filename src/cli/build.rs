//! `drydock build`: packages and what they need.

use std::path::PathBuf;
use std::process::ExitCode;

use super::bench::Bench;
use super::fault::Fault;
use super::options::BuildArgs;
use super::{Project, project, verdict};
use crate::graph::Goals;
use crate::pipeline::{CheckedPackages, Obstacles};

/// Builds packages and what they need, and nothing else
#[derive(clap::Args)]
#[command(after_help = "Example: drydock build kmod --specs-dir SPECS")]
pub(super) struct Args {
    /// Spec files without `.spec`, or packages that specs make
    names: Vec<String>,
    /// Builds every spec that can be built, and tells why the others cannot
    #[arg(long, conflicts_with = "names")]
    all: bool,
    /// Builds what this image configuration asks for, as far as a spec makes it; may be given several times
    #[arg(long, value_name = "CONFIG", conflicts_with = "all")]
    image: Vec<PathBuf>,
    /// A folder of specs, instead of the pipeline's; may be given several times
    #[arg(long, value_name = "DIR")]
    specs_dir: Vec<PathBuf>,
    #[command(flatten)]
    build: BuildArgs,
}

pub(super) async fn run(project: &Project, args: Args) -> Result<ExitCode, Fault> {
    if !args.all && args.names.is_empty() && args.image.is_empty() && args.build.rebuild.is_empty() {
        let hint = "name packages, as in `drydock build kmod`; `--all` builds every spec, `--image CONFIG` what an image \
                    needs, `--rebuild NAME` a package whose result is at hand";
        return Err(Fault::usage("nothing is asked for").with_hint(Some(hint.to_owned())));
    }
    let pipeline = project.pipeline()?;
    let mut packages = project::packages_of(&pipeline)?.clone();
    let mut options = args.build.options(&project.folder)?;
    if !args.specs_dir.is_empty() {
        if options.checks.of == CheckedPackages::Listed {
            options.checks.of = CheckedPackages::ListedIfThere;
        }
        packages.specs = args.specs_dir.iter().map(|folder| project.folder.join(folder)).collect();
    }
    if args.all {
        options.obstacles = Obstacles::LeaveOut;
    }
    options.wishes.images = args.image.iter().map(|path| project.folder.join(path)).collect();
    let _lock = project.lock()?;
    let bench = Bench::new(project)?;
    let runner = bench.runner(options);
    let made = runner.stages(&pipeline.stages).await?;
    let goals = if args.all { Goals::All } else { Goals::Named(args.names) };
    let summary = runner.packages(&packages, &made, &goals).await?;
    verdict::of_packages(&summary)?;
    Ok(ExitCode::SUCCESS)
}
