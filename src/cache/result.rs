//! What a build gave.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::digest::Sha256;
use crate::package::RpmHeader;

/// An RPM that a build made, source package included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct BuiltRpm {
    /// File name, without folders.
    pub file: String,
    /// Digest of the file.
    pub sha256: Sha256,
    /// Size of the file.
    pub bytes: u64,
    /// Digest of what it provides to a build; see [`super::content`].
    pub content: Sha256,
    /// Seconds since 1970 in its `BUILDTIME`, which is the newest changelog entry's.
    pub build_time: u64,
    /// Its header.
    pub header: RpmHeader,
}

impl BuiltRpm {
    /// Where it is in a repository: a folder an arch, source packages in `src`.
    pub fn location(&self) -> String {
        // The file of a source package may end with `.nosrc.rpm`.
        format!("{}/{}", self.header.nevra.arch, self.file)
    }

    /// True for the source package.
    pub fn is_source(&self) -> bool {
        self.header.nevra.arch == "src"
    }
}

/// How a package's own tests went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "check", rename_all = "kebab-case")]
pub enum CheckOutcome {
    /// They were not asked for.
    Off,
    /// They were asked for, and the spec has no `%check`.
    None,
    /// `%check` ended with status 0.
    Passed,
    /// `%check` failed, and the packages were made all the same.
    Failed {
        /// Its exit status.
        status: i32,
    },
}

/// When the steps of a build happened, in seconds after the package was taken up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct BuildTimes {
    /// The image with its `BuildRequires` was there.
    pub buildroot: f64,
    /// The container was asked for.
    pub asked: f64,
    /// `rpmbuild` started.
    pub started: f64,
    /// The container was gone and its files were collected.
    pub ended: f64,
    /// The RPMs were in the repository; 0 in a stored result, which is written before.
    pub published: f64,
}

/// `result.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct ResultFile {
    pub(super) format: u32,
    pub(super) rpms: Vec<BuiltRpm>,
    pub(super) check: CheckOutcome,
    pub(super) times: BuildTimes,
    pub(super) log: Sha256,
}

/// A finished result in the store.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredResult {
    /// Its build key.
    pub key: Sha256,
    /// Its folder.
    pub folder: PathBuf,
    /// What it made, sorted by file name, source package included.
    pub rpms: Vec<BuiltRpm>,
    /// How its tests went.
    pub check: CheckOutcome,
    /// How long it took.
    pub times: BuildTimes,
    /// Digest of its log.
    pub log: Sha256,
}

impl StoredResult {
    /// Where `rpm`, one of the result's RPMs, is.
    pub fn path(&self, rpm: &BuiltRpm) -> PathBuf {
        rpms_folder(&self.folder).join(&rpm.file)
    }

    /// The log of the build.
    pub fn log_path(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// The RPMs that can be installed.
    pub fn binaries(&self) -> impl Iterator<Item = &BuiltRpm> {
        self.rpms.iter().filter(|rpm| !rpm.is_source())
    }
}

pub(super) fn rpms_folder(result: &Path) -> PathBuf {
    result.join("rpms")
}
