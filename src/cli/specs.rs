//! `drydock specs`: what RPM makes of each spec.

use std::path::Path;
use std::process::ExitCode;

use clap::ValueEnum;
use serde::Serialize;

use super::fault::{FAILED, Fault};
use super::wanted::SpecsArgs;
use super::{Project, query};
use crate::address;
use crate::package::{Capability, Nevra, Requirement};
use crate::report;
use crate::source::SourceKind;
use crate::spec::{BinaryPackage, LoadedSpecs, SourceFile, SourcePackage, SpecFailure};

/// Shows what RPM makes of each spec, in the pipeline's toolchain image and with its macros
#[derive(clap::Args)]
#[command(after_help = "Examples: drydock specs\n          drydock specs openssh --arch aarch64 --format json\n\n\
    Exit code 1 when a spec does not parse; the others are shown all the same.")]
pub(super) struct Args {
    /// Spec files without `.spec`; all when none is given
    names: Vec<String>,
    #[command(flatten)]
    pub(super) specs: SpecsArgs,
    /// The architecture to read them for; this machine's when none is given
    #[arg(long, value_enum)]
    arch: Option<ArchArg>,
}

#[derive(Clone, Copy, ValueEnum)]
enum ArchArg {
    #[value(name = "x86_64")]
    X86_64,
    #[value(name = "aarch64")]
    Aarch64,
}

/// A spec that parses, as JSON.
#[derive(Serialize)]
struct Parsed<'a> {
    file: &'a Path,
    #[serde(flatten)]
    identity: Identity<'a>,
    packages: Vec<Package<'a>>,
    build_requires: Vec<String>,
    check_requires: Vec<String>,
    sources: Vec<Source<'a>>,
    patches: Vec<Source<'a>>,
    has_check: bool,
    exclusive_arch: &'a [String],
    exclude_arch: &'a [String],
    excluded: Option<&'a str>,
}

#[derive(Serialize)]
struct Identity<'a> {
    name: &'a str,
    epoch: Option<u32>,
    version: &'a str,
    release: &'a str,
    arch: &'a str,
}

#[derive(Serialize)]
struct Package<'a> {
    #[serde(flatten)]
    identity: Identity<'a>,
    provides: Vec<String>,
    requires: Vec<String>,
}

#[derive(Serialize)]
struct Source<'a> {
    file: &'a str,
    url: Option<String>,
}

/// A spec that does not parse, as JSON.
#[derive(Serialize)]
struct Failed<'a> {
    file: &'a Path,
    error: Error<'a>,
}

#[derive(Serialize)]
struct Error<'a> {
    line: Option<u32>,
    text: &'a str,
    /// All that rpm wrote.
    output: &'a str,
}

pub(super) async fn run(project: &Project, args: &Args) -> Result<ExitCode, Fault> {
    let arch = args.arch.map(|arch| match arch {
        ArchArg::X86_64 => "x86_64",
        ArchArg::Aarch64 => "aarch64",
    });
    let loaded = query::specs(project, &args.specs, arch, &args.names).await?;
    if project.json {
        report::json(&json(&loaded).map_err(|error| Fault::host_error(&error))?)?;
    } else {
        report::data(&text(&loaded))?;
    }
    Ok(if loaded.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

fn json(loaded: &LoadedSpecs) -> serde_json::Result<String> {
    let mut lines = String::new();
    for package in &loaded.packages {
        lines.push_str(&serde_json::to_string(&parsed(package))?);
        lines.push('\n');
    }
    for failure in &loaded.failures {
        let error = Error { line: failure.line(), text: failure.text(), output: &failure.message };
        lines.push_str(&serde_json::to_string(&Failed { file: &failure.spec_path, error })?);
        lines.push('\n');
    }
    Ok(lines)
}

fn parsed(package: &SourcePackage) -> Parsed<'_> {
    let files = |kind: SourceKind| package.sources.iter().filter(move |file| file.kind == kind).map(source).collect();
    Parsed {
        file: &package.spec_path,
        identity: identity(&package.nevra, &package.build_arch),
        packages: package.binaries.iter().map(binary).collect(),
        build_requires: texts(&package.build_requires),
        check_requires: texts(&package.check_requires),
        sources: files(SourceKind::Source),
        patches: files(SourceKind::Patch),
        has_check: package.has_check,
        exclusive_arch: &package.exclusive_arch,
        exclude_arch: &package.exclude_arch,
        excluded: package.excluded.as_deref(),
    }
}

fn identity<'a>(nevra: &'a Nevra, arch: &'a str) -> Identity<'a> {
    let evr = &nevra.evr;
    Identity { name: &nevra.name, epoch: evr.epoch, version: &evr.version, release: &evr.release, arch }
}

fn binary(package: &BinaryPackage) -> Package<'_> {
    Package {
        identity: identity(&package.nevra, &package.nevra.arch),
        provides: package.provides.iter().map(Capability::to_string).collect(),
        requires: texts(&package.requires),
    }
}

fn source(file: &SourceFile) -> Source<'_> {
    Source { file: &file.name, url: file.url.as_deref().map(address::without_login) }
}

fn texts(requirements: &[Requirement]) -> Vec<String> {
    requirements.iter().map(Requirement::to_string).collect()
}

/// A line a spec, then what does not parse with its place.
fn text(loaded: &LoadedSpecs) -> String {
    let parsed = loaded.packages.iter().map(line);
    parsed.chain(loaded.failures.iter().map(failure_line)).collect()
}

fn line(package: &SourcePackage) -> String {
    let (spec, nevra) = (&package.spec, &package.nevra);
    let name = if nevra.name == *spec { String::new() } else { format!(" (Name: {})", nevra.name) };
    let count = |number: usize, one: &str, more: &str| format!("{number} {}", if number == 1 { one } else { more });
    let patches = package.sources.iter().filter(|file| file.kind == SourceKind::Patch).count();
    let parts = [
        count(package.binaries.len(), "package", "packages"),
        count(package.build_requires.len(), "BuildRequires", "BuildRequires"),
        count(package.sources.len() - patches, "source", "sources"),
        count(patches, "patch", "patches"),
    ];
    let check = if package.has_check { ", %check" } else { "" };
    let excluded = package.excluded.as_ref().map(|why| format!(", not for this arch: {why}")).unwrap_or_default();
    format!("{spec}{name} {} {}: {}{check}{excluded}\n", nevra.evr, package.build_arch, parts.join(", "))
}

fn failure_line(failure: &SpecFailure) -> String {
    let line = failure.line().map(|line| format!(":{line}")).unwrap_or_default();
    format!("error: {}{line}: {}\n", failure.spec_path.display(), failure.text())
}
