//! The `%files` entries of every spec, ready for the question which packages may have a file.
//!
//! In: the specs and their packages. Out: for a path, or the end of one, the entries that may stand for it, each with
//! how: the file itself, a pattern, or a folder that is taken with all that is in it.

use std::collections::HashMap;

use crate::spec::SourcePackage;

use super::capability::{WantedFile, is_version};
use super::glob;
use super::universe::{Binary, made_by};

/// How an entry stands for a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stands {
    /// It is the file.
    File,
    /// It is a pattern that the file fits.
    Pattern,
    /// It is a folder above the file, or a pattern for one, with all that is in it; the folder has so many parts.
    Folder {
        /// Parts of the folder's path.
        depth: usize,
        /// True when nobody else has an entry below that folder.
        is_own: bool,
    },
}

/// A path or pattern in `%files`.
#[derive(Clone, Copy)]
pub(super) struct Entry<'a> {
    /// The package's number, and its spec's.
    pub(super) binary: usize,
    spec: usize,
    pub(super) path: &'a str,
    /// The last part of the path.
    pub(super) base: &'a str,
    /// What stands before the last part.
    folder: &'a str,
    /// A folder without what is in it.
    is_bare: bool,
}

/// The entries of all specs.
#[derive(Default)]
pub(super) struct Entries<'a> {
    /// Those without a pattern, by their last part.
    literal: HashMap<&'a str, Vec<Entry<'a>>>,
    /// Patterns by the last part of their folder.
    in_folder: HashMap<&'a str, Vec<Entry<'a>>>,
    /// Patterns whose folder ends with a pattern.
    elsewhere: Vec<Entry<'a>>,
    /// The folders above all entries, and whose they are.
    owners: HashMap<&'a str, Owner>,
}

/// Who has something below a folder.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// The packages of this spec alone.
    Spec(usize),
    Several,
}

impl<'a> Entries<'a> {
    /// The entries of `specs`, which make `binaries`; those of packages that are not made are left out.
    pub(super) fn new(specs: &'a [SourcePackage], binaries: &[Binary<'a>]) -> Self {
        let mut entries = Self::default();
        for (spec, source) in specs.iter().enumerate().filter(|(_, source)| source.excluded.is_none()) {
            let made = made_by(binaries, spec);
            for file in &source.files {
                let is_of = |binary: &usize| binaries[*binary].package.nevra.name == file.package;
                let Some(binary) = made.clone().find(is_of) else { continue };
                let path = file.path.trim_end_matches('/');
                let (folder, base) = path.rsplit_once('/').unwrap_or(("", path));
                entries.add(Entry { binary, spec, path, base, folder, is_bare: file.is_bare });
            }
        }
        entries
    }

    fn add(&mut self, entry: Entry<'a>) {
        for folder in ancestors(entry.folder) {
            let owner = self.owners.entry(folder).or_insert(Owner::Spec(entry.spec));
            if *owner != Owner::Spec(entry.spec) {
                *owner = Owner::Several;
            }
        }
        let place = if !glob::is_pattern(entry.path) {
            self.literal.entry(entry.base).or_default()
        } else if glob::is_pattern(last_part(entry.folder)) {
            &mut self.elsewhere
        } else {
            self.in_folder.entry(last_part(entry.folder)).or_default()
        };
        place.push(entry);
    }

    /// The entries that may stand for `wanted`, and how.
    pub(super) fn standing_for(&self, wanted: &WantedFile) -> Vec<(Stands, Entry<'a>)> {
        let mut found = Vec::new();
        self.at(&wanted.folder, &wanted.name, |entry, is_pattern| {
            found.push((if is_pattern { Stands::Pattern } else { Stands::File }, entry));
        });
        let is_whole = wanted.folder.starts_with('/');
        for ancestor in ancestors(&wanted.folder) {
            let (above, name) = match ancestor.rsplit_once('/') {
                Some(("", name)) if is_whole => ("/", name),
                Some(split) => split,
                None => ("", ancestor),
            };
            // Of a path whose beginning is not known, the folder has to be named, and is one that many have.
            let is_common = above.is_empty();
            self.at(above, name, |entry, is_pattern| {
                if !(entry.is_bare || is_common && is_pattern) {
                    let place = if is_pattern { ancestor } else { entry.path };
                    let is_named = !is_pattern || is_whole && spells_a_word(entry.base);
                    let (depth, is_own) =
                        (place.matches('/').count(), !is_common && is_named && !self.is_shared(place, entry.spec));
                    found.push((Stands::Folder { depth, is_own }, entry));
                }
            });
        }
        found
    }

    /// Whether packages of another spec than `spec` have something below `folder`.
    fn is_shared(&self, folder: &str, spec: usize) -> bool {
        self.owners.get(folder).is_some_and(|owner| *owner != Owner::Spec(spec))
    }

    /// Calls `found` with each entry that is, or fits, `name` in `folder`, and whether it is a pattern.
    fn at(&self, folder: &str, name: &str, mut found: impl FnMut(Entry<'a>, bool)) {
        let literal = self.literal.get(name).into_iter().flatten();
        literal.filter(|entry| accepts(entry.folder, folder)).for_each(|entry| found(*entry, false));
        let last = last_part(folder);
        let is_one = !folder.is_empty() && last != "#";
        let near = self.in_folder.get(last).filter(|_| is_one).into_iter();
        let all = self.in_folder.iter().filter(|(key, _)| !is_one && (folder.is_empty() || is_version(key)));
        let patterns = near.chain(all.map(|(_, entries)| entries)).flatten().chain(&self.elsewhere);
        let fits = |entry: &&Entry| glob::matches(entry.base, name) && accepts(entry.folder, folder);
        patterns.filter(fits).for_each(|entry| found(*entry, true));
    }
}

/// Whether a file in `folder`, which may be a pattern, can be one in `wanted`: a whole path, or the end of one, which may be
/// empty.
fn accepts(folder: &str, wanted: &str) -> bool {
    if wanted.is_empty() || wanted == "/" {
        return wanted.is_empty() || folder.is_empty();
    }
    if wanted.starts_with('/') {
        return glob::matches(folder, wanted);
    }
    // Only the end is known, so as many parts are compared as it has.
    let mut parts = folder.rsplit('/');
    let is_same =
        |pattern: &str, part: &str| if part == "#" { is_version(pattern) } else { glob::matches(pattern, part) };
    wanted.rsplit('/').all(|part| parts.next().is_some_and(|pattern| is_same(pattern, part)))
}

/// Whether a pattern begins with a word, so that it is not for whatever there may be.
fn spells_a_word(pattern: &str) -> bool {
    pattern.bytes().take_while(u8::is_ascii_alphanumeric).count() >= 3
}

fn last_part(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The folder and those above it, from the deepest, without the root.
fn ancestors(folder: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(folder), |folder| Some(folder.rsplit_once('/')?.0)).filter(|folder| !folder.is_empty())
}
