//! The installed tree: an index over the one tar archive that the assembly container left.
//!
//! In: the archive. Out: entries by path, each with its place in the archive, so that every format is written from it in
//! process, without root, links followed or owners looked up. Times are clamped. Content stays in the archive.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use crate::oci::{Member, MemberKind, read_members};

/// A tree of files.
#[derive(Debug)]
pub struct Rootfs {
    tar: File,
    entries: BTreeMap<String, Entry>,
}

/// One name in the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: EntryKind,
    /// The twelve permission bits.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Seconds since 1970, at most the image's own time.
    pub mtime: u64,
    /// Extended attributes by name.
    pub xattrs: BTreeMap<String, Vec<u8>>,
    /// Names of one file share this number.
    pub inode: usize,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A folder.
    Folder,
    /// A regular file.
    File {
        /// Where its content starts in the archive.
        offset: u64,
        /// Its size in bytes.
        size: u64,
    },
    /// A symbolic link to this path.
    Symlink(String),
    /// A character device: major and minor number.
    CharDevice(u32, u32),
    /// A block device: major and minor number.
    BlockDevice(u32, u32),
    /// A named pipe.
    Fifo,
}

impl Rootfs {
    /// The tree in the archive `tar`; no time in it is later than `epoch`, in seconds since 1970.
    pub fn open(tar: &Path, epoch: u64) -> io::Result<Self> {
        let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
        let mut inodes = 0;
        read_members(BufReader::with_capacity(1 << 18, File::open(tar)?), &mut |member, offset, _| {
            inodes += 1;
            let path = text(member.path.clone())?;
            let entry = match &member.kind {
                MemberKind::HardLink(target) => linked(&entries, &path, &text(target.clone())?)?,
                _ => entry(member, offset, epoch, inodes)?,
            };
            entries.insert(path, entry);
            Ok(())
        })?;
        entries.entry(String::new()).or_insert_with(|| folder(0, epoch));
        check_parents(&entries)?;
        Ok(Self { tar: File::open(tar)?, entries })
    }

    /// Every name with its entry, sorted, so that a folder comes before what is in it. Paths are relative; the root
    /// itself is the empty path.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries.iter().map(|(path, entry)| (path.as_str(), entry))
    }

    /// The entry at `path`, relative; symbolic links are not followed.
    pub fn entry(&self, path: &str) -> Option<&Entry> {
        self.entries.get(path)
    }

    /// The entries below the absolute path `point` and not below any of `others`, with paths relative to `point`; the
    /// empty path is `point` itself. The folders at `others` stay, empty.
    pub fn below<'a>(&'a self, point: &str, others: &'a [&str]) -> Vec<(&'a str, &'a Entry)> {
        let point = point.trim_matches('/').to_owned();
        let inside = |path: &'a str, folder: &str| {
            if folder.is_empty() { Some(path) } else { path.strip_prefix(folder)?.strip_prefix('/') }
        };
        let hidden = |path: &str| {
            let nested = others.iter().map(|other| other.trim_matches('/')).filter(|other| other.len() > point.len());
            nested.into_iter().any(|other| path.strip_prefix(other).is_some_and(|rest| rest.starts_with('/')))
        };
        self.entries()
            .filter(|(path, _)| !hidden(path))
            .filter_map(|(path, entry)| {
                let rest = if path == point { Some("") } else { inside(path, &point) };
                rest.map(|rest| (rest, entry))
            })
            .collect()
    }

    /// The content of a file of this tree; nothing for another entry. One reader at a time.
    pub fn content(&self, entry: &Entry) -> io::Result<impl Read + '_> {
        let EntryKind::File { offset, size } = entry.kind else { return Ok((&self.tar).take(0)) };
        let mut tar = &self.tar;
        tar.seek(SeekFrom::Start(offset))?;
        Ok(tar.take(size))
    }

    /// The content of the file `path`, relative; None when there is none.
    pub fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        let Some(entry @ Entry { kind: EntryKind::File { .. }, .. }) = self.entry(path) else { return Ok(None) };
        let mut bytes = Vec::new();
        self.content(entry)?.read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }
}

fn entry(member: Member, offset: u64, epoch: u64, inode: usize) -> io::Result<Entry> {
    let kind = match member.kind {
        MemberKind::Folder => EntryKind::Folder,
        MemberKind::Symlink(target) => EntryKind::Symlink(text(target)?),
        MemberKind::CharDevice(major, minor) => EntryKind::CharDevice(major, minor),
        MemberKind::BlockDevice(major, minor) => EntryKind::BlockDevice(major, minor),
        MemberKind::Fifo => EntryKind::Fifo,
        MemberKind::File | MemberKind::HardLink(_) => EntryKind::File { offset, size: member.size },
    };
    let number = |id: u64| u32::try_from(id).map_err(|_| invalid(format!("the owner {id} is too large")));
    Ok(Entry {
        kind,
        mode: u16::try_from(member.mode & 0o7777).unwrap_or(0),
        uid: number(member.uid)?,
        gid: number(member.gid)?,
        mtime: member.mtime.min(epoch),
        xattrs: member.xattrs.into_iter().filter(|(name, _)| is_part_of_a_file(name)).collect(),
        inode,
    })
}

fn linked(entries: &BTreeMap<String, Entry>, path: &str, target: &str) -> io::Result<Entry> {
    let found = entries.get(target).cloned();
    found.ok_or_else(|| invalid(format!("`{path}` is another name of `{target}`, which is not in the archive")))
}

fn folder(inode: usize, mtime: u64) -> Entry {
    Entry { kind: EntryKind::Folder, mode: 0o755, uid: 0, gid: 0, mtime, xattrs: BTreeMap::new(), inode }
}

fn check_parents(entries: &BTreeMap<String, Entry>) -> io::Result<()> {
    for path in entries.keys().filter(|path| !path.is_empty()) {
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        if !entries.get(parent).is_some_and(|entry| entry.kind == EntryKind::Folder) {
            return Err(invalid(format!("`{path}` is in the archive, and its folder is not")));
        }
    }
    Ok(())
}

/// False for marks of the overlay file system and of the host's security policy.
fn is_part_of_a_file(xattr: &str) -> bool {
    !["trusted.overlay.", "user.overlay.", "security.selinux"].iter().any(|mark| xattr.starts_with(mark))
}

fn text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes)
        .map_err(|error| invalid(format!("the name `{}` is not UTF-8", String::from_utf8_lossy(error.as_bytes()))))
}

fn invalid(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}
