//! What each build of a run has in its buildroot.
//!
//! In: what is asked for. Out: a [`Set`] for each spec that the run needs, and one for each package that is to be
//! installable. Each set is found by itself, so that what a build needs does not depend on what else is built. Where a
//! guess stands in the way, since its spec cannot be built or needs the build itself, the next package that may provide the
//! same is taken, as long as there is one that is no less sure or the guess was a bold one.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::closure::{Closure, Purpose, closure, installation};
use super::ring::{Needs, rings};
use super::universe::Universe;
use super::{Inputs, Relation};

/// What is found for one spec.
pub(super) struct Set<'a> {
    /// What its build needs.
    pub(super) build: Closure<'a>,
    /// The same with what its check needs, where that runs.
    pub(super) check: Option<Closure<'a>>,
}

/// What a set is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Of {
    /// Installing a package.
    Goal(usize),
    /// Building a spec.
    Build(usize),
}

/// What the user asked for.
#[derive(Default)]
pub(super) struct Asked {
    /// Numbers of specs to build.
    pub(super) specs: HashSet<usize>,
    /// Numbers of packages to be installable.
    pub(super) binaries: Vec<usize>,
}

/// The sets of a run.
#[derive(Default)]
pub(super) struct Sets<'a> {
    /// By the number of the package.
    pub(super) goals: BTreeMap<usize, Closure<'a>>,
    /// By the number of the spec.
    pub(super) builds: BTreeMap<usize, Set<'a>>,
}

/// Guesses that stand in the way.
#[derive(Default)]
struct Avoided {
    /// For each set its leaves, with packages that are not taken for them.
    of: BTreeMap<Of, HashSet<(usize, usize)>>,
    /// Leaves of sets for which no other package is any better.
    given_up: HashSet<(usize, bool, usize)>,
}

/// The sets that reach what is `asked`.
pub(super) fn settle<'a>(universe: &mut Universe<'a>, inputs: &Inputs<'a>, asked: &Asked) -> Sets<'a> {
    let (mut sets, mut avoided) = (Sets::default(), Avoided::default());
    loop {
        sets.complete(universe, inputs, asked, &avoided);
        let again = sets.avoid(universe, inputs, &mut avoided);
        if again.is_empty() {
            return sets;
        }
        for of in again {
            match of {
                Of::Goal(binary) => drop(sets.goals.remove(&binary)),
                Of::Build(spec) => drop(sets.builds.remove(&spec)),
            }
        }
    }
}

impl<'a> Sets<'a> {
    /// Finds the sets that are missing, and drops those that nothing needs any more.
    fn complete(&mut self, universe: &mut Universe<'a>, inputs: &Inputs<'a>, asked: &Asked, avoided: &Avoided) {
        let none = HashSet::new();
        let purpose = |of| {
            let avoided = avoided.of.get(&of).unwrap_or(&none);
            let spec = if let Of::Build(spec) = of { Some(spec) } else { None };
            Purpose { spec, is_check: false, asked: &asked.specs, avoided }
        };
        let mut open: BTreeSet<usize> = asked.specs.iter().copied().collect();
        for &binary in &asked.binaries {
            let set = self.goals.entry(binary);
            let set = set.or_insert_with(|| installation(universe, binary, purpose(Of::Goal(binary))));
            open.extend(specs_of(set, universe));
        }
        let mut done = BTreeSet::new();
        while let Some(spec) = open.pop_first() {
            done.insert(spec);
            let set = self.builds.entry(spec);
            let set = set.or_insert_with(|| Set::of(spec, universe, inputs, purpose(Of::Build(spec))));
            open.extend(set.specs(universe).into_iter().filter(|need| !done.contains(need)));
        }
        self.builds.retain(|spec, _| done.contains(spec));
    }

    /// Which specs each build needs, by name; of checks nothing.
    pub(super) fn needs(&self, universe: &Universe<'a>, inputs: &Inputs<'a>) -> Needs {
        let name = |spec: usize| inputs.specs[spec].spec.clone();
        let needs = |set: &Set| specs_of(&set.build, universe).into_iter().map(name).collect();
        self.builds.iter().map(|(&spec, set)| (name(spec), needs(set))).collect()
    }

