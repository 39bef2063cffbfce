//! The key of an image, and the record of the image that was made last: its inputs and its files.
//!
//! The key holds, by content: the configuration and every file it names, the RPMs, the assembly image, the version and
//! [`CODE`]. The seed of the identifiers holds the same without the assembly image and the code, so that an image keeps its
//! UUIDs when only they change. Paths, times and the engine are in neither.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use super::config::ImageConfig;
use super::identity::Seed;
use super::packages::AvailableRpm;
use crate::digest::{KeyBuilder, Sha256};

/// Changes whenever the same inputs give other bytes.
const CODE: &str = "1";

/// What goes into an image, by digest; names are for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageInputs {
    /// The configuration and the files it names, by that name.
    pub files: BTreeMap<String, Sha256>,
    /// The RPMs by name, version, release and arch.
    pub packages: BTreeMap<String, Sha256>,
    /// Manifest of the assembly image.
    pub assembly: Sha256,
    /// Version of the image.
    pub version: String,
    /// Version of the code that makes images.
    pub code: String,
}

/// A file of a finished image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageFile {
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// When it was written, in nanoseconds since 1970: tells that nobody has written to it since.
    pub modified: u128,
}

/// An image that was finished.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The digest of `inputs`.
    pub key: Sha256,
    /// What it was made of.
    pub inputs: ImageInputs,
    /// In the order of the configuration.
    pub files: Vec<ImageFile>,
}

impl ImageInputs {
    /// The inputs of `config` with the packages `rpms`; reads every file that the configuration names.
    pub fn new(
        config: &ImageConfig,
        rpms: &[&AvailableRpm],
        (assembly, version): (Sha256, &str),
    ) -> Result<Self, (PathBuf, io::Error)> {
        let mut files = BTreeMap::new();
        for (name, path) in &config.inputs {
            files.insert(name.clone(), digest_with_mode(path).map_err(|source| (path.clone(), source))?);
        }
        let packages = rpms.iter().map(|rpm| (rpm.header.nevra.to_string(), rpm.sha256)).collect();
        Ok(Self { files, packages, assembly, version: version.to_owned(), code: CODE.to_owned() })
    }

    /// The key of the image.
    pub fn key(&self) -> Sha256 {
        let key = self.content(KeyBuilder::new("image"));
        key.field("assembly", self.assembly.as_bytes()).field("code", &self.code).finish()
    }

    /// What the image's identifiers come from.
    pub fn seed(&self) -> Seed {
        Seed(self.content(KeyBuilder::new("image seed")).finish())
    }

    fn content(&self, mut key: KeyBuilder) -> KeyBuilder {
        for (path, digest) in &self.files {
            key = key.field("file", path).field("digest", digest.as_bytes());
        }
        for (package, digest) in &self.packages {
            key = key.field("package", package).field("digest", digest.as_bytes());
        }
        key.field("version", &self.version)
    }
}

/// A file's content, and whether it can be executed, which a copied file keeps.
fn digest_with_mode(path: &Path) -> io::Result<Sha256> {
    let content = Sha256::of_file(path)?;
    let mode = if is_executable(path)? { "executable" } else { "plain" };
    Ok(KeyBuilder::new("file").field("content", content.as_bytes()).field("mode", mode).finish())
}

#[cfg(unix)]
fn is_executable(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(fs::metadata(path)?.permissions().mode() & 0o100 != 0)
}

#[cfg(not(unix))]
fn is_executable(_: &Path) -> io::Result<bool> {
    Ok(false)
}

impl ImageFile {
    /// The file `path` as it is now.
    pub fn of(path: &Path) -> io::Result<Self> {
        let found = fs::metadata(path)?;
        let modified = found.modified()?.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        Ok(Self { path: path.to_owned(), bytes: found.len(), modified })
    }
}

/// The record in the file `path` if it is of `key` and its files are `expected`, all there and as they were written.
pub fn up_to_date(path: &Path, key: Sha256, expected: &[PathBuf]) -> Option<Record> {
    let record = load(path)?;
    let is_same =
        |(file, path): (&ImageFile, &PathBuf)| file.path == *path && ImageFile::of(path).is_ok_and(|now| now == *file);
    let complete = record.files.len() == expected.len() && record.files.iter().zip(expected).all(is_same);
    (record.key == key && complete).then_some(record)
}

/// The record in the file `path`; None when there is none that can be read.
pub fn load(path: &Path) -> Option<Record> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// Writes `record` as the file `path`, which appears when it is whole.
pub fn store(path: &Path, record: &Record) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let partial = path.with_extension("json.partial");
    fs::write(&partial, serde_json::to_vec_pretty(record)?)?;
    fs::File::open(&partial)?.sync_all()?;
    fs::rename(&partial, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::config;

    #[test]
    fn the_folder_of_a_configuration_does_not_change_what_the_image_is() {
        let keys = ["one", "another"].map(|place| {
            let folder = tempfile::tempdir().unwrap();
            let project = folder.path().join(place);
            fs::create_dir_all(project.join("additionalfiles")).unwrap();
            fs::write(project.join("additionalfiles/motd"), "welcome\n").unwrap();
            let path = project.join("plain.json");
            let text = r#"{"Disks": [{"Artifacts": [{"Name": "plain", "Type": "oci"}]}], "SystemConfigs": [{"Name": "plain",
                "Packages": ["filesystem"], "AdditionalFiles": {"additionalfiles/motd": "/etc/motd"}}]}"#;
            fs::write(&path, text).unwrap();
            let config = config::read(&path).unwrap();
            let inputs = ImageInputs::new(&config, &[], (Sha256::of_bytes(b"assembly"), "1.0")).unwrap();
            (inputs.key(), inputs.seed().0)
        });
        assert_eq!(keys[0], keys[1]);
    }
}
