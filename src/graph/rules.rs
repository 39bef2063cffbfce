//! Guesses who provides a generated capability, from file lists and names, before anything was built.
//!
//! In: the `%files` entries of every spec and a dependency. Out: the packages of the first rule that has an answer,
//! best first, and why. The rules, from sure to bold: an entry that is the file; a pattern or folder that names it; a
//! pattern for all such files in a spec of a likely name, in one that names the thing elsewhere, or in the only one that
//! has a word of it; a package of a likely name; any pattern for all such files. Packages whose present version was built before and did not provide it
//! come last.

use std::cell::OnceCell;
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use crate::package::Dependency;
use crate::spec::SourcePackage;

use super::GuessReason;
use super::capability::{Part, Trace, WantedFile, trace};
use super::glob;
use super::universe::{Binary, made_by};

/// Packages that may provide something.
pub(super) struct Guessed {
    /// Best first.
    pub(super) packages: Vec<usize>,
    pub(super) why: GuessReason,
    /// False when any pattern for such files counted, and when builds of all these packages did not provide it.
    pub(super) is_likely: bool,
}

/// How much an entry of `%files` says about a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Strength {
    /// It is the file.
    File,
    /// It is a pattern or a folder that names the thing.
    Named,
    /// It is a pattern for every file of that kind.
    Kind,
    /// It is a folder that many packages put files into.
    Folder,
}

/// A pattern for every file of a kind tells nothing where more specs than this have one.
const MOST_BOLD_GUESSES: usize = 8;

/// The specs' file lists and package names, ready for questions.
pub(super) struct Rules<'a> {
    specs: &'a [SourcePackage],
    by_name: HashMap<&'a str, Vec<usize>>,
    /// Binaries whose present version was built.
    seen: HashSet<usize>,
    entries: OnceCell<Entries<'a>>,
}

/// Entries of `%files`.
#[derive(Default)]
struct Entries<'a> {
    /// Those without a pattern, by their last part.
    literal: HashMap<&'a str, Vec<Entry<'a>>>,
    /// Patterns by the last part of their folder.
    in_folder: HashMap<&'a str, Vec<Entry<'a>>>,
    /// Patterns whose folder ends with a pattern.
    elsewhere: Vec<Entry<'a>>,
    /// For each spec the last parts of its entries, a line each.
    words: Vec<String>,
    /// The specs in whose entries and names a word stands by itself, or after `lib`.
    says: HashMap<String, HashSet<usize>>,
}

/// A path or pattern in `%files`.
#[derive(Clone, Copy)]
struct Entry<'a> {
    /// The spec's number.
    spec: usize,
    path: &'a str,
    /// The last part of the path.
    base: &'a str,
    /// What stands before the last part.
    folder: &'a str,
}

