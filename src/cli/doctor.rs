//! `drydock doctor`: what of this machine Drydock can use.

use std::path::Path;
use std::process::ExitCode;

use super::Project;
use super::fault::{self, Fault};
use crate::causes;
use crate::engine::{APPARMOR_PROFILE, Choice, Tried};
use crate::report;

/// Says what of this machine Drydock can use; runs a small container on each engine
#[derive(clap::Args)]
#[command(after_help = "Example: drydock doctor\n\nExit code 0 when at least one engine can be used.")]
pub(super) struct Args {
    /// Writes the profile by which AppArmor permits this program to make containers for ordinary users, and nothing else
    #[arg(long)]
    apparmor_profile: bool,
}

/// A host program that some part of Drydock starts.
struct Tool {
    name: &'static str,
    purpose: &'static str,
    package: &'static str,
}

const TOOLS: [Tool; 5] = [
    Tool { name: "mmdebstrap", purpose: "a toolchain base by `debootstrap`", package: "mmdebstrap" },
    Tool { name: "newuidmap", purpose: "the embedded engine for ordinary users", package: "uidmap" },
    Tool { name: "pasta", purpose: "downloads in containers of the embedded engine", package: "passt" },
    Tool { name: "slirp4netns", purpose: "the same, where pasta is missing", package: "slirp4netns" },
    Tool { name: "qemu-system-x86_64", purpose: "`drydock boot-test`", package: "qemu-system-x86" },
];

pub(super) async fn run(project: &Project, args: &Args) -> Result<ExitCode, Fault> {
    if args.apparmor_profile {
        return apparmor_profile();
    }
    let store = project.store()?;
    let (mut usable, mut lines) = (0, Vec::new());
    for choice in [Choice::Docker, Choice::Podman, Choice::Embedded] {
        let tried = project.try_out(choice, &store).await;
        usable += usize::from(tried.is_ok());
        let (word, error) = match tried {
            Ok(Tried { description, fault }) => {
                lines.push(format!("ok      {description}: it runs containers"));
                ("        but commands that download something will fail: ", fault)
            }
            Err(error) => ("no      ", Some(error)),
        };
        if let Some(error) = error {
            lines.push(format!("{word}{}", causes::in_one_line(&error)));
            lines.extend(error.hint().map(|hint| format!("        hint: {hint}")));
        }
    }
    for tool in &TOOLS {
        let state = if is_installed(tool.name) { "ok      " } else { "missing " };
        lines.push(format!("{state}{} (package {}): {}", tool.name, tool.package, tool.purpose));
    }
    report::data(&(lines.join("\n") + "\n"))?;
    Ok(if usable > 0 { ExitCode::SUCCESS } else { ExitCode::from(fault::HOST) })
}

/// Writes the profile for the program that this process is.
fn apparmor_profile() -> Result<ExitCode, Fault> {
    let program = std::env::current_exe().map_err(|error| Fault::host_error(&error))?;
    report::data(&APPARMOR_PROFILE.replace("PROGRAM", &program.to_string_lossy()))?;
    Ok(ExitCode::SUCCESS)
}

#[expect(clippy::disallowed_methods, reason = "the environment is read in the command line's code")]
fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/sbin"].map(|folder| Path::new(folder).to_owned());
    std::env::split_paths(&path).chain(system).any(|folder| folder.join(program).is_file())
}
