//! What is installed together: the packages that satisfy a list of demands, with all that they require.
//!
//! In: demands of one buildroot, or of one package to install. Out: the packages, each with the demand that brought it,
//! and what could not be satisfied. Single answers are taken first, so that a choice among several sees what is there
//! anyway: it prefers a package that is in the set, then one of a spec that was asked for, then the order of
//! [`super::universe`]. Of packages that are only thought to provide something neither those count that the set is made to
//! build, nor those that are to be avoided. Conditions (`if`, `unless`) are judged on the set, again whenever it grows.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use crate::package::Requirement;

use super::Relation;
use super::formula::Formula;
use super::leaf::Leaf;
use super::universe::{Demand, Universe};

/// Who demands something: a package of the set, or, when None, what the set is made for.
type Demander = Option<usize>;

/// Where a package of the set, or a demand nobody satisfies, comes from.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Origin<'a> {
    pub(super) by: Demander,
    pub(super) relation: Relation,
    pub(super) requirement: &'a Requirement,
}

/// The packages that are installed together.
#[derive(Default)]
pub(super) struct Closure<'a> {
    /// Numbers of binaries in the order in which they were found, with every demand they satisfy and its leaf. A demand
    /// that was made more than once stands there once for each demander.
    pub(super) satisfied: Vec<(usize, usize, Origin<'a>)>,
    /// The packages of the set.
    pub(super) members: BTreeSet<usize>,
    /// Demands that nothing satisfies.
    pub(super) missing: Vec<Origin<'a>>,
    /// Leaves that were used, with the demand they stand in.
    pub(super) used: Vec<(usize, Origin<'a>)>,
    /// Leaves with several packages, and the one that was taken.
    pub(super) chosen: Vec<(usize, usize)>,
}

/// What a set is made for.
#[derive(Clone, Copy)]
pub(super) struct Purpose<'p> {
    /// The spec whose build it is for, by number; None for packages to install.
    pub(super) spec: Option<usize>,
    /// Whether `%check` runs, which may need what its own spec makes.
    pub(super) is_check: bool,
    /// Numbers of the specs that the user asked for.
    pub(super) asked: &'p HashSet<usize>,
    /// Leaves with packages that are not taken for them.
    pub(super) avoided: &'p HashSet<(usize, usize)>,
}

struct Search<'u, 'a> {
    universe: &'u mut Universe<'a>,
    purpose: Purpose<'u>,
    found: Closure<'a>,
    open: Vec<(Rc<Formula>, Origin<'a>)>,
    waiting: Vec<Waiting<'a>>,
    taken: HashMap<usize, usize>,
}

/// A formula that is decided when nothing is left that is certain.
struct Waiting<'a> {
    formula: Rc<Formula>,
    origin: Origin<'a>,
    /// The alternative that was tried last, and how large the set was then.
    tried: Option<(usize, usize)>,
}

/// The set that satisfies `seeds`.
pub(super) fn closure<'a>(
    universe: &mut Universe<'a>,
    seeds: &[(Demand<'a>, Relation)],
    purpose: Purpose<'_>,
) -> Closure<'a> {
    let mut search = Search::new(universe, purpose);
    for (demand, relation) in seeds.iter().rev() {
        let origin = Origin { by: None, relation: *relation, requirement: demand.requirement };
        search.open.push((Rc::clone(&demand.formula), origin));
    }
    search.run();
    search.found
}

/// The set that installing the package `binary` brings.
pub(super) fn installation<'a>(universe: &mut Universe<'a>, binary: usize, purpose: Purpose<'_>) -> Closure<'a> {
    let mut search = Search::new(universe, purpose);
    search.add(binary);
    search.run();
    search.found
}

