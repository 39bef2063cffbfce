//! What was published, by spec; tells in microseconds whether `out/RPMS` is still as Drydock left it.
//!
//! One JSON file a spec, `state/published/<spec>.json`, and `state/repodata.json` for the index.

use std::fs::{self, Metadata};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::cache::BuiltRpm;
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

/// One published RPM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct FileRecord {
    /// Its folder and name, relative to the repository.
    pub(super) location: String,
    /// Its modification time.
    pub(super) modified_ns: u128,
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

impl FileRecord {
    /// True when the file in the repository `root` has the size and the time that it had when it was published.
    pub(super) fn is_intact(&self, root: &Path) -> bool {
        fs::symlink_metadata(root.join(&self.location)).is_ok_and(|metadata| {
            metadata.is_file() && metadata.len() == self.rpm.bytes && modified_ns(&metadata) == self.modified_ns
        })
    }
}

/// Nanoseconds since 1970 at which the file was changed last; 0 where the system cannot tell.
pub(super) fn modified_ns(metadata: &Metadata) -> u128 {
    let since = |time: SystemTime| time.duration_since(UNIX_EPOCH).ok();
    metadata.modified().ok().and_then(since).map_or(0, |elapsed| elapsed.as_nanos())
}
