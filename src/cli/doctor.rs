//! `drydock doctor`: what of this machine Drydock can use.

use std::path::Path;
use std::process::ExitCode;

use super::Project;
use super::fault::{self, Fault};
use crate::causes;
use crate::engine::{APPARMOR_PROFILE, Choice, EngineError, Tried};
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
        lines.extend(of_engine(tried));
    }
    lines.extend(TOOLS.iter().map(|tool| of_tool(tool, is_installed(tool.name))));
    report::data(&(lines.join("\n") + "\n"))?;
    Ok(if usable > 0 { ExitCode::SUCCESS } else { ExitCode::from(fault::HOST) })
}

/// What is told of an engine that was tried.
fn of_engine(tried: Result<Tried, EngineError>) -> Vec<String> {
    let mut lines = Vec::new();
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
    lines
}

fn of_tool(tool: &Tool, is_installed: bool) -> String {
    let state = if is_installed { "ok      " } else { "missing " };
    format!("{state}{} (package {}): {}", tool.name, tool.package, tool.purpose)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_engine_can_do_is_told_with_what_helps() {
        let none = || EngineError::NoEngine {
            reasons: vec!["Docker: no socket answers".to_owned()],
            hint: Some("start it".to_owned()),
        };
        let tried = |fault| Ok(Tried { description: "podman 5.4 at /run/podman.sock".to_owned(), fault });
        let told = |tried| of_engine(tried).join("\n");
        insta::assert_snapshot!(told(tried(None)), @"ok      podman 5.4 at /run/podman.sock: it runs containers");
        insta::assert_snapshot!(told(tried(Some(none()))), @r"
        ok      podman 5.4 at /run/podman.sock: it runs containers
                but commands that download something will fail: no container engine can be used: Docker: no socket answers
                hint: start Docker or Podman; or, for the embedded engine: start it
        ");
        insta::assert_snapshot!(told(Err(none())), @r"
        no      no container engine can be used: Docker: no socket answers
                hint: start Docker or Podman; or, for the embedded engine: start it
        ");
    }

    #[test]
    fn host_programs_are_told_with_their_packages() {
        let told: Vec<String> =
            TOOLS.iter().zip([true, false].into_iter().cycle()).map(|(tool, is)| of_tool(tool, is)).collect();
        insta::assert_snapshot!(told.join("\n"), @r"
        ok      mmdebstrap (package mmdebstrap): a toolchain base by `debootstrap`
        missing newuidmap (package uidmap): the embedded engine for ordinary users
        ok      pasta (package passt): downloads in containers of the embedded engine
        missing slirp4netns (package slirp4netns): the same, where pasta is missing
        ok      qemu-system-x86_64 (package qemu-system-x86): `drydock boot-test`
        ");
    }
}
