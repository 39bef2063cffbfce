//! The command line: one file per subcommand, each with its flags and one call into the library.
//!
//! The environment, the current folder and the clock are read here and passed on.

mod access;
mod bench;
mod boot_test;
mod build;
mod changed;
mod clean;
mod doctor;
mod durations;
mod explain;
mod fault;
mod goals;
mod graph;
mod image;
mod interrupt;
mod lock;
mod logs;
mod make;
mod numbers;
mod options;
mod pasted;
mod plan;
mod project;
mod query;
mod run;
mod shell;
mod sources;
mod specs;
mod srpm;
#[cfg(test)]
mod stand_in;
mod terminal;
mod toolchain;
mod usage;
mod verdict;
mod verify;
mod wanted;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Arg, CommandFactory, Parser, Subcommand, ValueEnum};

use crate::engine::{Choice, Transfer};
use crate::report::Format;
use fault::Fault;
use interrupt::Interrupt;
use pasted::Context;
use project::Project;
use wanted::SpecsArgs;

/// Builds an RPM distribution in containers: toolchain images, packages and disk images.
#[derive(Parser)]
#[command(
    name = "drydock",
    version,
    after_help = "Example: drydock run pipelines/quickstart.yaml\n\n\
    Exit codes: 0 done, 1 a package or image failed, 2 usage or configuration, 3 engine or host,\n\
    130 interrupted."
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

const DEFAULT_PROJECT: &str = ".";
const DEFAULT_PIPELINE: &str = "pipelines/quickstart.yaml";
const DEFAULT_BUILD_DIR: &str = "build";
const DEFAULT_OUT_DIR: &str = "out";

#[derive(clap::Args)]
struct Global {
    /// The project's folder, which relative paths count from
    #[arg(short = 'C', long, global = true, default_value = DEFAULT_PROJECT, value_name = "DIR")]
    project: PathBuf,
    /// The pipeline that says what toolchain, specs and images there are
    #[arg(long, global = true, default_value = DEFAULT_PIPELINE, value_name = "FILE")]
    pipeline: PathBuf,
    /// Works on the packages that this toolchain stage is made of, instead of the pipeline's
    // Subcommands have arguments that are called `stage`, too.
    #[arg(long, global = true, id = "of-stage", value_name = "NAME", value_parser = stage_name)]
    stage: Option<String>,
    /// Builds the pipeline's packages in the image of this toolchain stage, instead of the one that the pipeline names
    #[arg(long, global = true, value_name = "NAME", value_parser = stage_name, conflicts_with = "of-stage")]
    toolchain: Option<String>,
    /// The container engine
    #[arg(long, global = true, value_enum, default_value = "auto", env = "DRYDOCK_ENGINE")]
    engine: EngineArg,
    /// How Docker and Podman get the files that containers see; `auto` tries whether the engine sees the same files
    #[arg(long, global = true, value_enum, default_value = "auto")]
    transfer: TransferArg,
    /// Intermediate files
    #[arg(long, global = true, default_value = DEFAULT_BUILD_DIR, value_name = "DIR")]
    build_dir: PathBuf,
    /// Results
    #[arg(long, global = true, default_value = DEFAULT_OUT_DIR, value_name = "DIR")]
    out_dir: PathBuf,
    /// Time that rpm may take to read one spec, in seconds; a spec that takes longer is told and left out
    #[arg(long, global = true, default_value_t = options::SPEC_SECONDS, value_name = "SECONDS",
        value_parser = numbers::reading_limit)]
    spec_timeout: u64,
    /// How events are written: text to stderr, or JSON lines to stdout
    #[arg(long, global = true, value_enum, default_value = "text")]
    format: FormatArg,
    /// Says more about what Drydock does itself; twice for every request
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    #[command(flatten)]
    containers: options::ContainerArgs,
    #[command(flatten)]
    remote: options::RemoteArgs,
    #[command(flatten)]
    registry: options::RegistryArgs,
}

#[derive(Clone, Copy, ValueEnum)]
enum EngineArg {
    /// Docker where its socket answers, then Podman, then embedded
    Auto,
    Docker,
    Podman,
    /// A sandbox of Drydock's own, without any daemon
    Embedded,
}

