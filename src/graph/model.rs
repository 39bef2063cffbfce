//! The graph of a run, and the questions it answers without looking at requirements again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use petgraph::Graph;
use serde::Serialize;

use crate::digest::Sha256;
use crate::package::Nevra;

use super::{Requirer, Unresolved};

/// So many candidates of a guess are told by name.
const MOST_CANDIDATES: usize = 3;

/// The packages of a run with their order. What [`resolve`](super::resolve) returns has no ring in `needs`.
#[derive(Clone, Debug, Default)]
pub struct BuildGraph {
    /// For each spec to build, by name: the specs that must be published before its build starts. Not only the direct
    /// ones: every spec of which a package is in the buildroot.
    pub needs: BTreeMap<String, BTreeSet<String>>,
    /// For each spec those of its needs that are only guessed, and in whose place others may be taken: where one of them
    /// cannot be built, the spec is planned again.
    pub unsure: BTreeMap<String, BTreeSet<String>>,
    /// Specs whose `%check` cannot run in their build, because what it requires needs the spec itself: the specs that
    /// must be published before that check, the spec itself aside. The build goes on without its check.
    pub checks: BTreeMap<String, BTreeSet<String>>,
    /// For each spec whose buildroot has packages of remote repositories, the digests of these.
    pub remote: BTreeMap<String, BTreeSet<Sha256>>,
    /// The specs that were asked for; the others are there because these need them.
    pub goals: BTreeSet<String>,
    /// Specs that were asked for and are not built for this arch, with the reason.
    pub excluded: BTreeMap<String, String>,
    /// Who provides what, where neither a spec nor a build of the present version says so; sorted by requirement.
    pub guesses: Vec<Guess>,
    /// What packages of the toolchain image are taken to provide, although no spec says so: the guesses that need no build.
    pub assumed: BTreeSet<String>,
    /// What several packages provide, and which was taken; sorted by requirement.
    pub choices: Vec<Choice>,
    /// Requirements of packages of the run that nothing satisfies and no build needs: the packages build, but cannot be
    /// installed from this run alone. Sorted by requirement.
    pub unmet: Vec<Unresolved>,
    /// Builds, packages and checks with the requirements between them. An edge goes from what needs to what is needed.
    pub requirements: Graph<Node, Edge>,
}

/// A part of a run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Node {
    /// Runs `rpmbuild` on a spec.
    Build {
        /// The spec's name.
        spec: String,
    },
    /// Makes a binary package installable.
    Install {
        /// The spec that makes it.
        spec: String,
        /// The package, as its spec says.
        #[serde(serialize_with = "as_text")]
        package: Nevra,
    },
    /// A package of a remote repository.
    Prebuilt {
        /// The package.
        #[serde(serialize_with = "as_text")]
        package: Nevra,
        /// The repository's name.
        repository: String,
    },
    /// Runs `%check` of a spec.
    Check {
        /// The spec's name.
        spec: String,
    },
}

/// Why a node needs another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Edge {
    /// What kind of need it is.
    pub relation: Relation,
    /// The requirement as the spec writes it; None for what a package or a check is made from.
    pub requirement: Option<String>,
}

/// How one part of a run needs another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Relation {
    /// A build requires a package.
    BuildRequires,
    /// A check requires a package.
    CheckRequires,
    /// A package requires another.
    Requires,
    /// A package, or a check, comes from a build.
    MadeBy,
}

/// A provider that nobody has said to be one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Guess {
    /// The requirement as the spec writes it.
    pub requirement: String,
    /// Who requires it, sorted.
    pub required_by: Vec<Requirer>,
    /// Names of the packages that may provide it; where the first is as good as known, those alone that are as likely. The
    /// first was taken, unless another one that is as likely was in the set anyway, or the first cannot be built for this.
    pub candidates: Vec<String>,
    /// What speaks for them.
    pub why: GuessReason,
}

/// What speaks for a guess.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum GuessReason {
    /// An earlier build of another version provided it.
    EarlierBuild {
        /// That build's version and release.
        version: String,
    },
    /// The spec's `%files` has an entry for it.
    Files {
        /// The entry.
        entry: String,
    },
    /// A package has the name that goes with it.
    Name {
        /// The package's name.
        name: String,
    },
}

/// A requirement that several packages satisfy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Choice {
    /// The requirement as the spec writes it.
    pub requirement: String,
    /// The name of the package that was taken.
    pub taken: String,
    /// The names of the others, best first.
    pub others: Vec<String>,
}

impl BuildGraph {
    /// The specs so that each stands after all it needs; of several that could come next, the first by name.
    pub fn order(&self) -> Vec<String> {
        let dependants = self.dependants();
        let inside = |needs: &BTreeSet<String>| needs.iter().filter(|need| self.needs.contains_key(*need)).count();
        let mut open: BTreeMap<&str, usize> =
            self.needs.iter().map(|(spec, needs)| (spec.as_str(), inside(needs))).collect();
        let mut ready: BTreeSet<&str> = open.iter().filter(|(_, count)| **count == 0).map(|(spec, _)| *spec).collect();
        let mut order = Vec::with_capacity(open.len());
        while let Some(spec) = ready.pop_first() {
            order.push(spec.to_owned());
            for dependant in dependants.get(spec).into_iter().flatten() {
                if let Some(count) = open.get_mut(dependant) {
                    *count -= 1;
                    if *count == 0 {
                        ready.insert(dependant);
                    }
                }
            }
        }
        order
    }

