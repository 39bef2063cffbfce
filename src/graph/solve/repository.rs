//! The packages that can be had, with their requirements as formulas.
//!
//! Only packages that the wanted ones can bring are looked at.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};

use crate::package::{Capability, Dependency, Evr, Provides, Requirement, RpmHeader};

use super::super::formula::{Formula, Term, packages_of};
use super::super::given::Given;

/// A requirement and its formula over the leaves.
pub(super) struct Demand<'r> {
    pub(super) requirement: &'r Requirement,
    pub(super) formula: Formula,
    /// True when the formula is the contrary of what a package conflicts with.
    pub(super) is_conflict: bool,
}

/// What a package does not stand beside it.
pub(super) struct Exclusion<'r> {
    /// How it is said: `conflicts with`, `obsoletes`.
    pub(super) verb: &'static str,
    pub(super) requirement: &'r Requirement,
    /// The packages; None when it is something given, so that the package cannot be installed.
    pub(super) packages: Option<Vec<usize>>,
}

/// A package that may be installed.
#[derive(Default)]
pub(super) struct Member<'r> {
    /// What it requires, and the contrary of conflicts that are more than a list of packages.
    pub(super) demands: Vec<Demand<'r>>,
    pub(super) excludes: Vec<Exclusion<'r>>,
}

/// The packages of one question.
pub(super) struct Repository<'r, 'a> {
    pub(super) packages: &'r [&'a RpmHeader],
    /// The rank of each package's place; lower is preferred.
    pub(super) ranks: &'r [usize],
    pub(super) wanted: Vec<Demand<'r>>,
    /// The packages that may be installed, by their number.
    pub(super) members: BTreeMap<usize, Member<'r>>,
    /// For each leaf the packages that satisfy it, best first.
    pub(super) leaves: Vec<Vec<usize>>,
    given: Given<'r>,
    provides: HashMap<&'r str, Vec<(usize, Option<&'r Evr>)>>,
    answers: HashMap<Requirement, Term>,
}

impl<'r, 'a> Repository<'r, 'a> {
    /// Everything that the question touches.
    pub(super) fn new(
        wanted: &'r [Requirement],
        (packages, ranks): (&'r [&'a RpmHeader], &'r [usize]),
        given: &'r Provides,
    ) -> Self {
        let mut repository = Self {
            packages,
            ranks,
            wanted: Vec::new(),
            members: BTreeMap::new(),
            leaves: Vec::new(),
            given: Given(given),
            provides: index(wanted, packages),
            answers: HashMap::new(),
        };
        repository.wanted = wanted.iter().map(|requirement| repository.demand(requirement)).collect();
        repository.collect_members();
        repository
    }

    fn collect_members(&mut self) {
        let wanted = |demand: &Demand| demand.formula.wanted_leaves();
        let mut open: Vec<usize> = self.wanted.iter().flat_map(wanted).collect();
        let mut seen: HashSet<usize> = HashSet::new();
        while let Some(leaf) = open.pop() {
            if !seen.insert(leaf) {
                continue;
            }
            for package in self.leaves[leaf].clone() {
                if !self.members.contains_key(&package) {
                    let member = self.member(package);
                    open.extend(member.demands.iter().flat_map(wanted));
                    self.members.insert(package, member);
                }
            }
        }
    }

