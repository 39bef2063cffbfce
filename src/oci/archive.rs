//! An image as one tar archive that Docker, Podman and OCI tools take: an OCI layout and, beside it, the `manifest.json` of
//! `docker save`. Equal images give equal bytes.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use serde_json::json;

use super::blob::blob_name;
use super::document::canonical;
use super::index::{LAYOUT, NAME, index_json};
use super::tar_read::{Member, MemberKind};
use super::tar_write::MemberWriter;
use super::{Compression, OciError, Store, StoredImage};

/// The annotation by which containerd, and Docker with it, names an image of a layout.
const CONTAINERD_NAME: &str = "io.containerd.image.name";

impl Store {
    /// Writes `image` under the name `tag` (`NAME:TAG`) as an archive that `podman load` and, since version 23, `docker
    /// load` take. Layers are written as they are stored; older Dockers take [`Compression::Gzip`] alone.
    pub fn docker_archive(&self, image: &StoredImage, tag: &str, into: impl Write) -> Result<(), OciError> {
        let mut archive = MemberWriter::new(into);
        let mut blobs = vec![image.manifest, image.config];
        blobs.extend(image.layers.iter().map(|layer| layer.digest));
        blobs.sort_unstable();
        blobs.dedup();
        for folder in ["blobs", "blobs/sha256"] {
            append(&mut archive, folder, 0, &mut io::empty()).map_err(not_written)?;
        }
        for blob in blobs {
            let (mut content, bytes) = self.open_checked(blob)?;
            // The last read of all is the one that checks the digest.
            let added = append(&mut archive, &blob_name(blob), bytes, &mut content)
                .and_then(|()| io::copy(&mut content, &mut io::sink()));
            added.map_err(|source| match source.kind() {
                io::ErrorKind::InvalidData => self.damaged(blob, source),
                _ => not_written(source),
            })?;
        }
        for (name, bytes) in [
            ("index.json", index_json(vec![self.named_entry(image, tag)?])?),
            ("manifest.json", docker_manifest(image, tag)?),
            ("oci-layout", LAYOUT.to_vec()),
        ] {
            append(&mut archive, name, bytes.len() as u64, &mut bytes.as_slice()).map_err(not_written)?;
        }
        let finished = archive.finish().and_then(|mut inner| inner.flush());
        finished.map_err(not_written)
    }

    /// Writes `image` as the file `path`, in the form of [`Store::docker_archive`] and for every version of Docker; the
    /// file appears when it is whole.
    pub fn write_archive(&self, image: &StoredImage, tag: &str, path: &Path) -> Result<(), OciError> {
        let image = &self.recompressed(image, Compression::Gzip)?;
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.partial", std::process::id()));
        let partial = path.with_file_name(name);
        let file = File::create(&partial).map_err(OciError::write(&partial))?;
        let written = self.docker_archive(image, tag, BufWriter::with_capacity(1 << 18, &file));
        let kept = written.and_then(|()| {
            file.sync_all().map_err(OciError::write(&partial))?;
            fs::rename(&partial, path).map_err(OciError::write(path))
        });
        if kept.is_err() {
            // What is left of it; the error that counts is the first one.
            let _ = fs::remove_file(&partial);
        }
        kept
    }

    fn named_entry(&self, image: &StoredImage, tag: &str) -> Result<oci_spec::image::Descriptor, OciError> {
        let mut entry = self.index_entry(image.manifest, None)?;
        let (_, version) = tag.rsplit_once(':').unwrap_or(("", "latest"));
        let names = [(NAME, version.to_owned()), (CONTAINERD_NAME, full_name(tag))];
        entry.set_annotations(Some(names.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()));
        Ok(entry)
    }
}

/// `tag` with the registry that Docker adds to a name without one.
fn full_name(tag: &str) -> String {
    match tag.split_once('/') {
        None => format!("docker.io/library/{tag}"),
        Some((host, _)) if host == "localhost" || host.contains(['.', ':']) => tag.to_owned(),
        Some(_) => format!("docker.io/{tag}"),
    }
}

fn docker_manifest(image: &StoredImage, tag: &str) -> Result<Vec<u8>, OciError> {
    let layers: Vec<String> = image.layers.iter().map(|layer| blob_name(layer.digest)).collect();
    let document = json!([{ "Config": blob_name(image.config), "RepoTags": [tag], "Layers": layers }]);
    canonical(&document, "a new manifest.json")
}

fn not_written(source: io::Error) -> OciError {
    OciError::Write { path: "an image archive".into(), source }
}

fn append(archive: &mut MemberWriter<impl Write>, name: &str, size: u64, content: &mut dyn Read) -> io::Result<()> {
    let folder = name == "blobs" || name == "blobs/sha256";
    let member = Member {
        path: name.into(),
        kind: if folder { MemberKind::Folder } else { MemberKind::File },
        mode: if folder { 0o755 } else { 0o644 },
        uid: 0,
        gid: 0,
        size,
        mtime: 0,
        xattrs: std::collections::BTreeMap::new(),
    };
    archive.append(&member, content)
}
