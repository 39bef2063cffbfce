//! Every binary package of the specs, and who provides what.
//!
//! In: the specs, what is given and the headers of earlier builds. Out: for each dependency the packages that satisfy
//! it, best first. Four ranks are asked in turn, the first that has an answer counts: what the specs say, what earlier
//! builds of them provided, rules on names and file lists ([`super::rules`]), and remote repositories. Answers of the last rank, and of
//! builds of another version, are marked as guesses.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use crate::package::{Capability, Comparison, Dependency, Evr, Nevra, Requirement};
use crate::remote::RemotePackage;
use crate::spec::{BinaryPackage, SourcePackage};

use super::formula::{Formula, Term, packages_of};
use super::given::{Given, without_epoch};
use super::leaf::{Doubt, Leaf};
use super::remote::Taken;
use super::rules::{Guessed, Rules, Tried};
use super::{Goals, GuessReason, Inputs};

/// A binary package, and who has it.
pub(super) struct Binary<'a> {
    /// The spec that makes it, by its number in the inputs; None for a package of a remote repository.
    pub(super) spec: Option<usize>,
    pub(super) package: Contents<'a>,
    /// The remote package that it is.
    pub(super) remote: Option<&'a RemotePackage>,
}

/// What is known of a binary package.
#[derive(Clone, Copy)]
pub(super) struct Contents<'a> {
    pub(super) nevra: &'a Nevra,
    pub(super) provides: &'a [Capability],
    pub(super) requires: &'a [Requirement],
}

/// One requirement of a package, made ready.
#[derive(Clone)]
pub(super) struct Demand<'a> {
    pub(super) requirement: &'a Requirement,
    pub(super) formula: Rc<Formula>,
}

struct Provide<'a> {
    binary: usize,
    evr: Option<&'a Evr>,
    comparison: Comparison,
    /// The version of the earlier build that told; None when it is the spec's own or its spec says so.
    stale: Option<&'a Evr>,
}

/// The packages that can be built, with answers that were found once.
pub(super) struct Universe<'a> {
    pub(super) specs: &'a [SourcePackage],
    pub(super) binaries: Vec<Binary<'a>>,
    pub(super) leaves: Vec<Leaf>,
    pub(super) given: Given<'a>,
    /// Binaries that the toolchain image has in the very version and release of their spec.
    installed: HashSet<usize>,
    said: HashMap<&'a str, Vec<Provide<'a>>>,
    built: HashMap<&'a str, Vec<Provide<'a>>>,
    remote: HashMap<&'a str, Vec<Provide<'a>>>,
    /// Every remote package, also those that are not used because a spec makes one of that name.
    pub(super) all_remote: &'a [RemotePackage],
    rules: Rules<'a>,
    answers: HashMap<Requirement, Term>,
    requires: Vec<Option<Rc<[Demand<'a>]>>>,
    installable: HashMap<usize, bool>,
}

impl<'a> Universe<'a> {
    /// Indexes what the inputs say; excluded specs provide nothing.
    pub(super) fn new(inputs: &Inputs<'a>, goals: &'a Goals) -> Self {
        let mut binaries = Vec::new();
        for (spec, source) in inputs.specs.iter().enumerate().filter(|(_, source)| source.excluded.is_none()) {
            let binary =
                |package: &'a BinaryPackage| Binary { spec: Some(spec), package: package.into(), remote: None };
            binaries.extend(source.binaries.iter().map(binary));
        }
        let mut said: HashMap<&str, Vec<Provide>> = HashMap::new();
        for (binary, Binary { package, .. }) in binaries.iter().enumerate() {
            let own = (package.nevra.name.as_str(), Some(&package.nevra.evr), Comparison::Equal);
            let others =
                package.provides.iter().map(|found| (found.name.as_str(), found.evr.as_ref(), found.comparison));
            for (name, evr, comparison) in std::iter::once(own).chain(others) {
                said.entry(name).or_default().push(Provide { binary, evr, comparison, stale: None });
            }
        }
        let paths = asked_paths(inputs, goals);
        let (built, seen) = earlier_builds(inputs, &binaries, &paths);
        let is_finished = |spec: usize| inputs.finished.contains(&inputs.specs[spec].spec);
        let known = (0..binaries.len()).filter(|&binary| binaries[binary].spec.is_some_and(is_finished)).collect();
        let rules = Rules::new(inputs.specs, &binaries, (seen, known));
        let remote = add_remote(inputs, &mut binaries, &paths);
        let requires = binaries.iter().map(|_| None).collect();
        let given = Given(inputs.given);
        let installed = installed(inputs, &binaries);
        let installable = installed.iter().map(|&binary| (binary, true)).collect();
        let (specs, leaves, answers) = (inputs.specs, Vec::new(), HashMap::new());
        let all_remote = inputs.remote;
        Self {
            specs,
            binaries,
            leaves,
            given,
            installed,
            said,
            built,
            remote,
            all_remote,
            rules,
            answers,
            requires,
            installable,
        }
    }

