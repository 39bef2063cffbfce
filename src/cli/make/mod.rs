//! `drydock make`: the Azure Linux toolkit's targets and variables, as Drydock's own commands.
//!
//! `targets.rs` and `variables.rs` are the tables; `docs/azure-linux-toolkit.md` holds the same tables, which `--list`
//! prints and a test compares. `given.rs` reads the command line, `translate.rs` makes commands of it, which run one after
//! the other in this process, through the parser of the command line. Variables that are translated count in the
//! environment, too, as the toolkit's `?=` has it; the command line wins.

mod given;
mod targets;
#[cfg(test)]
mod tests;
mod translate;
mod variables;

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::Parser;

use self::given::Given;
use self::targets::TARGETS;
use self::translate::{Translation, translate};
use self::variables::VARIABLES;
use super::fault::Fault;
use super::interrupt::Interrupt;
use super::options::SPEC_SECONDS;
use super::{Cli, EngineArg, FormatArg, Global, TransferArg, dispatch, has_flag};
use crate::report;

/// Takes the Azure Linux toolkit's make targets and variables
#[derive(clap::Args)]
#[command(after_help = "Examples: drydock make build-packages SRPM_PACK_LIST=\"zlib xz\" RUN_CHECK=y\n          \
    drydock make -n image CONFIG_FILE=imageconfigs/core-efi.json\n\n\
    Variables of the environment count as in the toolkit, when they are translated. The commands that are carried out are \
    written to stderr. docs/azure-linux-toolkit.md has all targets and variables.")]
pub(super) struct Args {
    /// Targets, and variables as `NAME=value`; `all` when no target is given
    #[arg(value_name = "TARGET|NAME=value")]
    words: Vec<String>,
    /// Writes the commands to stdout and carries out nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Writes the tables of targets and variables to stdout
    #[arg(long, conflicts_with_all = ["words", "dry_run"])]
    list: bool,
}

pub(super) async fn run(global: &Global, args: Args, interrupt: &Interrupt) -> Result<ExitCode, Fault> {
    if args.list {
        return print(&tables());
    }
    let all = |faults: Vec<String>| Fault::usage(faults.join("\n"));
    let given = Given::read(&args.words, &environment()).map_err(all)?;
    let Translation { commands, notes } = translate(&given, &has_flag).map_err(all)?;
    for note in &notes {
        report::status(&format!("warning: {note}"));
    }
    let of_user = global_arguments(global);
    let lines: Vec<Vec<String>> = commands
        .into_iter()
        .map(|command| std::iter::once("drydock".to_owned()).chain(of_user.clone()).chain(command).collect())
        .collect();
    // A word that one of the commands does not take is told before the first of them begins.
    let parsed: Vec<Cli> = lines.iter().map(Cli::try_parse_from).collect::<Result<_, _>>().map_err(|error| {
        Fault::usage(format!("the commands cannot be carried out:\n{}", error.to_string().trim_end()))
    })?;
    if args.dry_run {
        return print(&lines.iter().map(|line| format!("{}\n", shown(line))).collect::<String>());
    }
    for (line, command) in lines.iter().zip(parsed) {
        report::status(&shown(line));
        let code = Box::pin(dispatch(command, interrupt)).await?;
        if code != ExitCode::SUCCESS || interrupt.is_requested() {
            return Ok(code);
        }
    }
    Ok(ExitCode::SUCCESS)
}

#[expect(clippy::disallowed_methods, reason = "the environment is read here, once")]
fn environment() -> BTreeMap<String, String> {
    let given = VARIABLES.iter().filter_map(|variable| Some((variable.name, std::env::var(variable.name).ok()?)));
    given.map(|(name, value)| (name.to_owned(), value)).collect()
}

/// What the user gave beside the targets and variables, as arguments.
fn global_arguments(global: &Global) -> Vec<String> {
    let Global { project, pipeline, engine, transfer, build_dir, out_dir, format, verbose, .. } = global;
    let Global { containers, remote, registry, stage, toolchain, spec_timeout, .. } = global;
    let transfer = match transfer {
        TransferArg::Auto => "auto",
        TransferArg::Mount => "mount",
        TransferArg::Copy => "copy",
    };
    let engine = match engine {
        EngineArg::Auto => "auto",
        EngineArg::Docker => "docker",
        EngineArg::Podman => "podman",
        EngineArg::Embedded => "embedded",
    };
    let format = if *format == FormatArg::Json { "json" } else { "text" };
    let path = |path: &std::path::Path| path.to_string_lossy().into_owned();
    let given = [
        ("--project", path(project), "."),
        ("--pipeline", path(pipeline), "pipelines/quickstart.yaml"),
        ("--engine", engine.to_owned(), "auto"),
        ("--transfer", transfer.to_owned(), "auto"),
        ("--build-dir", path(build_dir), "build"),
        ("--out-dir", path(out_dir), "out"),
        ("--format", format.to_owned(), "text"),
        ("--spec-timeout", spec_timeout.to_string(), &SPEC_SECONDS.to_string()),
    ];
    let given = given.into_iter().filter(|(_, value, default)| value != default);
    let mut arguments: Vec<String> = given.flat_map(|(flag, value, _)| [flag.to_owned(), value]).collect();
    for (flag, name) in [("--stage", stage), ("--toolchain", toolchain)] {
        arguments.extend(name.iter().flat_map(|name| [flag.to_owned(), name.clone()]));
    }
    arguments.extend(std::iter::repeat_n("-v".to_owned(), usize::from(*verbose)));
    arguments.extend(containers.arguments());
    arguments.extend(remote.arguments());
    arguments.extend(registry.arguments());
    arguments
}

/// The command as a shell takes it.
fn shown(words: &[String]) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:=,+@%".contains(letter);
    let quoted = |word: &String| {
        let is_plain = !word.is_empty() && word.chars().all(plain);
        if is_plain { word.clone() } else { format!("'{}'", word.replace('\'', r"'\''")) }
    };
    words.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

/// Both tables in Markdown.
fn tables() -> String {
    let default = |value: &str| if value.is_empty() { String::new() } else { format!("`{value}`") };
    let mut text = "| target | here | remark |\n|---|---|---|\n".to_owned();
    for target in TARGETS {
        let (here, remark) = target.does.describe();
        text.push_str(&format!("| `{}` | {here} | {remark} |\n", target.name).replace("  ", " "));
    }
    text.push_str("\n| variable | default | here | counts for | remark |\n|---|---|---|---|---|\n");
    for variable in VARIABLES {
        let of: Vec<String> = variable.of.iter().map(|command| format!("`{command}`")).collect();
        let (name, default) = (variable.name, default(variable.default));
        let row =
            format!("| `{name}` | {default} | {} | {} | {} |\n", variable.describe(), of.join(", "), variable.remark);
        text.push_str(&row.replace("  ", " "));
    }
    text
}

fn print(text: &str) -> Result<ExitCode, Fault> {
    report::data(text)?;
    Ok(ExitCode::SUCCESS)
}
