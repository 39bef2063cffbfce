//! A program in the container where a package is built, in place of its build.
//!
//! In: a package whose needs have results. The container is that of its build: the same image with the same
//! `BuildRequires`, the spec, the sources, the macros, user `builder`, no network. Its sources are unpacked by
//! `rpmbuild -bp` first (`shell.sh`). Everything is thrown away at the end; nothing is stored or published.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use super::buildroot::{Buildroots, NoBuildroot};
use super::container::{INPUTS, PackageBuild, in_buildroot, macros};
use super::inputs::{self, add_script, prepare};
use super::log::{self, Log};
use super::preview::{State, walk};
use super::resolve::{Resolution, Resolved, macros_of, resolve};
use super::run::closure;
use super::{BuildContext, BuildError, blocking, package_name, phase};
use crate::cache::{FailedBuild, StoredResult, file};
use crate::engine::{Exit, ImageId, Limits, Session, Stream, Terminal};
use crate::event::Event;
use crate::graph::BuildGraph;
use crate::plan::Exception;
use crate::spec::SourcePackage;

const SCRIPT: (&str, &str) = ("shell.sh", include_str!("shell.sh"));

/// What is started in the container.
pub struct Shell<'a, 'c> {
    /// The spec.
    pub spec: &'a str,
    /// Program and arguments.
    pub command: &'a [String],
    /// What it is connected to.
    pub connection: Connection<'c>,
}

/// What a program is connected to.
pub enum Connection<'a> {
    /// Takes what it writes; it reads nothing.
    Output(&'a mut (dyn FnMut(Stream, &[u8]) + Send)),
    /// A terminal, which is asked for in the moment before the program starts.
    Terminal(Box<dyn FnOnce() -> Terminal<'a> + Send + 'a>),
}

/// How it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShellEnd {
    /// The program ended.
    Exited(Exit),
    /// There is no buildroot; why, as lines.
    NoBuildroot(Vec<String>),
}

/// Runs a program where `shell.spec` is built, which is in `graph`; all that it needs has been built.
///
/// Writes below `build/work/shell` only, and removes it.
pub async fn shell(
    context: &BuildContext<'_>,
    graph: &BuildGraph,
    shell: Shell<'_, '_>,
) -> Result<ShellEnd, BuildError> {
    let no_spec = || BuildError::NoSpec { spec: shell.spec.to_owned() };
    let package = context.specs.iter().find(|package| package.spec == shell.spec).ok_or_else(no_spec)?;
    let needed = needed(context, graph, package)?;
    let files = inputs::files(package, context.sources)?;
    let resolved = match resolve(context, package, &files, &needed)? {
        Resolution::Resolved(resolved) => resolved,
        Resolution::Unsolvable(reason) => {
            return Ok(ShellEnd::NoBuildroot(reason.lines().map(str::to_owned).collect()));
        }
    };
    tell(context, package, &resolved)?;
    let folder = context.layout.work().join("shell").join(&package.spec);
    let at = folder.clone();
    let ended = in_folder(context, package, (&resolved, &folder), shell).await;
    let removed = blocking(move || file::remove(&at)).await.map_err(BuildError::Records);
    let ended = ended?;
    removed.map(|()| ended)
}