#[derive(Clone, Copy, ValueEnum)]
enum TransferArg {
    /// By mounts where the engine sees our files, else by a copy
    Auto,
    /// By mounts: the engine sees the same files at the same paths
    Mount,
    /// By a copy
    Copy,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FormatArg {
    Text,
    Json,
}

#[derive(Subcommand)]
enum Command {
    /// Runs a whole pipeline: toolchain image, packages, disk images
    Run(run::Args),
    /// Makes, lists, exports, imports, pushes and pulls toolchain images
    Toolchain(toolchain::Args),
    /// Fetches and verifies sources, and nothing else
    Sources(sources::Args),
    /// Packs source packages, without building them
    Srpm(srpm::Args),
    /// Builds packages and what they need
    Build(build::Args),
    /// Makes disk images from image configurations
    Image(image::Args),
    /// Shows what RPM makes of each spec
    Specs(specs::Args),
    /// Says what would be built and why
    Plan(plan::Args),
    /// Says why a package is or is not built
    Explain(explain::Args),
    /// Shows which package needs which
    Graph(graph::Args),
    /// Says what a git change affects
    Changed(changed::Args),
    /// Shows the log of a package's last build
    Logs(logs::Args),
    /// Opens a shell where a package is built
    Shell(shell::Args),
    /// Builds packages again and compares the RPMs with those at hand
    Verify(verify::Args),
    /// Boots a disk image in QEMU, logs in and looks around
    BootTest(boot_test::Args),
    /// Takes the Azure Linux toolkit's make targets and variables
    Make(make::Args),
    /// Says what of this machine Drydock can use
    Doctor(doctor::Args),
    /// Removes intermediate files
    Clean(clean::Args),
}

/// A name that cannot lead out of the folder of stages.
fn stage_name(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !text.is_empty() && text.chars().all(is_plain) {
        Ok(text.to_owned())
    } else {
        Err("a name of a stage has letters, digits, `-` and `_` only".to_owned())
    }
}

/// Reads the command line, does what it says, and tells how it went.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(answer) => return usage::answered(answer),
    };
    start_tracing(cli.global.verbose);
    let start = || Ok((Interrupt::listen()?, tokio::runtime::Builder::new_multi_thread().enable_all().build()?));
    let (interrupt, runtime) = match start() {
        Ok(started) => started,
        Err(error) => return fault::tell(&cannot_start(&error)),
    };
    let outcome = runtime.block_on(dispatch(cli, &interrupt));
    if interrupt.is_requested() {
        runtime.block_on(interrupt.answered());
    }
    runtime.shutdown_timeout(std::time::Duration::from_secs(5));
    let code = outcome.unwrap_or_else(|error| fault::tell(&error));
    if interrupt.is_requested() { ExitCode::from(interrupt::INTERRUPTED) } else { code }
}

fn cannot_start(error: &std::io::Error) -> Fault {
    Fault::host(format!("cannot start the runtime: {error}"))
}

async fn dispatch(cli: Cli, interrupt: &Interrupt) -> Result<ExitCode, Fault> {
    let project = Project::open(&cli.global, interrupt)?;
    let context = cli.context();
    let outcome = match cli.command {
        Command::Make(args) => {
            // Its commands open the project, each with its own flags and its own status line.
            project.printer.close();
            make::run(&cli.global, args, interrupt).await
        }
        Command::Run(args) => Box::pin(run::run(&project, args)).await,
        Command::Toolchain(args) => toolchain::run(&project, args).await,
        Command::Sources(args) => Box::pin(sources::run(&project, args)).await,
        Command::Srpm(args) => Box::pin(srpm::run(&project, args)).await,
        Command::Build(args) => Box::pin(build::run(&project, args)).await,
        Command::Image(args) => image::run(&project, args).await,
        Command::Specs(args) => specs::run(&project, &args).await,
        Command::Plan(args) => plan::run(&project, args).await,
        Command::Explain(args) => explain::run(&project, &args).await,
        Command::Graph(args) => graph::run(&project, args).await,
        Command::Changed(args) => changed::run(&project, args).await,
        Command::Logs(args) => logs::run(&project, &args).await,
        Command::Shell(args) => Box::pin(shell::run(&project, args)).await,
        Command::Verify(args) => Box::pin(verify::run(&project, args)).await,
        Command::BootTest(args) => boot_test::run(&project, args).await,
        Command::Doctor(args) => doctor::run(&project, &args).await,
        Command::Clean(args) => clean::run(&project, &args).await,
    };
    let finished = project.printer.finish();
    let code = outcome.map_err(|fault| fault.in_context(&context))?;
    finished?;
    Ok(code)
}