    /// Takes the specs `built` as built: what only their builds need leaves the run.
    pub fn take_as_built(&mut self, built: &BTreeSet<String>) {
        if built.is_empty() {
            return;
        }
        let is_built = |node: &Node| matches!(node, Node::Build { spec } if built.contains(spec));
        let graph = &self.requirements;
        let mut open: Vec<_> = graph
            .node_indices()
            .filter(|node| graph[*node].spec().is_some_and(|spec| self.goals.contains(spec)))
            .collect();
        let mut reached: BTreeSet<_> = open.iter().copied().collect();
        while let Some(node) = open.pop() {
            if !is_built(&graph[node]) {
                open.extend(graph.neighbors(node).filter(|next| reached.insert(*next)));
            }
        }
        let kept: BTreeSet<&str> = reached.iter().filter_map(|node| graph[*node].spec()).collect();
        for needs in [&mut self.needs, &mut self.checks] {
            needs.retain(|spec, _| kept.contains(spec.as_str()));
        }
        for spec in built {
            self.needs.entry(spec.clone()).and_modify(BTreeSet::clear);
            self.checks.remove(spec);
            self.remote.remove(spec);
        }
    }

    /// The specs whose builds have a package of `spec` in their buildroot.
    pub fn rdeps(&self, spec: &str) -> BTreeSet<&str> {
        self.needs.iter().filter(|(_, needs)| needs.contains(spec)).map(|(name, _)| name.as_str()).collect()
    }

    /// The specs that cannot be built without `spec`, through whatever others.
    pub fn all_rdeps(&self, spec: &str) -> BTreeSet<&str> {
        let dependants = self.dependants();
        let (mut found, mut open) = (BTreeSet::new(), dependants.get(spec).cloned().unwrap_or_default());
        found.extend(open.iter().copied());
        while let Some(next) = open.pop() {
            open.extend(dependants.get(next).into_iter().flatten().filter(|dependant| found.insert(**dependant)));
        }
        found
    }

    /// The specs that need one of `specs`, those that need these, and so on, for so many `layers`.
    pub fn layers_after(&self, specs: &BTreeSet<String>, layers: u32) -> BTreeSet<String> {
        let dependants = self.dependants();
        let (mut found, mut last) = (BTreeSet::new(), specs.clone());
        for _ in 0..layers {
            let next = last.iter().filter_map(|spec| dependants.get(spec.as_str())).flatten();
            last = next.map(|spec| (*spec).to_owned()).filter(|spec| !specs.contains(spec)).collect();
            last.retain(|spec| found.insert(spec.clone()));
            if last.is_empty() {
                break;
            }
        }
        found
    }

    /// For each spec of the run those that need it, sorted.
    pub fn dependants(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut dependants: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (spec, needs) in &self.needs {
            for need in needs {
                dependants.entry(need).or_default().push(spec);
            }
        }
        dependants
    }
}

impl Node {
    /// The spec that it belongs to; None for a package of a remote repository.
    pub fn spec(&self) -> Option<&str> {
        match self {
            Self::Build { spec } | Self::Install { spec, .. } | Self::Check { spec } => Some(spec),
            Self::Prebuilt { .. } => None,
        }
    }

    /// The package that it installs.
    pub fn package(&self) -> Option<&Nevra> {
        match self {
            Self::Install { package, .. } | Self::Prebuilt { package, .. } => Some(package),
            Self::Build { .. } | Self::Check { .. } => None,
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Build { spec } => f.write_str(spec),
            Self::Check { spec } => write!(f, "%check of {spec}"),
            Self::Prebuilt { package, repository } => write!(f, "{} of repository {repository}", package.name),
            Self::Install { spec, package } if package.name == *spec => f.write_str(spec),
            Self::Install { spec, package } => write!(f, "{} of {spec}", package.name),
        }
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BuildRequires => "BuildRequires",
            Self::CheckRequires => "BuildRequires of %check",
            Self::Requires => "Requires",
            Self::MadeBy => "made by",
        })
    }
}

impl fmt::Display for Guess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.candidates.len();
        let (told, others) =
            self.candidates.split_at(if count > MOST_CANDIDATES + 1 { MOST_CANDIDATES } else { count });
        let told: Vec<String> = told.iter().map(|name| format!("`{name}`")).collect();
        write!(f, "`{}` is taken to come from {}", self.requirement, told.join(", else "))?;
        if !others.is_empty() {
            write!(f, ", else one of {} others", others.len())?;
        }
        write!(f, ": {}", self.why)
    }
}

impl fmt::Display for GuessReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EarlierBuild { version } => write!(f, "its build of version {version} provided it"),
            Self::Files { entry } => write!(f, "its %files has `{entry}`"),
            Self::Name { name } => write!(f, "the name `{name}` goes with it"),
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let others: Vec<String> = self.others.iter().map(|name| format!("`{name}`")).collect();
        write!(f, "`{}` is provided by `{}`, and by {}", self.requirement, self.taken, others.join(", "))
    }
}

fn as_text<S: serde::Serializer>(package: &Nevra, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(package)
}
