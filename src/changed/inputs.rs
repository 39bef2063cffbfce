//! What a changed file is part of, where it is known what each spec is made from.
//!
//! A file beside a spec counts when it is the spec itself, one of its sources, what its text reads ([`Readings`]), or its
//! signatures where those say something else of its sources; also behind links. Of a spec that cannot be read, all that is
//! beside it counts; of one that may read other folders ([`Reach`]), all that is in the folders of specs.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::links::Links;
use super::parts::{Part, Parts};
use super::readings::Readings;
use super::signed::Signed;
use crate::regular;
use crate::source::signatures;
use crate::spec::{Reach, SourcePackage};

/// What files are part of.
pub(super) struct Inputs<'a> {
    parts: &'a Parts,
    signed: &'a Signed,
    /// Specs that can be read, by name.
    read: BTreeMap<&'a str, &'a SourcePackage>,
    /// The same by the names of their sources.
    by_source: BTreeMap<&'a str, BTreeSet<&'a str>>,
    links: Links,
    of_macros: Readings,
    /// Specs that may read files of other folders.
    far: BTreeSet<&'a str>,
    /// What the text of each spec reads, once it was asked for.
    readings: RefCell<BTreeMap<&'a str, Rc<Readings>>>,
    /// Names of all changed files.
    changed: BTreeSet<String>,
}

/// What a file is to a spec.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// The spec itself, a source, or its signatures.
    Content,
    /// Read while the spec is parsed.
    Reading,
}

impl<'a> Inputs<'a> {
    /// Those of `sources`, the specs that can be read, which are also read with `macro_files`; `changed` are all changed
    /// files.
    pub(super) fn new(
        parts: &'a Parts,
        (sources, macro_files): (&'a [SourcePackage], &[PathBuf]),
        (changed, signed): (&[&Path], &'a Signed),
    ) -> Self {
        let mut by_source: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for source in sources {
            for file in &source.sources {
                by_source.entry(file.name.as_str()).or_default().insert(source.spec.as_str());
            }
        }
        let links = if changed.is_empty() { Links::below(&[]) } else { Links::below(&parts.folders) };
        let macros: Vec<String> = macro_files
            .iter()
            .filter_map(|path| regular::read_text(path).ok())
            .map(|text| String::from_utf8_lossy(&text).into_owned())
            .collect();
        Self {
            parts,
            signed,
            read: sources.iter().map(|source| (source.spec.as_str(), source)).collect(),
            by_source,
            links,
            far: if changed.is_empty() { BTreeSet::new() } else { far(parts, sources, macro_files) },
            of_macros: Readings::of_macros(macros.iter().map(String::as_str)),
            readings: RefCell::default(),
            changed: changed.iter().map(|path| file_name(path)).collect(),
        }
    }

    /// What the file `path` is part of, sorted.
    pub(super) fn of(&self, path: &Path) -> BTreeSet<Part> {
        let specs = self.roles(path).into_iter().map(|(spec, _)| Part::Spec(spec));
        self.parts.besides_specs(path).chain(specs).collect()
    }

    /// The specs that read the file `path` while they are parsed.
    pub(super) fn readers(&self, path: &Path) -> BTreeSet<String> {
        self.roles(path).into_iter().filter(|(_, role)| *role == Role::Reading).map(|(spec, _)| spec).collect()
    }

    fn roles(&self, path: &Path) -> Vec<(String, Role)> {
        let mut found = Vec::new();
        for name in self.links.names_of(path) {
            let file = file_name(&name);
            let mut specs = self.parts.specs_of(&name);
            specs.extend(self.by_source.get(file.as_str()).into_iter().flatten().map(|spec| (*spec).to_owned()));
            // A link in place of the folder of a spec.
            let behind = self.read.values().filter(|source| name.is_symlink() && source.spec_path.starts_with(&name));
            specs.extend(behind.map(|source| source.spec.clone()));
            if self.parts.folders.iter().any(|folder| name.starts_with(folder)) {
                specs.extend(self.far.iter().map(|spec| (*spec).to_owned()));
            }
            for spec in specs {
                let role = match self.read.get(spec.as_str()) {
                    Some(source) => self.role(source, &name, &file),
                    None => Some(Role::Content),
                };
                found.extend(role.map(|role| (spec, role)));
            }
        }
        found
    }

    /// What the file `path`, whose last name is `file`, is to the spec of `source`.
    fn role(&self, source: &'a SourcePackage, path: &Path, file: &str) -> Option<Role> {
        let folder = source.spec_path.parent().unwrap_or(&source.spec_path);
        if source.spec_path == path || (path.is_symlink() && source.spec_path.starts_with(path)) {
            return Some(Role::Content);
        }
        if file == format!("{}.spec", source.spec) {
            return self.stood_in(source, path).then_some(Role::Content);
        }
        if path == signatures::path_of(&source.spec_path) {
            return self.signed.differ(path, source).then_some(Role::Content);
        }
        let far = self.far.contains(source.spec.as_str()).then_some(Role::Reading);
        let Ok(below) = path.strip_prefix(folder) else { return far };
        if source.sources.iter().any(|one| one.name == file) {
            let direct = folder.join(file);
            return (path == direct || !direct.is_file()).then_some(Role::Content);
        }
        // Where the spec stands directly in the searched folder, those below belong to others.
        let is_beside = !self.parts.folders.iter().any(|root| root == folder) || below.components().count() == 1;
        if is_beside && self.readings(source).has(file) { Some(Role::Reading) } else { far }
    }

    /// True when the spec file `path`, which is gone, stood in place of the one that is there now.
    fn stood_in(&self, source: &SourcePackage, path: &Path) -> bool {
        let place = |path: &Path| self.parts.places.iter().position(|folder| path.starts_with(folder));
        !path.exists() && self.parts.is_place_of_spec(path) && place(path) <= place(&source.spec_path)
    }

    fn readings(&self, source: &'a SourcePackage) -> Rc<Readings> {
        if let Some(known) = self.readings.borrow().get(source.spec.as_str()) {
            return Rc::clone(known);
        }
        let folder = source.spec_path.parent().unwrap_or(&source.spec_path);
        let known = |name: &str| self.changed.contains(name) || folder.join(name).is_file();
        let sources = source.sources.iter().map(|file| file.name.as_str()).collect();
        let readings = Rc::new(Readings::of(&source.spec_path, &sources, known).with(&self.of_macros));
        self.readings.borrow_mut().insert(source.spec.as_str(), Rc::clone(&readings));
        readings
    }
}

/// Names of the specs that may read files of other folders.
fn far<'a>(parts: &Parts, sources: &'a [SourcePackage], macro_files: &[PathBuf]) -> BTreeSet<&'a str> {
    let mut reach = Reach::new(macro_files.iter());
    let mut is_far = |source: &&SourcePackage| {
        let path = &source.spec_path;
        let text = regular::read_text(path).unwrap_or_default();
        let is_at_top = path.parent().is_some_and(|folder| parts.folders.iter().any(|root| root == folder));
        reach.is_far(path, is_at_top, &String::from_utf8_lossy(&text))
    };
    sources.iter().filter(|source| is_far(source)).map(|source| source.spec.as_str()).collect()
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
