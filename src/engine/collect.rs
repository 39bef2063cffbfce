//! Taking a container's output folder out of an archive: regular files and folders, and nothing else.
//!
//! In: a tar archive whose first name is the folder itself. Out: its files below an empty folder of the host, with their
//! content and permissions (no set-user-ID, no owners, no times). What a container made is not trusted: a link, a device,
//! a socket, a name that leaves the folder or comes twice is refused by name, and then nothing is kept.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use tar::{Archive, Entry, EntryType};

/// Why the files of a container are not taken.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// Something that is no regular file and no folder.
    #[error("the container left {kind} `{name}` in its output folder; only regular files and folders are taken")]
    Refused {
        /// Its name, relative to the folder.
        name: String,
        /// `a symbolic link` and the like.
        kind: &'static str,
    },
    /// A name that leaves the folder.
    #[error("the container left the name `{0}`, which leads out of its output folder")]
    Outside(String),
    /// The archive cannot be read.
    #[error("cannot read the container's output folder `{from}`")]
    Read {
        /// The folder in the container.
        from: String,
        /// Why.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write `{}`, which comes out of the container", .path.display())]
    Write {
        /// The file of the host.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Unpacks `archive`, made from the folder `from`, into the empty folder `into`.
pub(super) fn unpack(archive: &mut dyn Read, from: &str, into: &Path) -> Result<(), CollectError> {
    let outcome = unpack_all(archive, from, into);
    if outcome.is_err() {
        empty(into);
    }
    outcome
}

fn unpack_all(archive: &mut dyn Read, from: &str, into: &Path) -> Result<(), CollectError> {
    let unreadable = |source| CollectError::Read { from: from.to_owned(), source };
    let mut folder_modes = Vec::new();
    let mut archive = Archive::new(archive);
    for entry in archive.entries().map_err(unreadable)? {
        let mut entry = entry.map_err(unreadable)?;
        let Some(name) = name_of(&entry)? else {
            match entry.header().entry_type() {
                EntryType::Directory => continue,
                other => return Err(CollectError::Refused { name: from.to_owned(), kind: kind(other) }),
            }
        };
        let path = into.join(&name);
        let mode = entry.header().mode().map_err(unreadable)? & 0o777;
        match entry.header().entry_type() {
            EntryType::Directory => {
                make_folder(&path)?;
                folder_modes.push((path, mode));
            }
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => write_file(&mut entry, &path, mode)?,
            other => return Err(CollectError::Refused { name: name.display().to_string(), kind: kind(other) }),
        }
    }
    // Last, since a folder may be read-only; it stays ours to remove.
    folder_modes.into_iter().try_for_each(|(path, mode)| {
        fs::set_permissions(&path, PermissionsExt::from_mode(mode | 0o700))
            .map_err(|source| CollectError::Write { path, source })
    })
}

/// The name without the first part, which is the folder's own; `None` for the folder itself.
fn name_of(entry: &Entry<'_, impl Read>) -> Result<Option<PathBuf>, CollectError> {
    let whole = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
    let outside = || CollectError::Outside(whole.clone());
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

fn make_folder(path: &Path) -> Result<(), CollectError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o755).create(path);
    made.map_err(|source| CollectError::Write { path: path.to_owned(), source })
}

fn write_file(entry: &mut Entry<'_, impl Read>, path: &Path, mode: u32) -> Result<(), CollectError> {
    if let Some(folder) = path.parent() {
        make_folder(folder)?;
    }
    let written = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).and_then(|mut file| {
        io::copy(entry, &mut file)?;
        file.set_permissions(PermissionsExt::from_mode(mode))
    });
    written.map_err(|source| CollectError::Write { path: path.to_owned(), source })
}

fn kind(entry_type: EntryType) -> &'static str {
    match entry_type {
        EntryType::Symlink => "a symbolic link",
        EntryType::Link => "a hard link",
        EntryType::Char | EntryType::Block => "a device",
        EntryType::Fifo => "a pipe",
        _ => "something unknown",
    }
}

/// Removes what is in `folder`; it was empty, so all of it is ours.
fn empty(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
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
            ("out/pipe|", "pipe `pipe`"),
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
    fn a_cut_archive_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let whole = archive(&["out/a", "out/b"]);
        let cut = &whole[..whole.len() - 1024 - 512 - 512];
        assert!(matches!(unpack(&mut &cut[..], "/out", folder.path()), Err(CollectError::Read { .. }) | Ok(())));
        let cut = &whole[..512 * 4 - 3];
        assert!(unpack(&mut &cut[..], "/out", folder.path()).is_err());
    }
}
