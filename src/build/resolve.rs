//! From a package and the results it needs to its buildroot and build key.
//!
//! In: a spec, the results of all specs that it needs, directly or not. Out: the exact list of RPMs to install and the
//! [`BuildInputs`]; or why its `BuildRequires` cannot be met. Only those results are searched, and remote repositories for
//! what these lack; never whatever happens to be finished, so that the list does not depend on the order in which builds end. What `%generate_buildrequires` asked
//! for in an earlier build with the same inputs is added before anything runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::inputs::{self, InputFile};
use super::rpms::{BuildrootRpm, remote_rpms};
use super::{BuildContext, BuildError, KEY_VERSION};
use crate::cache::StoredResult;
use crate::digest::Sha256;
use crate::graph;
use crate::package::{Capability, Nevra, Requirement, RpmHeader};
use crate::plan::BuildInputs;
use crate::spec::SourcePackage;
use crate::toolchain::Toolchain;

/// Builds whose `%generate_buildrequires` asks for more each time; RPM itself sets no bound.
pub(super) const MOST_ROUNDS: usize = 10;

/// A build that can start.
#[derive(Clone, Debug)]
pub(super) struct Resolved {
    pub(super) key: Sha256,
    pub(super) inputs: BuildInputs,
    /// Sorted.
    pub(super) buildroot: Vec<BuildrootRpm>,
    /// The spec and its sources.
    pub(super) files: Vec<InputFile>,
    /// True when `%generate_buildrequires` of an earlier build asked for something of it.
    pub(super) has_asked: bool,
}

/// What became of a package's `BuildRequires`.
pub(super) enum Resolution {
    /// There are RPMs for all of them.
    Resolved(Box<Resolved>),
    /// They cannot be met; why, as sentences.
    Unsolvable(String),
}

/// The buildroot and key of `package` with its `files`, given the results of all that it needs, sorted by spec.
pub(super) fn resolve(
    context: &BuildContext<'_>,
    package: &SourcePackage,
    files: &[InputFile],
    needed: &[Arc<StoredResult>],
) -> Result<Resolution, BuildError> {
    let mut wanted = package.build_requires.clone();
    if context.options.runs_check(package) {
        wanted.extend(package.check_requires.iter().cloned());
    }
    for round in 0..MOST_ROUNDS {
        let buildroot = match solve(context, &wanted, needed) {
            Ok(buildroot) => buildroot,
            Err(unsolvable) => return Ok(Resolution::Unsolvable(unsolvable.reason)),
        };
        let inputs = inputs_of(context, package, files, &buildroot);
        let key = inputs.key().0;
        let generated = context.history.generated(key).map_err(BuildError::Records)?.unwrap_or_default();
        let more: Vec<Requirement> = generated.into_iter().filter(|one| !wanted.contains(one)).collect();
        if more.is_empty() {
            remote_rpms(&buildroot).for_each(|sha256| context.remote.note_used(sha256));
            let files = files.to_vec();
            let has_asked = round > 0;
            return Ok(Resolution::Resolved(Box::new(Resolved { key, inputs, buildroot, files, has_asked })));
        }
        wanted.extend(more);
    }
    Ok(Resolution::Unsolvable(format!("`%generate_buildrequires` asked for more {MOST_ROUNDS} times in a row")))
}

