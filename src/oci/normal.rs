//! One form for every layer: members sorted, numeric owners, times clamped, so that equal files give equal bytes.
//!
//! The archive stays on disk: only its table of members is held in memory. A whiteout (`.wh.NAME`) sorts before its
//! siblings, since some engines apply it to what they have unpacked before. Of hard links, the first in the order holds
//! the content. Of two members with one path, the last counts, as for whoever unpacks the archive.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};

use super::lower::above;
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
    let table = read_table(tar)?;
    check(&table)?;
    write(&table, tar, epoch, into)
}

/// The longest name that a file of Linux may have.
const LONGEST_NAME: usize = 255;

/// Fails for members that no engine can unpack, so that they are told before one is asked to.
fn check(table: &Table) -> io::Result<()> {
    for (path, index) in sorted(table) {
        let shown = String::from_utf8_lossy(path);
        let wrong = |problem: String| Err(io::Error::new(io::ErrorKind::InvalidData, problem));
        if path.is_empty() && table.members[index].0.kind != MemberKind::Folder {
            return wrong("the member `.`, the root of all files, is no folder".to_owned());
        }
        if let Some(name) = path.split(|byte| *byte == b'/').find(|name| name.len() > LONGEST_NAME) {
            let (start, bytes) = (String::from_utf8_lossy(&name[..40]), name.len());
            return wrong(format!(
                "a member has the name `{start}…` of {bytes} bytes, and {LONGEST_NAME} are the most"
            ));
        }
        for folder in above(path) {
            let kind = table.by_path.get(folder).map(|index| &table.members[*index].0.kind);
            let problem = match kind {
                None | Some(MemberKind::Folder) => continue,
                Some(MemberKind::Symlink(target)) if !leads_to_itself(folder, target) => continue,
                Some(MemberKind::Symlink(_)) => "a link to itself",
                Some(_) => "no folder",
            };
            return wrong(format!(
                "the member `{shown}` is in `{}`, which is {problem}",
                String::from_utf8_lossy(folder)
            ));
        }
    }
    Ok(())
}

/// True when the target of the link `path`, as far as its text says, is the link or in it.
fn leads_to_itself(path: &[u8], target: &[u8]) -> bool {
    let mut place: Vec<&[u8]> = if target.starts_with(b"/") { Vec::new() } else { parts(path).collect() };
    if !target.starts_with(b"/") {
        place.pop();
    }
    for part in parts(target) {
        if part == b".." {
            place.pop();
        } else {
            place.push(part);
        }
    }
    let own: Vec<&[u8]> = parts(path).collect();
    place.starts_with(&own)
}

fn parts(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".")
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of an archive with these members: a folder ends in `/`, a link has ` -> `.
    fn told(names: &[&str]) -> Option<String> {
        let mut output = MemberWriter::new(Vec::new());
        for name in names {
            let (name, kind) = match name.split_once(" -> ") {
                Some((name, target)) => (name, MemberKind::Symlink(target.into())),
                None if name.ends_with('/') => (name.trim_end_matches('/'), MemberKind::Folder),
                None => (*name, MemberKind::File),
            };
            let (path, xattrs) = (name.as_bytes().to_vec(), BTreeMap::new());
            let member = Member { path, kind, mode: 0o755, uid: 0, gid: 0, size: 0, mtime: 0, xattrs };
            output.append(&member, &mut io::empty()).unwrap();
        }
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&output.finish().unwrap()).unwrap();
        normalize(&file, 0, &mut io::sink()).err().map(|error| error.to_string())
    }

    #[test]
    fn members_that_nobody_can_unpack_are_told_by_name() {
        assert_eq!(told(&["usr/", "usr/lib/", "lib -> usr/lib", "lib/x", "a/b/c"]), None);
        assert_eq!(told(&["usr/lib -> ../usr/lib64", "usr/lib/x"]), None);
        for (link, member) in [("a -> a", "a/b"), ("a -> ./a/b", "a/c/d"), ("u/a -> /u//a", "u/a/b")] {
            let name = link.split_once(' ').unwrap().0;
            let expected = format!("the member `{member}` is in `{name}`, which is a link to itself");
            assert_eq!(told(&[link, member]), Some(expected));
        }
        assert_eq!(told(&["a", "a/b"]).unwrap(), "the member `a/b` is in `a`, which is no folder");
        assert_eq!(told(&["."]).unwrap(), "the member `.`, the root of all files, is no folder");
        let expected = format!("a member has the name `{}…` of 256 bytes, and 255 are the most", "n".repeat(40));
        assert_eq!(told(&[&format!("d/{}", "n".repeat(256))]).unwrap(), expected);
        assert_eq!(told(&[&format!("d/{}", "n".repeat(255))]), None);
    }
}
