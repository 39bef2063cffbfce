//! What a file of the project is part of: specs, toolchain stages, images, the pipeline.
//!
//! A spec's files are those beside it and below its folder, as in `SPECS/NAME/**`. Where several specs share a folder,
//! each has its own `NAME.spec` and `NAME.signatures.json`, and all others belong to all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::git::FileChange;
use crate::image::config::{self, ConfigError};
use crate::pipeline::Pipeline;
use crate::spec::SourcePackage;

/// What a file is part of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "kind", content = "name", rename_all = "kebab-case")]
pub enum Part {
    /// The pipeline file, or the one that it takes stages from.
    Pipeline,
    /// A file of RPM macros, by its name.
    MacroFile(String),
    /// A toolchain stage, by name.
    Toolchain(String),
    /// A spec, by name.
    Spec(String),
    /// An image, by the name of its configuration.
    Image(String),
}

/// Where the parts of a pipeline are.
pub(super) struct Parts {
    /// Folders of specs, the longest path first.
    folders: Vec<PathBuf>,
    /// Names of specs by the folder that they are in.
    specs: BTreeMap<PathBuf, BTreeSet<String>>,
    /// Specs that are there.
    present: BTreeSet<String>,
    /// Files and folders of stages, images and the pipeline.
    others: Vec<(PathBuf, Part)>,
}

impl Parts {
    /// The parts of `pipeline`, whose file is `path`. Specs that only the old side of `changes` has count, too.
    pub(super) fn new(path: &Path, pipeline: &Pipeline, changes: &[FileChange]) -> Result<Self, ConfigError> {
        let mut folders = pipeline.packages.as_ref().map(|packages| packages.specs.clone()).unwrap_or_default();
        folders.sort_by_key(|folder| std::cmp::Reverse(folder.as_os_str().len()));
        let mut parts = Self { folders, specs: BTreeMap::new(), present: BTreeSet::new(), others: Vec::new() };
        for folder in parts.folders.clone() {
            parts.find_specs(&folder);
        }
        for changed in changes.iter().flat_map(|change| [Some(&change.path), change.before.as_ref()]).flatten() {
            parts.add_spec(changed);
        }
        for file in pipeline.packages.iter().flat_map(|packages| &packages.macro_files) {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            parts.others.extend(both_names(file).map(|path| (path, Part::MacroFile(name.clone()))));
        }
        parts
            .others
            .extend(pipeline.toolchain_of.iter().chain([&path.to_owned()]).map(|file| (file.clone(), Part::Pipeline)));
        for stage in &pipeline.stages {
            let inputs = stage.inputs().into_iter();
            let inputs = inputs.flat_map(|input| both_names(&input).collect::<Vec<_>>());
            parts.others.extend(inputs.map(|input| (input, Part::Toolchain(stage.name().to_owned()))));
        }
        for path in pipeline.images.iter().flat_map(|images| &images.configs) {
            let image = config::read(path)?;
            let inputs = image.inputs.into_values();
            parts.others.extend(inputs.map(|input| (plain(&input), Part::Image(image.name.clone()))));
        }
        Ok(parts)
    }

    /// What the file `path` is part of, sorted; empty for a file that nothing here is made from.
    pub(super) fn of(&self, path: &Path) -> BTreeSet<Part> {
        let inside = self.others.iter().filter(|(input, _)| path.starts_with(input)).map(|(_, part)| part.clone());
        inside.chain(self.specs_of(path).into_iter().map(Part::Spec)).collect()
    }

    /// The same with what is known of `sources`, the specs that can be read.
    pub(super) fn with_inputs<'a>(&'a self, sources: &'a [SourcePackage]) -> Inputs<'a> {
        let mut inputs = Inputs { parts: self, read: BTreeMap::new(), elsewhere: BTreeMap::new() };
        for source in sources {
            let names = inputs.read.entry(source.spec.as_str()).or_default();
            names.extend(source.sources.iter().map(|file| file.name.clone()));
            names.extend([format!("{}.spec", source.spec), format!("{}.signatures.json", source.spec)]);
            let folder = source.spec_path.parent().unwrap_or(&source.spec_path);
            for link in folder.ancestors().filter(|folder| folder.is_symlink()) {
                inputs.elsewhere.entry(link.to_owned()).or_default().insert(source.spec.clone());
            }
            // Where a link leads on the way to a file, the change is at its end.
            for path in names.iter().map(|name| folder.join(name)) {
                if let Ok(real) = path.canonicalize()
                    && real != path
                {
                    inputs.elsewhere.entry(real).or_default().insert(source.spec.clone());
                }
            }
        }
        // Of a spec that cannot be read, all that is beside it counts.
        for (folder, specs) in &self.specs {
            let unread: BTreeSet<String> =
                specs.iter().filter(|spec| !inputs.read.contains_key(spec.as_str())).cloned().collect();
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
            for path in entries.filter(|_| !unread.is_empty()) {
                if let Some(real) = path.canonicalize().ok().filter(|real| *real != path) {
                    inputs.elsewhere.entry(real).or_default().extend(unread.iter().cloned());
                }
            }
        }
        inputs
    }