impl Cli {
    /// What commands in hints need besides.
    fn context(&self) -> Context {
        let Global { project, pipeline, stage, toolchain, build_dir, out_dir, .. } = &self.global;
        let pipeline: &Path = if let Command::Run(args) = &self.command { &args.file } else { pipeline };
        let paths = [
            pasted::unless_default("-C", project, DEFAULT_PROJECT),
            pasted::unless_default("--pipeline", pipeline, DEFAULT_PIPELINE),
            pasted::unless_default("--build-dir", build_dir, DEFAULT_BUILD_DIR),
            pasted::unless_default("--out-dir", out_dir, DEFAULT_OUT_DIR),
        ];
        let names = [("--stage", stage), ("--toolchain", toolchain)];
        let names = names.into_iter().filter_map(|(flag, name)| Some((flag, name.clone()?)));
        Context {
            flags: paths.into_iter().flatten().chain(names).collect(),
            specs: self.command.specs().map(|specs| specs.folders.clone()).unwrap_or_default(),
        }
    }
}

impl Command {
    /// The folders of specs that the command is given; None for one that looks at no spec.
    fn specs(&self) -> Option<&SpecsArgs> {
        match self {
            Self::Run(args) => Some(&args.specs),
            Self::Build(args) => Some(&args.wanted.specs),
            Self::Image(args) => Some(&args.specs),
            Self::Plan(args) => Some(&args.wanted.specs),
            Self::Verify(args) => Some(&args.wanted.specs),
            Self::Sources(args) => Some(&args.specs),
            Self::Specs(args) => Some(&args.specs),
            Self::Srpm(args) => Some(&args.specs),
            Self::Explain(args) => Some(&args.specs),
            Self::Graph(args) => Some(&args.specs),
            Self::Changed(args) => Some(&args.specs),
            Self::Logs(args) => Some(&args.specs),
            Self::Shell(args) => Some(&args.specs),
            Self::Toolchain(_) | Self::BootTest(_) | Self::Make(_) | Self::Doctor(_) | Self::Clean(_) => None,
        }
    }
}

/// True when `drydock COMMAND` has `flag`.
fn has_flag(command: &str, flag: &str) -> bool {
    let all = Cli::command();
    let is_it = |one: &Arg| one.get_long() == flag.strip_prefix("--");
    let found = all.find_subcommand(command);
    found.is_some_and(|found| {
        found.get_arguments().chain(all.get_arguments().filter(|one| one.is_global_set())).any(is_it)
    })
}

fn start_tracing(verbose: u8) {
    let default = match verbose {
        0 => "off",
        1 => "drydock=debug",
        _ => "debug",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("DRYDOCK_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(default));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}

impl From<EngineArg> for Choice {
    fn from(arg: EngineArg) -> Self {
        match arg {
            EngineArg::Auto => Self::Auto,
            EngineArg::Docker => Self::Docker,
            EngineArg::Podman => Self::Podman,
            EngineArg::Embedded => Self::Embedded,
        }
    }
}

impl From<TransferArg> for Transfer {
    fn from(arg: TransferArg) -> Self {
        match arg {
            TransferArg::Auto => Self::Auto,
            TransferArg::Mount => Self::Mount,
            TransferArg::Copy => Self::Copy,
        }
    }
}

impl From<FormatArg> for Format {
    fn from(arg: FormatArg) -> Self {
        match arg {
            FormatArg::Text => Self::Text,
            FormatArg::Json => Self::Json,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Commands that look at no spec: they are about stages, finished images and make targets.
    const WITHOUT_PACKAGES: [&str; 5] = ["toolchain", "boot-test", "make", "doctor", "clean"];

    #[test]
    fn every_command_about_packages_takes_folders_of_specs() {
        for command in Cli::command().get_subcommands() {
            let name = command.get_name();
            let is_about_packages = !WITHOUT_PACKAGES.contains(&name);
            assert_eq!(has_flag(name, "--specs-dir"), is_about_packages, "{name}");
            let needed: &[&str] = match name {
                "explain" | "logs" | "shell" => &["kmod"],
                "run" => &["p.yaml"],
                "image" => &["i.yaml"],
                "changed" => &["--from", "HEAD"],
                _ => &[],
            };
            if is_about_packages {
                let given = ["drydock", name, "--specs-dir", "S"];
                let context = Cli::try_parse_from(given.iter().chain(needed)).unwrap().context();
                assert_eq!(context.specs, [Path::new("S")], "{name}: its hints have the folder, too");
            }
        }
    }
}
