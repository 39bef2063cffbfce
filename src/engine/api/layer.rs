//! The last layer of a derived image, taken out of what `docker save` gives.
//!
//! The archive has three formats (Docker before 25, Docker since 25 with an OCI layout, Podman). None of their indexes is
//! read: the layer is the member whose content, without its compression, has the digest that the image's own list of
//! layers ends with; Docker's containerd store keeps layers compressed. What the engine itself put into it is left out:
//! the empty files and folders on which mounts were made.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use tar::{Archive, EntryType};

use crate::digest::{HashingWriter, Sha256};
use crate::oci::{decompressed, end_of_archive};

/// What Docker and Podman mount into every container, and so may leave as an empty file or folder in its layer.
const MOUNT_POINTS: [&str; 16] = [
    ".dockerenv",
    "dev/console",
    "dev/drydock-init",
    "dev/mqueue",
    "dev/pts",
    "dev/shm",
    "etc/hostname",
    "etc/hosts",
    "etc/mtab",
    "etc/resolv.conf",
    "proc",
    "run/.containerenv",
    "run/secrets",
    "sys",
    "dev",
    "run",
];

/// The end of every tar archive.
const END: [u8; 1024] = [0; 1024];

/// Looks through `archive` for the layer whose tar archive has the digest `digest` (as OCI writes it) and writes it, not
/// compressed, into `scratch`; false when there is none.
pub(super) fn find(archive: &mut dyn Read, digest: &str, scratch: &mut File) -> io::Result<bool> {
    let mut archive = Archive::new(archive);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let is_file = matches!(entry.header().entry_type(), EntryType::Regular | EntryType::Continuous);
        if is_file && plain_copy(&mut entry, scratch)?.is_some_and(|copied| copied.to_oci() == digest) {
            return Ok(true);
        }
    }
    end_of_archive(archive.into_inner())?;
    Ok(false)
}

/// Writes what `member` holds into `scratch`, without its compression, and gives the digest of that; `None` for a member
/// that only begins like something compressed.
fn plain_copy(member: &mut impl Read, scratch: &mut File) -> io::Result<Option<Sha256>> {
    scratch.set_len(0)?;
    scratch.rewind()?;
    let mut writer = HashingWriter::new(BufWriter::with_capacity(1 << 20, &mut *scratch));
    let mut plain = decompressed(BufReader::with_capacity(1 << 16, member))?;
    match io::copy(&mut plain, &mut writer) {
        Err(fault) if is_not_compressed(fault.kind()) => Ok(None),
        copied => {
            copied?;
            writer.flush()?;
            Ok(Some(writer.finish().1))
        }
    }
}

