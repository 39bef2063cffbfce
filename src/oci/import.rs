//! An image from a file: an OCI archive or layout folder, a `docker save` archive, or a tar of a root file system; plain or
//! compressed by gzip, xz or zstd, told apart by content.
//!
//! Blobs of an OCI archive and a configuration of `docker save` are kept byte for byte, so that the image keeps its name.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use oci_spec::image::{Descriptor, ImageIndex, ImageManifest, MediaType};
use serde::Deserialize;

use super::blob::{CheckedReader, blob_name, damaged};
use super::compress::decompressed;
use super::document::{configuration, diff_ids, digest_of, for_this_machine, parse, write_manifest};
use super::tar_read::{MemberKind, read_members};
use super::{Compression, ImageConfig, OciError, Store, StoredImage};
use crate::digest::Sha256;

/// Documents are small; a larger one is no document.
const DOCUMENT_LIMIT: u64 = 16 << 20;

impl Store {
    /// Takes the image that the file or folder `path` holds into the layout; a root file system gets the settings
    /// `config`, an image keeps its own.
    pub fn import_archive(&self, path: &Path, config: &ImageConfig) -> Result<StoredImage, OciError> {
        if path.is_dir() {
            let folder = Source { path: path.to_owned(), files: Files::Folder };
            if folder.has("oci-layout") {
                return self.import_layout(&folder);
            }
            return Err(OciError::NoImage {
                path: path.to_owned(),
                problem: "the folder has no file `oci-layout`".into(),
            });
        }
        let plain = self.plain_tar(path)?;
        let source = Source::in_tar(path, plain.file())?;
        if source.has("oci-layout") && source.has("index.json") {
            self.import_layout(&source)
        } else if source.has("manifest.json") {
            self.import_docker_save(&source)
        } else if source.is_rootfs() {
            self.from_rootfs_tar(path, config)
        } else {
            let problem = "it has neither `oci-layout`, `manifest.json` nor a program in `usr`, `bin` or `sbin`";
            Err(OciError::NoImage { path: path.to_owned(), problem: problem.to_owned() })
        }
    }

    fn import_layout(&self, source: &Source<'_>) -> Result<StoredImage, OciError> {
        let what = format!("`index.json` of `{}`", source.path.display());
        let index: ImageIndex = parse(&source.document("index.json")?, &what)?;
        let manifest = match index.manifests().as_slice() {
            [only] => source.manifest_of(only)?,
            _ => digest_of(for_this_machine(&index, &what)?, &what)?,
        };
        let bytes = source.document(&blob_name(manifest))?;
        let what = format!("the manifest `{manifest}`");
        let document: ImageManifest = parse(&bytes, &what)?;
        for blob in document.layers().iter().chain([document.config()]) {
            let digest = digest_of(blob, &what)?;
            if !self.has_blob(digest) {
                let name = blob_name(digest);
                self.write_checked_blob(source.open(&name)?, digest, &source.path.join(name))?;
            }
        }
        self.write_checked_blob(bytes.as_slice(), manifest, &source.path.join(blob_name(manifest)))?;
        self.add_to_index(manifest, None)?;
        self.image(manifest)
    }

    fn import_docker_save(&self, source: &Source<'_>) -> Result<StoredImage, OciError> {
        let what = format!("`manifest.json` of `{}`", source.path.display());
        let images: Vec<DockerManifest> = parse(&source.document("manifest.json")?, &what)?;
        let [image] = images.as_slice() else {
            return Err(OciError::malformed(what, format!("it has {} images; one is expected", images.len())));
        };
        let config = source.document(&image.config)?;
        let config_digest = Sha256::of_bytes(&config);
        let diff_ids = diff_ids(&configuration(&config, config_digest)?, config_digest)?;
        if diff_ids.len() != image.layers.len() {
            let problem = format!("{} layers, but {} in the configuration", image.layers.len(), diff_ids.len());
            return Err(OciError::malformed(what, problem));
        }
        let layers = image.layers.iter().zip(diff_ids).map(|(name, diff_id)| {
            let plain = decompressed(BufReader::new(source.open(name)?)).map_err(OciError::read(&source.path))?;
            let mut tar = CheckedReader::new(plain, diff_id);
            self.write_layer(Compression::default(), |into| {
                io::copy(&mut tar, into).map(drop).map_err(|fault| damaged(&source.path.join(name), fault))
            })
        });
        write_manifest(self, &config, layers.collect::<Result<_, OciError>>()?)
    }
}