fn solve(
    context: &BuildContext<'_>,
    wanted: &[Requirement],
    needed: &[Arc<StoredResult>],
) -> Result<Vec<BuildrootRpm>, graph::Unsolvable> {
    let binaries = needed.iter().flat_map(|result| result.binaries().map(move |rpm| (result, rpm)));
    let by_nevra: BTreeMap<&Nevra, _> = binaries.map(|(result, rpm)| (&rpm.header.nevra, (result, rpm))).collect();
    let local: Vec<&RpmHeader> = by_nevra.values().map(|(_, rpm)| &rpm.header).collect();
    let given = &context.toolchain.provides;
    let remote = context.remote_index.relevant(wanted, &local, given);
    let of_remote = remote.iter().map(|package| (&package.header, package.rank + 1));
    let available: Vec<_> = local.iter().map(|header| (*header, 0)).chain(of_remote).collect();
    let solution = graph::solve_ranked(wanted, &available, given)?;
    let rpm = |header: &&RpmHeader| {
        if let Some(package) = remote.iter().find(|package| std::ptr::eq(&raw const package.header, *header)) {
            return Some(BuildrootRpm {
                nevra: header.nevra.to_string(),
                content: package.digest(),
                path: context.remote.path(package.digest()),
                is_remote: true,
            });
        }
        let (result, rpm) = by_nevra.get(&header.nevra)?;
        let (nevra, path) = (rpm.header.nevra.to_string(), result.path(rpm));
        Some(BuildrootRpm { nevra, content: rpm.content, path, is_remote: false })
    };
    let mut buildroot: Vec<BuildrootRpm> = solution.iter().filter_map(rpm).collect();
    buildroot.sort();
    Ok(buildroot)
}

/// The inputs of `package` without its buildroot.
pub(crate) fn own_inputs(context: &BuildContext<'_>, package: &SourcePackage) -> Result<BuildInputs, BuildError> {
    Ok(inputs_of(context, package, &inputs::files(package, context.sources)?, &[]))
}

/// The macros of the run, which win over those with versions of other specs, as when the spec was read.
pub(super) fn macros_of(toolchain: &Toolchain, package: &SourcePackage) -> BTreeMap<String, String> {
    package.version_macros.clone().into_iter().chain(toolchain.macros.clone()).collect()
}

fn inputs_of(
    context: &BuildContext<'_>,
    package: &SourcePackage,
    files: &[InputFile],
    buildroot: &[BuildrootRpm],
) -> BuildInputs {
    let check = context.options.runs_check(package);
    let inputs = inputs_without_buildroot(context.toolchain, package, files);
    let mut given = inputs.given.clone();
    given.extend(required(package, check, &context.toolchain.given).map(ToString::to_string));
    BuildInputs {
        given,
        buildroot: buildroot.iter().map(|rpm| (rpm.nevra.clone(), rpm.content)).collect(),
        check,
        exceptions: context.options.exceptions(package),
        ..inputs
    }
}

fn all_given(toolchain: &Toolchain) -> BTreeSet<String> {
    toolchain.given.iter().map(ToString::to_string).collect()
}

/// What of `given` the build of `package` requires by name, with its `%check` or without.
pub fn required<'a>(
    package: &SourcePackage,
    check: bool,
    given: &'a [Capability],
) -> impl Iterator<Item = &'a Capability> {
    let of_check = package.check_requires.iter().filter(|_| check);
    let all = package.build_requires.iter().chain(of_check).flat_map(Requirement::dependencies);
    let names: BTreeSet<String> = all.map(|dependency| dependency.name.clone()).collect();
    given.iter().filter(move |capability| names.contains(&capability.name))
}

/// The inputs of `package` with nothing installed and without `%check`.
pub(super) fn inputs_without_buildroot(
    toolchain: &Toolchain,
    package: &SourcePackage,
    files: &[InputFile],
) -> BuildInputs {
    let is_spec = |file: &&InputFile| file.path == package.spec_path;
    BuildInputs {
        key_version: KEY_VERSION,
        spec: package.spec.clone(),
        spec_digest: package.spec_digest,
        sources: files.iter().filter(|file| !is_spec(file)).map(|file| (file.name.clone(), file.digest())).collect(),
        macros: macros_of(toolchain, package),
        macro_files: toolchain.macro_files.iter().map(|file| (file.name.clone(), file.digest)).collect(),
        image: toolchain.essence,
        given: if package.asks_database { all_given(toolchain) } else { BTreeSet::new() },
        arch: toolchain.arch.clone(),
        buildroot: BTreeMap::new(),
        check: false,
        exceptions: BTreeSet::new(),
    }
}
