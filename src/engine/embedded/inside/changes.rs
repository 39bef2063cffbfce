//! A folder as an archive: the output folder of a container, or the changes of one as an OCI layer.
//!
//! Names come in their order. The changes are what overlayfs keeps: a character device 0:0 is a removed name, and an
//! attribute marks a folder that hides the one below it; OCI writes both as files (`.wh.NAME`, `.wh..wh..opq`).

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io::{self, BufWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use nix::libc::{major, minor};

use super::super::task::{AtStep, Fault, Step};
use super::OPAQUE;
use crate::engine::collect::is_too_deep;
use crate::oci::{Member, MemberKind, MemberWriter};

/// The name of an output folder in its archive.
const FILES: &[u8] = b"files";

/// Sends the folder `changes` of an overlay as an OCI layer.
pub(super) fn send_layer(changes: &Path, into: &mut impl Write) -> Result<(), Fault> {
    Sender::new(into, Meaning::Changes).send(changes, b"").at(Step::Read, changes.display())
}

/// Sends the folder `folder` with all that is in it; the first name is the folder's own.
pub(super) fn send_folder(folder: &Path, into: &mut impl Write) -> Result<(), Fault> {
    Sender::new(into, Meaning::Files).send(folder, FILES).at(Step::Read, folder.display())
}

#[derive(Clone, Copy)]
enum Meaning {
    Files,
    Changes,
}

#[derive(Clone, Copy)]
enum Mark {
    /// The name is removed.
    Whiteout,
    /// The folder hides the one below it.
    Opaque,
}

struct Sender<'a, W: Write> {
    archive: MemberWriter<BufWriter<&'a mut W>>,
    meaning: Meaning,
    /// The first name of each file that has several.
    names: HashMap<(u64, u64), Vec<u8>>,
}

impl<'a, W: Write> Sender<'a, W> {
    fn new(into: &'a mut W, meaning: Meaning) -> Self {
        let archive = MemberWriter::new(BufWriter::with_capacity(1 << 18, into));
        Self { archive, meaning, names: HashMap::new() }
    }

    fn send(mut self, folder: &Path, name: &[u8]) -> io::Result<()> {
        self.append(folder, name)?;
        self.archive.finish()?.flush()
    }

    fn append(&mut self, path: &Path, name: &[u8]) -> io::Result<()> {
        let metadata = path.symlink_metadata()?;
        if self.is_whiteout(&metadata) {
            return self.mark(name, Mark::Whiteout);
        }
        let kind = self.kind(path, &metadata, name)?;
        let size = if kind == MemberKind::File { metadata.len() } else { 0 };
        let member = Member {
            path: name.to_vec(),
            mode: metadata.mode() & 0o7777,
            uid: metadata.uid().into(),
            gid: metadata.gid().into(),
            size,
            mtime: u64::try_from(metadata.mtime()).unwrap_or(0),
            xattrs: self.xattrs(path, &kind)?,
            kind,
        };
        match member.kind {
            MemberKind::File => self.archive.append(&member, &mut File::open(path)?),
            MemberKind::Folder => {
                if !name.is_empty() {
                    self.archive.append(&member, &mut io::empty())?;
                }
                // It is refused by this name; below, paths get longer than the kernel takes them.
                let inner = name.strip_prefix(FILES).and_then(|inner| inner.strip_prefix(b"/")).unwrap_or_default();
                if matches!(self.meaning, Meaning::Files) && is_too_deep(Path::new(OsStr::from_bytes(inner))) {
                    return Ok(());
                }
                self.append_content(path, name)
            }
            _ => self.archive.append(&member, &mut io::empty()),
        }
    }

    fn append_content(&mut self, path: &Path, name: &[u8]) -> io::Result<()> {
        if self.is_opaque(path)? {
            self.mark(name, Mark::Opaque)?;
        }
        let mut names = fs::read_dir(path)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>()?;
        names.sort_unstable();
        names.iter().try_for_each(|file| self.append(&path.join(file), &below(name, file.as_bytes())))
    }