    /// Notes packages that are not to be taken, and returns the sets that have them.
    fn avoid(&self, universe: &Universe<'a>, inputs: &Inputs<'a>, avoided: &mut Avoided) -> BTreeSet<Of> {
        let guesses = self.guesses(universe);
        if guesses.is_empty() {
            return BTreeSet::new();
        }
        let obstacles = self.obstacles(universe, inputs);
        // What cannot be built for a reason of its own first: it may be all that is wrong with the others.
        for is_in_the_way in [Obstacles::is_root, Obstacles::is_dead] {
            let mut again = BTreeSet::new();
            for &(of, leaf, taken) in &guesses {
                let wrong = |binary: usize| {
                    universe.binaries[binary].spec.is_some_and(|spec| is_in_the_way(&obstacles, spec, of))
                };
                if wrong(taken) && avoided.pass_over((of, leaf, taken), universe, &wrong) {
                    again.insert(of);
                }
            }
            if !again.is_empty() {
                return again;
            }
        }
        BTreeSet::new()
    }

    /// The packages that are taken although it is not known that they provide what they are taken for, and where another
    /// one may be taken.
    fn guesses(&self, universe: &Universe<'a>) -> BTreeSet<(Of, usize, usize)> {
        let goals = self.goals.iter().map(|(&binary, set)| (Of::Goal(binary), set));
        let builds = self.builds.iter().flat_map(|(&spec, set)| {
            [Some(&set.build), set.check.as_ref()].into_iter().flatten().map(move |set| (Of::Build(spec), set))
        });
        let all =
            goals.chain(builds).flat_map(|(of, set)| set.chosen.iter().map(move |&(leaf, taken)| (of, leaf, taken)));
        all.filter(|(_, leaf, _)| universe.leaves[*leaf].doubt.is_some()).collect()
    }

    fn obstacles(&self, universe: &Universe<'a>, inputs: &Inputs<'a>) -> Obstacles {
        let lacks =
            |set: &Set| !set.build.missing.is_empty() || set.check.iter().any(|check| !check.missing.is_empty());
        let is_broken = |spec: &usize, set: &Set| lacks(set) || inputs.failed.contains(&inputs.specs[*spec].spec);
        let all = self.builds.iter();
        let broken: BTreeSet<usize> = all.filter(|(spec, set)| is_broken(spec, set)).map(|(spec, _)| *spec).collect();
        let numbers: HashMap<&str, usize> =
            self.builds.keys().map(|&spec| (inputs.specs[spec].spec.as_str(), spec)).collect();
        let mut in_ring = HashMap::new();
        for (ring, (_, members)) in rings(&self.needs(universe, inputs)).into_iter().enumerate() {
            in_ring.extend(members.iter().filter_map(|name| Some((*numbers.get(name.as_str())?, ring))));
        }
        let mut dependants: HashMap<usize, Vec<usize>> = HashMap::new();
        for (&spec, set) in &self.builds {
            for need in set.specs(universe) {
                dependants.entry(need).or_default().push(spec);
            }
        }
        let mut dead: BTreeSet<usize> = broken.iter().chain(in_ring.keys()).copied().collect();
        let mut open: Vec<usize> = dead.iter().copied().collect();
        while let Some(spec) = open.pop() {
            open.extend(dependants.get(&spec).into_iter().flatten().copied().filter(|one| dead.insert(*one)));
        }
        Obstacles { broken, in_ring, dead }
    }
}

/// What cannot be built as things stand.
struct Obstacles {
    /// Specs that require what nothing provides, and those that have failed.
    broken: BTreeSet<usize>,
    /// Specs in rings, with the ring's number.
    in_ring: HashMap<usize, usize>,
    /// These, and all that needs them.
    dead: BTreeSet<usize>,
}

