//! `COPY`: files of a stage's context, or texts of its containerfile, as a layer.
//!
//! The files are looked at once, and then a digest stands for all of them. Their layer is made later, perhaps much later:
//! each content is hashed again on its way into it, and one that is another by now makes no layer. So an image never has
//! other files than its key says.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;

use super::ignored::Ignored;
use crate::digest::{HashingWriter, KeyBuilder, Sha256};
use crate::regular;
use crate::stop::Stoppable;

/// What one instruction copies.
#[derive(Debug)]
pub(super) struct Files {
    entries: Vec<Entry>,
    digest: Sha256,
    /// The folders among them, relative to where they are copied to.
    pub(super) folders: Vec<String>,
}

/// The folder that files are copied from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context<'a> {
    pub(super) folder: &'a Path,
    /// What of it is left out.
    pub(super) ignored: &'a Ignored,
}

/// One entry of a layer.
#[derive(Debug)]
struct Entry {
    /// Relative to where it is copied to; a folder or what is in one begins with a `/`.
    guest: String,
    content: Content,
    mode: u32,
}

#[derive(Debug)]
enum Content {
    Folder,
    Link(PathBuf),
    File { host: PathBuf, bytes: u64, sha256: Sha256 },
    Text(Vec<u8>),
}

/// Why a layer was not made.
#[derive(Debug)]
pub(super) enum LayerFault {
    /// A file has another content than when it was looked at.
    Changed(PathBuf),
    /// A file could not be read, or the layer not be written.
    File(PathBuf, io::Error),
}

impl Files {
    /// Everything that `from` names below the context: names, kinds, modes and contents.
    pub(super) fn read(
        context: Context<'_>,
        from: &[String],
        stop: &CancellationToken,
    ) -> Result<Self, (String, io::Error)> {
        let mut files = Self { entries: Vec::new(), digest: Sha256::of_bytes(b""), folders: Vec::new() };
        for name in from {
            files.add(context, name, stop).map_err(|error| (name.clone(), error))?;
        }
        files.digest = digest(&files.entries);
        Ok(files)
    }

    /// Files with these names and contents, which anybody may read.
    pub(super) fn of_texts(texts: &[(String, String)]) -> Self {
        let entry = |(name, text): &(String, String)| Entry {
            guest: name.clone(),
            content: Content::Text(text.clone().into_bytes()),
            mode: 0o644,
        };
        let entries: Vec<Entry> = texts.iter().map(entry).collect();
        Self { digest: digest(&entries), entries, folders: Vec::new() }
    }

    /// Stands for all that is copied.
    pub(super) fn digest(&self) -> Sha256 {
        self.digest
    }

    /// Writes a tar archive with the files at `to`, owned by root.
    pub(super) fn layer(&self, to: &str, into: &Path) -> Result<(), LayerFault> {
        let fault = |error| LayerFault::File(into.to_owned(), error);
        let mut archive = tar::Builder::new(io::BufWriter::new(File::create(into).map_err(fault)?));
        for entry in &self.entries {
            entry.append(&mut archive, &place(to, &entry.guest), into)?;
        }
        archive.into_inner().and_then(|mut writer| writer.flush()).map_err(fault)
    }

    /// Adds the file `name`, or all that is in the folder `name`, sorted, with the places that Docker's rules give them.
    fn add(&mut self, context: Context<'_>, name: &str, stop: &CancellationToken) -> io::Result<()> {
        let (root, host) = source(context.folder, name)?;
        let at = Walk { root: &root, ignored: context.ignored, stop };
        if host.is_dir() {
            self.folders.push(String::new());
            self.walk(&host, "", at)?;
            if at.leaves_out(&host) && self.entries.is_empty() {
                return Err(left_out());
            }
            return Ok(());
        }
        if at.leaves_out(&host) || context.ignored.has(name) {
            return Err(left_out());
        }
        let base = Path::new(name).file_name().map(|base| base.to_string_lossy().into_owned()).unwrap_or_default();
        self.entries.push(Entry::read(&host, base, stop)?);
        Ok(())
    }

    fn walk(&mut self, folder: &Path, guest: &str, at: Walk<'_>) -> io::Result<()> {
        let mut inside: Vec<PathBuf> =
            fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
        inside.sort();
        for host in inside {
            let base = host.file_name().map(|base| base.to_string_lossy().into_owned()).unwrap_or_default();
            let guest = format!("{guest}/{base}");
            let is_left_out = at.leaves_out(&host);
            if is_left_out && !(at.ignored.has_exceptions() && is_folder(&host)) {
                continue;
            }
            let entry = Entry::read(&host, guest.clone(), at.stop)?;
            if !matches!(entry.content, Content::Folder) {
                self.entries.push(entry);
                continue;
            }
            let (entries, folders) = (self.entries.len(), self.folders.len());
            self.entries.push(entry);
            self.folders.push(guest.trim_start_matches('/').to_owned());
            self.walk(&host, &guest, at)?;
            // One that is left out is made for what is taken in again below it.
            if is_left_out && self.entries.len() == entries + 1 {
                self.entries.truncate(entries);
                self.folders.truncate(folders);
            }
        }
        Ok(())
    }
}

