//! The spec files of a list of folders.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::{Shadowed, SpecError};

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
    /// Where the folder that it is in really is, when that is a link out of the searched one.
    pub(super) linked: Option<PathBuf>,
}

/// The spec files of some folders.
#[derive(Debug, Default)]
pub(super) struct SpecFiles {
    /// Sorted by name; no name is there twice.
    pub(super) files: Vec<SpecFile>,
    /// Files whose name is also in a folder that stands before theirs, sorted by name.
    pub(super) shadowed: Vec<Shadowed>,
    /// Links that lead nowhere, or out of the folder that they are in.
    pub(super) astray: Vec<PathBuf>,
    /// Files whose names nobody could write down in a line.
    pub(super) unnamed: Vec<PathBuf>,
    /// Files that lie deeper than specs are looked for, where nothing else is found on the way.
    pub(super) deeper: Vec<PathBuf>,
}

/// `<folder>/*.spec` and `<folder>/*/*.spec` of every folder. Of two files of one name in two folders that of the first
/// folder counts.
///
/// # Errors
/// Two files of one name in one folder: no order says which is meant. No file at all: the folders are the wrong ones.
pub(super) fn spec_files(folders: &[PathBuf]) -> Result<SpecFiles, SpecError> {
    let mut found: BTreeMap<String, SpecFile> = BTreeMap::new();
    let SpecFiles { mut shadowed, mut astray, mut unnamed, mut deeper, .. } = SpecFiles::default();
    for (folder, root) in folders.iter().enumerate() {
        for path in paths(root, &mut deeper)? {
            let Some(file) = spec_file(root, folder, &path) else {
                unnamed.push(path);
                continue;
            };
            let linked = linked_folder(root, &path);
            if leads_astray(linked.as_deref().unwrap_or(root), &path) {
                astray.push(path);
                continue;
            }
            let file = SpecFile { linked, ..file };
            let Some(first) = found.get(&file.name).filter(|first| first.path != file.path) else {
                found.entry(file.name.clone()).or_insert(file);
                continue;
            };
            let (name, taken, left_out) = (format!("{}.spec", file.name), first.path.clone(), file.path);
            if first.folder == folder {
                return Err(SpecError::Twice { name, first: taken, second: left_out });
            }
            shadowed.push(Shadowed { name, taken, left_out });
        }
    }
    if found.is_empty() && astray.is_empty() && unnamed.is_empty() && !folders.is_empty() {
        return Err(SpecError::None { folders: folders.to_vec(), deeper });
    }
    shadowed.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(SpecFiles { files: found.into_values().collect(), shadowed, astray, unnamed, deeper })
}

/// None for a file whose name is not UTF-8 or has a control character.
fn spec_file(root: &Path, folder: usize, path: &Path) -> Option<SpecFile> {
    let relative = path.strip_prefix(root).ok()?.to_str()?.to_owned();
    let name = path.file_stem()?.to_str()?.to_owned();
    let is_plain = !relative.contains(char::is_control);
    is_plain.then(|| SpecFile { name, path: path.to_owned(), folder, relative, linked: None })
}

/// Where the folder of `path` really is, when that is another one than `root` and nothing below `root`.
fn linked_folder(root: &Path, path: &Path) -> Option<PathBuf> {
    let folder = path.parent().filter(|folder| *folder != root && folder.is_symlink())?;
    let real = folder.canonicalize().ok()?;
    let stays = folder.read_link().is_ok_and(|text| text.is_relative())
        && root.canonicalize().is_ok_and(|root| real.starts_with(root));
    (!stays).then_some(real)
}

/// True when `path` is a link that cannot be followed by who sees nothing but the folder `shown`.
fn leads_astray(shown: &Path, path: &Path) -> bool {
    let Ok(text) = path.read_link() else { return false };
    let (shown, real) = (shown.canonicalize(), path.canonicalize());
    let stays = shown.is_ok_and(|shown| real.is_ok_and(|real| real.starts_with(shown)));
    text.is_absolute() || !stays
}

/// The specs of a folder and of those in it. What lies `deeper` in one of these that has none itself is noted.
fn paths(root: &Path, deeper: &mut Vec<PathBuf>) -> Result<Vec<PathBuf>, SpecError> {
    let mut found = Vec::new();
    for entry in list(root)? {
        if is_spec(&entry) {
            found.push(entry);
        } else if entry.is_dir() {
            let (specs, others): (Vec<_>, Vec<_>) = list(&entry)?.into_iter().partition(|path| is_spec(path));
            if specs.is_empty() {
                for folder in others.into_iter().filter(|path| path.is_dir() && !path.is_symlink()) {
                    deeper.extend(list(&folder)?.into_iter().filter(|path| is_spec(path)));
                }
            }
            found.extend(specs);
        }
    }
    Ok(found)
}

