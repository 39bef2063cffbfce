//! Files that something is made from, as they were before they were read: what is made counts only when nobody has written
//! to them meanwhile, not even there and back.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::remembered::Stamp;

/// Files and folders as they were at some time.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    roots: Vec<PathBuf>,
    files: BTreeMap<PathBuf, Option<Stamp>>,
}

impl Seen {
    /// All that `roots` are now, and what is in them.
    pub(crate) fn now(roots: Vec<PathBuf>) -> Self {
        let mut files = BTreeMap::new();
        for root in &roots {
            let below = if root.is_dir() { files_below(root).unwrap_or_default() } else { vec![root.clone()] };
            // A folder has another time whenever a file in it comes or goes, which is seen anyway.
            let stamp = |path: &PathBuf| Stamp::of(path).ok().filter(|_| !path.is_dir());
            files.extend(below.into_iter().map(|path| (path.clone(), stamp(&path))));
        }
        Self { roots, files }
    }

    /// A file that was written since, or is no longer there, or is new.
    pub(crate) fn changed(&self) -> Option<PathBuf> {
        let now = Self::now(self.roots.clone()).files;
        now.keys().chain(self.files.keys()).find(|path| now.get(*path) != self.files.get(*path)).cloned()
    }
}

/// All files and links below `folder`, sorted, and what is in folders that links lead to; each folder once, and none that
/// `folder` itself is in.
pub(crate) fn files_below(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut open = vec![folder.to_owned()];
    let mut known: BTreeSet<PathBuf> = folder.canonicalize()?.ancestors().map(Path::to_owned).collect();
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next)? {
            let path = entry?.path();
            if !path.is_dir() || path.is_symlink() {
                files.push(path.clone());
            }
            if path.is_dir() && known.insert(path.canonicalize()?) {
                open.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_written_there_and_back_is_another() {
        let place = tempfile::tempdir().unwrap();
        let (folder, file) = (place.path().join("folder"), place.path().join("file"));
        fs::create_dir(&folder).unwrap();
        let write = |path: &Path, text: &str| {
            let new = place.path().join("new");
            fs::write(&new, text).unwrap();
            fs::rename(new, path).unwrap();
        };
        write(&file, "one");
        let seen = || Seen::now(vec![folder.clone(), file.clone()]);
        let before = seen();
        assert_eq!(before.changed(), None);
        write(&file, "two");
        write(&file, "one");
        assert_eq!(before.changed(), Some(file.clone()));
        let before = seen();
        write(&folder.join("more"), "");
        assert_eq!(before.changed(), Some(folder.join("more")));
        let before = seen();
        fs::remove_file(&file).unwrap();
        assert_eq!(before.changed(), Some(file));
    }
}
