//! `drydock shell`: a program where a package is built.

use std::io::Write;
use std::process::ExitCode;

use super::fault::Fault;
use super::options::BuildArgs;
use super::{Project, project, verdict};
use crate::build::ShellEnd;
use crate::engine::{Exit, Stream};
use crate::event::Event;
use crate::pipeline::{InShell, ShellOutcome};

/// Runs a program in a package's build container, with its sources unpacked; everything is thrown away at the end
#[derive(clap::Args)]
#[command(after_help = "Example: drydock shell zlib -- rpmbuild -bc --noprep ../../SOURCES/zlib.spec\n\n\
    The container is that of the build: after a failed one, with the same inputs. Exit code: that of the program, \
    128 and the signal that killed it.")]
pub(super) struct Args {
    /// Name of the spec file without `.spec`, or of a package that it makes
    name: String,
    /// Program and arguments, without a terminal
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
    #[command(flatten)]
    build: BuildArgs,
}

pub(super) async fn run(project: &Project, args: Args) -> Result<ExitCode, Fault> {
    let pipeline = project.pipeline()?;
    let packages = project::packages_of(&pipeline)?;
    let _lock = project.lock()?;
    let store = project.store()?;
    let engine = project.engine(&store);
    let report = |event: Event| project.tell(&event);
    let runner = project.runner(&engine, &store, &report, args.build.options());
    let made = runner.stages(&pipeline.stages).await?;
    let mut output = pass_on;
    let shell = InShell { name: &args.name, command: &args.command, output: &mut output };
    match runner.shell(packages, &made, shell).await? {
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
