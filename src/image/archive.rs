//! A tar archive of a tree: sorted, numeric owners, extended attributes, hard links.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};

use super::rootfs::{EntryKind, Rootfs};
use crate::oci::{Member, MemberKind, MemberWriter};

/// Writes all of `rootfs`.
pub fn write(to: impl Write, rootfs: &Rootfs) -> io::Result<()> {
    let mut archive = MemberWriter::new(to);
    let mut first_names: HashMap<usize, &str> = HashMap::new();
    for (path, entry) in rootfs.entries() {
        let first = *first_names.entry(entry.inode).or_insert(path);
        let kind = match &entry.kind {
            _ if first != path => MemberKind::HardLink(first.as_bytes().to_vec()),
            EntryKind::Folder => MemberKind::Folder,
            EntryKind::File { .. } => MemberKind::File,
            EntryKind::Symlink(target) => MemberKind::Symlink(target.as_bytes().to_vec()),
            EntryKind::CharDevice(major, minor) => MemberKind::CharDevice(*major, *minor),
            EntryKind::BlockDevice(major, minor) => MemberKind::BlockDevice(*major, *minor),
            EntryKind::Fifo => MemberKind::Fifo,
        };
        let size = if let (MemberKind::File, EntryKind::File { size, .. }) = (&kind, &entry.kind) { *size } else { 0 };
        let is_link = matches!(kind, MemberKind::HardLink(_));
        let member = Member {
            path: path.as_bytes().to_vec(),
            kind,
            mode: entry.mode.into(),
            uid: entry.uid.into(),
            gid: entry.gid.into(),
            size,
            mtime: entry.mtime,
            xattrs: if is_link { BTreeMap::new() } else { entry.xattrs.clone() },
        };
        archive.append(&member, &mut rootfs.content(entry)?)?;
    }
    archive.finish().map(drop)
}