/// The results of all that `package` needs.
fn needed(
    context: &BuildContext<'_>,
    graph: &BuildGraph,
    package: &SourcePackage,
) -> Result<Vec<Arc<StoredResult>>, BuildError> {
    let needs = closure(graph).remove(&package.spec).unwrap_or_default();
    let mut results = Vec::new();
    for step in walk(context, graph)?.into_iter().filter(|step| needs.contains(&step.package.spec)) {
        match step.state {
            State::UpToDate { result, .. } => results.push((step.package.spec.clone(), result)),
            _ => return Err(BuildError::NotBuilt { spec: step.package.spec.clone(), by: package.spec.clone() }),
        }
    }
    results.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

/// Says whether this is where the last build failed.
fn tell(context: &BuildContext<'_>, package: &SourcePackage, resolved: &Resolved) -> Result<(), BuildError> {
    let name = package_name(package);
    let failed: Option<FailedBuild> = context.history.failed(&package.spec).map_err(BuildError::Records)?;
    let text = match failed {
        Some(failed) if failed.key == Some(resolved.key) => {
            format!("{name} as its build failed in {}; log: {}", failed.phase, failed.log.display())
        }
        Some(failed) => {
            format!("{name} as it is now; its inputs have changed since its build failed in {}", failed.phase)
        }
        None => format!("{name} as it is built"),
    };
    (context.report)(Event::Note { text: format!("shell: {text}") });
    Ok(())
}

async fn in_folder(
    context: &BuildContext<'_>,
    package: &SourcePackage,
    (resolved, folder): (&Resolved, &std::path::Path),
    shell: Shell<'_, '_>,
) -> Result<ShellEnd, BuildError> {
    let name = package_name(package);
    let fault = |source| BuildError::Store { package: name.clone(), source };
    let (inputs, files) = (folder.join("inputs"), resolved.files.clone());
    let into = inputs.clone();
    let macro_files = context.toolchain.macro_files.clone();
    blocking(move || prepare(&into, &files, &macro_files)).await?;
    let path = folder.join("install.log");
    let mut log = Log::create(path.clone(), context.cancel.child_token()).map_err(fault)?;
    let made = Buildroots::new(context).ensure(&resolved.buildroot, &mut log).await;
    log.finish().map_err(fault)?;
    let image = match made {
        Ok(image) => image,
        Err(NoBuildroot::Engine(source)) => return Err(BuildError::Engine { package: name, source }),
        Err(NoBuildroot::Path(error)) => return Err(error.into()),
        Err(NoBuildroot::Remote(error)) => {
            return Ok(ShellEnd::NoBuildroot(error.to_string().lines().map(str::to_owned).collect()));
        }
        Err(NoBuildroot::Install(exit)) => {
            let mut lines = vec![format!("installing its BuildRequires: {exit}")];
            lines.extend(phase::excerpt(&log::read_end(&path).map_err(fault)?));
            return Ok(ShellEnd::NoBuildroot(lines));
        }
    };
    let run_macros = macros_of(context.toolchain, package);
    let exceptions = context.options.exceptions(package);
    let build = in_image(context, (package, &run_macros), &exceptions, (image, &inputs));
    add_script(&inputs, SCRIPT.0, SCRIPT.1)?;
    add_script(&inputs, "rpmmacros", &rpmmacros(&build))?;
    let argv = ["/bin/sh".to_owned(), format!("{INPUTS}/{}", SCRIPT.0), format!("{}.spec", package.spec)];
    let mut spec = in_buildroot(&build, argv.into_iter().chain(shell.command.iter().cloned()).collect())?;
    let exit = match shell.connection {
        Connection::Output(output) => {
            let session = Session { output, collect: None, cancel: context.cancel };
            context.engine.run(&spec, session).await
        }
        Connection::Terminal(terminal) => {
            // What nearly every terminal understands.
            spec.env.insert("TERM".to_owned(), "xterm".to_owned());
            context.engine.attach(&spec, terminal(), context.cancel).await
        }
    };
    exit.map(ShellEnd::Exited).map_err(|source| BuildError::Engine { package: name, source })
}

fn in_image<'a>(
    context: &'a BuildContext<'_>,
    (package, macros): (&'a SourcePackage, &'a BTreeMap<String, String>),
    exceptions: &'a BTreeSet<Exception>,
    (image, inputs): (ImageId, &'a std::path::Path),
) -> PackageBuild<'a> {
    let options = context.options;
    PackageBuild {
        package,
        image,
        macros,
        macro_files: &context.toolchain.macro_files,
        check: options.checks.of(package),
        exceptions,
        cpus: options.cpus,
        jobserver: None,
        // People take their time.
        limits: Limits { timeout: None, ..options.limits() },
        inputs,
    }
}

/// The macros of a build as a macro file.
fn rpmmacros(build: &PackageBuild<'_>) -> String {
    let mut text = String::new();
    for (name, body) in macros(build) {
        // A definition ends with its line unless the line end is escaped.
        let _ = writeln!(text, "%{name} {}", body.trim_end().replace('\n', "\\\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Check;
    use super::super::container::tests::package;
    use super::*;
    use crate::digest::Sha256;

    #[test]
    fn a_shell_has_the_macros_of_the_build() {
        let package = package();
        let run = BTreeMap::from([("dist".to_owned(), ".dd1".to_owned()), ("two".into(), "a\nb\n".into())]);
        let text = rpmmacros(&PackageBuild {
            package: &package,
            image: ImageId::Derived(Sha256::of_bytes(b"image")),
            macros: &run,
            macro_files: &[],
            check: Check::Off,
            cpus: 2,
            exceptions: &BTreeSet::new(),
            jobserver: None,
            limits: Limits::default(),
            inputs: Path::new("/project/zlib"),
        });
        assert!(text.contains("%_topdir /var/tmp/drydock\n") && text.contains("%dist .dd1\n"), "{text}");
        assert!(text.contains("%two a\\\nb\n%"), "{text}");
    }
}