impl Closure<'_> {
    /// The packages of the set that are there for nothing but guesses in whose place others may be taken.
    pub(super) fn unsure(&self, universe: &Universe<'_>) -> BTreeSet<usize> {
        let is_sure = |leaf: usize| {
            let leaf = &universe.leaves[leaf];
            leaf.doubt.is_none() || leaf.providers.len() == 1
        };
        let mut steps: HashMap<Demander, Vec<usize>> = HashMap::new();
        for &(binary, _, origin) in self.satisfied.iter().filter(|(_, leaf, _)| is_sure(*leaf)) {
            steps.entry(origin.by).or_default().push(binary);
        }
        let (mut sure, mut open) = (BTreeSet::new(), vec![None]);
        while let Some(next) = open.pop() {
            let more = steps.get(&next).into_iter().flatten().copied();
            open.extend(more.filter(|binary| sure.insert(*binary)).map(Some));
        }
        self.members.difference(&sure).copied().collect()
    }
}

impl<'u, 'a> Search<'u, 'a> {
    fn new(universe: &'u mut Universe<'a>, purpose: Purpose<'u>) -> Self {
        let (found, taken) = (Closure::default(), HashMap::new());
        Self { universe, purpose, found, open: Vec::new(), waiting: Vec::new(), taken }
    }

    /// The packages that may be taken for a leaf, best first.
    fn providers(&self, leaf: usize) -> impl Iterator<Item = usize> {
        let Leaf { providers, doubt, .. } = &self.universe.leaves[leaf];
        let Purpose { spec, is_check, avoided, .. } = self.purpose;
        let is_own = move |one: &usize| spec.is_some() && self.universe.binaries[*one].spec == spec;
        let is_open = move |one: &usize| !avoided.contains(&(leaf, *one));
        // What the spec makes itself comes last: nobody else may have it.
        let own = providers.iter().filter(move |one| is_own(one)).filter(move |_| doubt.is_none() || is_check);
        providers.iter().filter(move |one| !is_own(one) && is_open(one)).chain(own).copied()
    }

    fn run(&mut self) {
        loop {
            while let Some((formula, origin)) = self.open.pop() {
                self.expand(&formula, origin);
            }
            if !self.settle_one() {
                return;
            }
        }
    }

    /// Carries out what is certain of a formula and puts the rest aside.
    fn expand(&mut self, formula: &Rc<Formula>, origin: Origin<'a>) {
        match &**formula {
            Formula::All(parts) => {
                self.open.extend(parts.iter().rev().map(|part| (Rc::new(part.clone()), origin)));
            }
            Formula::Any(parts) if parts.is_empty() => self.found.missing.push(origin),
            Formula::Any(_) => self.wait(formula, origin),
            // What must be absent is for the solver to see to; it orders nothing.
            Formula::Lacks(_) => {}
            Formula::Has(leaf) => {
                if let Some(&binary) = self.taken.get(leaf) {
                    return self.take(*leaf, binary, origin);
                }
                let first_two = {
                    let mut all = self.providers(*leaf);
                    (all.next(), all.next())
                };
                match first_two {
                    (None, _) => self.found.missing.push(origin),
                    (Some(only), None) => self.take(*leaf, only, origin),
                    _ => self.wait(formula, origin),
                }
            }
        }
    }

    fn wait(&mut self, formula: &Rc<Formula>, origin: Origin<'a>) {
        self.waiting.push(Waiting { formula: Rc::clone(formula), origin, tried: None });
    }

    fn take(&mut self, leaf: usize, binary: usize, origin: Origin<'a>) {
        self.found.used.push((leaf, origin));
        if !self.universe.is_installed(binary) {
            self.found.satisfied.push((binary, leaf, origin));
            self.add(binary);
        }
    }

    fn add(&mut self, binary: usize) {
        if !self.found.members.insert(binary) {
            return;
        }
        let demands = self.universe.requires(binary);
        for demand in demands.iter().rev().filter(|demand| !demand.formula.is_true()) {
            let origin = Origin { by: Some(binary), relation: Relation::Requires, requirement: demand.requirement };
            self.open.push((Rc::clone(&demand.formula), origin));
        }
    }

