//! The files below a layer: what the layers under it make together, without their content.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::ops::Bound;

use super::tar_read::{Member, MemberKind, read_members};
use crate::digest::Sha256;

/// What a name in a layer says about another one; see "Whiteouts" in the OCI image specification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// This path is gone.
    Gone(Vec<u8>),
    /// This folder hides all that is below it.
    Opaque(Vec<u8>),
    /// Something that AUFS keeps for itself.
    Foreign,
}

/// The mark that the path `path` of a layer is; `None` for a file of the image.
pub(super) fn mark(path: &[u8]) -> Option<Mark> {
    let (folder, name) = split(path);
    let marked = name.strip_prefix(b".wh.")?;
    Some(match marked {
        b".wh..opq" => Mark::Opaque(folder.to_vec()),
        _ if marked.starts_with(b".wh.") => Mark::Foreign,
        _ => Mark::Gone(join(folder, marked)),
    })
}

/// The path of the mark that says that `path` is gone.
pub(super) fn whiteout(path: &[u8]) -> Vec<u8> {
    let (folder, name) = split(path);
    join(folder, &[b".wh.", name].concat())
}

/// The folder that `path` is in, and its name there.
pub(super) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (b"", path),
    }
}

/// The folders above `path`, innermost first, without the root.
pub(super) fn above(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let parent = |path: &[u8]| path.iter().rposition(|byte| *byte == b'/');
    std::iter::successors(parent(path).map(|slash| &path[..slash]), move |path| {
        parent(path).map(|slash| &path[..slash])
    })
}

fn join(folder: &[u8], name: &[u8]) -> Vec<u8> {
    if folder.is_empty() { name.to_vec() } else { [folder, b"/", name].concat() }
}

/// A file of the layers below.
pub(super) struct Known {
    pub(super) member: Member,
    /// Of its content, where that was asked for.
    pub(super) content: Option<Sha256>,
}

/// All files of the layers below, by path.
#[derive(Default)]
pub(super) struct Lower {
    files: BTreeMap<Vec<u8>, Known>,
}

impl Lower {
    /// Puts the layer `tar` on top; the content of the files that are `wanted` is read.
    pub(super) fn add(&mut self, mut tar: impl Read, wanted: &dyn Fn(&Member) -> bool) -> io::Result<()> {
        let (mut gone, mut opaque, mut new) = (Vec::new(), Vec::new(), Vec::new());
        read_members(&mut tar, &mut |member, _, mut content| {
            match mark(&member.path) {
                Some(Mark::Gone(path)) => gone.push(path),
                Some(Mark::Opaque(folder)) => opaque.push(folder),
                Some(Mark::Foreign) => {}
                None => {
                    let is_wanted = member.kind == MemberKind::File && wanted(&member);
                    let content = is_wanted.then(|| Sha256::of_reader(&mut content)).transpose()?;
                    new.push(Known { member, content: content.map(|(digest, _)| digest) });
                }
            }
            Ok(())
        })?;
        // Its digest is checked at its end.
        io::copy(&mut tar, &mut io::sink())?;
        for path in gone {
            self.files.remove(&path);
            self.empty(&path);
        }
        for folder in &opaque {
            self.empty(folder);
        }
        for known in new {
            if known.member.kind != MemberKind::Folder {
                self.empty(&known.member.path);
            }
            self.files.insert(known.member.path.clone(), known);
        }
        Ok(())
    }

    /// The file at `path`.
    pub(super) fn get(&self, path: &[u8]) -> Option<&Known> {
        self.files.get(path)
    }

    /// All paths, sorted.
    pub(super) fn paths(&self) -> impl Iterator<Item = &[u8]> {
        self.files.keys().map(Vec::as_slice)
    }

    fn empty(&mut self, folder: &[u8]) {
        let start = if folder.is_empty() { Vec::new() } else { [folder, b"/"].concat() };
        let inside = self.files.range::<[u8], _>((Bound::Included(start.as_slice()), Bound::Unbounded));
        let inside: Vec<_> = inside.map(|(path, _)| path.clone()).take_while(|path| path.starts_with(&start)).collect();
        for path in &inside {
            self.files.remove(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_told_from_files() {
        let gone = |path: &str| Some(Mark::Gone(path.as_bytes().to_vec()));
        assert_eq!(mark(b"a/.wh.b"), gone("a/b"));
        assert_eq!(mark(b".wh.b"), gone("b"));
        assert_eq!(mark(b"a/.wh..wh..opq"), Some(Mark::Opaque(b"a".to_vec())));
        assert_eq!(mark(b".wh..wh.plnk"), Some(Mark::Foreign));
        assert_eq!(mark(b"a/.white"), None);
        assert_eq!(whiteout(b"a/b"), b"a/.wh.b");
        assert_eq!(above(b"a/b/c").collect::<Vec<_>>(), [&b"a/b"[..], b"a"]);
        assert_eq!(above(b"a").count(), 0);
    }
}
