//! Members of a tar archive, read byte for byte.
//!
//! In: an archive in GNU or PAX form. Out: clean relative paths, numeric owners, extended attributes. The `tar` crate's own
//! reading of PAX records stops at a newline inside of a value, and file capabilities are binary; so the headers of PAX
//! and GNU are read here. Format: POSIX `pax`, and "Basic Tar Format" of GNU tar.

use std::collections::BTreeMap;
use std::io::{self, Read};

use tar::{Archive, EntryType, Header};

/// One file, folder, link or device of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// Relative, without `.`, `..` or a `/` at its end; empty for the archive's root.
    pub(crate) path: Vec<u8>,
    pub(crate) kind: MemberKind,
    /// The twelve permission bits.
    pub(crate) mode: u32,
    pub(crate) uid: u64,
    pub(crate) gid: u64,
    /// In bytes; 0 for anything but a file.
    pub(crate) size: u64,
    /// In seconds since 1970.
    pub(crate) mtime: u64,
    /// Extended attributes by name.
    pub(crate) xattrs: BTreeMap<String, Vec<u8>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MemberKind {
    File,
    Folder,
    Symlink(Vec<u8>),
    /// Another name of the member with this path.
    HardLink(Vec<u8>),
    /// Major and minor number.
    CharDevice(u32, u32),
    /// Major and minor number.
    BlockDevice(u32, u32),
    Fifo,
}

const XATTR: &[u8] = b"SCHILY.xattr.";
/// More than any real header; keeps a broken archive from filling the memory.
const EXTENSION_LIMIT: u64 = 4 << 20;

/// Calls `each` with every member of `tar`, its offset in the archive, and its content.
pub(crate) fn read_members(
    tar: impl Read,
    each: &mut dyn FnMut(Member, u64, &mut dyn Read) -> io::Result<()>,
) -> io::Result<()> {
    let mut archive = Archive::new(tar);
    let mut extensions = Extensions::default();
    for entry in archive.entries()?.raw(true) {
        let mut entry = entry?;
        match entry.header().entry_type() {
            EntryType::XGlobalHeader => {}
            EntryType::XHeader => extensions.read_pax(&extension_bytes(&mut entry)?)?,
            EntryType::GNULongName => extensions.path = Some(without_nul(extension_bytes(&mut entry)?)),
            EntryType::GNULongLink => extensions.link = Some(without_nul(extension_bytes(&mut entry)?)),
            _ => {
                let member = member(entry.header(), std::mem::take(&mut extensions))?;
                let offset = entry.raw_file_position();
                each(member, offset, &mut entry)?;
            }
        }
    }
    Ok(())
}

/// Makes sure that the archive, which was read up to its last member, has the mark at its end: two blocks of zeros, of which
/// a reader of members takes the first. An archive that was cut between two members looks whole without.
pub(crate) fn end_of_archive(mut rest: impl Read) -> io::Result<()> {
    let mut block = [0; 512];
    rest.read_exact(&mut block)?;
    if block == [0; 512] { Ok(()) } else { Err(invalid("the archive has no mark at its end")) }
}

/// What the headers before a member say about it.
#[derive(Default)]
struct Extensions {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    uid: Option<u64>,
    gid: Option<u64>,
    size: Option<u64>,
    mtime: Option<u64>,
    sparse: bool,
    xattrs: BTreeMap<String, Vec<u8>>,
}

impl Extensions {
    /// Reads records of the form `LENGTH KEY=VALUE\n`; the length counts the whole record.
    fn read_pax(&mut self, mut records: &[u8]) -> io::Result<()> {
        while !records.is_empty() {
            let broken = || invalid("a PAX record is broken");
            let space = records.iter().position(|byte| *byte == b' ').ok_or_else(broken)?;
            let length: usize = number(&records[..space]).ok_or_else(broken)?;
            if length <= space + 1 || length > records.len() || records[length - 1] != b'\n' {
                return Err(broken());
            }
            let record = &records[space + 1..length - 1];
            let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(broken)?;
            self.take(&record[..equals], &record[equals + 1..]);
            records = &records[length..];
        }
        Ok(())
    }

