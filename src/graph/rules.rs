//! Guesses who provides a generated capability, from file lists and names, before anything was built.
//!
//! In: the `%files` entries of every spec and a dependency. Out: all packages that may provide it, the likeliest first,
//! and what speaks for that one. Whoever takes the first and is refuted by its build goes on with the next: where any
//! package can provide it, one of the list does.

use std::cell::OnceCell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};

use crate::package::Dependency;
use crate::spec::SourcePackage;

use super::GuessReason;
use super::capability::{Part, Trace, WantedFile, trace};
use super::entries::{Entries, Entry, Stands};
use super::universe::Binary;
use super::words::{Distance, Words};

/// So many packages are tried for which nothing speaks but a pattern or folder for all such files: a name that nobody has
/// must not cost the builds of all that have some file of its kind.
pub(super) const MOST_BOLD: usize = 8;

/// Packages that may provide something.
pub(super) struct Guessed {
    /// Best first.
    pub(super) packages: Vec<usize>,
    /// How many of them, from the first, are as good as known: they list the file, or have its very name.
    pub(super) sure: usize,
    /// How many of them, from the first, are as likely as the first.
    pub(super) alike: usize,
    /// What speaks for the first.
    pub(super) why: GuessReason,
    /// False when nothing but a pattern for all such files speaks for the first, and when builds of all these packages
    /// did not provide it.
    pub(super) is_likely: bool,
}

/// What speaks for a package, the surest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Evidence {
    /// Its `%files` has the very file.
    File,
    /// It has the name that goes with it.
    Name {
        /// False when an entry of its `%files` may be the file, too.
        is_alone: bool,
        /// The place of the name.
        place: usize,
    },
    /// It has a pattern or a folder of its own that names the thing; of more letters or parts first.
    Named(Reverse<usize>),
    /// It has a pattern or folder for it, and words in common.
    Near(Distance),
    /// It has the name of something larger, or one that holds the thing's; the place of the name.
    Larger(usize),
    /// It has a pattern for all such files; of a name with more letters in common first.
    Pattern(Reverse<usize>),
    /// It has a folder that many packages put files into; the deepest first.
    Folder(Reverse<usize>),
}

/// Packages whose builds have shown that they do not provide something.
#[derive(Default)]
pub(super) struct Tried {
    /// Their numbers, the likeliest first.
    pub(super) packages: Vec<usize>,
    /// How many others have a pattern for all such files and are not tried.
    pub(super) untried: usize,
}

/// A package that may provide something.
struct Candidate<'a> {
    /// The package's number.
    binary: usize,
    evidence: Evidence,
    /// The entry of `%files` that speaks for it.
    entry: Option<&'a str>,
}

/// The specs' file lists and package names, ready for questions.
pub(super) struct Rules<'a> {
    specs: &'a [SourcePackage],
    by_name: HashMap<&'a str, Vec<usize>>,
    /// Binaries whose present version was built.
    seen: HashSet<usize>,
    /// Binaries of which everything is known.
    known: HashSet<usize>,
    tables: OnceCell<(Entries<'a>, Words)>,
}

