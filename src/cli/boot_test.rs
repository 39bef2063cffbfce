//! `drydock boot-test`: starts images and looks around in them.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::UNIX_EPOCH;

use clap::ValueEnum;

use super::fault::Fault;
use super::{Project, numbers, project};
use crate::boot::{self, BootError, BootOptions, Firmware, FirmwareChoice, Login, Problem, Seen};
use crate::digest::{KeyBuilder, Sha256};
use crate::event::Event;
use crate::image;
use crate::report;

/// Boots a disk image in QEMU, logs in and looks around; a container image is started by the engine
#[derive(clap::Args)]
#[command(after_help = "Example: drydock boot-test out/images/minimal-iso/minimal-1.0.iso --firmware both")]
pub(super) struct Args {
    /// Disk images, ISOs or OCI image archives
    #[arg(required_unless_present = "all")]
    images: Vec<PathBuf>,
    /// Every image that the pipeline has made, unless the same file has passed before
    #[arg(long, conflicts_with = "images")]
    all: bool,
    /// The firmware that starts it
    #[arg(long, value_enum, default_value = "auto")]
    firmware: FirmwareArg,
    /// Who logs in
    #[arg(long, default_value = "root")]
    user: String,
    /// With which password; the example images have this one
    #[arg(long, default_value = "drydock")]
    password: String,
    /// Time for the login prompt to appear, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = numbers::time_limit)]
    limit: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum FirmwareArg {
    /// What the image is made for; both for an ISO
    Auto,
    Bios,
    Uefi,
    Both,
}

pub(super) async fn run(project: &Project, args: Args) -> Result<ExitCode, Fault> {
    let _lock = project.lock()?;
    let login = Login { user: args.user.clone(), password: args.password.clone() };
    let mut options = BootOptions::new(login, project.layout.boot_logs());
    options.firmware = args.firmware.into();
    options.boot_limit = std::time::Duration::from_secs(args.limit);
    std::fs::create_dir_all(&options.logs)
        .map_err(|error| Fault::host(format!("cannot make the folder `{}`: {error}", options.logs.display())))?;
    let images = if args.all { made(project)? } else { given(project, &args.images)? };
    let mut failed = Vec::new();
    for path in &images {
        let passed = project.layout.state().join("booted").join(key(path, &args)?.to_string());
        if args.all && passed.is_file() {
            project.tell(&Event::Note { text: format!("{} has passed before", path.display()) });
            continue;
        }
        if test(project, path, &options).await? {
            remember(&passed)?;
        } else {
            failed.push(path.display().to_string());
        }
    }
    if failed.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    Err(Fault::failed(format!("{} of {} images have not passed: {}", failed.len(), images.len(), failed.join(", "))))
}

/// True when the image has passed by every firmware.
async fn test(project: &Project, path: &Path, options: &BootOptions) -> Result<bool, Fault> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if name.contains(".oci.") || path.extension().is_some_and(|extension| extension == "tar") {
        let store = project.store()?;
        let engine = project.engine(&store);
        let (seen, problem) = boot::container::test(path, (&engine, &store), &project.cancel).await.map_err(fault)?;
        report::data(&(container_report(&name, &seen, problem.as_ref()) + "\n"))?;
        return Ok(problem.is_none());
    }
    project.tell(&Event::Note { text: format!("starting {name}") });
    let runs = boot::test(path, options, &project.cancel).await.map_err(fault)?;
    for run in &runs {
        report::data(&format!("{run}\n"))?;
    }
    Ok(runs.iter().all(boot::BootRun::passed))
}

fn container_report(name: &str, seen: &Seen, problem: Option<&Problem>) -> String {
    let verdict = if problem.is_none() { "starts" } else { "does not pass" };
    let mut lines = vec![format!("{name} (container) {verdict}")];
    if let Some(system) = seen.os_release_value("PRETTY_NAME") {
        lines.push(format!("  system: {system}, {} packages", seen.packages.len()));
    }
    if let Some(problem) = problem {
        lines.push(format!("  {}", problem.text));
        lines.extend(problem.console.lines().map(|line| format!("  | {line}")));
    }
    lines.join("\n")
}

/// The files of every image of the pipeline.
fn made(project: &Project) -> Result<Vec<PathBuf>, Fault> {
    let pipeline = project.pipeline()?;
    let mut found = Vec::new();
    for config in &project::images_of(&pipeline)?.configs {
        let name = config.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let record = image::record::load(&project.layout.image_record(&name));
        let record = record.ok_or_else(|| {
            Fault::usage(format!("the image of `{}` is not made", config.display()))
                .with_hint(Some(format!("make it with `drydock image {}`", config.display())))
        })?;
        found.extend(record.files.into_iter().map(|file| file.path));
    }
    Ok(found)
}

fn given(project: &Project, images: &[PathBuf]) -> Result<Vec<PathBuf>, Fault> {
    let paths: Vec<PathBuf> = images.iter().map(|path| project.folder.join(path)).collect();
    let missing: Vec<String> =
        paths.iter().filter(|path| !path.is_file()).map(|path| path.display().to_string()).collect();
    if missing.is_empty() {
        Ok(paths)
    } else {
        Err(Fault::usage(format!("there is no image `{}`", missing.join("`, `"))))
    }
}

/// Names an image file as it is now, and how it is looked at.
fn key(path: &Path, args: &Args) -> Result<Sha256, Fault> {
    let fault = |error| Fault::host(format!("cannot read `{}`: {error}", path.display()));
    let metadata = path.metadata().map_err(fault)?;
    let modified = metadata.modified().map_err(fault)?;
    let nanoseconds = modified.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    let firmware = args.firmware.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
    Ok(KeyBuilder::new("boot test")
        .field("path", path.as_os_str().as_encoded_bytes())
        .field("size", metadata.len().to_le_bytes())
        .field("modified", nanoseconds.to_le_bytes())
        .field("firmware", firmware)
        .finish())
}

fn remember(passed: &Path) -> Result<(), Fault> {
    let write = || {
        std::fs::create_dir_all(passed.parent().unwrap_or(passed))?;
        std::fs::write(passed, b"")
    };
    write().map_err(|error: std::io::Error| Fault::host(format!("cannot write `{}`: {error}", passed.display())))
}

#[allow(clippy::needless_pass_by_value, reason = "it is what map_err calls")]
fn fault(error: BootError) -> Fault {
    let hint = error.hint();
    let fault = match error {
        BootError::Kind { .. } | BootError::Oci { .. } => Fault::usage_error(&error),
        _ => Fault::host_error(&error),
    };
    fault.with_hint(hint)
}

impl From<FirmwareArg> for FirmwareChoice {
    fn from(arg: FirmwareArg) -> Self {
        match arg {
            FirmwareArg::Auto => Self::Auto,
            FirmwareArg::Bios => Self::Only(Firmware::Bios),
            FirmwareArg::Uefi => Self::Only(Firmware::Uefi),
            FirmwareArg::Both => Self::Both,
        }
    }
}