    fn take(&mut self, key: &[u8], value: &[u8]) {
        match key {
            b"path" => self.path = Some(value.to_vec()),
            b"linkpath" => self.link = Some(value.to_vec()),
            b"uid" => self.uid = number(value),
            b"gid" => self.gid = number(value),
            b"size" => self.size = number(value),
            b"mtime" => self.mtime = value.split(|byte| *byte == b'.').next().and_then(number),
            _ if key.starts_with(b"GNU.sparse.") => self.sparse = true,
            _ => {
                if let Some(Ok(name)) = key.strip_prefix(XATTR).map(std::str::from_utf8) {
                    self.xattrs.insert(name.to_owned(), value.to_vec());
                }
            }
        }
    }
}

fn member(header: &Header, extensions: Extensions) -> io::Result<Member> {
    let raw_path = extensions.path.unwrap_or_else(|| header.path_bytes().into_owned());
    let path = clean_path(&raw_path)?;
    let named = |problem: &str| invalid(&format!("`{}`: {problem}", String::from_utf8_lossy(&path)));
    let link = extensions.link.or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned));
    let kind = kind(header, link.unwrap_or_default()).map_err(|problem| named(&problem.to_string()))?;
    if extensions.sparse {
        return Err(named("sparse files are not supported; make the archive without `--sparse`"));
    }
    let size = if kind == MemberKind::File { header.entry_size()? } else { 0 };
    if extensions.size.is_some_and(|pax| kind == MemberKind::File && pax != size) {
        return Err(named("a file this large is not supported in PAX form"));
    }
    Ok(Member {
        path,
        kind,
        mode: header.mode()? & 0o7777,
        uid: extensions.uid.map_or_else(|| header.uid(), Ok)?,
        gid: extensions.gid.map_or_else(|| header.gid(), Ok)?,
        size,
        mtime: extensions.mtime.or(header.mtime().ok()).unwrap_or(0),
        xattrs: extensions.xattrs,
    })
}

fn kind(header: &Header, link: Vec<u8>) -> io::Result<MemberKind> {
    let device =
        || -> io::Result<(u32, u32)> { Ok((header.device_major()?.unwrap_or(0), header.device_minor()?.unwrap_or(0))) };
    Ok(match header.entry_type() {
        // Archives of the seventies mark a folder by the `/` at its end alone.
        EntryType::Regular if header.path_bytes().ends_with(b"/") => MemberKind::Folder,
        EntryType::Regular | EntryType::Continuous => MemberKind::File,
        EntryType::Directory => MemberKind::Folder,
        EntryType::Symlink => MemberKind::Symlink(link),
        EntryType::Link => MemberKind::HardLink(clean_path(&link)?),
        EntryType::Char => device().map(|(major, minor)| MemberKind::CharDevice(major, minor))?,
        EntryType::Block => device().map(|(major, minor)| MemberKind::BlockDevice(major, minor))?,
        EntryType::Fifo => MemberKind::Fifo,
        EntryType::GNUSparse => {
            return Err(invalid("sparse files are not supported; make the archive without `--sparse`"));
        }
        other => return Err(invalid(&format!("unknown type of member, `{}`", char::from(other.as_byte())))),
    })
}

/// `path` without a leading `/`, empty parts and `.`; `..` is refused.
fn clean_path(path: &[u8]) -> io::Result<Vec<u8>> {
    let mut clean = Vec::with_capacity(path.len());
    for part in path.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".") {
        if part == b".." {
            return Err(invalid(&format!("`{}` leaves the archive's root", String::from_utf8_lossy(path))));
        }
        if !clean.is_empty() {
            clean.push(b'/');
        }
        clean.extend_from_slice(part);
    }
    Ok(clean)
}

fn extension_bytes(entry: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    entry.take(EXTENSION_LIMIT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > EXTENSION_LIMIT { Err(invalid("a header is too large")) } else { Ok(bytes) }
}

fn without_nul(mut bytes: Vec<u8>) -> Vec<u8> {
    while bytes.last() == Some(&0) {
        bytes.pop();
    }
    bytes
}

fn number<T: std::str::FromStr>(digits: &[u8]) -> Option<T> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn invalid(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text.to_owned())
}
