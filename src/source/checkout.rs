//! The folders of the user's checkout: what a link in one of them may lead to.
//!
//! A spec may be somebody else's proposal, and so may the links beside it. A link that leads elsewhere on this machine would
//! put its content into a source package, and its digest into a message. Git's own folder does not belong to the checkout
//! either: it may hold credentials. The objects of git-annex do, which are nothing but files of the checkout.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

/// Folders that files may be taken from, with all that is below them.
#[derive(Clone, Debug, Default)]
pub struct Checkout {
    /// Without links.
    folders: Vec<PathBuf>,
}

impl Checkout {
    /// The checkout that consists of `folders`; those that are not there are left out.
    pub fn new<'a>(folders: impl IntoIterator<Item = &'a Path>) -> Self {
        Self { folders: folders.into_iter().filter_map(|folder| folder.canonicalize().ok()).collect() }
    }

    /// Whether what `path` leads to belongs to the checkout, or to the folder that `path` is in: that one may be a link
    /// itself, to where its specs are.
    pub fn has(&self, path: &Path) -> io::Result<bool> {
        let real = path.canonicalize()?;
        let own = path.parent().map(Path::canonicalize).transpose()?;
        let below = |folder: &PathBuf| real.strip_prefix(folder).is_ok_and(is_content);
        Ok(self.folders.iter().chain(&own).any(below))
    }

    /// The text of the link `path` when that leads out of the checkout. Nothing of what it leads to is read.
    pub fn link_out(&self, path: &Path) -> Option<PathBuf> {
        let text = fs::read_link(path).ok()?;
        let stays = self.has(path).unwrap_or(false);
        (!stays).then_some(text)
    }
}

/// False below `.git`, but for the objects of git-annex.
fn is_content(path: &Path) -> bool {
    let names: Vec<_> = path.components().collect();
    let is = |component: &Component<'_>, name: &str| component.as_os_str() == name;
    match names.iter().position(|name| is(name, ".git")) {
        Some(at) => matches!(&names[at + 1..], [annex, objects, _, ..] if is(annex, "annex") && is(objects, "objects")),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_link_leads_to_a_file_of_the_checkout_or_is_told() {
        let place = tempfile::tempdir().unwrap();
        let file = |path: &str| {
            let path = place.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        };
        ["key", "project/common/a", "project/.git/config", "project/.git/annex/objects/x/y", "other/SPECS/b/b.conf"]
            .into_iter()
            .for_each(file);
        let spec = place.path().join("project/SPECS/a");
        fs::create_dir_all(&spec).unwrap();
        symlink("../../other/SPECS/b", place.path().join("project/SPECS/b")).unwrap();
        let project = Checkout::new([place.path().join("project").as_path(), Path::new("/nonexistent")]);
        let told = |target: &str| {
            let path = spec.join("link");
            let _ = fs::remove_file(&path);
            symlink(target, &path).unwrap();
            match project.link_out(&path) {
                None => "right",
                Some(text) if text == Path::new(target) => "outside",
                Some(_) => "another link",
            }
        };
        assert_eq!(told("../../common/a"), "right");
        assert_eq!(told("../../.git/annex/objects/x/y"), "right");
        assert_eq!(told("../../.git/config"), "outside");
        assert_eq!(told("../../../key"), "outside");
        assert_eq!(told("/etc/hostname"), "outside");
        assert_eq!(told("/proc/self/environ"), "outside");
        assert_eq!(told("link"), "outside", "a link to itself");
        assert!(project.link_out(&spec).is_none(), "no link at all");
        assert!(project.has(&place.path().join("project/SPECS/b/b.conf")).unwrap(), "beside the spec");
        symlink("../../../key", place.path().join("other/SPECS/b/key")).unwrap();
        assert!(!project.has(&place.path().join("project/SPECS/b/key")).unwrap());
    }
}