    /// True when the spec's file is there.
    pub(super) fn is_present(&self, spec: &str) -> bool {
        self.present.contains(spec)
    }

    /// All specs that are there.
    pub(super) fn specs(&self) -> &BTreeSet<String> {
        &self.present
    }

    fn specs_of(&self, path: &Path) -> BTreeSet<String> {
        let Some(folder) = self.folder_of(path) else { return BTreeSet::new() };
        let Some(specs) = self.specs.get(&folder) else { return BTreeSet::new() };
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let own = file.strip_suffix(".spec").or_else(|| file.strip_suffix(".signatures.json"));
        match own.filter(|name| path.parent() == Some(&folder) && specs.contains(*name)) {
            Some(name) => BTreeSet::from([name.to_owned()]),
            None => specs.clone(),
        }
    }

    /// The folder whose specs the file `path` may belong to: a folder of specs, or one directly below it.
    fn folder_of(&self, path: &Path) -> Option<PathBuf> {
        let root = self.folders.iter().find(|folder| path.starts_with(folder))?;
        let mut below = path.strip_prefix(root).ok()?.components();
        let first = below.next()?;
        Some(if below.next().is_some() { root.join(first) } else { root.clone() })
    }

    fn find_specs(&mut self, root: &Path) {
        let mut open = vec![(root.to_owned(), true)];
        while let Some((folder, is_root)) = open.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    open.extend(is_root.then_some((path, false)));
                } else if let Some(name) = self.add_spec(&path) {
                    self.present.insert(name);
                }
            }
        }
    }

    /// Notes the spec whose file is `path`, if it is one; its name.
    fn add_spec(&mut self, path: &Path) -> Option<String> {
        let name = path.file_name()?.to_str()?.strip_suffix(".spec")?.to_owned();
        let folder = self.folder_of(path).filter(|folder| path.parent() == Some(folder))?;
        self.specs.entry(folder).or_default().insert(name.clone());
        Some(name)
    }
}

/// What files are part of, where it is known what each spec is made from.
pub(super) struct Inputs<'a> {
    parts: &'a Parts,
    /// For each spec that can be read the names of its files.
    read: BTreeMap<&'a str, BTreeSet<String>>,
    /// Files of specs that links lead to, by their own paths.
    elsewhere: BTreeMap<PathBuf, BTreeSet<String>>,
}

impl Inputs<'_> {
    /// What the file `path` is part of, sorted. A file beside a spec that the spec does not name is no part of it.
    pub(super) fn of(&self, path: &Path) -> BTreeSet<Part> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_used = |part: &Part| match part {
            Part::Spec(spec) => self.read.get(spec.as_str()).is_none_or(|names| names.contains(name.as_ref())),
            Part::Pipeline | Part::MacroFile(_) | Part::Toolchain(_) | Part::Image(_) => true,
        };
        let linked = self.elsewhere.get(path).into_iter().flatten().cloned().map(Part::Spec);
        self.parts.of(path).into_iter().filter(is_used).chain(linked).collect()
    }
}

/// The path, and where it leads to by links.
fn both_names(path: &Path) -> impl Iterator<Item = PathBuf> {
    let real = path.canonicalize().ok().filter(|real| real != path);
    std::iter::once(path.to_owned()).chain(real)
}

/// `path` without `.` and `..`: image configurations name files of folders beside theirs.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir => drop(plain.pop()),
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::super::git::Change;
    use super::*;
    use crate::pipeline::Packages;

    #[test]
    fn files_belong_to_the_specs_of_their_folder() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("SPECS");
        for file in ["a/a.spec", "two/b.spec", "two/c.spec", "flat.spec", "empty/x"] {
            let path = root.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let gone = FileChange { path: root.join("gone/gone.spec"), before: None, change: Change::Deleted };
        let packages = Packages { specs: vec![root.clone()], ..Packages::default() };
        let pipeline = Pipeline { name: "p".into(), packages: Some(packages), ..Pipeline::default() };
        let parts = Parts::new(&place.path().join("p.yaml"), &pipeline, &[gone]).unwrap();
        let of = |file: &str| {
            let found = parts.of(&root.join(file)).into_iter();
            found.map(|part| if let Part::Spec(name) = part { name } else { "?".into() }).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(of("a/deep/er/x y.patch"), "a");
        assert_eq!(of("two/common.patch"), "b c");
        assert_eq!(of("two/c.spec"), "c");
        assert_eq!(of("two/b.signatures.json"), "b");
        assert_eq!(of("two/sub/c.spec"), "b c", "a spec two folders down is none");
        assert_eq!(of("flat.patch"), "flat");
        assert_eq!(of("empty/x"), "");
        assert_eq!(of("gone/gone.patch"), "gone");
        assert!(parts.is_present("a") && !parts.is_present("gone"));
        assert_eq!(parts.of(&place.path().join("p.yaml")), BTreeSet::from([Part::Pipeline]));
        assert_eq!(plain(Path::new("/a/./b/../c")), Path::new("/a/c"));
    }
}
