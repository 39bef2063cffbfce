//! A layer in the one form that does not depend on the engine that made it.
//!
//! Engines tell the same change in different ways. One marks a folder that was removed and made again as hiding all below
//! it, with a mode of its own choice; another marks each name that is gone. One leaves in what was only touched; another
//! compares and leaves it out. Here a layer has a mark for each name that is gone, no other marks, and nothing that is as
//! it is below; folders above a change stay in, since unpackers give a folder that is missing there other owners. A folder
//! that only has another time is as it was: engines make places for their mounts, and that changes it.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use super::lower::{Known, Lower, Mark, above, mark, split, whiteout};
use super::normal::{Table, is_part_of_a_file};
use super::tar_read::{Member, MemberKind};
use crate::digest::Sha256;

/// A layer that is going to be written, and what is below it.
pub(super) struct Difference<'a> {
    table: Table,
    tar: &'a File,
    epoch: u64,
    /// How many paths have the member of this index.
    names: HashMap<usize, usize>,
}

impl<'a> Difference<'a> {
    /// The layer with the members `table` of the archive `tar`; members newer than `epoch` get that time.
    pub(super) fn new(table: Table, tar: &'a File, epoch: u64) -> Self {
        let mut names = HashMap::new();
        table.by_path.values().for_each(|index| *names.entry(*index).or_default() += 1);
        Self { table, tar, epoch, names }
    }

    /// True for a file below whose content is compared.
    pub(super) fn may_equal(&self, lower: &Member) -> bool {
        self.single(&lower.path).is_some_and(|(upper, _)| self.looks_like(upper, lower))
    }

    /// The layer's members in the one form.
    pub(super) fn against(mut self, lower: &Lower) -> io::Result<Table> {
        let gone = self.take_marks(lower);
        let mut needed: BTreeSet<Vec<u8>> = gone.iter().flat_map(|path| above(path)).map(<[u8]>::to_vec).collect();
        let mut paths: Vec<_> = self.table.by_path.keys().cloned().collect();
        paths.sort_unstable();
        // Backwards, what is in a folder comes before the folder.
        for path in paths.into_iter().rev() {
            if needed.contains(&path) || !self.is_equal(&path, lower)? {
                needed.extend(above(&path).map(<[u8]>::to_vec));
            } else {
                self.table.by_path.remove(&path);
            }
        }
        for path in &gone {
            self.table.add_empty(whiteout(path));
        }
        Ok(self.table)
    }

    /// Takes the marks out of the layer; gives the paths below that it removes.
    fn take_marks(&mut self, lower: &Lower) -> BTreeSet<Vec<u8>> {
        let (mut removed, mut hiding) = (BTreeSet::new(), BTreeSet::new());
        self.table.by_path.retain(|path, _| {
            match mark(path) {
                None => return true,
                Some(Mark::Gone(path)) => drop(removed.insert(path)),
                Some(Mark::Opaque(folder)) => drop(hiding.insert(folder)),
                Some(Mark::Foreign) => {}
            }
            false
        });
        // What was removed and made again hides what was there.
        hiding.extend(removed.iter().filter(|path| self.table.by_path.contains_key(*path)).cloned());
        let is_hidden = |folder: &[u8]| hiding.contains(folder) || above(folder).any(|above| hiding.contains(above));
        let is_gone = |path: &&[u8]| {
            let (folder, _) = split(path);
            !self.table.by_path.contains_key(*path)
                && (removed.contains(*path) || self.table.is_folder(folder) && is_hidden(folder))
        };
        let gone: BTreeSet<Vec<u8>> = lower.paths().filter(is_gone).map(<[u8]>::to_vec).collect();
        let outermost = |path: &&Vec<u8>| !above(path).any(|above| gone.contains(above));
        gone.iter().filter(outermost).cloned().collect()
    }

    /// The member at `path`, when it has no other name.
    fn single(&self, path: &[u8]) -> Option<(&Member, u64)> {
        let index = self.table.by_path.get(path)?;
        let (member, offset) = &self.table.members[*index];
        (self.names.get(index) == Some(&1)).then_some((member, *offset))
    }

    fn looks_like(&self, upper: &Member, lower: &Member) -> bool {
        let about = |member: &Member| {
            let xattrs = member.xattrs.clone().into_iter().filter(|(name, _)| is_part_of_a_file(name));
            let time = if member.kind == MemberKind::Folder { 0 } else { member.mtime.min(self.epoch) };
            (member.kind.clone(), member.mode, (member.uid, member.gid), member.size, time, xattrs.collect::<Vec<_>>())
        };
        about(upper) == about(lower)
    }

    fn is_equal(&self, path: &[u8], lower: &Lower) -> io::Result<bool> {
        let (Some((upper, offset)), Some(Known { member, content })) = (self.single(path), lower.get(path)) else {
            return Ok(false);
        };
        if !self.looks_like(upper, member) || matches!(member.kind, MemberKind::HardLink(_)) {
            return Ok(false);
        }
        if upper.kind != MemberKind::File {
            return Ok(true);
        }
        let mut source = self.tar;
        source.seek(SeekFrom::Start(offset))?;
        Ok(*content == Some(Sha256::of_reader(&mut source.take(upper.size))?.0))
    }
}
