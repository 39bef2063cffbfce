//! What is missing, with what comes near to it.

use std::collections::{BTreeMap, BTreeSet};

use crate::package::{Capability, Requirement};
use crate::suggest::{Names, nearest};

use super::universe::Universe;
use super::{LookedAt, Near, Requirer, UnknownGoal, Unresolved};

/// At most so many near things are told.
const MOST_NEAR: usize = 3;

/// Requirements that nothing satisfies, and who makes them.
#[derive(Default)]
pub(super) struct Missing(BTreeMap<Requirement, BTreeSet<Requirer>>);

impl Missing {
    pub(super) fn add(&mut self, requirement: &Requirement, requirer: Requirer) {
        self.0.entry(requirement.clone()).or_default().insert(requirer);
    }

    pub(super) fn requirements(&self) -> impl Iterator<Item = &Requirement> {
        self.0.keys()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each with what comes near, sorted by its text.
    pub(super) fn explained(self, universe: &Universe) -> Vec<Unresolved> {
        if self.is_empty() {
            return Vec::new();
        }
        let names = Names::new(universe.names());
        let mut all: Vec<Unresolved> = self
            .0
            .into_iter()
            .map(|(requirement, required_by)| Unresolved {
                nearest: near(&requirement, universe, &names),
                looked_at: looked_at(&requirement, universe),
                requirement: requirement.to_string(),
                required_by: required_by.into_iter().collect(),
            })
            .collect();
        all.sort();
        all
    }
}

fn near(requirement: &Requirement, universe: &Universe, all_names: &Names) -> Vec<Near> {
    let all = requirement.dependencies();
    let mut missing: Vec<_> = all.iter().filter(|dependency| !universe.can_satisfy(dependency)).collect();
    if missing.is_empty() {
        missing = all.iter().collect();
    }
    let names = || missing.iter().map(|dependency| dependency.name.as_str());
    let mut found: Vec<Near> = names().flat_map(|name| other_versions(name, universe)).collect();
    found.extend(names().flat_map(|name| excluded(name, universe)));
    if found.is_empty() {
        let near = names().flat_map(|name| all_names.nearest(name));
        found.extend(near.map(|name| Near::Name { name: name.to_owned() }));
    }
    found.dedup();
    found.truncate(MOST_NEAR);
    found
}

/// The packages that were built in this run for what is missing, in vain.
fn looked_at(requirement: &Requirement, universe: &Universe) -> Option<LookedAt> {
    let mut found = LookedAt { packages: Vec::new(), untried: 0 };
    for dependency in requirement.dependencies() {
        let tried = universe.tried(dependency);
        let names = tried.packages.iter().map(|&binary| universe.binaries[binary].package.nevra.name.clone());
        found.packages.extend(names);
        found.untried += tried.untried;
    }
    (!found.packages.is_empty()).then_some(found)
}

fn other_versions(name: &str, universe: &Universe) -> Vec<Near> {
    let of_spec = universe.any_version(name).into_iter().filter_map(|(binary, evr)| {
        let found = &universe.binaries[binary];
        // Remote packages follow below.
        found.spec?;
        let package = format!("`{}`", found.package.nevra);
        Some(Near::OtherVersion { package, capability: format!("{name} = {}", evr?) })
    });
    let given = universe
        .given
        .versions(name)
        .iter()
        .map(|given| Near::OtherVersion { package: "the toolchain image".to_owned(), capability: given.to_string() });
    of_spec.chain(given).chain(remote_versions(name, universe)).collect()
}

/// What repositories have under that name, also where it is not used.
fn remote_versions(name: &str, universe: &Universe) -> Vec<Near> {
    let mut found = Vec::new();
    for remote in universe.all_remote {
        let nevra = &remote.header.nevra;
        let said = remote.header.provides.iter().find(|capability| capability.name == name);
        let own = || Capability::new(nevra.name.clone(), Some(nevra.evr.clone()));
        let Some(capability) = said.cloned().or_else(|| (nevra.name == name).then(own)) else { continue };
        let package = format!("`{nevra}` of repository `{}`", remote.repository);
        found.push(Near::OtherVersion { package, capability: capability.to_string() });
    }
    found
}

fn excluded(name: &str, universe: &Universe) -> Vec<Near> {
    let excluded = universe.specs.iter().filter_map(|source| Some((source, source.excluded.as_ref()?)));
    let provides = excluded.filter(|(source, _)| {
        source.binaries.iter().any(|package| {
            package.nevra.name == name || package.provides.iter().any(|capability| capability.name == name)
        })
    });
    provides.map(|(source, why)| Near::Excluded { spec: source.spec.clone(), why: why.clone() }).collect()
}

/// A word of the user that names nothing.
pub(super) fn unknown_goal(word: &str, universe: &Universe) -> UnknownGoal {
    let specs = universe.specs.iter().map(|source| source.spec.as_str());
    let packages = universe
        .binaries
        .iter()
        .filter(|binary| binary.spec.is_some())
        .map(|binary| binary.package.nevra.name.as_str());
    UnknownGoal {
        name: word.to_owned(),
        nearest: nearest(word, specs.chain(packages)).into_iter().map(str::to_owned).collect(),
        is_given: !universe.given.versions(word).is_empty(),
    }
}
