//! Taking a container's output folder out of an archive: regular files and folders, and nothing else.
//!
//! In: a tar archive whose first name is the folder itself. Out: its files below an empty folder of the host, with their
//! content and permissions (no set-user-ID, no owners, no times); runs of zeros become holes. What a container made is not
//! trusted: a link, a device, a socket, a name that leaves the folder or comes twice, too much of anything is refused by
//! name, and then nothing is kept. That is the container's fault and never the engine's. An archive that breaks off says
//! nothing of the folder: it is whole only with the folder's own name and the mark at its end.

mod fault;
mod patience;

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use tar::{Archive, Entry, EntryType};

pub use self::fault::{CollectError, Refusal};
pub(super) use self::patience::Patience;
use crate::oci::end_of_archive;
use crate::removal;

/// How deep folders may be in an output folder.
const MOST_DEPTH: usize = 64;
/// How long a path in an output folder may be, in bytes; with the folders above, the kernel takes no more than 4096.
const MOST_PATH: usize = 1024;
/// Bytes that are looked at for zeros at a time.
const PIECE: usize = 1 << 16;

/// True when the path is too long for an output folder; whoever sends one stops there.
pub(super) fn is_too_deep(path: &Path) -> bool {
    path.as_os_str().len() > MOST_PATH || path.components().count() > MOST_DEPTH
}

/// How much is taken from one container.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    bytes: u64,
    names: usize,
}

/// Far more than the packages of any spec, or the root of any image.
const BOUNDS: Bounds = Bounds { bytes: 256 << 30, names: 1_000_000 };

/// Unpacks `archive`, made from the folder `from`, into the empty folder `into`.
pub(super) fn unpack(archive: &mut dyn Read, from: &str, into: &Path) -> Result<(), CollectError> {
    unpack_within(BOUNDS, archive, from, into)
}

fn unpack_within(bounds: Bounds, archive: &mut dyn Read, from: &str, into: &Path) -> Result<(), CollectError> {
    let outcome = Unpacking { bounds, from, into, folder_modes: Vec::new() }.all(archive);
    if outcome.is_err() {
        empty(into);
    }
    outcome
}

struct Unpacking<'a> {
    /// What may still come.
    bounds: Bounds,
    from: &'a str,
    into: &'a Path,
    folder_modes: Vec<(PathBuf, u32)>,
}

impl Unpacking<'_> {
    fn all(mut self, archive: &mut dyn Read) -> Result<(), CollectError> {
        let from = self.from;
        let unreadable = |source| CollectError::Read { from: from.to_owned(), source };
        let mut archive = Archive::new(archive);
        let mut is_begun = false;
        for entry in archive.entries().map_err(unreadable)? {
            let mut entry = entry.map_err(unreadable)?;
            match (name_of(&entry)?, is_begun) {
                (Some(name), true) => self.take(&mut entry, &name)?,
                (None, false) if entry.header().entry_type().is_dir() => is_begun = true,
                (None, false) => return Err(refused(Path::new(from), &entry)),
                (Some(_), false) => break,
                (None, true) => return Err(Refusal::Twice(from.to_owned()).into()),
            }
        }
        if !is_begun {
            return Err(unreadable(io::Error::new(io::ErrorKind::UnexpectedEof, "the folder's own name is missing")));
        }
        end_of_archive(archive.into_inner()).map_err(unreadable)?;
        self.set_folder_modes()
    }

    fn take(&mut self, entry: &mut Entry<'_, impl Read>, name: &Path) -> Result<(), CollectError> {
        self.count(entry, name)?;
        let unreadable = |source| CollectError::Read { from: self.from.to_owned(), source };
        let path = self.into.join(name);
        let mode = entry.header().mode().map_err(unreadable)? & 0o777;
        match entry.header().entry_type() {
            EntryType::Directory => {
                make_folder(&path)?;
                self.folder_modes.push((path, mode));
                Ok(())
            }
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                let mut file = new_file(&path, name)?;
                let bytes = entry.size();
                copy(entry, bytes, &mut file)
                    .and_then(|()| file.set_permissions(PermissionsExt::from_mode(mode)).map_err(Side::Write))
                    .map_err(|side| match side {
                        Side::Read(source) => unreadable(source),
                        Side::Write(source) => CollectError::Write { path, source },
                    })
            }
            _ => Err(refused(name, entry)),
        }
    }

    /// Refuses what is too much.
    fn count(&mut self, entry: &Entry<'_, impl Read>, name: &Path) -> Result<(), Refusal> {
        if is_too_deep(name) {
            return Err(Refusal::Deep(upper_part(name)));
        }
        let large = || Refusal::Large { name: name.display().to_string(), most_bytes: BOUNDS.bytes };
        self.bounds.bytes = self.bounds.bytes.checked_sub(entry.size()).ok_or_else(large)?;
        self.bounds.names = self.bounds.names.checked_sub(1).ok_or(Refusal::Many(BOUNDS.names))?;
        Ok(())
    }

    /// Last, since a folder may be read-only; it stays ours to remove.
    fn set_folder_modes(self) -> Result<(), CollectError> {
        self.folder_modes.into_iter().try_for_each(|(path, mode)| {
            fs::set_permissions(&path, PermissionsExt::from_mode(mode | 0o700))
                .map_err(|source| CollectError::Write { path, source })
        })
    }
}

