//! Small distributions, written down, and what is made of them.

mod checks;
mod drawing;
mod guesses;
mod messages;
mod order;
mod property;
mod remote;
mod selection;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::digest::Sha256;
use crate::package::{Capability, Evr, Nevra, Provides, Requirement, RpmHeader};
use crate::remote::RemotePackage;
use crate::spec::{BinaryPackage, FileEntry, SourcePackage};

use super::{BuildGraph, Goals, GraphError, Inputs, Partial, resolve, resolve_partly};

/// A spec as one line each: `name: BuildRequires; package > Requires; package + Provides; check: …; file: …; arch: …`.
/// A file is of the package before it, or of another one: `package file: …`; `file: … alone` is a `%dir`. A part that names no package and no field is a package without anything.
pub(super) fn spec(text: &str) -> SourcePackage {
    let (name, rest) = text.split_once(':').unwrap_or((text, ""));
    let mut parts = rest.split(';').map(str::trim);
    let build_requires = requirements(parts.next().unwrap_or_default());
    let mut source = SourcePackage {
        spec: name.to_owned(),
        spec_path: PathBuf::from(format!("SPECS/{name}/{name}.spec")),
        spec_digest: Sha256::of_bytes(name.as_bytes()),
        nevra: nevra(name, "src"),
        binaries: Vec::new(),
        build_requires,
        check_requires: Vec::new(),
        sources: Vec::new(),
        has_check: false,
        excluded: None,
        build_arch: "x86_64".into(),
        exclusive_arch: Vec::new(),
        exclude_arch: Vec::new(),
        version_macros: BTreeMap::new(),
        asks_database: false,
        changelog_time: None,
        files: Vec::new(),
    };
    for part in parts {
        if let Some(all) = part.strip_prefix("check:") {
            source.check_requires = requirements(all);
        } else if let Some((of, path)) = part.split_once("file:") {
            let package = if of.is_empty() { last_package(&source) } else { of.trim().to_owned() };
            let (path, is_bare) = path.trim().strip_suffix(" alone").map_or((path.trim(), false), |path| (path, true));
            source.files.push(FileEntry { package, path: path.to_owned(), is_bare });
        } else if let Some(why) = part.strip_prefix("arch:") {
            source.excluded = Some(format!("ExclusiveArch: {}", why.trim()));
        } else if let Some((package, all)) = part.split_once(" > ") {
            package_of(&mut source, package).requires.extend(requirements(all));
        } else if let Some((package, all)) = part.split_once(" + ") {
            let provides = all.split(',').map(|one| Capability::parse(one.trim()));
            package_of(&mut source, package).provides.extend(provides);
        } else {
            package_of(&mut source, part);
        }
    }
    if source.binaries.is_empty() {
        package_of(&mut source, name);
    }
    source
}

/// The package that stands last; files that name none are its own.
fn last_package(source: &SourcePackage) -> String {
    source.binaries.last().map_or(source.nevra.name.clone(), |package| package.nevra.name.clone())
}

fn package_of<'a>(source: &'a mut SourcePackage, name: &str) -> &'a mut BinaryPackage {
    let at = source.binaries.iter().position(|package| package.nevra.name == name).unwrap_or_else(|| {
        let nevra = Nevra { name: name.to_owned(), evr: source.nevra.evr.clone(), arch: "x86_64".to_owned() };
        source.binaries.push(BinaryPackage::new(nevra));
        source.binaries.len() - 1
    });
    &mut source.binaries[at]
}

pub(super) fn requirements(text: &str) -> Vec<Requirement> {
    text.split(',').map(str::trim).filter(|one| !one.is_empty()).map(|one| one.parse().unwrap()).collect()
}

/// A NEVRA from a name, or `name-version`, whose version is 1 when there is none; the release is 1.
fn nevra(text: &str, arch: &str) -> Nevra {
    Nevra { name: text.to_owned(), evr: Evr::parse("1-1"), arch: arch.to_owned() }
}

/// A header of an earlier build: `package evr of spec: provided, …`.
pub(super) fn built(text: &str) -> RpmHeader {
    let (what, provides) = text.split_once(':').unwrap();
    let words: Vec<&str> = what.split_whitespace().collect();
    let (files, provides): (Vec<&str>, Vec<&str>) =
        provides.split(',').map(str::trim).filter(|one| !one.is_empty()).partition(|one| one.starts_with('/'));
    RpmHeader {
        nevra: Nevra { name: words[0].into(), evr: Evr::parse(words[1]), arch: "x86_64".into() },
        provides: provides.into_iter().map(Capability::parse).collect(),
        requires: Vec::new(),
        conflicts: Vec::new(),
        obsoletes: Vec::new(),
        files: files.into_iter().map(str::to_owned).collect(),
        source_rpm: Some(format!("{}-{}.src.rpm", words[3], words[1])),
        installed_bytes: 0,
    }
}

