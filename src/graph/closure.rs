//! What is installed together: the packages that satisfy a list of demands, with all that they require.
//!
//! In: demands of one buildroot, or of one package to install. Out: the packages, each with the demand that brought it,
//! and what could not be satisfied. Single answers are taken first, so that a choice among several sees what is there
//! anyway: it prefers a package that is in the set, then one of a spec that was asked for, then the order of
//! [`super::universe`]. Conditions (`if`, `unless`) are judged on the set, again whenever it grows.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use crate::package::Requirement;

use super::Relation;
use super::formula::Formula;
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
    /// Numbers of binaries in the order in which they were found, with every demand they satisfy. A demand that was
    /// made more than once stands there once for each demander.
    pub(super) satisfied: Vec<(usize, Origin<'a>)>,
    /// The packages of the set.
    pub(super) members: BTreeSet<usize>,
    /// Demands that nothing satisfies.
    pub(super) missing: Vec<Origin<'a>>,
    /// Leaves that were used, with the demand they stand in.
    pub(super) used: Vec<(usize, Origin<'a>)>,
    /// Leaves with several packages, and the one that was taken.
    pub(super) chosen: Vec<(usize, usize)>,
}

struct Search<'u, 'a> {
    universe: &'u mut Universe<'a>,
    asked: &'u HashSet<usize>,
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

/// The set that satisfies `seeds`. `asked` are the numbers of the specs that the user asked for.
pub(super) fn closure<'a>(
    universe: &mut Universe<'a>,
    seeds: &[(Demand<'a>, Relation)],
    asked: &HashSet<usize>,
) -> Closure<'a> {
    let mut search = Search::new(universe, asked);
    for (demand, relation) in seeds.iter().rev() {
        let origin = Origin { by: None, relation: *relation, requirement: demand.requirement };
        search.open.push((Rc::clone(&demand.formula), origin));
    }
    search.run();
    search.found
}

/// The set that installing the package `binary` brings.
pub(super) fn installation<'a>(universe: &mut Universe<'a>, binary: usize, asked: &HashSet<usize>) -> Closure<'a> {
    let mut search = Search::new(universe, asked);
    search.add(binary);
    search.run();
    search.found
}

impl<'u, 'a> Search<'u, 'a> {
    fn new(universe: &'u mut Universe<'a>, asked: &'u HashSet<usize>) -> Self {
        let (found, taken) = (Closure::default(), HashMap::new());
        Self { universe, asked, found, open: Vec::new(), waiting: Vec::new(), taken }
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
            Formula::Has(leaf) => match self.universe.leaves[*leaf].providers[..] {
                [] => self.found.missing.push(origin),
                [only] => self.take(*leaf, only, origin),
                _ => match self.taken.get(leaf) {
                    Some(&binary) => self.take(*leaf, binary, origin),
                    None => self.wait(formula, origin),
                },
            },
        }
    }

    fn wait(&mut self, formula: &Rc<Formula>, origin: Origin<'a>) {
        self.waiting.push(Waiting { formula: Rc::clone(formula), origin, tried: None });
    }

    fn take(&mut self, leaf: usize, binary: usize, origin: Origin<'a>) {
        self.found.used.push((leaf, origin));
        if !self.universe.is_installed(binary) {
            self.found.satisfied.push((binary, origin));
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
                    self.found.satisfied.push((binary, origin));
                }
            }
        }
    }

    fn choose(&mut self, leaf: usize, origin: Origin<'a>) {
        let providers = self.universe.leaves[leaf].providers.clone();
        let works: Vec<usize> = providers.iter().copied().filter(|&one| self.universe.is_installable(one)).collect();
        let among = if works.is_empty() { &providers } else { &works };
        let is_inside = |one: &&usize| self.found.members.contains(one);
        let is_asked = |one: &&usize| self.universe.binaries[**one].spec.is_some_and(|spec| self.asked.contains(&spec));
        let best = among.iter().find(is_inside).or_else(|| among.iter().find(is_asked)).or(among.first());
        if let Some(&binary) = best {
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
            let providers = self.universe.leaves[leaf].providers.clone();
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
