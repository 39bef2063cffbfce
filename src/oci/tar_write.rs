//! Members written as a tar archive: ustar headers with numeric owners, and PAX records where ustar has no room.

use std::io::{self, Read, Write};

use tar::{Builder, EntryType, Header};

use super::tar_read::{Member, MemberKind};

/// Writes an archive, member by member.
pub(crate) struct MemberWriter<W: Write> {
    builder: Builder<W>,
}

impl<W: Write> MemberWriter<W> {
    pub(crate) fn new(inner: W) -> Self {
        Self { builder: Builder::new(inner) }
    }

    /// Adds `member`, with the content `content` when it is a file.
    pub(crate) fn append(&mut self, member: &Member, content: &mut dyn Read) -> io::Result<()> {
        let mut header = header(member);
        let mut path = member.path.clone();
        match member.kind {
            MemberKind::Folder if path.is_empty() => path.extend_from_slice(b"./"),
            MemberKind::Folder => path.push(b'/'),
            _ => {}
        }
        let mut records: Vec<(String, &[u8])> = Vec::new();
        if !fits(&mut header.as_old_mut().name, &path) {
            records.push(("path".to_owned(), &path));
        }
        if let MemberKind::Symlink(target) | MemberKind::HardLink(target) = &member.kind
            && !fits(&mut header.as_old_mut().linkname, target)
        {
            records.push(("linkpath".to_owned(), target));
        }
        records.extend(member.xattrs.iter().map(|(name, value)| (format!("SCHILY.xattr.{name}"), value.as_slice())));
        self.builder.append_pax_extensions(records.iter().map(|(key, value)| (key.as_str(), *value)))?;
        header.set_cksum();
        self.builder.append(&header, content.take(member.size))
    }

    /// Ends the archive.
    pub(crate) fn finish(self) -> io::Result<W> {
        self.builder.into_inner()
    }
}

fn header(member: &Member) -> Header {
    let mut header = Header::new_ustar();
    header.set_mode(member.mode);
    header.set_uid(member.uid);
    header.set_gid(member.gid);
    header.set_size(member.size);
    header.set_mtime(member.mtime);
    header.set_entry_type(match member.kind {
        MemberKind::File => EntryType::Regular,
        MemberKind::Folder => EntryType::Directory,
        MemberKind::Symlink(_) => EntryType::Symlink,
        MemberKind::HardLink(_) => EntryType::Link,
        MemberKind::CharDevice(..) => EntryType::Char,
        MemberKind::BlockDevice(..) => EntryType::Block,
        MemberKind::Fifo => EntryType::Fifo,
    });
    if let MemberKind::CharDevice(major, minor) | MemberKind::BlockDevice(major, minor) = member.kind
        && let Some(ustar) = header.as_ustar_mut()
    {
        ustar.set_device_major(major);
        ustar.set_device_minor(minor);
    }
    header
}

/// Copies as much of `text` as there is room for; true when that is all of it.
fn fits(field: &mut [u8; 100], text: &[u8]) -> bool {
    let room = text.len().min(field.len());
    field[..room].copy_from_slice(&text[..room]);
    text.len() <= field.len()
}