/// A distribution: specs, what is given, headers of earlier builds, specs whose check runs.
#[derive(Default)]
pub(super) struct Distribution {
    pub(super) specs: Vec<SourcePackage>,
    pub(super) given: Provides,
    pub(super) installed: Vec<Nevra>,
    pub(super) known: Vec<RpmHeader>,
    pub(super) finished: BTreeSet<String>,
    pub(super) failed: BTreeSet<String>,
    pub(super) remote: Vec<RemotePackage>,
    pub(super) checked: BTreeSet<String>,
    pub(super) generated: BTreeMap<String, Vec<Requirement>>,
}

pub(super) fn specs(texts: &[&str]) -> Distribution {
    let mut specs: Vec<SourcePackage> = texts.iter().map(|text| spec(text)).collect();
    specs.sort_by(|a, b| a.spec.cmp(&b.spec));
    Distribution { specs, ..Distribution::default() }
}

impl Distribution {
    pub(super) fn given(mut self, names: &[&str]) -> Self {
        self.given = names.iter().map(|name| Capability::parse(name)).collect();
        self
    }

    /// Packages that the image has, as `name`; the version is that of every spec here.
    pub(super) fn installed(mut self, names: &[&str]) -> Self {
        self.installed = names.iter().map(|name| nevra(name, "x86_64")).collect();
        self
    }

    pub(super) fn known(mut self, texts: &[&str]) -> Self {
        self.known = texts.iter().map(|text| built(text)).collect();
        self
    }

    /// Builds of these specs have ended in this run.
    pub(super) fn finished(mut self, specs: &[&str]) -> Self {
        self.finished = specs.iter().map(|&spec| spec.to_owned()).collect();
        self
    }

    /// Builds of these specs have failed in this run.
    pub(super) fn failed(mut self, specs: &[&str]) -> Self {
        self.failed = specs.iter().map(|&spec| spec.to_owned()).collect();
        self
    }

    /// Runs every check.
    pub(super) fn checked(mut self) -> Self {
        self.checked = self.specs.iter().map(|source| source.spec.clone()).collect();
        self
    }

    /// `%generate_buildrequires` of these specs asked for more, each as `name: requirements`.
    pub(super) fn generated(mut self, texts: &[&str]) -> Self {
        let split = texts.iter().filter_map(|text| text.split_once(':'));
        self.generated = split.map(|(spec, asked)| (spec.to_owned(), requirements(asked))).collect();
        self
    }

    pub(super) fn resolve(&self, goals: &Goals) -> Result<BuildGraph, GraphError> {
        resolve(self.inputs(), goals)
    }

    pub(super) fn partly(&self) -> Partial {
        resolve_partly(self.inputs(), &Goals::All).unwrap()
    }

    pub(super) fn inputs(&self) -> Inputs<'_> {
        Inputs {
            specs: &self.specs,
            given: &self.given,
            installed: &self.installed,
            known: &self.known,
            finished: &self.finished,
            failed: &self.failed,
            remote: &self.remote,
            checked: &self.checked,
            generated: &self.generated,
        }
    }

    pub(super) fn all(&self) -> BuildGraph {
        self.resolve(&Goals::All).unwrap()
    }

    pub(super) fn named(&self, words: &[&str]) -> BuildGraph {
        self.resolve(&Goals::Named(words.iter().map(|&word| word.to_owned()).collect())).unwrap()
    }

    pub(super) fn error(&self, words: &[&str]) -> GraphError {
        let goals = match words {
            [] => Goals::All,
            words => Goals::Named(words.iter().map(|&word| word.to_owned()).collect()),
        };
        self.resolve(&goals).unwrap_err()
    }
}

/// `a: b c; d:` for the needs of a graph.
pub(super) fn needs(graph: &BuildGraph) -> String {
    let one = |(spec, needs): (&String, &BTreeSet<String>)| {
        let needs: Vec<&str> = needs.iter().map(String::as_str).collect();
        format!("{spec}: {}", needs.join(" ")).trim_end().to_owned()
    };
    graph.needs.iter().map(one).collect::<Vec<_>>().join("; ")
}