    /// Writes the empty file that says something about `name`.
    fn mark(&mut self, name: &[u8], mark: Mark) -> io::Result<()> {
        let start = name.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
        let path = match mark {
            Mark::Whiteout => [&name[..start], b".wh.", &name[start..]].concat(),
            Mark::Opaque => below(name, b".wh..wh..opq"),
        };
        let kind = MemberKind::File;
        let member = Member { path, kind, mode: 0o644, uid: 0, gid: 0, size: 0, mtime: 0, xattrs: BTreeMap::new() };
        self.archive.append(&member, &mut io::empty())
    }

    fn kind(&mut self, path: &Path, metadata: &Metadata, name: &[u8]) -> io::Result<MemberKind> {
        let file_type = metadata.file_type();
        let device = || (major(metadata.rdev()), minor(metadata.rdev()));
        let known = self.names.get(&(metadata.dev(), metadata.ino()));
        if let Some(first) = known.filter(|_| !file_type.is_dir()) {
            return Ok(MemberKind::HardLink(first.clone()));
        }
        if metadata.nlink() > 1 && !file_type.is_dir() {
            self.names.insert((metadata.dev(), metadata.ino()), name.to_vec());
        }
        Ok(if file_type.is_dir() {
            MemberKind::Folder
        } else if file_type.is_symlink() {
            MemberKind::Symlink(fs::read_link(path)?.into_os_string().as_bytes().to_vec())
        } else if file_type.is_char_device() {
            let (major, minor) = device();
            MemberKind::CharDevice(major, minor)
        } else if file_type.is_block_device() {
            let (major, minor) = device();
            MemberKind::BlockDevice(major, minor)
        } else if file_type.is_file() {
            MemberKind::File
        } else {
            // A socket too: an archive knows none.
            MemberKind::Fifo
        })
    }

    fn is_whiteout(&self, metadata: &Metadata) -> bool {
        matches!(self.meaning, Meaning::Changes) && metadata.file_type().is_char_device() && metadata.rdev() == 0
    }

    fn is_opaque(&self, path: &Path) -> io::Result<bool> {
        Ok(matches!(self.meaning, Meaning::Changes) && xattr(path, OPAQUE)?.as_deref() == Some(b"y"))
    }

    /// The attributes that belong to the file itself; none for a container's output.
    fn xattrs(&self, path: &Path, kind: &MemberKind) -> io::Result<BTreeMap<String, Vec<u8>>> {
        let mut found = BTreeMap::new();
        if !matches!((self.meaning, kind), (Meaning::Changes, MemberKind::File | MemberKind::Folder)) {
            return Ok(found);
        }
        let mut names = vec![0; 1 << 16];
        let length = match rustix::fs::llistxattr(path, &mut names[..]) {
            Err(rustix::io::Errno::NOTSUP) => 0,
            length => length?,
        };
        for name in names[..length].split(|byte| *byte == 0).filter_map(|name| std::str::from_utf8(name).ok()) {
            let wanted = name.starts_with("user.") || name == "security.capability";
            if wanted
                && !name.starts_with("user.overlay.")
                && let Some(value) = xattr(path, name)?
            {
                found.insert(name.to_owned(), value);
            }
        }
        Ok(found)
    }
}

fn below(folder: &[u8], name: &[u8]) -> Vec<u8> {
    if folder.is_empty() { name.to_vec() } else { [folder, b"/", name].concat() }
}

fn xattr(path: &Path, name: &str) -> io::Result<Option<Vec<u8>>> {
    let mut value = vec![0; 1 << 16];
    match rustix::fs::lgetxattr(path, OsStr::new(name), &mut value[..]) {
        Ok(length) => {
            value.truncate(length);
            Ok(Some(value))
        }
        Err(rustix::io::Errno::NODATA | rustix::io::Errno::NOTSUP) => Ok(None),
        Err(fault) => Err(fault.into()),
    }
}
