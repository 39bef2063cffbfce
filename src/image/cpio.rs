//! An initramfs: a cpio archive of a tree in the form `newc`.
//!
//! Format: Linux `Documentation/driver-api/early-userspace/buffer-format.rst`. Of the names of one file the first carries
//! the content. Inode numbers count entries, so that equal trees give equal bytes.

use std::collections::HashMap;
use std::io::{self, Read, Write};

use super::rootfs::{Entry, EntryKind, Rootfs};

/// Writes `entries` of `rootfs`, and then `links` (path and target) as symbolic links of root.
pub fn write(
    mut to: impl Write,
    rootfs: &Rootfs,
    entries: &[(&str, &Entry)],
    links: &[(&str, &str)],
) -> io::Result<()> {
    let mut names: HashMap<usize, u64> = HashMap::new();
    for (_, entry) in entries {
        *names.entry(entry.inode).or_default() += 1;
    }
    let mut numbers: HashMap<usize, u64> = HashMap::new();
    for (path, entry) in entries.iter().filter(|(path, _)| !path.is_empty()) {
        let next = numbers.len() as u64 + 1;
        let is_first = !numbers.contains_key(&entry.inode);
        let number = *numbers.entry(entry.inode).or_insert(next);
        let links = if entry.kind == EntryKind::Folder { 2 } else { names[&entry.inode] };
        append(
            &mut to,
            path,
            (entry, number, links),
            if is_first { rootfs.content(entry)? } else { rootfs.content(&no_content(entry))? },
        )?;
    }
    for (at, (path, target)) in (1..).zip(links) {
        let kind = EntryKind::Symlink((*target).to_owned());
        let link =
            Entry { kind, mode: 0o777, uid: 0, gid: 0, mtime: 0, xattrs: std::collections::BTreeMap::new(), inode: 0 };
        append(&mut to, path, (&link, numbers.len() as u64 + at, 1), io::empty())?;
    }
    let fields = Fields { links: 1, ..Fields::default() };
    header(&mut to, "TRAILER!!!", &fields)
}

/// The same file without its bytes, for its further names.
fn no_content(entry: &Entry) -> Entry {
    let kind = match &entry.kind {
        EntryKind::File { offset, .. } => EntryKind::File { offset: *offset, size: 0 },
        other => other.clone(),
    };
    Entry { kind, ..entry.clone() }
}

/// The numbers of a header, in its order but for the name's length.
#[derive(Default)]
struct Fields {
    inode: u64,
    mode: u32,
    uid: u32,
    gid: u32,
    links: u64,
    mtime: u64,
    size: u64,
    device: (u32, u32),
}

fn append(
    to: &mut impl Write,
    path: &str,
    (entry, inode, links): (&Entry, u64, u64),
    mut content: impl Read,
) -> io::Result<()> {
    let mut fields = Fields { inode, uid: entry.uid, gid: entry.gid, links, mtime: entry.mtime, ..Fields::default() };
    let mut bytes = Vec::new();
    let kind = match &entry.kind {
        EntryKind::Folder => 0o040_000,
        EntryKind::File { .. } => {
            content.read_to_end(&mut bytes)?;
            0o100_000
        }
        EntryKind::Symlink(target) => {
            bytes.extend_from_slice(target.as_bytes());
            0o120_000
        }
        EntryKind::CharDevice(major, minor) => {
            fields.device = (*major, *minor);
            0o020_000
        }
        EntryKind::BlockDevice(major, minor) => {
            fields.device = (*major, *minor);
            0o060_000
        }
        EntryKind::Fifo => 0o010_000,
    };
    fields.mode = kind | u32::from(entry.mode);
    fields.size = bytes.len() as u64;
    header(to, path, &fields)?;
    to.write_all(&bytes)?;
    pad(to, bytes.len())
}

fn header(to: &mut impl Write, path: &str, fields: &Fields) -> io::Result<()> {
    let Fields { inode, mode, uid, gid, links, mtime, size, device: (major, minor) } = fields;
    if *size > u64::from(u32::MAX) {
        return Err(io::Error::other(format!("`{path}` has more than 4 GiB, which an initramfs cannot hold")));
    }
    let name = path.len() + 1;
    write!(
        to,
        "070701{inode:08x}{mode:08x}{uid:08x}{gid:08x}{links:08x}{mtime:08x}{size:08x}{:08x}{:08x}{major:08x}{minor:08x}{name:08x}{:08x}{path}\0",
        0, 0, 0
    )?;
    pad(to, 110 + name)
}

/// Fills up to a multiple of four bytes.
fn pad(to: &mut impl Write, written: usize) -> io::Result<()> {
    to.write_all(&[0; 3][..written.next_multiple_of(4) - written])
}