/// The name without the first part, which is the folder's own; `None` for the folder itself.
fn name_of(entry: &Entry<'_, impl Read>) -> Result<Option<PathBuf>, Refusal> {
    let whole = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
    let outside = || Refusal::Outside(whole.clone());
    let path = entry.path().map_err(|_| outside())?;
    let mut parts = path.components().filter(|part| *part != Component::CurDir);
    if !matches!(parts.next(), Some(Component::Normal(_)) | None) {
        return Err(outside());
    }
    let name: PathBuf = parts.clone().collect();
    if !parts.all(|part| matches!(part, Component::Normal(_))) {
        return Err(outside());
    }
    Ok(if name.as_os_str().is_empty() { None } else { Some(name) })
}

/// The begin of a name that is too long for people.
fn upper_part(name: &Path) -> String {
    let upper = name.components().take(3).collect::<PathBuf>().display().to_string();
    upper.chars().take(80).collect()
}

fn make_folder(path: &Path) -> Result<(), CollectError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o755).create(path);
    made.map_err(|source| CollectError::Write { path: path.to_owned(), source })
}

fn new_file(path: &Path, name: &Path) -> Result<File, CollectError> {
    if let Some(folder) = path.parent() {
        make_folder(folder)?;
    }
    let made = File::options().write(true).create_new(true).mode(0o600).open(path);
    made.map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => Refusal::Twice(name.display().to_string()).into(),
        _ => CollectError::Write { path: path.to_owned(), source },
    })
}

/// Which end of a copy failed.
enum Side {
    Read(io::Error),
    Write(io::Error),
}

/// Copies `bytes` bytes, which must be there, into the empty file `into`; zeros are left out.
fn copy(from: &mut impl Read, bytes: u64, into: &mut File) -> Result<(), Side> {
    let (mut piece, zeros) = (vec![0; PIECE], vec![0; PIECE]);
    let mut left = bytes;
    while left > 0 {
        let length = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        from.read_exact(&mut piece[..length]).map_err(Side::Read)?;
        if piece[..length] == zeros[..length] {
            into.seek(SeekFrom::Current(i64::try_from(length).unwrap_or(0))).map_err(Side::Write)?;
        } else {
            into.write_all(&piece[..length]).map_err(Side::Write)?;
        }
        left -= length as u64;
    }
    into.set_len(bytes).map_err(Side::Write)
}

fn refused(name: &Path, entry: &Entry<'_, impl Read>) -> CollectError {
    Refusal::Kind { name: name.display().to_string(), kind: kind(entry.header().entry_type()) }.into()
}

fn kind(entry_type: EntryType) -> &'static str {
    match entry_type {
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => "a file",
        EntryType::Symlink => "a symbolic link",
        EntryType::Link => "a hard link",
        EntryType::Char | EntryType::Block => "a device",
        EntryType::Fifo => "a pipe or socket",
        _ => "something unknown",
    }
}

