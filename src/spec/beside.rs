//! What the files beside a spec may do while it is read: its text names them, and theirs tells.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::database::asks_database;
use super::reach::{self, leads_out};
use crate::regular;
use crate::source::seen::files_below;

/// Larger files beside a spec are no scripts.
const MOST_BYTES: u64 = 1 << 18;
/// Files that nothing runs or reads while a spec is parsed.
const INERT: [&str; 3] = ["spec", "patch", "diff"];

/// What the files beside a spec do.
#[derive(Default)]
pub(super) struct Beside {
    /// One of them asks RPM's database.
    pub(super) asks_database: bool,
    /// Names of those that lead out of the folder: texts that name another one, and links to folders.
    pub(super) leading: Vec<String>,
}

/// Which specs may read files of other folders while they are parsed.
pub struct Reach {
    /// Macros that every spec is read with may.
    all: bool,
    /// What files beside specs do, by folder.
    folders: BTreeMap<PathBuf, Beside>,
}

impl Reach {
    /// That of specs which are read with `macro_files`; one that cannot be read has no word.
    pub fn new(macro_files: impl Iterator<Item = impl AsRef<Path>>) -> Self {
        let texts = macro_files.filter_map(|path| regular::read_text(path.as_ref()).ok());
        let far = |bytes: Vec<u8>| {
            let text = String::from_utf8_lossy(&bytes);
            reach::reads(&text) && leads_out(&text)
        };
        Self { all: { texts }.any(far), folders: BTreeMap::new() }
    }

    /// True for the spec `path` with `text`, which stands at the top of a searched folder or in a folder of its own.
    pub fn is_far(&mut self, path: &Path, is_at_top: bool, text: &str) -> bool {
        // What stands below a spec at the top belongs to others.
        self.all
            || is_at_top && reach::reads(text)
            || reach::reads(text) && reach::reads_far(text, &self.beside(path, is_at_top).leading)
    }

    /// What files beside the spec `path` do, and those in the folders below, which belong to other specs where it stands at
    /// the top of a searched folder.
    pub(super) fn beside(&mut self, path: &Path, is_at_top: bool) -> &Beside {
        let folder = path.parent().unwrap_or(path);
        let files = || if is_at_top { direct(folder) } else { files_below(folder) };
        // What cannot be read is told where it is needed.
        self.folders.entry(folder.to_owned()).or_insert_with(|| looked_through(files().unwrap_or_default()))
    }
}

fn direct(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let paths: io::Result<Vec<PathBuf>> = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect();
    let mut paths = paths?;
    paths.retain(|path| !path.is_dir() || path.is_symlink());
    paths.sort();
    Ok(paths)
}

fn looked_through(files: Vec<PathBuf>) -> Beside {
    let mut beside = Beside::default();
    for path in files {
        let name = || path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            beside.leading.push(name());
            continue;
        }
        let is_inert = path.extension().is_some_and(|end| INERT.iter().any(|inert| end == *inert));
        let is_small = path.metadata().is_ok_and(|file| file.is_file() && file.len() <= MOST_BYTES);
        if is_inert || !is_small {
            continue;
        }
        let Ok(bytes) = regular::read_text(&path) else { continue };
        beside.asks_database |= asks_database(&bytes);
        if leads_out(&String::from_utf8_lossy(&bytes)) {
            beside.leading.push(name());
        }
    }
    beside
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn texts_and_links_that_lead_out_are_found() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("a");
        fs::create_dir_all(folder.join("sub")).unwrap();
        fs::create_dir(place.path().join("common")).unwrap();
        for (name, text) in [
            ("a.spec", "../x"),
            ("fix.patch", "--- ../x"),
            ("run.sh", "cat ../common/x"),
            ("sub/deep.sh", "cat ../../common/x"),
            ("plain.sh", "cat x; echo 1..2"),
            ("ask.sh", "rpm -q x"),
        ] {
            fs::write(folder.join(name), text).unwrap();
        }
        symlink("../common", folder.join("inc")).unwrap();
        let mut folders = Reach::new([""; 0].iter());
        let beside = folders.beside(&folder.join("a.spec"), false);
        assert_eq!(beside.leading, ["inc", "run.sh", "deep.sh"]);
        assert!(beside.asks_database);
        let beside = Reach::new([""; 0].iter()).beside(&folder.join("a.spec"), true).leading.clone();
        assert_eq!(beside, ["inc", "run.sh"]);
    }
}
