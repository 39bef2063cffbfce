//! `COPY`: files of a stage's context as a layer.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::digest::KeyBuilder;
use crate::digest::Sha256;

/// One entry of a layer that `COPY` makes.
struct Entry {
    host: PathBuf,
    guest: String,
}

/// Digest of everything that `from` names below `context`: names, kinds, modes and contents.
pub(super) fn digest(context: &Path, from: &[String]) -> Result<Sha256, (String, io::Error)> {
    let mut key = KeyBuilder::new("copy");
    for name in from {
        let fault = |error| (name.clone(), error);
        for entry in entries(context, name, "").map_err(fault)? {
            let metadata = std::fs::symlink_metadata(&entry.host).map_err(fault)?;
            let content = if metadata.is_file() {
                Sha256::of_file(&entry.host).map_err(fault)?.to_string()
            } else if metadata.is_symlink() {
                std::fs::read_link(&entry.host).map_err(fault)?.display().to_string()
            } else {
                String::new()
            };
            key = key.field(&entry.guest, format!("{:o} {content}", mode(&metadata)));
        }
    }
    Ok(key.finish())
}

/// The folders that `from` names and those below, relative to where they are copied to.
pub(super) fn folders(context: &Path, from: &[String]) -> Result<Vec<String>, (String, io::Error)> {
    let mut found = Vec::new();
    for name in from {
        let fault = |error| (name.clone(), error);
        if source(context, name).map_err(fault)?.is_dir() {
            found.push(String::new());
        }
        for entry in entries(context, name, "").map_err(fault)? {
            if std::fs::symlink_metadata(&entry.host).map_err(fault)?.is_dir() {
                found.push(entry.guest.trim_start_matches('/').to_owned());
            }
        }
    }
    Ok(found)
}

/// Writes a tar archive with the files of `from` at `to`, owned by root.
pub(super) fn layer(context: &Path, from: &[String], to: &str, into: &Path) -> Result<(), (String, io::Error)> {
    let fault = |name: &str| {
        let name = name.to_owned();
        move |error| (name, error)
    };
    let file = std::fs::File::create(into).map_err(fault(to))?;
    let mut archive = tar::Builder::new(io::BufWriter::new(file));
    for name in from {
        for entry in entries(context, name, to).map_err(fault(name))? {
            append(&mut archive, &entry).map_err(fault(name))?;
        }
    }
    let mut writer = archive.into_inner().map_err(fault(to))?;
    io::Write::flush(&mut writer).map_err(fault(to))
}

/// The file `name` or all that is in the folder `name`, sorted, with the places that Docker's rules give them.
fn entries(context: &Path, name: &str, to: &str) -> io::Result<Vec<Entry>> {
    let host = source(context, name)?;
    let mut found = Vec::new();
    if host.is_dir() {
        walk(&host, to.trim_end_matches('/'), &mut found)?;
        return Ok(found);
    }
    let base = Path::new(name).file_name().map(|base| base.to_string_lossy().into_owned()).unwrap_or_default();
    let guest = if to.ends_with('/') || to.is_empty() { format!("{to}{base}") } else { to.to_owned() };
    found.push(Entry { host, guest });
    Ok(found)
}

/// The file or folder that `name` means: a link is followed, but not out of the context, so that a containerfile of others
/// cannot put files of this machine into an image. Links inside of a folder are copied as they are.
fn source(context: &Path, name: &str) -> io::Result<PathBuf> {
    let (root, host) = (context.canonicalize()?, context.join(name.trim_start_matches('/')).canonicalize()?);
    if host.starts_with(root) {
        return Ok(host);
    }
    Err(io::Error::other(format!("it leads out of the folder that is copied from, to `{}`", host.display())))
}

fn walk(folder: &Path, guest: &str, found: &mut Vec<Entry>) -> io::Result<()> {
    let mut inside: Vec<PathBuf> =
        std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    inside.sort();
    for host in inside {
        let base = host.file_name().map(|base| base.to_string_lossy().into_owned()).unwrap_or_default();
        let guest = format!("{guest}/{base}");
        let is_folder = std::fs::symlink_metadata(&host)?.is_dir();
        found.push(Entry { host: host.clone(), guest: guest.clone() });
        if is_folder {
            walk(&host, &guest, found)?;
        }
    }
    Ok(())
}

fn append(archive: &mut tar::Builder<impl io::Write>, entry: &Entry) -> io::Result<()> {
    let metadata = std::fs::symlink_metadata(&entry.host)?;
    let path = entry.guest.trim_start_matches('/');
    let mut header = tar::Header::new_gnu();
    header.set_mode(mode(&metadata));
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    if metadata.is_symlink() {
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        archive.append_link(&mut header, path, std::fs::read_link(&entry.host)?)
    } else if metadata.is_dir() {
        header.set_entry_type(tar::EntryType::Directory);
        header.set_size(0);
        archive.append_data(&mut header, path, io::empty())
    } else if metadata.is_file() {
        header.set_entry_type(tar::EntryType::Regular);
        header.set_size(metadata.len());
        archive.append_data(&mut header, path, std::fs::File::open(&entry.host)?)
    } else {
        Err(io::Error::other("neither a regular file nor a folder nor a link"))
    }
}

/// 755 for what its owner may execute and 644 for the rest: a checkout's group bits depend on the user's umask.
fn mode(metadata: &std::fs::Metadata) -> u32 {
    if metadata.is_dir() || metadata.permissions().mode() & 0o100 != 0 { 0o755 } else { 0o644 }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_followed_within_the_context_alone() {
        let place = tempfile::tempdir().unwrap();
        let context = place.path().join("context");
        std::fs::create_dir_all(context.join("folder")).unwrap();
        std::fs::write(context.join("folder/file"), "in").unwrap();
        std::fs::write(place.path().join("secret"), "out").unwrap();
        for (target, link) in [("folder/file", "named"), ("../secret", "out"), ("/etc/passwd", "far"), ("..", "up")] {
            symlink(target, context.join(link)).unwrap();
        }
        let places = |name: &str| -> Vec<String> {
            entries(&context, name, "/x/").unwrap().into_iter().map(|entry| entry.guest).collect()
        };
        assert_eq!(places("named"), ["/x/named"]);
        assert_eq!(places("/folder"), ["/x/file"], "a leading slash means the context");
        assert_eq!(places("."), ["/x/far", "/x/folder", "/x/folder/file", "/x/named", "/x/out", "/x/up"]);
        let digest_of = |name: &str| digest(&context, &[name.to_owned()]);
        assert_ne!(digest_of("named").unwrap(), digest_of("folder/file").unwrap(), "they go to other places");
        for name in ["out", "far", "up/secret"] {
            let (file, fault) = digest_of(name).unwrap_err();
            assert!(file == name && fault.to_string().contains("leads out of the folder"), "{fault}");
        }
        assert_eq!(folders(&context, &["folder".to_owned(), "named".to_owned()]).unwrap(), [""]);
    }
}