/// Removes what is in `folder`; it was empty, so all of it is ours.
fn empty(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let removed = removal::remove(&path);
        if let Err(error) = removed {
            tracing::warn!(path = %path.display(), %error, "a refused file stays");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An archive with the folder `out` and these members; a name that ends with `@` is a link to `/etc/passwd`.
    fn archive(names: &[&str]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for &name in [&"out/"].into_iter().chain(names) {
            let mut header = tar::Header::new_gnu();
            let (name, kind) = match name.as_bytes() {
                [.., b'/'] => (name, EntryType::Directory),
                [.., b'@'] => (name.trim_end_matches('@'), EntryType::Symlink),
                [.., b'='] => (name.trim_end_matches('='), EntryType::Link),
                [.., b'|'] => (name.trim_end_matches('|'), EntryType::Fifo),
                [.., b'%'] => (name.trim_end_matches('%'), EntryType::Char),
                _ => (name, EntryType::Regular),
            };
            header.set_entry_type(kind);
            header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_mode(if kind.is_dir() { 0o555 } else { 0o4751 });
            if kind.is_symlink() || kind.is_hard_link() {
                header.set_link_name("/etc/passwd").unwrap();
            }
            let content: &[u8] = if kind.is_file() { b"content" } else { b"" };
            header.set_size(content.len() as u64);
            header.set_cksum();
            builder.append(&header, content).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn collected(names: &[&str]) -> (Result<(), CollectError>, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        (unpack(&mut archive(names).as_slice(), "/build/out", folder.path()), folder)
    }

    #[test]
    fn files_and_folders_come_out_with_content_and_mode() {
        let (outcome, folder) = collected(&["out/a", "out/sub/", "out/sub/b", "out/empty/"]);
        outcome.unwrap();
        assert_eq!(fs::read(folder.path().join("sub/b")).unwrap(), b"content");
        assert_eq!(folder.path().join("a").metadata().unwrap().permissions().mode() & 0o7777, 0o751);
        assert_eq!(folder.path().join("sub").metadata().unwrap().permissions().mode() & 0o7777, 0o755);
        assert!(folder.path().join("empty").is_dir());
    }

    #[test]
    fn everything_else_is_refused_by_name_and_nothing_is_kept() {
        for (bad, name) in [
            ("out/link@", "symbolic link `link`"),
            ("out/twin=", "hard link `twin`"),
            ("out/pipe|", "socket `pipe`"),
            ("out/null%", "device `null`"),
            ("out/../../etc/evil", "`out/../../etc/evil`"),
            ("/etc/evil", "`/etc/evil`"),
            ("../evil", "`../evil`"),
            ("out/good", "good"),
        ] {
            let (outcome, folder) = collected(&["out/good", bad]);
            let text = outcome.unwrap_err().to_string();
            assert!(text.contains(name), "{text}");
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{bad}");
        }
    }

    #[test]
    fn an_archive_counts_only_when_it_is_whole() {
        let whole = archive(&["out/a", "out/b"]);
        for length in (0..whole.len()).step_by(256) {
            let folder = tempfile::tempdir().unwrap();
            let outcome = unpack(&mut &whole[..length], "/build/out", folder.path());
            assert!(matches!(outcome, Err(CollectError::Read { .. })), "{length} of {} bytes", whole.len());
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{length}");
        }
        let other_folder = whole[512..].to_vec();
        for without_the_folder in [other_folder, vec![0; 1024]] {
            let folder = tempfile::tempdir().unwrap();
            let outcome = unpack(&mut without_the_folder.as_slice(), "/build/out", folder.path());
            assert!(matches!(outcome, Err(CollectError::Read { .. })));
        }
    }

    /// An archive with the folder `out` and one file of zeros, but for the byte at `at`.
    fn sparse(bytes: u64, at: u64) -> impl Read {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_path("out/sparse").unwrap();
        header.set_size(bytes);
        header.set_mode(0o644);
        header.set_cksum();
        let folder = &archive(&[])[..512];
        let head = io::Cursor::new([folder, header.as_bytes()].concat());
        let padding = bytes.next_multiple_of(512) - bytes + 1024;
        let after = io::repeat(0).take(bytes - at - 1 + padding);
        head.chain(io::repeat(0).take(at)).chain(&b"x"[..]).chain(after)
    }

    #[test]
    fn holes_take_no_room_and_too_much_is_refused() {
        use std::os::unix::fs::MetadataExt;
        let folder = tempfile::tempdir().unwrap();
        let (bytes, at) = ((64 << 20) + 5, 9 << 20);
        unpack(&mut sparse(bytes, at), "/build/out", folder.path()).unwrap();
        let path = folder.path().join("sparse");
        assert!(path.metadata().unwrap().blocks() * 512 < 1 << 20, "{:?}", path.metadata());
        let content = fs::read(&path).unwrap();
        assert_eq!(content.len() as u64, bytes);
        assert_eq!(content.iter().position(|byte| *byte == b'x'), Some(usize::try_from(at).unwrap()));

        let folder = tempfile::tempdir().unwrap();
        let fault = unpack(&mut sparse(8 << 40, 0), "/build/out", folder.path()).unwrap_err();
        assert!(fault.to_string().contains("more than 256 GiB") && fault.to_string().contains("`sparse`"), "{fault}");
        let small = Bounds { bytes: 1 << 20, names: 2 };
        let fault = unpack_within(small, &mut archive(&["out/a", "out/b", "out/c"]).as_slice(), "/out", folder.path());
        assert!(matches!(fault, Err(CollectError::Refused(Refusal::Many(_)))), "{fault:?}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_name_that_comes_twice_or_is_too_deep_is_refused() {
        let deep = format!("out/{}x", "d/".repeat(47));
        collected(&[&deep]).0.unwrap();
        // As the embedded engine sends it: by the name that is one too deep, and nothing of what is below.
        let mut builder = tar::Builder::new(archive(&[])[..512].to_vec());
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(EntryType::Directory);
        header.set_size(0);
        builder.append_data(&mut header, format!("out/{}", "d/".repeat(MOST_DEPTH + 1)), io::empty()).unwrap();
        let too_deep = builder.into_inner().unwrap();
        let folder = tempfile::tempdir().unwrap();
        assert!(
            !is_too_deep(Path::new(&"d/".repeat(MOST_DEPTH))) && is_too_deep(Path::new(&"d".repeat(MOST_PATH + 1)))
        );
        let fault = unpack(&mut too_deep.as_slice(), "/build/out", folder.path()).unwrap_err();
        assert!(matches!(&fault, CollectError::Refused(Refusal::Deep(upper)) if upper == "d/d/d"), "{fault}");
        assert!(matches!(collected(&["out/a", "out/a"]).0, Err(CollectError::Refused(Refusal::Twice(_)))));
        assert!(matches!(collected(&["out/a", "out/"]).0, Err(CollectError::Refused(Refusal::Twice(_)))));
    }
}
