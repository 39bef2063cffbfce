//! `drydock sources`: fetches and verifies sources, and nothing else.

use std::process::ExitCode;

use super::access::MirrorArgs;
use super::bench::Bench;
use super::fault::Fault;
use super::srpm::SignatureArg;
use super::wanted::SpecsArgs;
use super::{Project, goals, options, project};
use crate::event::Event;
use crate::pipeline::PipelineError;
use crate::source::SignatureMode;
use crate::spec::{self, Selection};

/// Fetches and verifies sources, and nothing else
#[derive(clap::Args)]
#[command(after_help = "Example: drydock sources zlib --source-url https://mirror.example/sources")]
pub(super) struct Args {
    /// Names of specs; all of the pipeline's specs when none is given
    names: Vec<String>,
    #[command(flatten)]
    pub(super) specs: SpecsArgs,
    #[command(flatten)]
    mirrors: MirrorArgs,
    /// What is done with signatures: `skip` takes what is found, `update` also writes its digests beside the specs
    #[arg(long, value_enum, default_value = "enforce")]
    signatures: SignatureArg,
    /// The same as `--signatures update`; needs names
    #[arg(long, requires = "names", conflicts_with = "signatures")]
    update_signatures: bool,
}

pub(super) async fn run(project: &Project, args: Args) -> Result<ExitCode, Fault> {
    let pipeline = args.specs.pipeline(project, project.pipeline()?);
    let packages = project::packages_of(&pipeline)?;
    let _lock = project.lock()?;
    let bench = Bench::new(project)?;
    let mode = if args.update_signatures { SignatureMode::Update } else { args.signatures.into() };
    if mode == SignatureMode::Update && args.names.is_empty() {
        return Err(Fault::usage("`--signatures update` needs the names of specs"));
    }
    let access = args.mirrors.access(&project.folder, &[])?;
    let options = crate::pipeline::Options {
        archive_mirror: args.mirrors.archive_mirror,
        source_urls: args.mirrors.source_urls,
        access,
        ..options::looking()
    };
    let runner = bench.runner(options);
    let made = runner.stages(&pipeline, &[&packages.toolchain]).await?;
    let toolchain = runner.toolchain(packages, &made)?;
    let all = spec::names(&packages.specs).map_err(PipelineError::from)?;
    goals::known(&args.names, &all)?;
    let selection = if args.names.is_empty() { Selection::All } else { Selection::Named(&args.names) };
    let specs = runner.load(packages, &toolchain, selection).await?;
    let asked = specs.packages.iter().filter(|package| args.names.is_empty() || args.names.contains(&package.spec));
    let found = runner.fetch_for((packages, &made), asked, mode).await?;
    let text = format!("{} sources are at hand", found.files.len());
    project.tell(&Event::Note { text });
    Ok(ExitCode::SUCCESS)
}
