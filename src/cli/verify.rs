//! `drydock verify`: packages are built again, and the RPMs compared byte by byte.

use std::process::ExitCode;

use super::bench::Bench;
use super::fault::Fault;
use super::options::BuildArgs;
use super::wanted::WantedArgs;
use super::{Project, project, verdict};
use crate::pipeline::Verified;
use crate::repo::Comparison;
use crate::report;

/// Builds packages again and compares the RPMs with those at hand
#[derive(clap::Args)]
#[command(after_help = "Example: drydock verify zlib\n\n\
    What the packages need is not built again. Exit code 1 when an RPM is not the same.")]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) wanted: WantedArgs,
    #[command(flatten)]
    build: BuildArgs,
}

pub(super) async fn run(project: &Project, args: Args) -> Result<ExitCode, Fault> {
    let wanted = &args.wanted;
    if wanted.is_empty() {
        let hint = "name packages, as in `drydock verify kmod`; `--all` verifies every spec";
        return Err(Fault::usage("nothing is asked for").with_hint(Some(hint.to_owned())));
    }
    let pipeline = wanted.specs.pipeline(project, project.pipeline()?);
    let packages = project::packages_of(&pipeline)?;
    let options = wanted.options(&project.folder, args.build.options(&project.folder)?);
    let _lock = project.lock()?;
    let bench = Bench::new(project)?;
    let runner = bench.runner(options);
    let made = runner.stages(&pipeline, &[&packages.toolchain]).await?;
    tell(runner.verify(packages, &made, &wanted.goals()).await?)
}

/// Writes how a verification went to stdout; fails when something is not the same.
pub(super) fn tell(verified: Verified) -> Result<ExitCode, Fault> {
    match verified {
        Verified::NotBuilt(summary) => {
            verdict::of_packages(&summary)?;
            Ok(ExitCode::SUCCESS)
        }
        Verified::Compared(comparison) => {
            report::data(&lines(&comparison))?;
            if comparison.is_equal() {
                return Ok(ExitCode::SUCCESS);
            }
            let others = comparison.different.len() + comparison.only_first.len() + comparison.only_second.len();
            let hint = comparison.different.values().any(|difference| difference.is_damaged);
            let hint = hint.then(|| "the command that built it makes what is damaged again".to_owned());
            Err(Fault::failed(format!("{others} RPMs are not the same")).with_hint(hint))
        }
    }
}

/// One line for each RPM that is not the same, then the count of those that are.
fn lines(comparison: &Comparison) -> String {
    let differs = |(file, difference): (&String, &_)| format!("{file}\tdiffers\t{difference}\n");
    let mut lines: String = comparison.different.iter().map(differs).collect();
    for (files, side) in [(&comparison.only_first, "only the first"), (&comparison.only_second, "only the second")] {
        lines.extend(files.iter().map(|file| format!("{file}\t{side}\n")));
    }
    lines + &format!("{} identical, {} differ\n", comparison.identical.len(), comparison.different.len())
}