    /// Decides one of the formulas that wait; false when none is left that has to be decided.
    /// Choices among packages come before alternatives: they narrow what alternatives see.
    fn settle_one(&mut self) -> bool {
        let is_choice = |waiting: &Waiting| matches!(*waiting.formula, Formula::Has(_));
        if let Some(at) = self.waiting.iter().position(is_choice) {
            let Waiting { formula, origin, .. } = self.waiting.remove(at);
            if let Formula::Has(leaf) = *formula {
                self.choose(leaf, origin);
            }
            return true;
        }
        // The latest first: it may be a part of an earlier one.
        let Some(at) = self.waiting.iter().rposition(|waiting| !waiting.formula.holds(&|leaf| self.has(leaf))) else {
            self.use_alternatives();
            return false;
        };
        self.try_alternative(at);
        true
    }

    /// Takes the first possible part of an alternative. The formula goes on waiting, because a part that holds now may
    /// not hold when the set has grown; a part that did not help is not tried twice.
    fn try_alternative(&mut self, at: usize) {
        let formula = Rc::clone(&self.waiting[at].formula);
        let Formula::Any(parts) = &*formula else { return };
        let now = self.possible(parts).map(|part| (part, self.found.members.len()));
        let Some((part, _)) = now.filter(|_| now != self.waiting[at].tried) else {
            let origin = self.waiting.remove(at).origin;
            self.found.missing.push(origin);
            return;
        };
        self.waiting[at].tried = now;
        self.open.push((Rc::new(parts[part].clone()), self.waiting[at].origin));
    }

    /// The packages of the set that satisfy a decided alternative count as used by it.
    fn use_alternatives(&mut self) {
        for Waiting { formula, origin, .. } in std::mem::take(&mut self.waiting) {
            for leaf in formula.wanted_leaves() {
                let inside = self.universe.leaves[leaf].providers.iter().find(|one| self.found.members.contains(one));
                if let Some(&binary) = inside {
                    self.found.used.push((leaf, origin));
                    self.found.satisfied.push((binary, leaf, origin));
                }
            }
        }
    }

    fn choose(&mut self, leaf: usize, origin: Origin<'a>) {
        let providers: Vec<usize> = self.providers(leaf).collect();
        let works: HashSet<usize> =
            providers.iter().copied().filter(|&one| self.universe.is_installable(one)).collect();
        let is_good = |one: &&usize| works.is_empty() || works.contains(*one);
        let is_inside = |one: &&usize| self.found.members.contains(one);
        let is_asked =
            |one: &&usize| self.universe.binaries[**one].spec.is_some_and(|spec| self.purpose.asked.contains(&spec));
        // Of guesses only one that is as likely as the first is taken for being at hand.
        let first: HashSet<&usize> = self.universe.leaves[leaf].alike().iter().collect();
        let mut alike = providers.iter().filter(|one| first.contains(one) && is_good(one));
        let best = alike.clone().find(is_inside).or_else(|| alike.find(is_asked));
        if let Some(&binary) = best.or_else(|| providers.iter().find(is_good)) {
            self.taken.insert(leaf, binary);
            self.found.chosen.push((leaf, binary));
            self.take(leaf, binary, origin);
        }
    }

    /// The number of the first part that the set does not forbid and whose packages can be installed.
    fn possible(&mut self, parts: &[Formula]) -> Option<usize> {
        let leaves: Vec<usize> = parts.iter().flat_map(Formula::leaves).collect();
        let mut works = HashSet::new();
        for leaf in leaves {
            let providers: Vec<usize> = self.providers(leaf).collect();
            if providers.iter().any(|&one| self.universe.is_installable(one)) {
                works.insert(leaf);
            }
        }
        let fits = |part: &Formula| part.can_hold(&|leaf| works.contains(&leaf)) && !self.is_forbidden(part);
        parts.iter().position(fits)
    }

    /// Whether the set has a package that the part wants absent.
    fn is_forbidden(&self, part: &Formula) -> bool {
        match part {
            Formula::All(parts) => parts.iter().any(|part| self.is_forbidden(part)),
            Formula::Any(parts) => !parts.is_empty() && parts.iter().all(|part| self.is_forbidden(part)),
            Formula::Lacks(leaf) => self.has(*leaf),
            Formula::Has(_) => false,
        }
    }

    fn has(&self, leaf: usize) -> bool {
        self.universe.leaves[leaf].providers.iter().any(|one| self.found.members.contains(one))
    }
}
