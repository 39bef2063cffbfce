//! The question in resolvo's terms.
//!
//! One resolvo name for a package name, so that one version of it is installed; a requirement is a union of sets, one
//! for each name. Where a clause wants no package of a leaf, the leaf has a switch: a name with two candidates, of
//! which each package of the leaf requires the first, and the clause takes the second. resolvo's own conditions are not
//! used: they hold for a name, not for a set of packages.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Display;

use resolvo::utils::{Pool, VersionSet};
use resolvo::{
    Candidates, Condition, ConditionId, Dependencies, DependencyProvider, HintDependenciesAvailable, Interner,
    KnownDependencies, NameId, Problem, SolvableId, Solver, SolverCache, StringId, UnsolvableOrCancelled, VersionSetId,
    VersionSetUnionId,
};

use crate::package::Requirement;

use super::super::formula::Clause;
use super::Unsolvable;
use super::explain::explain;
use super::repository::{Demand, Repository};

/// Numbers of candidates: packages by their number in the repository; above them two for each leaf, its switch.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Set(Vec<usize>);

impl VersionSet for Set {
    type V = usize;
}

/// Everything that resolvo asks for, made beforehand.
pub(super) struct Question<'r, 'a> {
    pub(super) repository: &'r Repository<'r, 'a>,
    pool: Pool<Set, String>,
    solvables: BTreeMap<usize, SolvableId>,
    by_name: HashMap<NameId, Vec<SolvableId>>,
    requirements: HashMap<usize, Vec<resolvo::Requirement>>,
    constrains: HashMap<usize, Vec<VersionSetId>>,
    forbidden: HashMap<NameId, Vec<(SolvableId, StringId)>>,
    /// What a package, or the user where None, says with a requirement or a constraint.
    pub(super) words: HashMap<(Option<usize>, resolvo::Requirement), &'r Demand<'r>>,
    pub(super) exclusions: HashMap<(usize, VersionSetId), (&'static str, &'r Requirement)>,
}

/// The numbers of packages that satisfy the question together.
pub(super) fn search(repository: &Repository) -> Result<BTreeSet<usize>, Unsolvable> {
    let mut question = Question::new(repository);
    let wanted = question.requirements_of(None, &repository.wanted);
    let mut solver = Solver::new(question);
    match solver.solve(Problem::new().requirements(wanted.into_iter().map(Into::into).collect())) {
        Ok(found) => Ok(found.iter().filter_map(|&solvable| solver.provider().package(solvable)).collect()),
        Err(UnsolvableOrCancelled::Unsolvable(conflict)) => {
            Err(explain(&conflict.graph(&solver).graph, solver.provider()))
        }
        Err(UnsolvableOrCancelled::Cancelled(_)) => {
            Err(Unsolvable { reason: "the search was canceled".to_owned(), missing: Vec::new() })
        }
    }
}

impl<'r, 'a> Question<'r, 'a> {
    fn new(repository: &'r Repository<'r, 'a>) -> Self {
        let mut question = Self {
            repository,
            pool: Pool::new(),
            solvables: BTreeMap::new(),
            by_name: HashMap::new(),
            requirements: HashMap::new(),
            constrains: HashMap::new(),
            forbidden: HashMap::new(),
            words: HashMap::new(),
            exclusions: HashMap::new(),
        };
        for &package in repository.members.keys() {
            question.add_candidate(repository.packages[package].nevra.name.clone(), package);
        }
        question.add_switches();
        for (&package, member) in &repository.members {
            let requirements = question.requirements_of(Some(package), &member.demands);
            question.requirements.entry(package).or_default().extend(requirements);
            question.exclude(package);
        }
        question
    }

    fn add_candidate(&mut self, name: String, number: usize) {
        let name = self.pool.intern_package_name(name);
        let solvable = self.pool.intern_solvable(name, number);
        self.solvables.insert(number, solvable);
        self.by_name.entry(name).or_default().push(solvable);
    }

    /// The candidate that says that a package of the leaf is installed, or, with 1, that none is.
    fn switch(&self, leaf: usize, position: usize) -> usize {
        self.repository.packages.len() + 2 * leaf + position
    }