impl<'a> Rules<'a> {
    /// Rules over `specs`, which make `binaries`.
    pub(super) fn new(specs: &'a [SourcePackage], binaries: &[Binary<'a>], seen: HashSet<usize>) -> Self {
        let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
        for (number, binary) in binaries.iter().enumerate() {
            by_name.entry(binary.package.nevra.name.as_str()).or_default().push(number);
        }
        for same_name in by_name.values_mut() {
            same_name.sort_by_key(|&binary| Reverse(&binaries[binary].package.nevra.evr));
        }
        Self { specs, by_name, seen, entries: OnceCell::new() }
    }

    /// Packages that may provide `wanted`, best first, or None when no rule has an answer.
    pub(super) fn guess(&self, wanted: &Dependency, binaries: &[Binary<'a>]) -> Option<Guessed> {
        let trace = trace(&wanted.name)?;
        let mut found = self.entries_for(&trace);
        found.sort_unstable();
        let named = self.named(&trace);
        let likely: HashSet<usize> = named.iter().filter_map(|&binary| binaries[binary].spec).collect();
        let of = |strength: Strength| found.iter().filter(move |entry| entry.0 == strength);
        let vague = || of(Strength::Kind).chain(of(Strength::Folder));
        let by_files = |entries: &mut dyn Iterator<Item = &(Strength, usize, &str)>| {
            let mut entries = entries.peekable();
            let path = entries.peek()?.2.to_owned();
            let packages = self.packages(entries.map(|entry| entry.1), &trace, binaries);
            (!packages.is_empty()).then_some((packages, GuessReason::Files { entry: path }))
        };
        let answer = by_files(&mut of(Strength::File))
            .or_else(|| by_files(&mut of(Strength::Named)))
            .or_else(|| by_files(&mut vague().filter(|entry| likely.contains(&entry.1))))
            .or_else(|| by_files(&mut vague().filter(|entry| self.mentions(entry.1, &trace.stem))))
            .or_else(|| {
                let only =
                    trace.words.iter().find_map(|word| only_spec(vague().filter(|entry| self.says(entry.1, word))));
                by_files(&mut vague().filter(|entry| Some(entry.1) == only))
            });
        if let Some(answer) = answer {
            return Some(self.guessed(answer, true));
        }
        if let Some(&first) = named.first() {
            let name = binaries[first].package.nevra.name.clone();
            return Some(self.guessed((self.unseen_first(named), GuessReason::Name { name }), true));
        }
        let bold = by_files(&mut of(Strength::Kind));
        let bold = bold.filter(|(bold, _)| bold.len() <= MOST_BOLD_GUESSES);
        bold.map(|answer| self.guessed(answer, false))
    }

    /// The packages whose names go with `trace`, the likeliest name first. Where one has the first name, and no build has
    /// refuted it, a larger one that is named alike hardly has the thing as well: it is not taken where the first one
    /// cannot be built.
    fn named(&self, trace: &Trace) -> Vec<usize> {
        let made = |name: &String| self.by_name.get(name.as_str()).into_iter().flatten().copied();
        let is_open = trace.packages.iter().take(1).flat_map(made).any(|binary| !self.seen.contains(&binary));
        let larger = trace.larger.iter().filter(|_| !is_open);
        larger.chain(&trace.packages).flat_map(made).collect()
    }

    fn guessed(&self, (packages, why): (Vec<usize>, GuessReason), is_likely: bool) -> Guessed {
        let is_likely = is_likely && packages.iter().any(|binary| !self.seen.contains(binary));
        Guessed { packages, why, is_likely }
    }

    /// The package of each spec that has the files of `trace`, in the order of `specs`, one a spec.
    fn packages(&self, specs: impl Iterator<Item = usize>, trace: &Trace, binaries: &[Binary<'a>]) -> Vec<usize> {
        let mut done = HashSet::new();
        let fresh = specs.filter(|spec| done.insert(*spec)).collect::<Vec<_>>();
        let chosen = fresh.into_iter().filter_map(|spec| {
            let source = self.specs[spec].nevra.name.as_str();
            made_by(binaries, spec).min_by_key(|&binary| part_rank(&binaries[binary].package.nevra.name, source, trace))
        });
        self.unseen_first(chosen.collect())
    }

    fn unseen_first(&self, mut packages: Vec<usize>) -> Vec<usize> {
        packages.sort_by_key(|binary| self.seen.contains(binary));
        packages
    }

    /// Whether an entry of the spec names the stem, as `liblzma.so.5` does for `pkgconfig(liblzma)`.
    fn mentions(&self, spec: usize, stem: &str) -> bool {
        let word = stem.strip_prefix("lib").unwrap_or(stem);
        word.len() > 1 && self.entries().words[spec].contains(word)
    }

    /// Whether a part of an entry's path, or of the spec's name, is the word, as `libgio-2.0.so.0` says `gio`.
    fn says(&self, spec: usize, word: &str) -> bool {
        self.entries().says.get(word).is_some_and(|specs| specs.contains(&spec))
    }

    /// The entries that may be one of the wanted files.
    fn entries_for(&self, trace: &Trace) -> Vec<(Strength, usize, &'a str)> {
        trace.files.iter().flat_map(|wanted| self.entries().matching(wanted, &trace.stem)).collect()
    }

    fn entries(&self) -> &Entries<'a> {
        self.entries.get_or_init(|| Entries::new(self.specs))
    }
}

