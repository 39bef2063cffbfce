//! The files that a configuration names: found relative to its folder, checked to be readable, and listed, as their
//! content decides what the image is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::schema;
use super::{Faults, raw};
use crate::regular;
use crate::text_file::without_mark;
use crate::yaml;

/// The files named so far.
pub(super) struct Inputs {
    folder: PathBuf,
    paths: BTreeMap<String, PathBuf>,
}

impl Inputs {
    /// The inputs of the configuration `path`, which is one itself.
    pub(super) fn new(path: &Path) -> Self {
        let folder = path.parent().map_or_else(PathBuf::new, Path::to_owned);
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self { folder, paths: BTreeMap::from([(name, path.to_owned())]) }
    }

    /// The regular file that `name` at `place` means, and its size.
    pub(super) fn file(&mut self, name: &str, place: &str, faults: &mut Faults) -> Option<(PathBuf, u64)> {
        let path = self.folder.join(name);
        match std::fs::metadata(&path) {
            _ if name.is_empty() => faults.add(place, "is empty, a file is expected"),
            Err(error) => faults.add(place, format!("names `{}`, which cannot be read: {error}", path.display())),
            Ok(found) if !found.is_file() => {
                faults.add(place, format!("names `{}`, which is no regular file", path.display()));
            }
            Ok(found) => {
                self.paths.insert(name.to_owned(), path.clone());
                return Some((path, found.len()));
            }
        }
        None
    }

    /// The text of the file that `name` at `place` means.
    pub(super) fn text(&mut self, name: &str, place: &str, faults: &mut Faults) -> Option<String> {
        let (path, _) = self.file(name, place, faults)?;
        match regular::read_to_string(&path) {
            Ok(text) => Some(without_mark(&text).to_owned()),
            Err(error) => {
                faults.add(place, format!("names `{}`, which cannot be read: {error}", path.display()));
                None
            }
        }
    }

    /// The package names of the list that `name` at `place` means, in its order.
    pub(super) fn package_list(&mut self, name: &str, place: &str, faults: &mut Faults) -> Vec<String> {
        let Some((path, _)) = self.file(name, place, faults) else { return Vec::new() };
        let value = match yaml::read::<serde_json::Value>(&path) {
            Ok(value) => value,
            Err(error) => {
                faults.add(place, format!("names a list that cannot be used: {error}"));
                return Vec::new();
            }
        };
        let mut inside = Faults::default();
        let value = schema::normalise(value, schema::PACKAGE_LIST, &mut inside);
        if let Err(error) = inside.refuse(&path) {
            faults.add(place, format!("names a list with faults: {}", error.located()));
            return Vec::new();
        }
        serde_json::from_value::<raw::PackageList>(value).map(|list| list.packages).unwrap_or_default()
    }

    /// All files named, by the names they have in the configuration.
    pub(super) fn into_paths(self) -> BTreeMap<String, PathBuf> {
        self.paths
    }
}