    fn switch_set(&self, leaf: usize, position: usize) -> VersionSetId {
        self.set(switch_name(leaf), vec![self.switch(leaf, position)])
    }

    /// A switch for each leaf of which some clause wants no package.
    fn add_switches(&mut self) {
        let repository = self.repository;
        let of_members = repository.members.values().flat_map(|member| &member.demands);
        let clauses = repository.wanted.iter().chain(of_members).flat_map(|demand| demand.formula.clauses());
        let leaves: BTreeSet<usize> = clauses.flat_map(|clause| clause.lacks).collect();
        for leaf in leaves {
            for position in 0..2 {
                self.add_candidate(switch_name(leaf), self.switch(leaf, position));
            }
            let installed = self.switch_set(leaf, 0);
            for package in &repository.leaves[leaf] {
                self.requirements.entry(*package).or_default().push(installed.into());
            }
        }
    }

    fn set(&self, name: String, candidates: Vec<usize>) -> VersionSetId {
        self.pool.intern_version_set(self.pool.intern_package_name(name), Set(candidates))
    }

    fn requirements_of(&mut self, by: Option<usize>, demands: &'r [Demand<'r>]) -> Vec<resolvo::Requirement> {
        let mut found = Vec::new();
        for demand in demands {
            for clause in demand.formula.clauses() {
                let encoded = self.encode(&clause, demand.requirement);
                self.words.entry((by, encoded)).or_insert(demand);
                found.push(encoded);
            }
        }
        found
    }

    /// Without a package for it, a clause asks for a name that has no candidates, which bears the requirement's text.
    fn encode(&self, clause: &Clause, requirement: &Requirement) -> resolvo::Requirement {
        let mut by_name: Vec<(&str, Vec<usize>)> = Vec::new();
        for &package in clause.has.iter().flat_map(|leaf| &self.repository.leaves[*leaf]) {
            let name = self.repository.packages[package].nevra.name.as_str();
            match by_name.iter_mut().find(|(known, _)| *known == name) {
                Some((_, packages)) if packages.contains(&package) => {}
                Some((_, packages)) => packages.push(package),
                None => by_name.push((name, vec![package])),
            }
        }
        // Not to install something is tried first.
        let absent = clause.lacks.iter().map(|&leaf| self.switch_set(leaf, 1));
        let mut sets = absent.chain(by_name.into_iter().map(|(name, packages)| self.set(name.to_owned(), packages)));
        match (sets.next(), sets.next()) {
            // No package has a space in its name.
            (None, _) => self.set(format!("missing {requirement}"), Vec::new()).into(),
            (Some(only), None) => only.into(),
            (Some(first), Some(second)) => {
                self.pool.intern_version_set_union(first, std::iter::once(second).chain(sets)).into()
            }
        }
    }

    fn exclude(&mut self, package: usize) {
        let Some(member) = self.repository.members.get(&package) else { return };
        for exclusion in &member.excludes {
            let Some(others) = &exclusion.packages else {
                self.forbid(package, &format!("{} `{}`", exclusion.verb, exclusion.requirement));
                continue;
            };
            for set in self.all_but(package, others) {
                self.constrains.entry(package).or_default().push(set);
                self.exclusions.insert((package, set), (exclusion.verb, exclusion.requirement));
            }
        }
    }

    fn forbid(&mut self, package: usize, why: &str) {
        let (solvable, why) = (self.solvables[&package], self.pool.intern_string(why));
        self.forbidden.entry(self.pool.resolve_solvable(solvable).name).or_default().push((solvable, why));
    }

    /// For each name among `others` its packages that may stand beside `package`.
    fn all_but(&self, package: usize, others: &[usize]) -> Vec<VersionSetId> {
        let record = |solvable: &SolvableId| self.pool.resolve_solvable(*solvable).record;
        let own = self.solvables.get(&package).map(|&solvable| self.pool.resolve_solvable(solvable).name);
        let solvables = others.iter().filter_map(|other| self.solvables.get(other));
        let names: BTreeSet<NameId> = solvables.map(|&solvable| self.pool.resolve_solvable(solvable).name).collect();
        let allowed = |name: NameId| {
            let same_name = self.by_name.get(&name).into_iter().flatten().map(record);
            Set(same_name.filter(|other| !others.contains(other)).collect())
        };
        let foreign = names.into_iter().filter(|name| Some(*name) != own);
        foreign.map(|name| self.pool.intern_version_set(name, allowed(name))).collect()
    }

    /// The number of a package; None for a switch.
    pub(super) fn package(&self, solvable: SolvableId) -> Option<usize> {
        let number = self.pool.resolve_solvable(solvable).record;
        (number < self.repository.packages.len()).then_some(number)
    }

    /// Why a package was forbidden.
    pub(super) fn reason(&self, text: StringId) -> &str {
        self.pool.resolve_string(text)
    }
}

