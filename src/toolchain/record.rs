//! What is known of finished stages and steps, in `build/state/toolchain/<key>.json`.
//!
//! A record says which image a key gave. It is used only while the store still has that image.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::ToolchainError;
use crate::digest::Sha256;

/// The result of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Record {
    /// Manifest digest of the image.
    pub image: Sha256,
    /// Lines for apt's `sources.list` that commands of containerfiles need; empty when the image has its own.
    pub apt_lines: Vec<String>,
    /// Which base the image goes back to, in words.
    pub base: String,
    /// Manifest digest of the image of that base; None for a stage that starts from another, and in old records.
    #[serde(default)]
    pub base_image: Option<Sha256>,
}

impl Record {
    /// The record of an image that is made of packages.
    pub(super) fn of_packages(image: Sha256) -> Self {
        Self { image, apt_lines: Vec::new(), base: "packages".to_owned(), base_image: None }
    }
}

/// The record of `key`; None when there is none that can be read.
pub(super) fn load(folder: &Path, key: Sha256) -> Option<Record> {
    let text = std::fs::read_to_string(path(folder, key)).ok()?;
    serde_json::from_str(&text).ok()
}

/// Keeps `record` for `key`; another process that keeps the same key at the same time does no harm.
pub(super) fn save(folder: &Path, key: Sha256, record: &Record) -> Result<(), ToolchainError> {
    let path = path(folder, key);
    write(&path, record).map_err(|source| ToolchainError::File { operation: "write", path, source })
}

/// Writes `record` as JSON, whole or not at all.
pub(super) fn write(path: &Path, record: &impl Serialize) -> io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    std::fs::create_dir_all(folder)?;
    let unfinished = path.with_extension(format!("{}.part", std::process::id()));
    std::fs::write(&unfinished, serde_json::to_vec_pretty(record)?)?;
    std::fs::rename(&unfinished, path)
}

fn path(folder: &Path, key: Sha256) -> PathBuf {
    folder.join("toolchain").join(format!("{key}.json"))
}