/// A spec file, or a link that may be meant as one.
fn is_spec(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "spec") && (path.is_file() || !path.exists())
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
        let found = spec_files(&[root.path().to_owned()]).unwrap().files;
        let shown: Vec<_> = found.iter().map(|file| (file.name.as_str(), file.relative.as_str())).collect();
        assert_eq!(shown, [("a", "a.spec"), ("b", "b/b.spec"), ("c-1.2", "b/c-1.2.spec")]);
    }

    #[test]
    fn two_specs_of_one_name_in_a_folder_are_refused() {
        let root = tree(&["zlib/zlib.spec", "other/zlib.spec"]);
        let error = spec_files(&[root.path().to_owned()]).unwrap_err().to_string();
        assert!(error.starts_with("two spec files are called `zlib.spec`: `"), "{error}");
        assert!(error.contains(&root.path().join("other/zlib.spec").display().to_string()), "{error}");
    }

    #[test]
    fn the_folder_that_is_listed_first_counts() {
        let (one, two) = (tree(&["zlib/zlib.spec", "a.spec"]), tree(&["other/zlib.spec", "b.spec"]));
        let found = spec_files(&[one.path().to_owned(), two.path().to_owned()]).unwrap();
        let names: Vec<_> = found.files.iter().map(|file| (file.name.as_str(), file.folder)).collect();
        assert_eq!(names, [("a", 0), ("b", 1), ("zlib", 0)]);
        let [shadowed] = &found.shadowed[..] else { panic!("{:?}", found.shadowed) };
        assert_eq!(shadowed.taken, one.path().join("zlib/zlib.spec"));
        assert_eq!(shadowed.left_out, two.path().join("other/zlib.spec"));
    }

    #[test]
    fn what_is_not_read_is_noted() {
        let root = tree(&["a/a.spec", "a/tests/t.spec", "group/b/b.spec"]);
        std::os::unix::fs::symlink("/nowhere", root.path().join("lost.spec")).unwrap();
        let found = spec_files(&[root.path().to_owned()]).unwrap();
        assert_eq!(found.files.len(), 1);
        assert_eq!(found.astray, [root.path().join("lost.spec")]);
        assert_eq!(found.deeper, [root.path().join("group/b/b.spec")], "below a spec everything is its own");
    }

    #[test]
    fn links_are_followed_as_far_as_a_container_sees_where_they_lead() {
        use std::os::unix::fs::symlink;
        let place = tree(&["SPECS/a/a.spec", "shared/b/b.spec", "shared/c.spec", "key"]);
        let root = place.path().join("SPECS");
        let link = |target: &str, name: &str| symlink(target, root.join(name)).unwrap();
        link("../shared/b", "b");
        link("a/a.spec", "inside.spec");
        link("../shared/c.spec", "outside.spec");
        symlink(place.path().join("key"), place.path().join("shared/b/key.spec")).unwrap();
        symlink("b.spec", place.path().join("shared/b/beside.spec")).unwrap();

        let found = spec_files(std::slice::from_ref(&root)).unwrap();

        let shown: Vec<_> = found.files.iter().map(|file| (file.relative.as_str(), file.linked.is_some())).collect();
        assert_eq!(shown, [("a/a.spec", false), ("b/b.spec", true), ("b/beside.spec", true), ("inside.spec", false)]);
        assert_eq!(found.files[1].linked, Some(place.path().join("shared/b").canonicalize().unwrap()));
        assert_eq!(found.astray, [root.join("b/key.spec"), root.join("outside.spec")]);
    }

    #[test]
    fn a_name_that_is_no_line_is_its_own_spec_s_fault_alone() {
        let root = tree(&["a/a.spec", "x\nbuilt b ok.spec", "es\u{1b}[1Ac/c.spec"]);
        let found = spec_files(&[root.path().to_owned()]).unwrap();
        assert_eq!(found.files.len(), 1);
        assert_eq!(found.unnamed, ["es\u{1b}[1Ac/c.spec", "x\nbuilt b ok.spec"].map(|name| root.path().join(name)));
    }

    #[test]
    fn folders_without_any_spec_are_refused() {
        let root = tree(&["group/b/b.spec", "readme"]);
        let error = spec_files(&[root.path().to_owned()]).unwrap_err();
        let place = root.path().display();
        assert_eq!(error.to_string(), format!("there is no spec in `{place}` or in a folder of it"));
        let hint = error.hint().unwrap();
        assert!(
            hint.contains(&format!("`{place}/group/b/b.spec` lies deeper: name the folder `{place}/group`")),
            "{hint}"
        );
        let empty = tree(&[]);
        assert_eq!(spec_files(&[empty.path().to_owned()]).unwrap_err().hint(), None);
        assert!(spec_files(&[]).unwrap().files.is_empty());
    }

    #[test]
    fn a_missing_folder_is_told() {
        let error = spec_files(&["/nonexistent".into()]).unwrap_err();
        assert_eq!(error.to_string(), "cannot list the specs in `/nonexistent`");
    }
}