    /// Whether the toolchain image has the binary, so that nothing is built or installed for it.
    pub(super) fn is_installed(&self, binary: usize) -> bool {
        self.installed.contains(&binary)
    }

    /// What is needed to install the binary, in the spec's order.
    pub(super) fn requires(&mut self, binary: usize) -> Rc<[Demand<'a>]> {
        if let Some(known) = &self.requires[binary] {
            return Rc::clone(known);
        }
        let package = self.binaries[binary].package;
        let demands: Rc<[Demand]> = package.requires.iter().map(|requirement| self.demand(requirement)).collect();
        self.requires[binary] = Some(Rc::clone(&demands));
        demands
    }

    /// Makes a requirement ready.
    pub(super) fn demand(&mut self, requirement: &'a Requirement) -> Demand<'a> {
        Demand { requirement, formula: Rc::new(self.formula(requirement)) }
    }

    /// The formula of a requirement over this universe's leaves.
    pub(super) fn formula(&mut self, requirement: &Requirement) -> Formula {
        Formula::compile(requirement, &mut |part| self.term(part))
    }

    /// True when the binary and all it requires can be installed from what is given and what can be built.
    pub(super) fn is_installable(&mut self, binary: usize) -> bool {
        if let Some(&known) = self.installable.get(&binary) {
            return known;
        }
        let reach = self.reach(binary);
        let mut broken: HashSet<usize> = HashSet::new();
        loop {
            let before = broken.len();
            for &(member, ref demands) in &reach {
                let works = |other: &usize| !broken.contains(other) && self.installable.get(other) != Some(&false);
                let available = |leaf: usize| self.leaves[leaf].providers.iter().any(works);
                if !demands.iter().all(|demand| demand.formula.can_hold(&available)) {
                    broken.insert(member);
                }
            }
            if broken.len() == before {
                break;
            }
        }
        self.installable.extend(reach.iter().map(|(member, _)| (*member, !broken.contains(member))));
        !broken.contains(&binary)
    }

    /// Every binary that installing `binary` could bring, itself included, without those that are judged already.
    fn reach(&mut self, binary: usize) -> Vec<(usize, Rc<[Demand<'a>]>)> {
        let (mut found, mut seen, mut open) = (Vec::new(), HashSet::from([binary]), vec![binary]);
        while let Some(next) = open.pop() {
            let demands = self.requires(next);
            for leaf in demands.iter().flat_map(|demand| demand.formula.leaves()) {
                let fresh = self.leaves[leaf].providers.iter().filter(|other| !self.installable.contains_key(other));
                open.extend(fresh.filter(|other| seen.insert(**other)));
            }
            found.push((next, demands));
        }
        found
    }

    /// The leaf of a dependency, of `with` or of `without`.
    fn term(&mut self, part: &Requirement) -> Term {
        if let Some(known) = self.answers.get(part) {
            return *known;
        }
        let term = if self.given.satisfies(part) {
            Term::Given
        } else {
            let (providers, doubt) = self.providers(part);
            let leaf = Leaf { text: part.to_string(), providers, doubt };
            self.leaves.push(leaf.beside(&self.installed));
            Term::Leaf(self.leaves.len() - 1)
        };
        self.answers.insert(part.clone(), term);
        term
    }

    /// The binaries that satisfy `part` each alone, best first.
    fn providers(&self, part: &Requirement) -> (Vec<usize>, Option<Doubt>) {
        let mut doubt: Option<Doubt> = None;
        let found = packages_of(part, &mut |wanted| {
            let (found, more) = self.lookup(wanted);
            doubt = doubt.take().or(more);
            found
        });
        // How many are sure is known of one dependency, not of several together.
        let is_single = matches!(part, Requirement::Simple(_));
        (found, doubt.map(|doubt| if is_single { doubt } else { Doubt { sure: 0, ..doubt } }))
    }

    fn lookup(&self, wanted: &Dependency) -> (Vec<usize>, Option<Doubt>) {
        let said = self.accepted(wanted, &self.said);
        if !said.is_empty() {
            return (said.iter().map(|provide| provide.binary).collect(), None);
        }
        let built = self.accepted(wanted, &self.built);
        if let Some(best) = built.first() {
            let all = built.len();
            let why = best.stale.map(|version| GuessReason::EarlierBuild { version: version.to_string() });
            let doubt = why.map(|why| Doubt { why, sure: all, alike: all });
            return (built.iter().map(|provide| provide.binary).collect(), doubt);
        }
        // Where the name is known to be provided, the version is what does not fit, and a guess would only hide that.
        let is_known = |index: &HashMap<&str, Vec<Provide>>| {
            index.get(wanted.name.as_str()).is_some_and(|all| all.iter().any(|provide| provide.stale.is_none()))
        };
        let remote = self.accepted(wanted, &self.remote);
        let remote: Vec<usize> = remote.into_iter().map(|provide| provide.binary).collect();
        if is_known(&self.said) || is_known(&self.built) {
            return (remote, None);
        }
        match self.rules.guess(wanted, &self.binaries) {
            // What a repository says is surer than a bold guess, and a guess that a build has refuted.
            Some(guessed) if remote.is_empty() || guessed.is_likely => {
                let Guessed { packages, why, sure, alike, .. } = guessed;
                (packages, Some(Doubt { why, sure, alike }))
            }
            _ => (remote, None),
        }
    }

    /// Providers that `wanted` accepts: facts first, then the highest version, the package of that very name, the
    /// shortest name. One entry a binary.
    fn accepted<'b>(&self, wanted: &Dependency, index: &'b HashMap<&str, Vec<Provide<'a>>>) -> Vec<&'b Provide<'a>> {
        let name_of = |provide: &Provide| self.binaries[provide.binary].package.nevra.name.as_str();
        let fits = |provide: &&Provide| {
            let (name, evr) = (wanted.name.clone(), provide.evr.cloned());
            let capability = Capability { name, evr, comparison: provide.comparison };
            wanted.bound.is_none() || wanted.accepts(&capability)
        };
        let mut found: Vec<&Provide> = index.get(wanted.name.as_str()).into_iter().flatten().filter(fits).collect();
        if found.len() > 1 {
            found.sort_by_key(|provide| {
                let name = name_of(provide);
                let rank = (
                    provide.stale.is_some(),
                    self.rank(provide.binary),
                    Reverse(provide.evr),
                    name != wanted.name,
                    name.len(),
                );
                (rank, name, provide.binary)
            });
            let mut seen = HashSet::new();
            found.retain(|provide| seen.insert(provide.binary));
        }
        found
    }

    /// The place of a remote package's repository; the same for all others.
    fn rank(&self, binary: usize) -> usize {
        self.binaries[binary].remote.map_or(0, |package| package.rank)
    }

    /// The best package for a requirement as a user writes it, whatever is given; None when no spec provides it.
    pub(super) fn best_provider(&self, word: &str) -> Option<usize> {
        let found = self.providers(&word.parse().ok()?).0;
        found.first().copied().filter(|binary| self.binaries[*binary].spec.is_some())
    }

    /// Whether something given or built satisfies the dependency.
    pub(super) fn can_satisfy(&self, dependency: &Dependency) -> bool {
        self.given.satisfies(&Requirement::Simple(dependency.clone())) || !self.lookup(dependency).0.is_empty()
    }

    /// Everything that a spec says it provides, a build provided or is given, by name, for suggestions.
    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> + '_ {
        let own = self.said.keys().chain(self.built.keys()).copied();
        own.chain(self.given.names()).chain(self.remote.keys().copied())
    }

