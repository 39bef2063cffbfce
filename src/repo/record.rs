//! What was published, by spec.
//!
//! One JSON file a spec, `state/published/<spec>.json`, and `state/repodata.json` for the index.

use serde::{Deserialize, Serialize};

use crate::cache::{BuiltRpm, StoredResult};
use crate::digest::Sha256;

/// The RPMs of one spec.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct SpecRecord {
    /// The build that made them.
    pub(super) key: Sha256,
    /// Sorted by file name.
    pub(super) files: Vec<FileRecord>,
    /// Files of earlier builds that are still to be removed, relative to the repository.
    pub(super) stale: Vec<String>,
}

impl SpecRecord {
    /// What is recorded of `result` once it is published.
    pub(super) fn of(result: &StoredResult) -> Self {
        let file = |rpm: &BuiltRpm| FileRecord { location: rpm.location(), rpm: rpm.clone() };
        Self { key: result.key, files: result.rpms.iter().map(file).collect(), stale: Vec::new() }
    }
}

/// One published RPM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct FileRecord {
    /// Its folder and name, relative to the repository.
    pub(super) location: String,
    /// What it is.
    pub(super) rpm: BuiltRpm,
}

/// The index.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct IndexRecord {
    /// Digest of `repomd.xml`.
    pub(super) repomd: Option<Sha256>,
    /// Names of its files in `repodata/`, without `repomd.xml`.
    pub(super) current: Vec<String>,
    /// Names of the files before these, kept for readers that have the older `repomd.xml`.
    pub(super) previous: Vec<String>,
}