impl<'a> Rules<'a> {
    /// Rules over `specs`, which make `binaries`. Of those that are `seen` a build told something else before; those that
    /// are `known` are asked for nothing.
    pub(super) fn new(
        specs: &'a [SourcePackage],
        binaries: &[Binary<'a>],
        (seen, known): (HashSet<usize>, HashSet<usize>),
    ) -> Self {
        let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
        for (number, binary) in binaries.iter().enumerate() {
            by_name.entry(binary.package.nevra.name.as_str()).or_default().push(number);
        }
        for same_name in by_name.values_mut() {
            same_name.sort_by_key(|&binary| Reverse(&binaries[binary].package.nevra.evr));
        }
        Self { specs, by_name, seen, known, tables: OnceCell::new() }
    }

    /// Packages that may provide `wanted`, best first, or None when nothing speaks for any.
    pub(super) fn guess(&self, wanted: &Dependency, binaries: &[Binary<'a>]) -> Option<Guessed> {
        let trace = trace(&wanted.name)?;
        let (mut found, _) = self.ranked(&trace, binaries);
        found.retain(|candidate| !self.known.contains(&candidate.binary));
        found.sort_by_key(|candidate| self.seen.contains(&candidate.binary));
        let first = found.first()?;
        let is_known_name = |one: &Candidate| matches!(one.evidence, Evidence::File | Evidence::Name { .. });
        let is_sure = |one: &Candidate| is_known_name(one) && !self.seen.contains(&one.binary);
        let is_alike = |one: &Candidate| one.evidence.is_like(first.evidence);
        let why = first.entry.map(|entry| GuessReason::Files { entry: entry.to_owned() });
        let name = || binaries[first.binary].package.nevra.name.clone();
        Some(Guessed {
            sure: found.iter().take_while(|one| is_sure(one)).count(),
            alike: found.iter().take_while(|one| is_alike(one)).count(),
            why: why.unwrap_or_else(|| GuessReason::Name { name: name() }),
            is_likely: first.evidence < Evidence::Pattern(Reverse(usize::MAX)) && !self.seen.contains(&first.binary),
            packages: found.iter().map(|candidate| candidate.binary).collect(),
        })
    }

    /// The packages that were likely to provide `wanted` and whose builds in this run do not.
    pub(super) fn tried(&self, wanted: &Dependency, binaries: &[Binary<'a>]) -> Tried {
        let Some(trace) = trace(&wanted.name) else { return Tried::default() };
        let (found, untried) = self.ranked(&trace, binaries);
        let known = found.iter().map(|candidate| candidate.binary).filter(|binary| self.known.contains(binary));
        Tried { packages: known.collect(), untried }
    }

    /// The packages that are tried for what `trace` tells, the likeliest first whatever builds have shown, and how many are
    /// not tried.
    fn ranked(&self, trace: &Trace, binaries: &[Binary<'a>]) -> (Vec<Candidate<'a>>, usize) {
        let mut found = self.candidates(trace, binaries);
        found.sort_by_cached_key(|candidate| {
            let (binary, name) = (candidate.binary, binaries[candidate.binary].package.nevra.name.as_str());
            (candidate.evidence, part_rank(name, self.source(binaries, binary), trace), binary)
        });
        let tried = found.partition_point(|candidate| !candidate.evidence.is_bold()) + MOST_BOLD;
        let untried = found.len().saturating_sub(tried);
        found.truncate(tried);
        (found, untried)
    }

    /// Every package that something speaks for, each with what speaks for it most.
    fn candidates(&self, trace: &Trace, binaries: &[Binary<'a>]) -> Vec<Candidate<'a>> {
        let (entries, words) =
            self.tables.get_or_init(|| (Entries::new(self.specs, binaries), Words::new(self.specs, binaries)));
        let mut best = Best::default();
        let mut distances: HashMap<usize, Distance> = HashMap::new();
        let mut distance = |binary| *distances.entry(binary).or_insert_with(|| words.distance(binary, trace));
        for wanted in &trace.files {
            for (stands, entry) in entries.standing_for(wanted) {
                if fits(stands, &entry, (wanted, trace)) {
                    best.add(entry.binary, evidence(stands, &entry, trace, &mut distance), Some(entry.path));
                }
            }
        }
        let made = |name: &String| self.by_name.get(name.as_str()).into_iter().flatten().copied();
        for (place, name) in trace.packages.iter().enumerate() {
            for binary in made(name) {
                let is_alone = !best.of.contains_key(&binary);
                best.add(binary, Evidence::Name { is_alone, place }, None);
            }
        }
        for (place, name) in trace.larger.iter().enumerate() {
            made(name).for_each(|binary| best.add(binary, Evidence::Larger(place), None));
        }
        let is_alike = |binary: &usize| {
            let Binary { spec, package, .. } = &binaries[*binary];
            spec.is_some() && words.is_named_after(*binary, trace) && !trace.home.is_foreign(&package.nevra.name)
        };
        let all = if trace.is_told_by_names { 0..binaries.len() } else { 0..0 };
        for binary in all.filter(is_alike) {
            best.add(binary, Evidence::Larger(trace.larger.len()), None);
        }
        best.of.into_values().collect()
    }

    /// The name of the source package of a binary.
    fn source(&self, binaries: &[Binary<'a>], binary: usize) -> &'a str {
        binaries[binary].spec.map_or("", |spec| self.specs[spec].nevra.name.as_str())
    }
}

/// The candidates with what speaks for each most.
#[derive(Default)]
struct Best<'a> {
    of: BTreeMap<usize, Candidate<'a>>,
}

impl<'a> Best<'a> {
    fn add(&mut self, binary: usize, evidence: Evidence, entry: Option<&'a str>) {
        let candidate = self.of.entry(binary).or_insert(Candidate { binary, evidence, entry });
        let is_better = evidence < candidate.evidence;
        // Of entries that say the same, the first by name is told.
        if is_better || evidence == candidate.evidence && entry.is_some_and(|entry| Some(entry) < candidate.entry) {
            let entry = entry.or(candidate.entry);
            *candidate = Candidate { binary, evidence, entry };
        }
    }
}

impl Evidence {
    /// Whether it says as much as another one.
    fn is_like(self, other: Self) -> bool {
        self == other || self.is_bold() && other.is_bold()
    }

    /// Whether it would say the same of every other thing of the kind.
    fn is_bold(self) -> bool {
        matches!(self, Self::Pattern(_) | Self::Folder(_))
    }
}

/// Whether the file that an entry stands for can be one of the wanted kind: where any folder will do, a pattern has to name
/// the kind, by its folder or by the end of the file's name.
fn fits(stands: Stands, entry: &Entry<'_>, (wanted, trace): (&WantedFile, &Trace)) -> bool {
    let is_said = stands != Stands::Pattern || !wanted.folder.is_empty();
    is_said || trace.home.holds(entry.path) || wanted.is_meant_by(entry.base)
}

/// What an entry that stands for a wanted file says.
fn evidence(
    stands: Stands,
    entry: &Entry<'_>,
    trace: &Trace,
    distance: &mut impl FnMut(usize) -> Distance,
) -> Evidence {
    let mut or_near = |otherwise: &dyn Fn(Distance) -> Evidence| {
        let distance = distance(entry.binary);
        if distance.is_near() { Evidence::Near(distance) } else { otherwise(distance) }
    };
    match stands {
        Stands::File => Evidence::File,
        Stands::Folder { depth, is_own: true } => Evidence::Named(Reverse(depth)),
        Stands::Folder { depth, is_own: false } => or_near(&|_| Evidence::Folder(Reverse(depth))),
        Stands::Pattern => match letters_named(entry.base, &trace.stem) {
            Some(letters) => Evidence::Named(Reverse(letters)),
            None => or_near(&|distance| Evidence::Pattern(Reverse(distance.letters_in_common))),
        },
    }
}

/// How many letters of the thing's name a pattern spells; None when that is less than three, and not all of a shorter one.
fn letters_named(pattern: &str, stem: &str) -> Option<usize> {
    let literal = pattern.split(['*', '?', '[', '{', '.']).next().unwrap_or_default();
    let word = literal.strip_prefix("lib").unwrap_or(literal);
    let wanted = stem.strip_prefix("lib").unwrap_or(stem);
    let is_named = word.len() >= wanted.len().clamp(1, 3) && wanted.starts_with(word) || word.starts_with(wanted);
    is_named.then_some(word.len().min(wanted.len()))
}

/// Lower is likelier: whether the package is the wanted part, names the thing, is named as the spec; then the shortest.
fn part_rank<'b>(name: &'b str, source: &str, trace: &Trace) -> (bool, bool, bool, usize, &'b str) {
    let is_part = match trace.part {
        Part::Devel => name.ends_with("-devel"),
        Part::Libs => name.ends_with("-libs") || name.starts_with("lib") && !name.ends_with("-devel"),
        Part::Main => name == source,
    };
    let stem = trace.stem.strip_prefix("lib").unwrap_or(&trace.stem);
    (!is_part, !name.contains(stem), name != source, name.len(), name)
}