    /// The packages that were likely to provide the dependency and whose builds in this run do not.
    pub(super) fn tried(&self, dependency: &Dependency) -> Tried {
        self.rules.tried(dependency, &self.binaries)
    }

    /// The binaries that provide `name` in whatever version, as far as specs and builds tell.
    pub(super) fn any_version(&self, name: &str) -> Vec<(usize, Option<&'a Evr>)> {
        let found = self.said.get(name).into_iter().chain(self.built.get(name)).flatten();
        found.map(|provide| (provide.binary, provide.evr)).collect()
    }
}

/// The numbers of the binaries of a spec; they stand together, in the order of the specs.
pub(super) fn made_by(binaries: &[Binary<'_>], spec: usize) -> std::ops::Range<usize> {
    let before = |binary: &Binary<'_>| binary.spec.is_some_and(|own| own < spec);
    let up_to = |binary: &Binary<'_>| binary.spec.is_some_and(|own| own <= spec);
    binaries.partition_point(before)..binaries.partition_point(up_to)
}

/// The binaries of which the image has this version and release; an epoch is not known of all that it has.
fn installed(inputs: &Inputs<'_>, binaries: &[Binary<'_>]) -> HashSet<usize> {
    let there: HashSet<_> = inputs.installed.iter().map(without_epoch).collect();
    let numbered = binaries.iter().enumerate();
    numbered.filter(|(_, binary)| there.contains(&without_epoch(binary.package.nevra))).map(|(at, _)| at).collect()
}