    fn member(&mut self, package: usize) -> Member<'r> {
        let header: &'r RpmHeader = self.packages[package];
        let mut member = Member::default();
        member.demands.extend(header.requires.iter().map(|requirement| self.demand(requirement)));
        for requirement in &header.conflicts {
            self.add_conflict(package, requirement, &mut member);
        }
        for requirement in &header.obsoletes {
            let packages = Some(self.obsoleted(package, requirement));
            member.excludes.push(Exclusion { verb: "obsoletes", requirement, packages });
        }
        member.demands.retain(|demand| !demand.formula.is_true());
        member
    }

    fn demand(&mut self, requirement: &'r Requirement) -> Demand<'r> {
        let formula = Formula::compile(requirement, &mut |part| {
            if let Some(&known) = self.answers.get(part) {
                return known;
            }
            let term = self.term(part, |_| true);
            self.keep_preferred(term);
            self.answers.insert(part.clone(), term);
            term
        });
        Demand { requirement, formula, is_conflict: false }
    }

    fn term(&mut self, part: &Requirement, keep: impl Fn(&usize) -> bool) -> Term {
        if self.given.satisfies(part) {
            return Term::Given;
        }
        let mut packages = packages_of(part, &mut |wanted| self.lookup(wanted));
        packages.retain(keep);
        self.leaves.push(packages);
        Term::Leaf(self.leaves.len() - 1)
    }

    /// Where a package of rank 0 satisfies a requirement, the others do not count.
    fn keep_preferred(&mut self, term: Term) {
        if let Term::Leaf(leaf) = term
            && self.leaves[leaf].iter().any(|package| self.ranks[*package] == 0)
        {
            self.leaves[leaf].retain(|package| self.ranks[*package] == 0);
        }
    }

    /// A package does not conflict with what it provides itself.
    fn add_conflict(&mut self, package: usize, requirement: &'r Requirement, member: &mut Member<'r>) {
        let formula = Formula::compile(requirement, &mut |part| self.term(part, |other| *other != package));
        let packages = match &formula {
            Formula::Has(leaf) => Some(self.leaves[*leaf].clone()),
            formula if formula.is_true() => None,
            formula => {
                member.demands.push(Demand { requirement, formula: formula.negated(), is_conflict: true });
                return;
            }
        };
        member.excludes.push(Exclusion { verb: "conflicts with", requirement, packages });
    }

    /// Obsoletes looks at package names only, not at what packages provide.
    fn obsoleted(&self, package: usize, requirement: &Requirement) -> Vec<usize> {
        let mut packages = packages_of(requirement, &mut |wanted| {
            let mut found = self.lookup(wanted);
            found.retain(|&other| {
                let nevra = &self.packages[other].nevra;
                wanted.accepts(&Capability::new(nevra.name.clone(), Some(nevra.evr.clone())))
            });
            found
        });
        packages.retain(|&other| other != package);
        packages
    }

    /// Packages that satisfy one dependency: the lowest rank, the highest version of the capability, the package of that name, the
    /// shortest name, the highest version of the package, the earliest in the list.
    fn lookup(&self, wanted: &Dependency) -> Vec<usize> {
        let fits = |evr: Option<&Evr>| {
            wanted.bound.is_none() || wanted.accepts(&Capability::new(wanted.name.clone(), evr.cloned()))
        };
        let mut found: Vec<(usize, Option<&Evr>)> = self
            .provides
            .get(wanted.name.as_str())
            .into_iter()
            .flatten()
            .filter(|(_, evr)| fits(*evr))
            .copied()
            .collect();
        if found.len() > 1 {
            found.sort_by_key(|&(package, evr)| {
                let nevra = &self.packages[package].nevra;
                let name = nevra.name.as_str();
                let rank = self.ranks[package];
                (rank, Reverse(evr), name != wanted.name, name.len(), name, Reverse(&nevra.evr), package)
            });
        }
        let mut seen = HashSet::new();
        found.into_iter().map(|(package, _)| package).filter(|package| seen.insert(*package)).collect()
    }

    /// What is provided under `name` in whatever version: NEVRAs with the version of the capability, best first.
    pub(super) fn versions(&self, name: &str) -> Vec<String> {
        let found = self.lookup(&Dependency::any(name));
        let packages = found.iter().map(|&package| format!("`{}`", self.packages[package].nevra));
        let given = self.given.versions(name).iter().map(|given| format!("`{given}`, which is there already"));
        packages.chain(given).collect()
    }
}

/// Who provides what. Files count as provided where some requirement names their path.
fn index<'r>(wanted: &'r [Requirement], packages: &'r [&RpmHeader]) -> HashMap<&'r str, Vec<(usize, Option<&'r Evr>)>> {
    let asked = packages.iter().flat_map(|header| header.requires.iter().chain(&header.conflicts)).chain(wanted);
    let paths: HashSet<&str> = asked
        .flat_map(Requirement::dependencies)
        .map(|dependency| dependency.name.as_str())
        .filter(|name| name.starts_with('/'))
        .collect();
    let mut provides: HashMap<&str, Vec<(usize, Option<&Evr>)>> = HashMap::new();
    for (number, header) in packages.iter().enumerate() {
        let own = (header.nevra.name.as_str(), Some(&header.nevra.evr));
        let others = header.provides.iter().map(|capability| (capability.name.as_str(), capability.evr.as_ref()));
        let files: &[String] = if paths.is_empty() { &[] } else { &header.files };
        let files = files.iter().map(|path| (path.as_str(), None)).filter(|(path, _)| paths.contains(path));
        for (name, evr) in std::iter::once(own).chain(others).chain(files) {
            provides.entry(name).or_default().push((number, evr));
        }
    }
    provides
}