/// How a folder is gone through.
#[derive(Clone, Copy)]
struct Walk<'a> {
    /// The context, without links.
    root: &'a Path,
    ignored: &'a Ignored,
    stop: &'a CancellationToken,
}

impl Walk<'_> {
    fn leaves_out(self, host: &Path) -> bool {
        host.strip_prefix(self.root).is_ok_and(|path| self.ignored.has(&path.to_string_lossy()))
    }
}

fn is_folder(host: &Path) -> bool {
    fs::symlink_metadata(host).is_ok_and(|metadata| metadata.is_dir())
}

fn left_out() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "it is left out of the folder that is copied from, by its `.dockerignore`")
}

/// Digest of names, kinds, modes and contents.
fn digest(entries: &[Entry]) -> Sha256 {
    let mut key = KeyBuilder::new("copy");
    for entry in entries {
        let content = match &entry.content {
            Content::Folder => String::new(),
            Content::Link(target) => target.display().to_string(),
            Content::File { sha256, .. } => sha256.to_string(),
            Content::Text(text) => Sha256::of_bytes(text).to_string(),
        };
        key = key.field(&entry.guest, format!("{:o} {content}", entry.mode));
    }
    key.finish()
}

/// Where an entry goes.
fn place(to: &str, guest: &str) -> String {
    match guest.strip_prefix('/') {
        Some(inside) => format!("{}/{inside}", to.trim_end_matches('/')),
        None if to.ends_with('/') => format!("{to}{guest}"),
        None => to.to_owned(),
    }
}

/// The context and the file or folder in it that `name` means, both without links: a link is followed, but not out of the
/// context, so that a containerfile of others cannot put files of this machine into an image. Links inside of a folder are
/// copied as they are.
fn source(context: &Path, name: &str) -> io::Result<(PathBuf, PathBuf)> {
    let (root, host) = (context.canonicalize()?, context.join(name.trim_start_matches('/')).canonicalize()?);
    if host.starts_with(&root) {
        return Ok((root, host));
    }
    Err(io::Error::other(format!("it leads out of the folder that is copied from, to `{}`", host.display())))
}

impl Entry {
    /// `host` as it is now, for the place `guest`.
    fn read(host: &Path, guest: String, stop: &CancellationToken) -> io::Result<Self> {
        let metadata = fs::symlink_metadata(host)?;
        let content = if metadata.is_dir() {
            Content::Folder
        } else if metadata.is_symlink() {
            Content::Link(fs::read_link(host)?)
        } else if metadata.is_file() {
            let (sha256, bytes) = Sha256::of_reader(&mut Stoppable::new(regular::open(host)?, stop))?;
            Content::File { host: host.to_owned(), bytes, sha256 }
        } else {
            return Err(io::Error::other("neither a regular file nor a folder nor a link"));
        };
        Ok(Self { guest, content, mode: mode(&metadata) })
    }

    fn append(&self, archive: &mut tar::Builder<impl Write>, place: &str, into: &Path) -> Result<(), LayerFault> {
        let path = place.trim_start_matches('/');
        let mut header = tar::Header::new_gnu();
        header.set_mode(self.mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(0);
        let appended = match &self.content {
            Content::Folder => {
                header.set_entry_type(tar::EntryType::Directory);
                archive.append_data(&mut header, path, io::empty())
            }
            Content::Link(target) => {
                header.set_entry_type(tar::EntryType::Symlink);
                archive.append_link(&mut header, path, target)
            }
            Content::Text(text) => {
                header.set_size(text.len() as u64);
                archive.append_data(&mut header, path, text.as_slice())
            }
            Content::File { host, bytes, sha256 } => {
                header.set_size(*bytes);
                let mut file = regular::open(host).map_err(|error| LayerFault::File(host.clone(), error))?;
                let mut hashed = Hashed { file: (&mut file).take(*bytes), digest: HashingWriter::new(io::sink()) };
                let appended = archive.append_data(&mut header, path, &mut hashed);
                let is_same = hashed.digest.finish().1 == *sha256;
                let is_longer = matches!(file.read(&mut [0]), Ok(1..));
                if appended.is_ok() && (!is_same || is_longer) {
                    return Err(LayerFault::Changed(host.clone()));
                }
                appended
            }
        };
        appended.map_err(|error| LayerFault::File(into.to_owned(), error))
    }
}

/// A file that is hashed while it is read.
struct Hashed<R> {
    file: R,
    digest: HashingWriter<io::Sink>,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.digest.write_all(&buffer[..count])?;
        Ok(count)
    }
}