type Built<'a> = HashMap<&'a str, Vec<Provide<'a>>>;

/// What earlier builds of the specs provided, files that somebody asks for included, and the binaries whose present
/// version was built. Of a build of another version only the names count.
fn earlier_builds<'a>(
    inputs: &Inputs<'a>,
    binaries: &[Binary<'a>],
    paths: &HashSet<&str>,
) -> (Built<'a>, HashSet<usize>) {
    let mut makers: HashMap<(&str, &str), Vec<usize>> = HashMap::new();
    for (number, binary) in binaries.iter().enumerate() {
        let Some(spec) = binary.spec else { continue };
        let source = inputs.specs[spec].nevra.name.as_str();
        makers.entry((source, binary.package.nevra.name.as_str())).or_default().push(number);
    }
    let (mut built, mut seen): (Built, _) = (HashMap::new(), HashSet::new());
    // What a repository has of the same specs is as good as a build of them.
    let of_repositories = inputs.remote.iter().map(|package| &package.header);
    for header in inputs.known.iter().chain(of_repositories) {
        let source = header.source_rpm.as_deref().and_then(|file| file.rsplitn(3, '-').nth(2)).unwrap_or_default();
        let all = makers.get(&(source, header.nevra.name.as_str())).map_or(&[][..], Vec::as_slice);
        let is_current = |number: &usize| binaries[*number].package.nevra.evr == header.nevra.evr;
        // Two specs may have one Name: the one whose version was built is meant, if there is one.
        let current: Vec<usize> = all.iter().copied().filter(is_current).collect();
        seen.extend(&current);
        let stale = current.is_empty().then_some(&header.nevra.evr);
        let files = header.files.iter().filter(|path| paths.contains(path.as_str())).map(|path| (path.as_str(), None));
        let provides = header.provides.iter().map(|found| (found.name.as_str(), found.evr.as_ref()));
        for (name, evr) in provides.chain(files) {
            let evr = if stale.is_some() { None } else { evr };
            for &binary in if current.is_empty() { all } else { &current } {
                built.entry(name).or_default().push(Provide { binary, evr, comparison: Comparison::Equal, stale });
            }
        }
    }
    (built, seen)
}

/// Adds the remote packages that may be used to `binaries`, and tells what they provide.
fn add_remote<'a>(
    inputs: &Inputs<'a>,
    binaries: &mut Vec<Binary<'a>>,
    paths: &HashSet<&str>,
) -> HashMap<&'a str, Vec<Provide<'a>>> {
    let taken = Taken::new(inputs.specs, inputs.installed);
    let mut provides: HashMap<&str, Vec<Provide>> = HashMap::new();
    for remote in inputs.remote.iter().filter(|package| taken.allows(package)) {
        let (binary, header) = (binaries.len(), &remote.header);
        let contents = Contents { nevra: &header.nevra, provides: &header.provides, requires: &header.requires };
        binaries.push(Binary { spec: None, package: contents, remote: Some(remote) });
        let own = (header.nevra.name.as_str(), Some(&header.nevra.evr), Comparison::Equal);
        let said = header.provides.iter().map(|one| (one.name.as_str(), one.evr.as_ref(), one.comparison));
        let files = header.files.iter().filter(|path| paths.contains(path.as_str()));
        let files = files.map(|path| (path.as_str(), None, Comparison::Equal));
        for (name, evr, comparison) in std::iter::once(own).chain(said).chain(files) {
            provides.entry(name).or_default().push(Provide { binary, evr, comparison, stale: None });
        }
    }
    provides
}

impl<'a> From<&'a BinaryPackage> for Contents<'a> {
    fn from(package: &'a BinaryPackage) -> Self {
        Self { nevra: &package.nevra, provides: &package.provides, requires: &package.requires }
    }
}

/// Paths that some requirement names. Headers list far more files than anybody requires.
fn asked_paths<'a>(inputs: &Inputs<'a>, goals: &'a Goals) -> HashSet<&'a str> {
    let of_source = |source: &'a SourcePackage| {
        let binaries = source.binaries.iter().flat_map(|package| &package.requires);
        source.build_requires.iter().chain(&source.check_requires).chain(binaries)
    };
    let of_remote = inputs.remote.iter().flat_map(|package| &package.header.requires);
    let requirements = inputs.specs.iter().flat_map(of_source).chain(of_remote);
    let names = requirements.flat_map(Requirement::dependencies).map(|dependency| dependency.name.as_str());
    let words = if let Goals::Named(words) = goals { words.as_slice() } else { &[] };
    names.chain(words.iter().map(String::as_str)).filter(|name| name.starts_with('/')).collect()
}
