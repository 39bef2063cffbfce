//! What a file of the project is part of: specs, toolchain stages, images, the pipeline.
//!
//! A spec's files are those beside it and below its folder, as in `SPECS/NAME/**`. Where several specs share a folder,
//! each has its own `NAME.spec` and `NAME.signatures.json`, and all others belong to all of them. What of these a spec is
//! really made from is told by [`super::inputs`].

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::git::FileChange;
use super::links::plain;
use crate::image::config::{self, ConfigError};
use crate::layout::LOCK_FILE;
use crate::pipeline::Pipeline;
use crate::remote::{Place, WantedRepository};

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
    /// What packages of remote repositories are found by.
    Remote,
}

/// Where the parts of a pipeline are.
pub(super) struct Parts {
    /// Folders of specs, the longest path first.
    pub(super) folders: Vec<PathBuf>,
    /// The same in the pipeline's order: of two specs of one name that of the first folder counts.
    pub(super) places: Vec<PathBuf>,
    /// Names of specs by the folder that they are in.
    specs: BTreeMap<PathBuf, BTreeSet<String>>,
    /// Specs that are there.
    present: BTreeSet<String>,
    /// Files and folders of stages, images and the pipeline.
    others: Vec<(PathBuf, Part)>,
}

impl Parts {
    /// The parts of `pipeline`, whose file is `path`, in the folder `project`. Specs that only the old side of `changes`
    /// has count, too.
    pub(super) fn new(
        (project, path): (&Path, &Path),
        pipeline: &Pipeline,
        changes: &[FileChange],
    ) -> Result<Self, ConfigError> {
        let places = pipeline.packages.as_ref().map(|packages| packages.specs.clone()).unwrap_or_default();
        let mut folders = places.clone();
        folders.sort_by_key(|folder| std::cmp::Reverse(folder.as_os_str().len()));
        let mut parts = Self { folders, places, specs: BTreeMap::new(), present: BTreeSet::new(), others: Vec::new() };
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
        let repositories = pipeline.packages.iter().flat_map(|packages| &packages.repositories);
        let remote = repositories.flat_map(files_of).chain([project.join(LOCK_FILE)]);
        parts.others.extend(remote.map(|path| (path, Part::Remote)));
        Ok(parts)
    }

    /// What the file `path` is part of, sorted; empty for a file that nothing here is made from.
    pub(super) fn of(&self, path: &Path) -> BTreeSet<Part> {
        self.besides_specs(path).chain(self.specs_of(path).into_iter().map(Part::Spec)).collect()
    }

    /// The same without specs.
    pub(super) fn besides_specs(&self, path: &Path) -> impl Iterator<Item = Part> {
        self.others.iter().filter(move |(input, _)| path.starts_with(input)).map(|(_, part)| part.clone())
    }

    /// True when the spec's file is there.
    pub(super) fn is_present(&self, spec: &str) -> bool {
        self.present.contains(spec)
    }

    /// All specs that are there.
    pub(super) fn specs(&self) -> &BTreeSet<String> {
        &self.present
    }

    /// The specs that the file `path` may belong to.
    pub(super) fn specs_of(&self, path: &Path) -> BTreeSet<String> {
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

    /// True when a spec file in `path` is one that is read.
    pub(super) fn is_place_of_spec(&self, path: &Path) -> bool {
        self.folder_of(path).is_some_and(|folder| path.parent() == Some(&folder))
    }

    /// Notes the spec whose file is `path`, if it is one; its name.
    fn add_spec(&mut self, path: &Path) -> Option<String> {
        let name = path.file_name()?.to_str()?.strip_suffix(".spec")?.to_owned();
        let folder = self.folder_of(path).filter(|_| self.is_place_of_spec(path))?;
        self.specs.entry(folder).or_default().insert(name.clone());
        Some(name)
    }
}

/// The files that a repository is found and trusted by.
fn files_of(repository: &WantedRepository) -> impl Iterator<Item = PathBuf> {
    let WantedRepository { place, keys, access, .. } = repository;
    let file = if let Place::File(path) = place { Some(path) } else { None };
    let access = [&access.ca, &access.client_certificate, &access.client_key].into_iter().flatten();
    file.into_iter().chain(keys).chain(access).cloned().collect::<Vec<_>>().into_iter()
}

/// The path, and where it leads to by links.
fn both_names(path: &Path) -> impl Iterator<Item = PathBuf> {
    let real = path.canonicalize().ok().filter(|real| real != path);
    std::iter::once(path.to_owned()).chain(real)
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
        let parts = Parts::new((place.path(), &place.path().join("p.yaml")), &pipeline, &[gone]).unwrap();
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
    }
}
