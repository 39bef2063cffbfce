//! An ext4 file system, written in one pass by `mkext4` from the entries of a tree.
//!
//! Equal entries, UUID and time give equal bytes. Names of one file stay names of one file within the file system.

use std::collections::HashMap;
use std::io;

use mkext4::{FsBuilder, InodeHandle, Meta, Options, ROOT, SpecialKind};

use super::partition::Slot;
use super::rootfs::{Entry, EntryKind, Rootfs};
use super::sparse::SparseFile;

/// Writes `entries` of `rootfs` into the partition `slot` of `disk`; `epoch` is the file system's own time.
pub fn write(
    disk: &mut SparseFile,
    slot: &Slot,
    (rootfs, entries): (&Rootfs, &[(&str, &Entry)]),
    epoch: u64,
) -> io::Result<()> {
    let mut options = Options::new(slot.bytes, slot.file_system.0, i64::try_from(epoch).unwrap_or(i64::MAX));
    let label = &slot.partition.label;
    options.label = (!label.is_empty() && label.len() <= 16).then(|| label.clone());
    let mut tree =
        Tree { builder: FsBuilder::new(options).map_err(error)?, folders: HashMap::new(), files: Vec::new() };
    let mut first_names = HashMap::new();
    for (path, entry) in entries {
        tree.declare(path, entry, &mut first_names).map_err(|source| named(path, &source))?;
    }
    let layout = tree.builder.seal().map_err(error)?;
    let mut writer = layout.writer(Region { disk, start: slot.start }).map_err(error)?;
    for (handle, entry) in tree.files {
        writer.fill(handle, &mut rootfs.content(entry)?).map_err(error)?;
    }
    writer.finish().map_err(error)?;
    Ok(())
}

struct Tree<'a> {
    builder: FsBuilder,
    folders: HashMap<&'a str, InodeHandle>,
    /// Files with content, in the order in which their blocks lie.
    files: Vec<(InodeHandle, &'a Entry)>,
}

impl<'a> Tree<'a> {
    fn declare(
        &mut self,
        path: &'a str,
        entry: &'a Entry,
        first_names: &mut HashMap<usize, InodeHandle>,
    ) -> mkext4::Result<()> {
        let time = i64::try_from(entry.mtime).unwrap_or(i64::MAX);
        let meta = Meta::new(entry.mode, entry.uid, entry.gid, (time, 0));
        if path.is_empty() {
            self.builder.set_meta(ROOT, meta)?;
            self.folders.insert("", ROOT);
            return self.set_xattrs(ROOT, entry);
        }
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let parent = self.folders.get(parent).copied().unwrap_or(ROOT);
        if let Some(first) = first_names.get(&entry.inode) {
            return self.builder.hardlink(parent, name, *first);
        }
        let handle = self.make(parent, name, entry, meta)?;
        match entry.kind {
            EntryKind::Folder => drop(self.folders.insert(path, handle)),
            EntryKind::File { size, .. } => {
                first_names.insert(entry.inode, handle);
                self.files.extend((size > 0).then_some((handle, entry)));
            }
            _ => drop(first_names.insert(entry.inode, handle)),
        }
        self.set_xattrs(handle, entry)
    }

    fn make(&mut self, parent: InodeHandle, name: &str, entry: &Entry, meta: Meta) -> mkext4::Result<InodeHandle> {
        let builder = &mut self.builder;
        match &entry.kind {
            EntryKind::Folder => builder.mkdir(parent, name, meta),
            EntryKind::File { size, .. } => builder.file(parent, name, meta, *size),
            EntryKind::Symlink(target) => builder.symlink(parent, name, target, meta),
            EntryKind::CharDevice(major, minor) => {
                builder.mknod(parent, name, meta, SpecialKind::Char { major: *major, minor: *minor })
            }
            EntryKind::BlockDevice(major, minor) => {
                builder.mknod(parent, name, meta, SpecialKind::Block { major: *major, minor: *minor })
            }
            EntryKind::Fifo => builder.mknod(parent, name, meta, SpecialKind::Fifo),
        }
    }

    fn set_xattrs(&mut self, handle: InodeHandle, entry: &Entry) -> mkext4::Result<()> {
        entry.xattrs.iter().try_for_each(|(name, value)| self.builder.set_xattr(handle, name, value))
    }
}

struct Region<'a> {
    disk: &'a mut SparseFile,
    start: u64,
}

impl mkext4::RegionSink for Region<'_> {
    fn data(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.disk.write_at(self.start + offset, bytes)
    }

    /// The disk is new: what was not written is zero.
    fn zeros(&mut self, _offset: u64, _len: u64) -> io::Result<()> {
        Ok(())
    }
}

fn error(error: mkext4::Error) -> io::Error {
    match error {
        mkext4::Error::Io(error) => error,
        other => io::Error::other(other.to_string()),
    }
}

fn named(path: &str, error: &mkext4::Error) -> io::Error {
    io::Error::other(format!("`/{path}`: {error}"))
}
