//! The spec files of a list of folders.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::SpecError;

/// A spec file that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SpecFile {
    /// File name without `.spec`.
    pub(super) name: String,
    /// Absolute.
    pub(super) path: PathBuf,
    /// Which of the searched folders it is in, counted from 0.
    pub(super) folder: usize,
    /// Path below that folder: `zlib/zlib.spec`, or `zlib.spec`.
    pub(super) relative: String,
}

/// `<folder>/*.spec` and `<folder>/*/*.spec` of every folder, sorted by name; no name is there twice.
pub(super) fn spec_files(folders: &[PathBuf]) -> Result<Vec<SpecFile>, SpecError> {
    let mut found: BTreeMap<String, SpecFile> = BTreeMap::new();
    for (folder, root) in folders.iter().enumerate() {
        for path in paths(root)? {
            let file = spec_file(root, folder, path)?;
            if let Some(first) = found.get(&file.name).filter(|first| first.path != file.path) {
                let (first, second) = (first.path.clone(), file.path);
                return Err(SpecError::Twice { name: format!("{}.spec", file.name), first, second });
            }
            found.entry(file.name.clone()).or_insert(file);
        }
    }
    Ok(found.into_values().collect())
}

fn spec_file(root: &Path, folder: usize, path: PathBuf) -> Result<SpecFile, SpecError> {
    let relative = path.strip_prefix(root).ok().and_then(Path::to_str).map(str::to_owned);
    let name = path.file_stem().and_then(|name| name.to_str()).map(str::to_owned);
    match (relative, name) {
        (Some(relative), Some(name)) if !relative.contains(char::is_control) => {
            Ok(SpecFile { name, path, folder, relative })
        }
        _ => Err(SpecError::Name { path }),
    }
}

fn paths(root: &Path) -> Result<Vec<PathBuf>, SpecError> {
    let mut found = Vec::new();
    for entry in list(root)? {
        if is_spec(&entry) {
            found.push(entry);
        } else if entry.is_dir() {
            found.extend(list(&entry)?.into_iter().filter(|path| is_spec(path)));
        }
    }
    Ok(found)
}

fn is_spec(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "spec") && path.is_file()
}

/// The entries of a folder, hidden ones left out, sorted.
fn list(folder: &Path) -> Result<Vec<PathBuf>, SpecError> {
    let wrong = |source| SpecError::List { path: folder.to_owned(), source };
    let entries: Result<Vec<_>, _> = fs::read_dir(folder).map_err(wrong)?.collect();
    let shown =
        entries.map_err(wrong)?.into_iter().filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."));
    let mut paths: Vec<PathBuf> = shown.map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        root
    }

    #[test]
    fn specs_are_found_in_a_folder_and_one_below() {
        let root = tree(&["b/b.spec", "b/c-1.2.spec", "a.spec", "deep/er/x.spec", "b/readme", ".git/y.spec"]);
        let found = spec_files(&[root.path().to_owned()]).unwrap();
        let shown: Vec<_> = found.iter().map(|file| (file.name.as_str(), file.relative.as_str())).collect();
        assert_eq!(shown, [("a", "a.spec"), ("b", "b/b.spec"), ("c-1.2", "b/c-1.2.spec")]);
    }

    #[test]
    fn two_specs_of_one_name_are_refused() {
        let (one, two) = (tree(&["zlib/zlib.spec"]), tree(&["other/zlib.spec"]));
        let error = spec_files(&[one.path().to_owned(), two.path().to_owned()]).unwrap_err().to_string();
        assert!(error.starts_with("two spec files are called `zlib.spec`: `"), "{error}");
        assert!(error.contains(&two.path().join("other/zlib.spec").display().to_string()), "{error}");
    }

    #[test]
    fn a_missing_folder_is_told() {
        let error = spec_files(&["/nonexistent".into()]).unwrap_err();
        assert_eq!(error.to_string(), "cannot list the specs in `/nonexistent`");
    }
}