impl Obstacles {
    /// Whether `spec` lacks something, or is in one ring with what it is needed for.
    fn is_root(&self, spec: usize, of: Of) -> bool {
        let ring = |of| if let Of::Build(spec) = of { self.in_ring.get(&spec) } else { None };
        self.broken.contains(&spec) || self.in_ring.get(&spec).is_some_and(|own| ring(of).is_none_or(|its| its == own))
    }

    /// Whether `spec` cannot be built.
    fn is_dead(&self, spec: usize, _: Of) -> bool {
        self.dead.contains(&spec)
    }
}

impl Avoided {
    /// Passes over `taken` and those after it that are wrong, too, when there is another one; false when there is none.
    fn pass_over(
        &mut self,
        (of, leaf, taken): (Of, usize, usize),
        universe: &Universe<'_>,
        wrong: &dyn Fn(usize) -> bool,
    ) -> bool {
        let place = match of {
            Of::Goal(binary) => (binary, false, leaf),
            Of::Build(spec) => (spec, true, leaf),
        };
        if self.given_up.contains(&place) {
            return false;
        }
        let answer = &universe.leaves[leaf];
        let among = if answer.sure().contains(&taken) { answer.sure() } else { &answer.providers[..] };
        let own = if let Of::Build(spec) = of { Some(spec) } else { None };
        let passed = self.of.entry(of).or_default();
        let is_open = |one: &&usize| {
            !passed.contains(&(leaf, **one)) && !wrong(**one) && (own.is_none() || universe.binaries[**one].spec != own)
        };
        if among.iter().any(|one| is_open(&one)) {
            passed.extend(among.iter().filter(|one| wrong(**one)).map(|one| (leaf, *one)));
            return true;
        }
        // None is any better: the likeliest is the one to tell about.
        self.given_up.insert(place);
        let before = passed.len();
        passed.retain(|(other, _)| *other != leaf);
        passed.len() < before
    }
}

impl<'a> Set<'a> {
    /// The set of `spec`.
    fn of(spec: usize, universe: &mut Universe<'a>, inputs: &Inputs<'a>, purpose: Purpose<'_>) -> Self {
        let source = &inputs.specs[spec];
        let mut seeds = Vec::new();
        for requirement in &source.build_requires {
            seeds.push((universe.demand(requirement), Relation::BuildRequires));
        }
        for requirement in inputs.generated.get(&source.spec).into_iter().flatten() {
            let seed = (universe.demand(requirement), Relation::BuildRequires);
            if closure(universe, std::slice::from_ref(&seed), purpose).missing.is_empty() {
                seeds.push(seed);
            }
        }
        let build = closure(universe, &seeds, purpose);
        if !inputs.checked.contains(&source.spec) || source.check_requires.is_empty() {
            return Self { build, check: None };
        }
        for requirement in &source.check_requires {
            seeds.push((universe.demand(requirement), Relation::CheckRequires));
        }
        let check = closure(universe, &seeds, Purpose { is_check: true, ..purpose });
        Self { build, check: Some(check) }
    }

    /// The specs that the build needs for nothing but guesses in whose place others may be taken, by number.
    pub(super) fn unsure(&self, universe: &Universe<'a>) -> BTreeSet<usize> {
        let unsure = self.build.unsure(universe);
        let spec = |binary: &usize| universe.binaries[*binary].spec;
        let sure: BTreeSet<usize> = self.build.members.difference(&unsure).filter_map(spec).collect();
        unsure.iter().filter_map(spec).filter(|spec| !sure.contains(spec)).collect()
    }

    /// The specs that build and check need, by number.
    pub(super) fn specs(&self, universe: &Universe<'a>) -> BTreeSet<usize> {
        let sets = [Some(&self.build), self.check.as_ref()].into_iter().flatten();
        sets.flat_map(|set| specs_of(set, universe)).collect()
    }
}

/// The specs of which a set has packages, by number.
pub(super) fn specs_of(set: &Closure<'_>, universe: &Universe<'_>) -> BTreeSet<usize> {
    set.members.iter().filter_map(|&binary| universe.binaries[binary].spec).collect()
}