fn switch_name(leaf: usize) -> String {
    format!("switch {leaf}")
}

impl Interner for Question<'_, '_> {
    type NameId = NameId;
    type SolvableId = SolvableId;

    fn display_solvable(&self, solvable: SolvableId) -> impl Display + '_ {
        match self.package(solvable) {
            Some(package) => self.repository.packages[package].nevra.to_string(),
            None => String::new(),
        }
    }

    fn display_name(&self, name: NameId) -> impl Display + '_ {
        self.pool.resolve_package_name(name)
    }

    fn display_version_set(&self, set: VersionSetId) -> impl Display + '_ {
        self.pool.resolve_version_set(set).0.len()
    }

    fn display_string(&self, text: StringId) -> impl Display + '_ {
        self.pool.resolve_string(text)
    }

    fn version_set_name(&self, set: VersionSetId) -> NameId {
        self.pool.resolve_version_set_package_name(set)
    }

    fn solvable_name(&self, solvable: SolvableId) -> NameId {
        self.pool.resolve_solvable(solvable).name
    }

    fn version_sets_in_union(&self, union: VersionSetUnionId) -> impl Iterator<Item = VersionSetId> {
        self.pool.resolve_version_set_union(union)
    }

    fn resolve_condition(&self, condition: ConditionId) -> Condition {
        self.pool.resolve_condition(condition).clone()
    }
}

impl DependencyProvider for Question<'_, '_> {
    async fn filter_candidates(&self, candidates: &[SolvableId], set: VersionSetId, inverse: bool) -> Vec<SolvableId> {
        let Set(inside) = self.pool.resolve_version_set(set);
        let is_inside = |solvable: &SolvableId| inside.contains(&self.pool.resolve_solvable(*solvable).record);
        candidates.iter().copied().filter(|solvable| is_inside(solvable) != inverse).collect()
    }

    async fn get_candidates(&self, name: NameId) -> Option<Candidates> {
        Some(Candidates {
            candidates: self.by_name.get(&name)?.clone(),
            hint_dependencies_available: HintDependenciesAvailable::All,
            excluded: self.forbidden.get(&name).cloned().unwrap_or_default(),
            ..Candidates::default()
        })
    }

    async fn sort_candidates(&self, _: &SolverCache<Self>, solvables: &mut [SolvableId]) {
        solvables.sort_by(|a, b| {
            let (Some(a), Some(b)) = (self.package(*a), self.package(*b)) else { return std::cmp::Ordering::Equal };
            let evr = |package: usize| &self.repository.packages[package].nevra.evr;
            let rank = |package: usize| self.repository.ranks[package];
            rank(a).cmp(&rank(b)).then_with(|| evr(b).cmp(evr(a))).then(a.cmp(&b))
        });
    }

    async fn get_dependencies(&self, solvable: SolvableId) -> Dependencies {
        let number = self.pool.resolve_solvable(solvable).record;
        Dependencies::Known(KnownDependencies {
            requirements: self.requirements.get(&number).into_iter().flatten().map(|&one| one.into()).collect(),
            constrains: self.constrains.get(&number).cloned().unwrap_or_default(),
        })
    }
}
