//! `drydock srpm`: source packages, without building them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::ValueEnum;

use super::access::MirrorArgs;
use super::bench::Bench;
use super::fault::Fault;
use super::wanted::SpecsArgs;
use super::{Project, goals, options, project};
use crate::pipeline::{NoSrpm, Options, PipelineError, SrpmSummary, SrpmWish};
use crate::regular;
use crate::source::{SignatureMode, SourceError};
use crate::spec;
use crate::text_file::without_mark;

/// Packs source packages into `out/SRPMS`, without building them
#[derive(clap::Args)]
#[command(after_help = "Examples: drydock srpm zlib openssh\n          \
    drydock srpm --all --download-srpms --srpm-url https://mirror.example/srpms\n\n\
    An SRPM whose spec, sources, macros and toolchain image are the same is not packed again. A spec that cannot be packed \
    does not stop the others. Exit code 1 when SRPMs are missing, 2 when a named spec or its sources are at fault.")]
pub(super) struct Args {
    /// Names of spec files, without `.spec`
    names: Vec<String>,
    /// Packs every spec
    #[arg(long, conflicts_with = "names")]
    all: bool,
    #[command(flatten)]
    pub(super) specs: SpecsArgs,
    #[command(flatten)]
    mirrors: MirrorArgs,
    /// What is done with signatures: `skip` packs what is found, `update` also writes its digests beside the specs
    #[arg(long, value_enum, default_value = "enforce")]
    signatures: SignatureArg,
    /// Takes SRPMs from the URLs of `--srpm-url` and `--srpm-list`; packs those that no URL has
    #[arg(long)]
    download_srpms: bool,
    /// A folder of SRPMs, as `URL/<name>-<version>-<release>.src.rpm`; may be given several times
    #[arg(long = "srpm-url", value_name = "URL", requires = "download_srpms")]
    srpm_urls: Vec<String>,
    /// A file with one such URL a line, tried after those of `--srpm-url`; `#` begins a comment
    #[arg(long, value_name = "FILE", requires = "download_srpms")]
    srpm_list: Option<PathBuf>,
}

/// What is done with signatures files, for commands that may write them.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum SignatureArg {
    Enforce,
    Skip,
    Update,
}

impl From<SignatureArg> for SignatureMode {
    fn from(arg: SignatureArg) -> Self {
        match arg {
            SignatureArg::Enforce => Self::Enforce,
            SignatureArg::Skip => Self::Skip,
            SignatureArg::Update => Self::Update,
        }
    }
}

pub(super) async fn run(project: &Project, args: Args) -> Result<ExitCode, Fault> {
    if !args.all && args.names.is_empty() {
        let hint = "name specs, as in `drydock srpm zlib`; `--all` packs every spec".to_owned();
        return Err(Fault::usage("nothing is asked for").with_hint(Some(hint)));
    }
    let urls = srpm_urls(&args, &project.folder)?;
    let access = args.mirrors.access(&project.folder, &urls)?;
    let pipeline = args.specs.pipeline(project, project.pipeline()?);
    let packages = project::packages_of(&pipeline)?;
    let all = spec::names(&packages.specs).map_err(PipelineError::from)?;
    goals::known(&args.names, &all)?;
    let _lock = project.lock()?;
    let bench = Bench::new(project)?;
    let options = Options {
        archive_mirror: args.mirrors.archive_mirror.clone(),
        source_urls: args.mirrors.source_urls,
        access,
        ..options::looking()
    };
    let runner = bench.runner(options);
    let made = runner.stages(&pipeline, &[&packages.toolchain]).await?;
    let wish = SrpmWish { names: &args.names, signatures: args.signatures.into(), urls: &urls };
    verdict(runner.srpms(packages, &made, wish).await?, !args.all)
}

/// The folders of SRPMs to look into; none when nothing is to be downloaded.
fn srpm_urls(args: &Args, folder: &Path) -> Result<Vec<String>, Fault> {
    if !args.download_srpms {
        return Ok(Vec::new());
    }
    if args.signatures == SignatureArg::Update {
        return Err(Fault::usage(
            "`--signatures update` takes digests from sources, which `--download-srpms` does not fetch",
        ));
    }
    let mut urls = args.srpm_urls.clone();
    if let Some(list) = &args.srpm_list {
        let path = folder.join(list);
        let wrong = |error| Fault::usage(format!("cannot read `{}`: {error}", path.display()));
        let text = regular::read_given(&path).map_err(wrong)?;
        let lines = without_mark(&text).lines().map(|line| line.split('#').next().unwrap_or_default().trim());
        urls.extend(lines.filter(|line| !line.is_empty()).map(str::to_owned));
    }
    if urls.is_empty() {
        let hint = "name a folder of SRPMs with `--srpm-url URL`".to_owned();
        return Err(Fault::usage("`--download-srpms` has no URL to look at").with_hint(Some(hint)));
    }
    Ok(urls)
}

/// Fails when SRPMs are missing; what `is_named` is the user's affair.
fn verdict(summary: SrpmSummary, is_named: bool) -> Result<ExitCode, Fault> {
    if summary.missing.is_empty() && summary.unfinished.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let (missing, unfinished) = (summary.missing, summary.unfinished);
    let lacking = missing.len() + unfinished.len();
    let all = lacking + summary.packed.len() + summary.downloaded.len() + summary.up_to_date.len();
    let mut text = format!("{lacking} of {all} source packages are not packed");
    let is_at_fault = |no_srpm: &NoSrpm| !matches!(no_srpm, NoSrpm::Failed(_));
    let is_usage = is_named && missing.values().any(is_at_fault);
    let mut problems = Vec::new();
    for (spec, no_srpm) in missing {
        let _ = match no_srpm {
            NoSrpm::Unreadable(failure) => write!(text, "\n  {failure}"),
            NoSrpm::Excluded(why) => write!(text, "\n  {spec}: is not for this architecture: {why}"),
            NoSrpm::Failed(failure) => {
                write!(text, "\n  {spec}: {}: {}, log: {}", failure.phase, failure.status, failure.log.display())
            }
            NoSrpm::Sources(of_spec) => {
                problems.extend(of_spec);
                continue;
            }
        };
    }
    for spec in &unfinished {
        let _ = write!(text, "\n  {spec}: not finished");
    }
    let mut hint = None;
    if !problems.is_empty() {
        let error = SourceError::Unavailable(problems);
        let _ = write!(text, "\n{error}");
        hint = error.hint();
    }
    let fault = if is_usage { Fault::usage(text) } else { Fault::failed(text) };
    Err(fault.with_hint(hint))
}
