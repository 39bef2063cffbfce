//! Links in folders of specs: a change of what they lead to is one of the file that they stand for.

use std::path::{Path, PathBuf};

/// Links that lead to a place, each with that place: where they lead at last, and all on the way.
pub(super) struct Links(Vec<(PathBuf, PathBuf)>);

/// A link of a link of a link ends somewhere.
const MOST_HOPS: usize = 40;
/// As deep as sources are looked for below a spec.
const DEEPEST: usize = 8;

impl Links {
    /// Those in `folders` of specs and in the folders below.
    pub(super) fn below(folders: &[PathBuf]) -> Self {
        let mut links = Self(Vec::new());
        for folder in folders {
            links.follow(folder);
            links.look(folder, 0);
        }
        links
    }

    /// All names of the file `path`: its own, and those that it has by links.
    pub(super) fn names_of(&self, path: &Path) -> Vec<PathBuf> {
        let mut names = vec![path.to_owned()];
        let mut at = 0;
        while at < names.len() && names.len() < MOST_HOPS {
            let through = self.0.iter().filter_map(|(to, link)| {
                let rest = names[at].strip_prefix(to).ok()?;
                Some(if rest.as_os_str().is_empty() { link.clone() } else { link.join(rest) })
            });
            let new: Vec<PathBuf> = through.filter(|name| !names.contains(name)).collect();
            names.extend(new);
            at += 1;
        }
        names
    }

    fn look(&mut self, folder: &Path, depth: usize) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let (path, kind) = (entry.path(), entry.file_type());
            let is_link = kind.as_ref().is_ok_and(std::fs::FileType::is_symlink);
            if is_link {
                self.follow(&path);
            }
            // A link to the folder of a spec stands for that folder; sources are not looked for behind links below.
            let is_folder = kind.is_ok_and(|kind| kind.is_dir()) || (is_link && depth == 0 && path.is_dir());
            if is_folder && depth < DEEPEST && path.file_name().is_some_and(|name| name != ".git") {
                self.look(&path, depth + 1);
            }
        }
    }

    /// Notes where `link` leads to, and the links on the way; nothing when there is none.
    fn follow(&mut self, link: &Path) {
        let mut at = link.to_owned();
        for _ in 0..MOST_HOPS {
            let Ok(target) = std::fs::read_link(&at) else { break };
            at = plain(&at.parent().unwrap_or(&at).join(target));
            let folders: Vec<PathBuf> = at.ancestors().filter(|path| path.is_symlink()).map(Path::to_owned).collect();
            for on_the_way in folders.into_iter().chain([at.clone()]) {
                self.note(on_the_way, link);
            }
        }
        if let Ok(real) = link.canonicalize() {
            self.note(real, link);
        }
    }

    fn note(&mut self, to: PathBuf, link: &Path) {
        let pair = (to, link.to_owned());
        if pair.0 != pair.1 && !self.0.contains(&pair) {
            self.0.push(pair);
        }
    }
}

/// `path` without `.` and `..`: image configurations and links name files of folders beside theirs.
pub(super) fn plain(path: &Path) -> PathBuf {
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
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_file_has_the_names_of_all_links_to_it() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().canonicalize().unwrap();
        for folder in ["SPECS/a/sub", "SPECS/b", "shared/c/deep"] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        std::fs::write(root.join("shared/fix.patch"), "").unwrap();
        symlink("../shared/c", root.join("SPECS/c")).unwrap();
        symlink("../../../shared/one", root.join("SPECS/a/sub/fix.patch")).unwrap();
        symlink("fix.patch", root.join("shared/one")).unwrap();
        symlink("..", root.join("SPECS/b/ring")).unwrap();
        let links = Links::below(&[root.join("SPECS")]);
        let names = |path: &str| {
            let names = links.names_of(&root.join(path)).into_iter();
            let mut names: Vec<String> =
                names.map(|name| name.strip_prefix(&root).unwrap().display().to_string()).collect();
            names.sort();
            names.dedup();
            names.retain(|name| !name.contains("ring"));
            names.join(" ")
        };
        assert_eq!(names("shared/c/deep/x"), "SPECS/c/deep/x shared/c/deep/x");
        assert_eq!(names("shared/fix.patch"), "SPECS/a/sub/fix.patch shared/fix.patch");
        assert_eq!(names("shared/one"), "SPECS/a/sub/fix.patch shared/one", "the link on the way");
        assert_eq!(names("SPECS/b/b.spec"), "SPECS/b/b.spec");
    }

    #[test]
    fn paths_are_made_plain() {
        assert_eq!(plain(Path::new("/a/./b/../c")), Path::new("/a/c"));
    }
}