/// 755 for what its owner may execute and 644 for the rest: a checkout's group bits depend on the user's umask.
fn mode(metadata: &fs::Metadata) -> u32 {
    if metadata.is_dir() || metadata.permissions().mode() & 0o100 != 0 { 0o755 } else { 0o644 }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn read(context: &Path, name: &str) -> Result<Files, (String, io::Error)> {
        read_with(&Ignored::default(), context, &[name])
    }

    fn read_with(ignored: &Ignored, folder: &Path, from: &[&str]) -> Result<Files, (String, io::Error)> {
        let from: Vec<String> = from.iter().map(|name| (*name).to_owned()).collect();
        Files::read(Context { folder, ignored }, &from, &CancellationToken::new())
    }

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
            let files = read(&context, name).unwrap();
            files.entries.iter().map(|entry| super::place("/x/", &entry.guest)).collect()
        };
        assert_eq!(places("named"), ["/x/named"]);
        assert_eq!(places("/folder"), ["/x/file"], "a leading slash means the context");
        assert_eq!(places("."), ["/x/far", "/x/folder", "/x/folder/file", "/x/named", "/x/out", "/x/up"]);
        let digest_of = |name: &str| read(&context, name).unwrap().digest();
        assert_ne!(digest_of("named"), digest_of("folder/file"), "they go to other places");
        for name in ["out", "far", "up/secret"] {
            let (file, fault) = read(&context, name).unwrap_err();
            assert!(file == name && fault.to_string().contains("leads out of the folder"), "{fault}");
        }
        let both = read_with(&Ignored::default(), &context, &["folder", "named"]).unwrap();
        assert_eq!(both.folders, [""]);
        assert_eq!(read(&context, ".").unwrap().folders, ["", "folder"]);
    }

    #[test]
    fn what_the_ignore_file_names_is_not_copied_and_changes_nothing() {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name);
        std::fs::create_dir_all(path("out/deep")).unwrap();
        for name in ["a", "out/b", "out/deep/c"] {
            std::fs::write(path(name), "1").unwrap();
        }
        let read = |patterns: &str, from: &str| {
            std::fs::write(path("ignore"), patterns).unwrap();
            read_with(&Ignored::read(&path("ignore")).unwrap(), place.path(), &[from])
        };
        let places = |patterns: &str, from: &str| -> Vec<String> {
            read(patterns, from).unwrap().entries.iter().map(|entry| super::place("/x/", &entry.guest)).collect()
        };
        assert_eq!(places("ignore\nout", "."), ["/x/a"]);
        assert_eq!(places("*\n!out/deep", "."), ["/x/out", "/x/out/deep", "/x/out/deep/c"]);
        assert_eq!(places("*\n!a", "."), ["/x/a"], "a folder without anything is no folder");
        assert_eq!(places("out/b", "out"), ["/x/deep", "/x/deep/c"]);
        for name in ["out/b", "out", "/a"] {
            let (file, fault) = read("*", name).unwrap_err();
            assert!(file == name && fault.to_string().contains("it is left out"), "{fault}");
        }
        let digest = read("ignore\nout", ".").unwrap().digest();
        std::fs::write(path("out/b"), "2").unwrap();
        assert_eq!(read("ignore\nout", ".").unwrap().digest(), digest);
    }

    #[test]
    fn a_layer_has_what_the_digest_stands_for_or_is_none() {
        let place = tempfile::tempdir().unwrap();
        let (file, layer) = (place.path().join("file"), place.path().join("layer"));
        std::fs::write(&file, "one").unwrap();
        let files = read(place.path(), "file").unwrap();
        for other in ["two", "on", "one and more", ""] {
            std::fs::write(&file, other).unwrap();
            let fault = files.layer("/x", &layer).unwrap_err();
            assert!(matches!(fault, LayerFault::Changed(ref path) if *path == file.canonicalize().unwrap()), "{other}");
        }
        std::fs::remove_file(&file).unwrap();
        assert!(matches!(files.layer("/x", &layer).unwrap_err(), LayerFault::File(..)));
        std::fs::write(&file, "one").unwrap();
        files.layer("/x", &layer).unwrap();
        let mut archive = tar::Archive::new(File::open(&layer).unwrap());
        let mut entry = archive.entries().unwrap().next().unwrap().unwrap();
        let mut content = String::new();
        entry.read_to_string(&mut content).unwrap();
        assert_eq!((entry.path().unwrap().to_str(), content.as_str()), (Some("x"), "one"));
    }

    #[test]
    fn a_text_is_a_file_as_any_other() {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("file"), "one").unwrap();
        let of_text = Files::of_texts(&[("file".to_owned(), "one".to_owned())]);
        assert_eq!(of_text.digest(), read(place.path(), "file").unwrap().digest());
        let layers = ["a", "b"].map(|name| place.path().join(name));
        of_text.layer("/x/", &layers[0]).unwrap();
        read(place.path(), "file").unwrap().layer("/x/", &layers[1]).unwrap();
        assert_eq!(std::fs::read(&layers[0]).unwrap(), std::fs::read(&layers[1]).unwrap());
    }
}