/// The spec of all entries; None when there are several, or none.
fn only_spec<'e>(mut entries: impl Iterator<Item = &'e (Strength, usize, &'e str)>) -> Option<usize> {
    let first = entries.next()?.1;
    entries.all(|entry| entry.1 == first).then_some(first)
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

impl<'a> Entries<'a> {
    fn new(specs: &'a [SourcePackage]) -> Self {
        let mut entries = Self::default();
        for (number, spec) in specs.iter().enumerate() {
            let mut words = String::new();
            if spec.excluded.is_none() {
                entries.say(number, &spec.nevra.name);
                for path in &spec.files {
                    words.push_str(base(path));
                    words.push('\n');
                    entries.say(number, path);
                    entries.add(number, path.trim_end_matches('/'));
                }
            }
            entries.words.push(words);
        }
        entries
    }

    fn say(&mut self, spec: usize, text: &str) {
        let is_between = |letter: char| !letter.is_ascii_alphanumeric();
        for word in text.split(is_between).map(|word| word.strip_prefix("lib").unwrap_or(word)) {
            if word.len() >= 3 {
                match self.says.get_mut(word) {
                    Some(specs) => drop(specs.insert(spec)),
                    None => drop(self.says.insert(word.to_owned(), HashSet::from([spec]))),
                }
            }
        }
    }

    fn add(&mut self, spec: usize, path: &'a str) {
        let (folder, base) = path.rsplit_once('/').unwrap_or(("", path));
        let place = if !glob::is_pattern(path) {
            self.literal.entry(base).or_default()
        } else if glob::is_pattern(self::base(folder)) {
            &mut self.elsewhere
        } else {
            self.in_folder.entry(self::base(folder)).or_default()
        };
        place.push(Entry { spec, path, base, folder });
    }

    fn matching(&self, wanted: &WantedFile, stem: &str) -> Vec<(Strength, usize, &'a str)> {
        let mut found = Vec::new();
        for entry in self.literal.get(wanted.name.as_str()).into_iter().flatten() {
            if wanted.accepts_folder(entry.folder) {
                let strength = if wanted.is_folder { Strength::Kind } else { Strength::File };
                found.push((strength, entry.spec, entry.path));
            }
        }
        // A folder stands for all that is in it, but `%dir` and the folders that everybody shares look alike here.
        for ancestor in ancestors(&wanted.folder) {
            for &Entry { spec, path, base, .. } in self.literal.get(base(ancestor)).into_iter().flatten() {
                let is_it =
                    if ancestor.starts_with('/') { path == ancestor } else { path.ends_with(&format!("/{ancestor}")) };
                if is_it {
                    let strength = if base.contains(stem) { Strength::Named } else { Strength::Folder };
                    found.push((strength, spec, path));
                }
            }
        }
        let near = self.in_folder.get(base(&wanted.folder)).into_iter().flatten();
        let all = self.in_folder.values().flatten().filter(|_| wanted.folder.is_empty());
        for entry in near.chain(all).chain(&self.elsewhere) {
            if glob::matches(entry.base, &wanted.name) && wanted.accepts_folder(entry.folder) {
                let strength = if wanted.is_folder { Strength::Kind } else { strength(entry.base, stem) };
                found.push((strength, entry.spec, entry.path));
            }
        }
        found
    }
}

/// What a pattern that matches says: it names the thing when it spells three letters of it, or all of a shorter one.
fn strength(pattern: &str, stem: &str) -> Strength {
    let literal = pattern.split(['*', '?', '[', '{', '.']).next().unwrap_or_default();
    let word = literal.strip_prefix("lib").unwrap_or(literal);
    let wanted = stem.strip_prefix("lib").unwrap_or(stem);
    if word.len() >= wanted.len().clamp(1, 3) && wanted.starts_with(word) || word.starts_with(wanted) {
        Strength::Named
    } else {
        Strength::Kind
    }
}

impl WantedFile {
    /// Whether a file in `folder`, which may be a pattern, can be this one.
    fn accepts_folder(&self, folder: &str) -> bool {
        if self.folder.is_empty() {
            return true;
        }
        if self.folder.starts_with('/') {
            return glob::matches(folder, &self.folder);
        }
        // Only the end is known, so as many parts are compared as it has.
        let tail =
            |path: &str| path.rsplit('/').take(self.folder.split('/').count()).map(str::to_owned).collect::<Vec<_>>();
        let (pattern, wanted) = (tail(folder), tail(&self.folder));
        pattern.len() == wanted.len() && pattern.iter().zip(&wanted).all(|(pattern, part)| glob::matches(pattern, part))
    }
}

fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The folder and those above it, from the deepest, without those that every package has.
fn ancestors(folder: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(folder), |folder| Some(folder.rsplit_once('/')?.0)).filter(|folder| !folder.is_empty())
}
