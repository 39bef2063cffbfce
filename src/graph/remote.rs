//! Packages of remote repositories, as far as they may be used. Pure.
//!
//! What the toolchain image has, and what specs make, is never taken from a repository: a remote package of such a name
//! is not seen. The others are used for what nothing else provides; of several the one of the preferred repository, then
//! the highest version.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::package::{Capability, Dependency, Nevra, Provides, Requirement, RpmHeader};
use crate::remote::RemotePackage;
use crate::spec::SourcePackage;

use super::given::Given;

/// Which names are not taken from repositories.
pub(super) struct Taken<'a>(HashSet<&'a str>);

impl<'a> Taken<'a> {
    /// The names of packages that `specs` make and of those that are `installed`.
    pub(super) fn new(specs: &'a [SourcePackage], installed: &'a [Nevra]) -> Self {
        let made = specs.iter().filter(|source| source.excluded.is_none()).flat_map(|source| &source.binaries);
        let made = made.map(|package| package.nevra.name.as_str());
        Self(made.chain(installed.iter().map(|nevra| nevra.name.as_str())).collect())
    }

    /// Whether the package may be used.
    pub(super) fn allows(&self, package: &RemotePackage) -> bool {
        !self.0.contains(package.header.nevra.name.as_str())
    }
}

/// The remote packages of a run, ready for the question which of them a buildroot may need.
pub struct RemoteIndex<'a> {
    packages: Vec<&'a RemotePackage>,
    by_name: HashMap<&'a str, Vec<usize>>,
}

impl<'a> RemoteIndex<'a> {
    /// The packages of `remote`, the preferred ones first, that may be used beside `specs` and what is `installed`.
    pub fn new(remote: &'a [RemotePackage], specs: &[SourcePackage], installed: &[Nevra]) -> Self {
        let taken = Taken::new(specs, installed);
        let packages: Vec<&RemotePackage> = remote.iter().filter(|package| taken.allows(package)).collect();
        let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
        for (number, RemotePackage { header, .. }) in packages.iter().enumerate() {
            let provides = header.provides.iter().map(|capability| capability.name.as_str());
            let files = header.files.iter().map(String::as_str);
            for name in std::iter::once(header.nevra.name.as_str()).chain(provides).chain(files) {
                by_name.entry(name).or_default().push(number);
            }
        }
        Self { packages, by_name }
    }

    /// The packages that may be needed beside `local` for `wanted`, in the order of preference: those that provide what
    /// neither `given` nor `local` does, with all that these may need.
    pub fn relevant(&self, wanted: &[Requirement], local: &[&RpmHeader], given: &Provides) -> Vec<&'a RemotePackage> {
        if self.packages.is_empty() {
            return Vec::new();
        }
        let (given, local_names) = (Given(given), LocalNames::new(local));
        let mut found: BTreeSet<usize> = BTreeSet::new();
        let of_local = local.iter().flat_map(|header| &header.requires);
        let mut open: Vec<&Requirement> = wanted.iter().chain(of_local).collect();
        let mut asked: HashSet<&Dependency> = HashSet::new();
        while let Some(requirement) = open.pop() {
            for dependency in requirement.dependencies() {
                let Some(providers) = self.by_name.get(dependency.name.as_str()) else { continue };
                let is_known = || given.has(&[dependency]) || local_names.satisfy(dependency);
                if !asked.insert(dependency) || is_known() {
                    continue;
                }
                for &number in providers {
                    if found.insert(number) {
                        open.extend(&self.packages[number].header.requires);
                    }
                }
            }
        }
        found.into_iter().map(|number| self.packages[number]).collect()
    }
}

/// What RPMs provide, by name.
struct LocalNames<'r> {
    headers: &'r [&'r RpmHeader],
    provides: HashMap<&'r str, Vec<&'r Capability>>,
}

impl<'r> LocalNames<'r> {
    fn new(headers: &'r [&'r RpmHeader]) -> Self {
        let mut provides: HashMap<&str, Vec<&Capability>> = HashMap::new();
        for capability in headers.iter().flat_map(|header| &header.provides) {
            provides.entry(capability.name.as_str()).or_default().push(capability);
        }
        Self { headers, provides }
    }

    fn satisfy(&self, wanted: &Dependency) -> bool {
        let provided = self.provides.get(wanted.name.as_str()).into_iter().flatten().any(|one| wanted.accepts(one));
        let is_file =
            || wanted.name.starts_with('/') && self.headers.iter().any(|one| one.files.contains(&wanted.name));
        provided || is_file()
    }
}