/// What the decoders say of bytes that only begin like theirs; that the archive itself is cut shows at its end.
fn is_not_compressed(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

/// Writes a layer without changes.
pub(super) fn write_empty(into: &mut File) -> io::Result<()> {
    into.write_all(&END)
}

/// Copies `layer` without the empty files and folders that mounts needed; `mounted` are the run's own.
pub(super) fn copy_without_mount_points(layer: &mut File, mounted: &[String], into: &mut File) -> io::Result<()> {
    let members = members(layer)?;
    let dropped = dropped(&members, mounted);
    let mut writer = BufWriter::with_capacity(1 << 20, into);
    for (at, member) in members.iter().enumerate() {
        if !dropped.contains(&at) {
            layer.seek(SeekFrom::Start(member.begin))?;
            io::copy(&mut layer.take(member.end - member.begin), &mut writer)?;
        }
    }
    writer.write_all(&END)?;
    writer.flush()
}

struct Member {
    /// Without `/` at its ends.
    name: String,
    is_folder: bool,
    /// True for a folder as an engine makes one: root's, and everybody may enter it.
    is_plain: bool,
    is_empty_file: bool,
    /// Its bytes in the archive, with the headers that belong to it.
    begin: u64,
    end: u64,
}

fn members(layer: &mut File) -> io::Result<Vec<Member>> {
    layer.rewind()?;
    let mut archive = Archive::new(BufReader::with_capacity(1 << 20, layer));
    let (mut members, mut begin) = (Vec::new(), 0);
    for entry in archive.entries()? {
        let entry = entry?;
        let kind = entry.header().entry_type();
        let has_content = matches!(kind, EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse);
        let bytes = if kind.is_gnu_sparse() { entry.header().entry_size()? } else { entry.size() };
        let end = entry.raw_file_position() + if has_content { bytes.next_multiple_of(512) } else { 0 };
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        members.push(Member {
            name: name.trim_start_matches("./").trim_matches('/').to_owned(),
            is_folder: kind.is_dir(),
            is_plain: kind.is_dir() && is_plain(entry.header())?,
            // Podman makes `etc/mtab` as a link.
            is_empty_file: (has_content && bytes == 0) || (kind.is_symlink() && name.ends_with("etc/mtab")),
            begin,
            end,
        });
        begin = end;
    }
    Ok(members)
}

fn is_plain(header: &tar::Header) -> io::Result<bool> {
    Ok(header.mode()? & 0o7777 == 0o755 && (header.uid()?, header.gid()?) == (0, 0))
}

/// Which members are left out: a mount point, if it is empty, and then the folder above it, if nothing else is in there and
/// it may be the engine's own.
fn dropped(members: &[Member], mounted: &[String]) -> BTreeSet<usize> {
    let mounted = mounted.iter().map(|guest| guest.trim_matches('/'));
    let mut points: BTreeSet<&str> = MOUNT_POINTS.into_iter().chain(mounted).collect();
    let mut dropped = BTreeSet::new();
    // A folder comes before what is in it, so that backwards every folder comes after its content.
    let mut order: Vec<_> = (0..members.len()).collect();
    order.sort_by(|&a, &b| members[b].name.cmp(&members[a].name));
    for at in order {
        let member = &members[at];
        let below = format!("{}/", member.name);
        let mut others = members.iter().enumerate().filter(|(_, other)| other.name.starts_with(&below));
        let is_empty = member.is_empty_file || member.is_folder && others.all(|(other, _)| dropped.contains(&other));
        if is_empty && points.contains(&*member.name) {
            dropped.insert(at);
            let above = member.name.rsplit_once('/').map(|(above, _)| above);
            points.extend(above.filter(|above| members.iter().all(|other| other.name != *above || other.is_plain)));
        }
    }
    dropped
}

/// A new file at `path`, for reading and writing.
pub(super) fn create(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).create(true).truncate(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(names: &[(&str, &str)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, content) in names {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(if name.ends_with('/') { EntryType::Directory } else { EntryType::Regular });
            header.set_size(content.len() as u64);
            header.set_mode(if name.ends_with('/') { 0o755 } else { 0o644 });
            header.set_uid(0);
            header.set_gid(0);
            builder.append_data(&mut header, name, content.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn names(archive: &mut File) -> Vec<String> {
        members(archive).unwrap().into_iter().map(|member| member.name).collect()
    }

    /// An archive with these files.
    fn saved(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, content) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            builder.append_data(&mut header, name, *content).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[test]
    fn a_layer_is_found_however_the_engine_keeps_it() {
        let inner = layer(&[("etc/", ""), ("etc/new", "text")]);
        let digest = Sha256::of_bytes(&inner).to_oci();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&inner).unwrap();
        let gzip = gzip.finish().unwrap();
        let zstd = zstd::encode_all(&*inner, 3).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut scratch = create(&folder.path().join("scratch")).unwrap();
        for kept in [&inner, &gzip, &zstd] {
            let cut = &gzip[..gzip.len() / 2];
            let files: [(&str, &[u8]); 3] = [("manifest.json", b"\x1f\x8b?"), ("a", cut), ("blobs/sha256/0", kept)];
            let archive = saved(&files);
            assert!(find(&mut archive.as_slice(), &digest, &mut scratch).unwrap());
            assert_eq!(names(&mut scratch), ["etc", "etc/new"]);
            assert!(!find(&mut archive.as_slice(), "sha256:0", &mut scratch).unwrap());
            let cut = &archive[..archive.len() - 1024];
            assert!(find(&mut &*cut, "sha256:0", &mut scratch).is_err(), "it says nothing of what was left out");
        }
    }

    #[test]
    fn the_layer_is_found_by_its_digest_and_loses_its_mount_points() {
        let long = format!("usr/share/{}", "long/".repeat(40));
        let inner = layer(&[
            ("etc/", ""),
            ("etc/hosts", ""),
            ("etc/resolv.conf", ""),
            ("in/", ""),
            ("in/package.src.rpm", ""),
            ("new/", ""),
            ("new/empty", ""),
            (&format!("{long}file"), "text"),
            ("run/", ""),
            ("run/kept", "x"),
            ("work/", ""),
        ]);
        let digest = crate::digest::Sha256::of_bytes(&inner).to_oci();
        let archive = saved(&[("manifest.json", b"[]"), ("x/layer.tar", &inner)]);
        let folder = tempfile::tempdir().unwrap();
        let mut scratch = create(&folder.path().join("scratch")).unwrap();
        assert!(find(&mut archive.as_slice(), &digest, &mut scratch).unwrap());
        let mut out = create(&folder.path().join("out")).unwrap();
        let mounted = ["/in/package.src.rpm".to_owned(), "/work".to_owned()];
        copy_without_mount_points(&mut scratch, &mounted, &mut out).unwrap();
        assert_eq!(names(&mut out), ["new", "new/empty", &format!("{long}file"), "run", "run/kept"]);
        assert!(!find(&mut archive.as_slice(), "sha256:0", &mut scratch).unwrap());
    }

    #[test]
    fn an_empty_layer_is_an_empty_archive() {
        let folder = tempfile::tempdir().unwrap();
        let mut out = create(&folder.path().join("out")).unwrap();
        write_empty(&mut out).unwrap();
        assert!(names(&mut out).is_empty());
    }
}
