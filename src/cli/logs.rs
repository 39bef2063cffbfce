//! `drydock logs`: the output of a package's last build.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::ValueEnum;

use super::Project;
use super::fault::Fault;
use super::wanted::SpecsArgs;
use crate::build::{Excerpt, Form, Phase};
use crate::layout::spec_of_log;
use crate::report::{self, Destination, Reader};
use crate::spec;

/// Shows the log of a package's last build
#[derive(clap::Args)]
#[command(after_help = "Examples: drydock logs kernel --follow\n          drydock logs zlib --phase check\n\n\
    A terminal, and a CI system that looks for orders in what it reads, get text without control characters; \
    a file or another program gets the log as it is.")]
pub(super) struct Args {
    /// Name of the spec file without `.spec`, or of the source package
    name: String,
    #[command(flatten)]
    pub(super) specs: SpecsArgs,
    /// Goes on with what is written to it, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// Shows only this part of it
    #[arg(long, value_enum, conflicts_with = "follow")]
    phase: Option<PhaseArg>,
    /// Its bytes as they are, also where people look at them
    #[arg(long)]
    raw: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum PhaseArg {
    Prep,
    Build,
    Install,
    Check,
    /// What rpmbuild makes of %files
    Files,
}

pub(super) async fn run(project: &Project, args: &Args) -> Result<ExitCode, Fault> {
    let folder = project.layout.package_logs();
    let path = newest(&folder, &args.name)
        .map_err(|error| Fault::host_error(&error))?
        .ok_or_else(|| no_log(project, args, &folder))?;
    let fault = |error: io::Error| Fault::host(format!("cannot read `{}`: {error}", path.display()));
    let mut log = BufReader::new(File::open(&path).map_err(fault)?);
    let form = if args.raw || !is_for_people() { Form::Raw } else { Form::Printable };
    let mut excerpt = Excerpt::new(args.phase.map(Phase::from), form);
    loop {
        while let Some(lines) = excerpt.next(&mut log).map_err(fault)? {
            if project.cancel.is_cancelled() || report::bytes(&lines)? == Reader::Gone {
                return Ok(ExitCode::SUCCESS);
            }
        }
        if !args.follow {
            return end(&excerpt, args.phase, &path);
        }
        // The log is a plain file that another process writes to: there is nothing to wait for but time.
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(250)) => {}
            () = project.cancel.cancelled() => return Ok(ExitCode::SUCCESS),
        }
    }
}

/// Why there is no log in `folder`: the package was not built yet, or has another name.
fn no_log(project: &Project, args: &Args, folder: &Path) -> Fault {
    let name = &args.name;
    let pipeline = project.pipeline().ok().map(|pipeline| args.specs.pipeline(project, pipeline));
    let folders = pipeline.and_then(|pipeline| pipeline.packages).map(|packages| packages.specs).unwrap_or_default();
    let is_spec = spec::names(&folders).is_ok_and(|specs| specs.contains(name));
    let known = names(folder).unwrap_or_default();
    let hint = if is_spec {
        Some(format!("it has a spec, and was not built yet: `drydock build {name}` builds it"))
    } else {
        (!known.is_empty()).then(|| format!("there are logs of: {}", known.join(", ")))
    };
    Fault::usage(format!("there is no log of `{name}` in `{}`", folder.display())).with_hint(hint)
}

/// Fails when the part that was asked for is not there.
fn end(excerpt: &Excerpt, phase: Option<PhaseArg>, path: &Path) -> Result<ExitCode, Fault> {
    let Some(phase) = phase.filter(|_| excerpt.is_empty()) else { return Ok(ExitCode::SUCCESS) };
    let name = phase.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
    let text = format!("`{}` has no part `{name}`: the build did not get there, or has none", path.display());
    Err(Fault::usage(text).with_hint(Some("without --phase, the whole log is shown".to_owned())))
}

/// True for a terminal, and for what a CI system reads and looks for orders in. There, a file is none of its business.
#[expect(clippy::disallowed_methods, reason = "the environment is read in the command line's code")]
fn is_for_people() -> bool {
    let is_ci =
        || ["GITHUB_ACTIONS", "TF_BUILD", "TEAMCITY_VERSION"].iter().any(|name| std::env::var_os(name).is_some());
    match report::destination() {
        Destination::Terminal => true,
        Destination::File => false,
        Destination::Other => is_ci(),
    }
}

impl From<PhaseArg> for Phase {
    fn from(arg: PhaseArg) -> Self {
        match arg {
            PhaseArg::Prep => Self::Prep,
            PhaseArg::Build => Self::Build,
            PhaseArg::Install => Self::Install,
            PhaseArg::Check => Self::Check,
            PhaseArg::Files => Self::Files,
        }
    }
}

/// The newest log of the spec `name`, or else of a source package of that name.
fn newest(folder: &Path, name: &str) -> io::Result<Option<PathBuf>> {
    let logs = logs(folder)?;
    let newest = |is_wanted: &dyn Fn(&Log) -> bool| -> io::Result<Option<PathBuf>> {
        let dated =
            logs.iter().filter(|log| is_wanted(log)).map(|log| Ok((log.path.metadata()?.modified()?, &log.path)));
        let dated: Vec<(SystemTime, &PathBuf)> = dated.collect::<io::Result<_>>()?;
        Ok(dated.into_iter().max().map(|(_, path)| path.clone()))
    };
    match newest(&|log| log.spec == name)? {
        None => newest(&|log| log.package == name),
        found => Ok(found),
    }
}

fn names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names: Vec<String> = logs(folder)?.into_iter().map(|log| log.spec).collect();
    names.sort();
    names.dedup();
    Ok(names)
}

/// A log of a package.
struct Log {
    path: PathBuf,
    spec: String,
    package: String,
}

fn logs(folder: &Path) -> io::Result<Vec<Log>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let named = spec_of_log(&file).map(|(spec, package)| (spec.to_owned(), package.to_owned()));
        found.extend(named.map(|(spec, package)| Log { path, spec, package }));
    }
    Ok(found)
}
