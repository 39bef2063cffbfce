//! Why no graph can be made, told all at once.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use super::{Relation, Step};

/// How many requirers a message names.
const MOST_REQUIRERS: usize = 5;

/// No order of builds satisfies the goals.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// Words that name neither a spec nor a package, sorted.
    #[error("{}", lines(.0))]
    UnknownGoals(Vec<UnknownGoal>),
    /// Requirements of builds that nothing satisfies, sorted.
    #[error("{}", lines(.0))]
    Unresolved(Vec<Unresolved>),
    /// Specs that need each other before they can be built; one ring for each group of such specs.
    #[error("{}", lines(rings))]
    Cycle {
        /// Sorted by their first spec.
        rings: Vec<Ring>,
    },
}

/// A goal that nothing in the specs goes by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnknownGoal {
    /// The user's word.
    pub name: String,
    /// Specs and packages with nearly that name, the nearest first.
    pub nearest: Vec<String>,
    /// True when the toolchain image has it already.
    pub is_given: bool,
}

/// A requirement that nothing satisfies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Unresolved {
    /// As the spec writes it.
    pub requirement: String,
    /// Who requires it, sorted.
    pub required_by: Vec<Requirer>,
    /// What comes near, the nearest first.
    pub nearest: Vec<Near>,
    /// What was built for it in vain; None when nothing was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub looked_at: Option<LookedAt>,
}

/// Packages that were thought to provide something, and do not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct LookedAt {
    /// Their names, the likeliest first.
    pub packages: Vec<String>,
    /// How many others have a pattern for all such files, and were not built for it.
    pub untried: usize,
}

/// Who makes a requirement.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Requirer {
    /// The spec file that says so.
    pub spec_path: PathBuf,
    /// The tag it says it with.
    pub relation: Relation,
    /// The binary package that requires it; None for what a build or a check requires.
    pub package: Option<String>,
}

/// Something that comes near to a requirement.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Near {
    /// A package that provides the name in another version.
    OtherVersion {
        /// Its NEVRA, or the words for the toolchain image.
        package: String,
        /// What it provides.
        capability: String,
    },
    /// A package of a spec that is not built for this arch.
    Excluded {
        /// Its spec.
        spec: String,
        /// Why its spec is not built.
        why: String,
    },
    /// A capability of nearly that name.
    Name {
        /// The capability's name.
        name: String,
    },
}

/// Specs of which each needs the next, and the last the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ring {
    /// The ring's specs in order, starting with the least; one that needs its own packages stands alone.
    pub specs: Vec<String>,
    /// For each spec of the ring why it needs the next.
    pub reasons: Vec<Vec<Step>>,
    /// Every spec that is in some ring with these, the ring's included.
    pub members: BTreeSet<String>,
    /// What the ring holds together and was only guessed, as requirements.
    pub guessed: BTreeSet<String>,
}

impl GraphError {
    /// [`GraphError::UnknownGoals`] with each word once.
    pub fn unknown_goals(mut unknown: Vec<UnknownGoal>) -> Self {
        unknown.sort();
        unknown.dedup();
        Self::UnknownGoals(unknown)
    }

    /// What the user can do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownGoals(_) => {
                Some("name a spec file without `.spec`, or a package that a spec makes".to_owned())
            }
            Self::Unresolved(all) => Some(unresolved_hint(all)),
            Self::Cycle { rings } => Some(cycle_hint(rings)),
        }
    }
}

fn unresolved_hint(all: &[Unresolved]) -> String {
    let nearest: Vec<&Near> = all.iter().flat_map(|one| &one.nearest).collect();
    if nearest.iter().any(|near| matches!(near, Near::OtherVersion { .. })) {
        "update the package that provides the other version, or relax the bound".to_owned()
    } else if nearest.iter().any(|near| matches!(near, Near::Excluded { .. })) {
        "build for another arch, or make the requirement depend on the arch".to_owned()
    } else {
        "add a spec that provides it, name a repository that has it with `--repo`, or name it in the toolchain's `provides` \
         when its image has it"
            .to_owned()
    }
}

fn cycle_hint(rings: &[Ring]) -> String {
    let guessed: Vec<String> = rings.iter().flat_map(|ring| &ring.guessed).map(|text| format!("`{text}`")).collect();
    if guessed.is_empty() {
        return "break each ring at one place: build one spec first without that requirement by a condition \
                (`%bcond_with bootstrap`), put a requirement that only `%check` has behind `%if %{with check}`, or take \
                one of the packages as a prebuilt RPM into the toolchain image"
            .to_owned();
    }
    format!(
        "who provides {} is a guess: an explicit `Provides` in the right spec may dissolve the ring",
        guessed.join(", ")
    )
}

fn lines(all: &[impl fmt::Display]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

impl fmt::Display for UnknownGoal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no spec and no package is named `{}`", self.name)?;
        if self.is_given {
            f.write_str(", but the toolchain image has it")?;
        }
        if self.nearest.is_empty() {
            return Ok(());
        }
        let names: Vec<String> = self.nearest.iter().map(|name| format!("`{name}`")).collect();
        write!(f, "\n  nearest: {}", names.join(", "))
    }
}

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no package provides `{}`", self.requirement)?;
        for requirer in self.required_by.iter().take(MOST_REQUIRERS) {
            write!(f, "\n  required by: {requirer}")?;
        }
        if let Some(more @ 1..) = self.required_by.len().checked_sub(MOST_REQUIRERS) {
            write!(f, "\n  required by: {more} more")?;
        }
        for near in &self.nearest {
            write!(f, "\n  nearest: {near}")?;
        }
        match &self.looked_at {
            Some(looked_at) => write!(f, "\n  built and without it: {looked_at}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for LookedAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.packages.iter().map(|name| format!("`{name}`")).collect();
        f.write_str(&names.join(", "))?;
        match self.untried {
            0 => Ok(()),
            others => write!(f, "; {others} others, which only have a pattern for any such file, were not tried"),
        }
    }
}

impl fmt::Display for Requirer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ({}", self.spec_path.display(), self.relation)?;
        if let Some(package) = &self.package {
            write!(f, " of `{package}`")?;
        }
        f.write_str(")")
    }
}

impl fmt::Display for Near {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherVersion { package, capability } => write!(f, "{package} provides `{capability}`"),
            Self::Excluded { spec, why } => write!(f, "`{spec}` is not built: {why}"),
            Self::Name { name } => write!(f, "`{name}`"),
        }
    }
}

impl fmt::Display for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.specs.first().map_or("", String::as_str);
        let ring = self.specs.join(" -> ");
        write!(f, "packages need each other before they can be built: {ring} -> {first}")?;
        for reason in &self.reasons {
            f.write_str("\n  ")?;
            super::write_steps(f, reason)?;
        }
        let others: Vec<&str> =
            self.members.iter().filter(|member| !self.specs.contains(member)).map(String::as_str).collect();
        if others.is_empty() { Ok(()) } else { write!(f, "\n  also in rings with these: {}", others.join(", ")) }
    }
}
