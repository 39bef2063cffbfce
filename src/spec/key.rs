//! What the reading of a spec depends on, as one digest.
//!
//! A spec may read any file beside it while it is parsed (`%include`, `%load`, `%(cat …)`), so all of them count: those of
//! its folder and of the folders below. A spec that stands directly in the searched folder has the other files there.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::SpecError;
use super::error::reading;
use super::find::SpecFile;
use super::script;
use crate::digest::{KeyBuilder, Sha256};
use crate::source::remembered::FileDigests;
use crate::toolchain::Toolchain;

/// A spec file with the digests that name what was read.
#[derive(Clone, Debug)]
pub(super) struct KeyedSpec {
    pub(super) file: SpecFile,
    /// Digest of the spec file.
    pub(super) digest: Sha256,
    /// Digest of all that its reading depends on, the context and other specs apart.
    pub(super) key: Sha256,
    /// The macros with versions of other specs that its text names, with their values; None for one that no spec gives.
    pub(super) uses: Uses,
    /// True when rpm may lose the section after its `%prep`, which its text tells before it is read.
    pub(super) loses_section: bool,
    /// True when it may ask RPM's database, which its text tells before it is read.
    pub(super) asks_database: bool,
    /// True when it may read files of other folders, which its text tells before it is read.
    pub(super) reads_far: bool,
}

/// Macros with versions of other specs, with their values.
pub(super) type Uses = BTreeMap<String, Option<String>>;

impl KeyedSpec {
    /// The macros that are defined for its reading.
    pub(super) fn seen(&self) -> BTreeMap<String, String> {
        self.uses.iter().filter_map(|(name, value)| Some((name.clone(), value.clone()?))).collect()
    }
}

/// What all specs of a load have in common: the image without what is given, the arch, the macros and their files.
pub(super) fn context(toolchain: &Toolchain) -> Sha256 {
    let mut key = KeyBuilder::new("spec-context")
        .field("version", script::VERSION.to_string())
        .field("image", toolchain.essence.to_string())
        .field("arch", &toolchain.arch);
    for (name, body) in &toolchain.macros {
        key = key.field("macro", name).field("body", body);
    }
    for file in &toolchain.macro_files {
        key = key.field("macro-file", &file.name).field("digest", file.digest.as_bytes());
    }
    key.field("versions", toolchain.version_macros.as_deref().unwrap_or_default()).finish()
}

/// Adds the digests to each file; every folder is read once.
pub(super) fn keyed(files: Vec<SpecFile>, digests: &FileDigests) -> Result<Vec<KeyedSpec>, SpecError> {
    let mut folders: BTreeMap<PathBuf, Sha256> = BTreeMap::new();
    let mut found = Vec::with_capacity(files.len());
    for file in files {
        let folder = file.path.parent().unwrap_or(Path::new("/")).to_owned();
        let below = if file.relative.contains('/') { Below::Too } else { Below::Not };
        let beside = match folders.get(&folder) {
            Some(known) => *known,
            None => folder_digest(&folder, below, digests)?,
        };
        folders.insert(folder, beside);
        let digest = file_digest(&file.path, digests)?;
        let path = format!("{}/{}", file.folder, file.relative);
        let key = KeyBuilder::new("spec").field("path", path).field("spec", digest.to_string());
        let key = key.field("folder", beside.to_string()).finish();
        found.push(KeyedSpec {
            file,
            digest,
            key,
            uses: Uses::new(),
            loses_section: false,
            asks_database: false,
            reads_far: false,
        });
    }
    Ok(found)
}

/// Everything in `folders`.
pub(super) fn all_digest(folders: &[PathBuf], digests: &FileDigests) -> Result<Sha256, SpecError> {
    let mut key = KeyBuilder::new("spec-folders");
    for folder in folders {
        key = key.field("folder", folder_digest(folder, Below::Too, digests)?.to_string());
    }
    Ok(key.finish())
}

/// Whether folders below count.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Below {
    Too,
    Not,
}

fn folder_digest(folder: &Path, below: Below, digests: &FileDigests) -> Result<Sha256, SpecError> {
    let mut key = KeyBuilder::new("spec-folder");
    for path in sorted_entries(folder)? {
        let wrong = reading(&path);
        let name = path.file_name().unwrap_or_default();
        let kind = path.symlink_metadata().map_err(&wrong)?.file_type();
        if kind.is_symlink() {
            let target = fs::read_link(&path).map_err(&wrong)?;
            key = key.field("link", name.as_encoded_bytes()).field("to", target.as_os_str().as_encoded_bytes());
        }
        if path.is_file() {
            let mode = path.metadata().map_err(wrong)?.permissions().mode() & 0o777;
            key = key.field("file", name.as_encoded_bytes()).field("mode", mode.to_le_bytes());
            key = key.field("digest", file_digest(&path, digests)?.to_string());
        } else if kind.is_dir() && below == Below::Too {
            let inside = folder_digest(&path, below, digests)?;
            key = key.field("folder", name.as_encoded_bytes()).field("digest", inside.to_string());
        }
    }
    Ok(key.finish())
}

fn file_digest(path: &Path, digests: &FileDigests) -> Result<Sha256, SpecError> {
    digests.digest(path).map(|(digest, _)| digest).map_err(reading(path))
}

fn sorted_entries(folder: &Path) -> Result<Vec<PathBuf>, SpecError> {
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let entries = entries.map_err(reading(folder))?;
    let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}
