//! One form for every layer: members sorted, numeric owners, times clamped, so that equal files give equal bytes.
//!
//! The archive stays on disk: only its table of members is held in memory. A whiteout (`.wh.NAME`) sorts before its
//! siblings, since some engines apply it to what they have unpacked before. Of hard links, the first in the order holds
//! the content. Of two members with one path, the last counts, as for whoever unpacks the archive.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};

use super::tar_read::{Member, MemberKind, read_members};
use super::tar_write::MemberWriter;

/// The members of an archive, and where their content is.
pub(super) struct Table {
    pub(super) members: Vec<(Member, u64)>,
    /// The last member of each path.
    pub(super) by_path: HashMap<Vec<u8>, usize>,
}

impl Table {
    /// True when the last member of this path is a folder.
    pub(super) fn is_folder(&self, path: &[u8]) -> bool {
        self.by_path.get(path).is_some_and(|index| self.members[*index].0.kind == MemberKind::Folder)
    }

    /// Adds an empty file of root's.
    pub(super) fn add_empty(&mut self, path: Vec<u8>) {
        let (kind, xattrs) = (MemberKind::File, BTreeMap::new());
        let member = Member { path: path.clone(), kind, mode: 0o644, uid: 0, gid: 0, size: 0, mtime: 0, xattrs };
        self.by_path.insert(path, self.members.len());
        self.members.push((member, 0));
    }
}

/// Writes the plain tar archive `tar` in normal form to `into`; members newer than `epoch` get that time.
pub(super) fn normalize(tar: &File, epoch: u64, into: &mut dyn Write) -> io::Result<()> {
    write(&read_table(tar)?, tar, epoch, into)
}

/// Writes the members of `table`, whose content is in `tar`, in normal form to `into`.
pub(super) fn write(table: &Table, tar: &File, epoch: u64, into: &mut dyn Write) -> io::Result<()> {
    let mut output = MemberWriter::new(into);
    let mut first_names: HashMap<usize, Vec<u8>> = HashMap::new();
    for (path, index) in sorted(table) {
        let (member, offset) = &table.members[index];
        let mut member = Member { path: path.to_vec(), mtime: member.mtime.min(epoch), ..member.clone() };
        member.xattrs.retain(|name, _| is_part_of_a_file(name));
        if member.kind == MemberKind::File
            && let Some(first) = first_names.get(&index)
        {
            member = Member { kind: MemberKind::HardLink(first.clone()), size: 0, xattrs: BTreeMap::new(), ..member };
        }
        first_names.entry(index).or_insert_with(|| path.to_vec());
        let mut source = tar;
        source.seek(SeekFrom::Start(*offset))?;
        output.append(&member, &mut source.take(member.size))?;
    }
    output.finish().map(drop)
}

/// The members of the plain tar archive `tar`.
pub(super) fn read_table(mut tar: &File) -> io::Result<Table> {
    tar.rewind()?;
    let mut table = Table { members: Vec::new(), by_path: HashMap::new() };
    read_members(BufReader::with_capacity(1 << 18, tar), &mut |member, offset, _| {
        let index = match &member.kind {
            // Now, not at the end: the name may be given to another file later on.
            MemberKind::HardLink(target) => *table.by_path.get(target).ok_or_else(|| {
                let [path, target] = [&member.path, target].map(|name| String::from_utf8_lossy(name));
                io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("`{path}` is a hard link to `{target}`, which is not before it"),
                )
            })?,
            _ => table.members.len(),
        };
        table.by_path.insert(member.path.clone(), index);
        if index == table.members.len() {
            table.members.push((member, offset));
        }
        Ok(())
    })?;
    Ok(table)
}

fn sorted(table: &Table) -> Vec<(&[u8], usize)> {
    let mut order: Vec<(&[u8], usize)> = table.by_path.iter().map(|(path, index)| (path.as_slice(), *index)).collect();
    order.sort_by_cached_key(|(path, _)| {
        let name_at = path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
        let mut key = path.to_vec();
        if path[name_at..].starts_with(b".wh.") {
            key.insert(name_at, 0);
        }
        key
    });
    order
}

/// False for marks of the overlay file system and of a host's security policy.
pub(super) fn is_part_of_a_file(xattr: &str) -> bool {
    !["trusted.overlay.", "user.overlay.", "security.selinux"].iter().any(|mark| xattr.starts_with(mark))
}
