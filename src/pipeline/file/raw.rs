//! A pipeline file as it is written; `check.rs` and `stages.rs` check it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::Deserialize;

use super::exceptions::Allowance;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawPipeline {
    pub(super) name: String,
    pub(super) toolchain_of: Option<PathBuf>,
    #[serde(default)]
    pub(super) toolchain: Vec<RawStage>,
    pub(super) packages: Option<RawPackages>,
    pub(super) images: Option<RawImages>,
    pub(super) registry: Option<RawRegistry>,
    #[serde(default)]
    pub(super) archives: Vec<RawArchive>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawArchive {
    pub(super) suite: String,
    #[serde(default)]
    pub(super) components: Vec<String>,
    pub(super) mirror: Option<String>,
    pub(super) keyring: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawRegistry {
    pub(super) name: String,
    pub(super) require_signature: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawStage {
    pub(super) stage: String,
    #[serde(default)]
    pub(super) base: Vec<RawBase>,
    pub(super) from: Option<String>,
    pub(super) containerfile: Option<PathBuf>,
    pub(super) context: Option<PathBuf>,
    #[serde(default)]
    pub(super) provides: Vec<String>,
    pub(super) provides_manifest: Option<PathBuf>,
    pub(super) packages: Option<RawStagePackages>,
    pub(super) packages_of: Option<String>,
    pub(super) rpms: Option<RawRpms>,
    #[serde(default)]
    pub(super) install: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawRpms {
    pub(super) manifest: String,
    #[serde(default)]
    pub(super) urls: Vec<String>,
    #[serde(default)]
    pub(super) folders: Vec<PathBuf>,
    #[serde(default)]
    pub(super) gpg_keys: Vec<PathBuf>,
    pub(super) gpg_check: Option<bool>,
}

/// As [`RawPackages`], without what is of no use for a toolchain.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawStagePackages {
    pub(super) specs: Vec<PathBuf>,
    #[serde(default)]
    pub(super) build: Vec<String>,
    #[serde(default)]
    pub(super) macros: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) macro_files: Vec<PathBuf>,
    pub(super) version_macros: Option<String>,
    #[serde(default)]
    pub(super) exceptions: Vec<Allowance>,
}

#[derive(Deserialize)]
#[serde(try_from = "RawBaseKeys")]
pub(super) enum RawBase {
    Image(String),
    Archive(PathBuf),
    Debootstrap(RawDebootstrap),
}

/// A base as the file has it: with one of the keys. To the YAML reader, an enum is a value with a tag.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBaseKeys {
    image: Option<String>,
    archive: Option<PathBuf>,
    debootstrap: Option<RawDebootstrap>,
}

impl TryFrom<RawBaseKeys> for RawBase {
    type Error = &'static str;

    fn try_from(keys: RawBaseKeys) -> Result<Self, Self::Error> {
        match keys {
            RawBaseKeys { image: Some(image), archive: None, debootstrap: None } => Ok(Self::Image(image)),
            RawBaseKeys { image: None, archive: Some(archive), debootstrap: None } => Ok(Self::Archive(archive)),
            RawBaseKeys { image: None, archive: None, debootstrap: Some(suite) } => Ok(Self::Debootstrap(suite)),
            _ => Err("one of `image`, `archive` and `debootstrap` is expected"),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawDebootstrap {
    pub(super) suite: String,
    pub(super) mirror: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawPackages {
    pub(super) toolchain: String,
    pub(super) specs: Vec<PathBuf>,
    #[serde(default)]
    pub(super) build: Vec<String>,
    #[serde(default)]
    pub(super) check: BTreeSet<String>,
    #[serde(default)]
    pub(super) macros: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) macro_files: Vec<PathBuf>,
    pub(super) version_macros: Option<String>,
    #[serde(default)]
    pub(super) repositories: Vec<RawRepository>,
    pub(super) release_version: Option<String>,
    #[serde(default)]
    pub(super) exceptions: Vec<Allowance>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawRepository {
    pub(super) url: Option<String>,
    pub(super) file: Option<PathBuf>,
    #[serde(default)]
    pub(super) gpg_keys: Vec<PathBuf>,
    pub(super) gpg_key: Option<PathBuf>,
    pub(super) gpg_check: Option<bool>,
    pub(super) repo_gpg_check: Option<bool>,
    pub(super) priority: Option<i32>,
    pub(super) client_certificate: Option<PathBuf>,
    pub(super) client_key: Option<PathBuf>,
    pub(super) ca: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawImages {
    pub(super) toolchain: String,
    pub(super) configs: Vec<PathBuf>,
    pub(super) version: String,
}