/// One image of the `manifest.json` of `docker save`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerManifest {
    config: String,
    layers: Vec<String>,
}

/// A folder or an archive that files are taken from by name.
struct Source<'a> {
    path: PathBuf,
    files: Files<'a>,
}

enum Files<'a> {
    Folder,
    /// Each file's offset and size; the target of each link.
    Tar {
        archive: &'a File,
        places: HashMap<String, (u64, u64)>,
        links: HashMap<String, String>,
    },
}

impl<'a> Source<'a> {
    fn in_tar(path: &Path, mut archive: &'a File) -> Result<Self, OciError> {
        let (mut places, mut links) = (HashMap::new(), HashMap::new());
        archive.rewind().map_err(OciError::read(path))?;
        let read = read_members(BufReader::with_capacity(1 << 18, archive), &mut |member, offset, _| {
            let name = String::from_utf8_lossy(&member.path).into_owned();
            match member.kind {
                MemberKind::File => drop(places.insert(name, (offset, member.size))),
                MemberKind::HardLink(target) => drop(links.insert(name, String::from_utf8_lossy(&target).into_owned())),
                MemberKind::Symlink(target) => {
                    let target = String::from_utf8_lossy(&target).into_owned();
                    links.insert(name, target.trim_start_matches("../").to_owned());
                }
                _ => {}
            }
            Ok(())
        });
        read.map_err(|source| OciError::Read { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), files: Files::Tar { archive, places, links } })
    }

    fn has(&self, name: &str) -> bool {
        match &self.files {
            Files::Folder => self.path.join(name).is_file(),
            Files::Tar { places, .. } => places.contains_key(name),
        }
    }

    fn is_rootfs(&self) -> bool {
        let Files::Tar { places, links, .. } = &self.files else { return false };
        let programs = ["usr/", "bin/", "sbin/"];
        places.keys().chain(links.keys()).any(|name| programs.iter().any(|folder| name.starts_with(folder)))
    }

    fn open(&self, name: &str) -> Result<Box<dyn Read + Send + '_>, OciError> {
        let place = self.path.join(name);
        let missing = || OciError::malformed(format!("`{}`", self.path.display()), format!("it has no file `{name}`"));
        match &self.files {
            Files::Folder => Ok(Box::new(File::open(&place).map_err(OciError::read(&place))?)),
            Files::Tar { archive, places, links } => {
                let name = links.get(name).map_or(name, String::as_str);
                let (offset, size) = places.get(name).ok_or_else(missing)?;
                Ok(Box::new(Part { file: archive, offset: *offset, left: *size }))
            }
        }
    }

    fn document(&self, name: &str) -> Result<Vec<u8>, OciError> {
        let mut bytes = Vec::new();
        let read = self.open(name)?.take(DOCUMENT_LIMIT).read_to_end(&mut bytes);
        read.map_err(OciError::read(&self.path.join(name)))?;
        Ok(bytes)
    }

    /// The manifest that the only entry of an index leads to, through an index of platforms if need be.
    fn manifest_of(&self, entry: &Descriptor) -> Result<Sha256, OciError> {
        let digest = digest_of(entry, &format!("`index.json` of `{}`", self.path.display()))?;
        let is_index = *entry.media_type() == MediaType::ImageIndex
            || entry.media_type().to_string() == "application/vnd.docker.distribution.manifest.list.v2+json";
        if !is_index {
            return Ok(digest);
        }
        let what = format!("the index `{digest}` of `{}`", self.path.display());
        let index: ImageIndex = parse(&self.document(&blob_name(digest))?, &what)?;
        digest_of(for_this_machine(&index, &what)?, &what)
    }
}

/// A part of a file, read without moving the place where the file's other readers are.
struct Part<'a> {
    file: &'a File,
    offset: u64,
    left: u64,
}

impl Read for Part<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let room = into.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let count = self.file.read_at(&mut into[..room], self.offset)?;
        self.offset += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}
