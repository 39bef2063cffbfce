//! `drydock shell`: a terminal, or a program, where a package is built.

use std::io::Write;
use std::process::ExitCode;

use super::bench::Bench;
use super::fault::Fault;
use super::options::BuildArgs;
use super::terminal::{self, RawMode};
use super::wanted::SpecsArgs;
use super::{Project, project, verdict};
use crate::build::{Connection, ShellEnd};
use crate::engine::{Exit, Stream};
use crate::pipeline::{InShell, ShellOutcome};

/// Opens a shell in a package's build container, with its sources unpacked; everything is thrown away at the end
#[derive(clap::Args)]
#[command(
    after_help = "Examples: drydock shell zlib\n          drydock shell zlib -- rpmbuild -bc --noprep ../../SOURCES/zlib.spec\n\n\
    The container is that of the build: after a failed one, with the same inputs. Exit code: that of the program, \
    128 and the signal that killed it."
)]
pub(super) struct Args {
    /// Name of the spec file without `.spec`, or of a package that it makes
    name: String,
    #[command(flatten)]
    pub(super) specs: SpecsArgs,
    /// Program and arguments, which get no terminal; a shell with a terminal when none is given
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
    #[command(flatten)]
    build: BuildArgs,
}

pub(super) async fn run(project: &Project, args: Args) -> Result<ExitCode, Fault> {
    if args.command.is_empty() && !terminal::is_there() {
        let hint = "give it a command: `drydock shell NAME -- COMMAND`".to_owned();
        return Err(Fault::usage("a shell needs a terminal as standard input and output").with_hint(Some(hint)));
    }
    let pipeline = args.specs.pipeline(project, project.pipeline()?);
    let packages = project::packages_of(&pipeline)?;
    let _lock = project.lock()?;
    let bench = Bench::new(project)?;
    let runner = bench.runner(args.specs.options(args.build.options(&project.folder)?));
    let made = runner.stages(&pipeline, &[&packages.toolchain]).await?;
    let (mut output, mut screen) = (pass_on, |bytes: &[u8]| pass_on(Stream::Stdout, bytes));
    // Outlives the shell: the terminal gets its mode back when this function ends.
    let mut raw = None;
    let connection = if args.command.is_empty() {
        Connection::Terminal(Box::new(|| {
            project.printer.close();
            raw = RawMode::enter().inspect_err(|error| tracing::warn!(%error, "the terminal stays as it is")).ok();
            terminal::connect(&mut screen)
        }))
    } else {
        Connection::Output(&mut output)
    };
    let shell = InShell { name: &args.name, command: &args.command, connection };
    let outcome = Box::pin(runner.shell(packages, &made, shell)).await;
    drop(raw);
    match outcome? {
        ShellOutcome::Ended(ShellEnd::Exited(exit)) => code(exit),
        ShellOutcome::Ended(ShellEnd::NoBuildroot(lines)) => {
            let lines: Vec<String> = lines.iter().map(|line| format!("  | {line}")).collect();
            Err(Fault::failed(format!("`{}` has no buildroot\n{}", args.name, lines.join("\n"))))
        }
        ShellOutcome::NeedsFailed(summary) => {
            verdict::of_packages(&summary)?;
            Err(Fault::failed("what the package needs is not there"))
        }
    }
}

fn pass_on(stream: Stream, bytes: &[u8]) {
    // Nobody is left to be told when the stream is closed.
    let _ = match stream {
        Stream::Stdout => write_all(std::io::stdout().lock(), bytes),
        Stream::Stderr => write_all(std::io::stderr().lock(), bytes),
    };
}

fn write_all(mut to: impl Write, bytes: &[u8]) -> std::io::Result<()> {
    to.write_all(bytes)?;
    to.flush()
}

fn code(exit: Exit) -> Result<ExitCode, Fault> {
    let code = match exit {
        Exit::Code(code) => code,
        Exit::Signal(signal) => 128 + signal,
        Exit::Cancelled => 130,
        Exit::TimedOut | Exit::MemoryLimit => return Err(Fault::failed(format!("the program was ended: {exit}"))),
    };
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}
