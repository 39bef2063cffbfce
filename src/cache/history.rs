//! What is remembered of each spec's builds: the inputs of the newest result, the newest failure, learned durations, and
//! what `%generate_buildrequires` asked for.
//!
//! Small JSON files below `state/`; see [`super`]. Nothing here decides what is up to date: the build key does.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::file::{self, reading};
use super::{BuildTimes, CacheError, CheckOutcome};
use crate::digest::Sha256;
use crate::layout::Layout;
use crate::package::Requirement;
use crate::plan::BuildInputs;

/// The newest result of a spec.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LastBuild {
    /// Its build key.
    pub key: Sha256,
    /// What went into it.
    pub inputs: BuildInputs,
    /// How its tests went.
    pub check: CheckOutcome,
    /// When its steps happened, publishing included.
    pub times: BuildTimes,
}

/// The newest build of a spec, when it gave no result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FailedBuild {
    /// Source package, as name-version-release.
    pub package: String,
    /// Its build key; None when its `BuildRequires` could not be met.
    pub key: Option<Sha256>,
    /// What failed, as in [`crate::event::BuildResult::Failed`].
    pub phase: String,
    /// How it ended, in words.
    pub status: String,
    /// The lines that tell the reason.
    pub excerpt: Vec<String>,
    /// The whole log.
    pub log: PathBuf,
}

/// The folder of what is remembered.
#[derive(Clone, Debug)]
pub struct History {
    state: PathBuf,
}

impl History {
    /// The history of the project of `layout`; nothing is read or made yet.
    pub fn new(layout: &Layout) -> Self {
        Self { state: layout.state() }
    }

    /// The newest result of `spec`.
    pub fn last(&self, spec: &str) -> Result<Option<LastBuild>, CacheError> {
        file::read_json(&self.path("last", spec))
    }

    /// Remembers the newest result of `spec`, and forgets that it failed before.
    pub fn set_last(&self, spec: &str, last: &LastBuild) -> Result<(), CacheError> {
        file::write_json(&self.path("last", spec), last)?;
        file::remove(&self.path("failed", spec))
    }

    /// The newest build of `spec`, when it failed.
    pub fn failed(&self, spec: &str) -> Result<Option<FailedBuild>, CacheError> {
        file::read_json(&self.path("failed", spec))
    }

    /// Remembers that `spec` failed.
    pub fn set_failed(&self, spec: &str, failed: &FailedBuild) -> Result<(), CacheError> {
        file::write_json(&self.path("failed", spec), failed)
    }

    /// Forgets that `spec` failed.
    pub fn clear_failed(&self, spec: &str) -> Result<(), CacheError> {
        file::remove(&self.path("failed", spec))
    }

    /// What `%generate_buildrequires` asked for beyond the buildroot of `key`; sorted. None when that build did not ask.
    pub fn generated(&self, key: Sha256) -> Result<Option<Vec<Requirement>>, CacheError> {
        file::read_json(&self.path("generated", &key.to_string()))
    }

    /// Remembers what `%generate_buildrequires` asked for beyond the buildroot of `key`.
    pub fn set_generated(&self, key: Sha256, wanted: &[Requirement]) -> Result<(), CacheError> {
        file::write_json(&self.path("generated", &key.to_string()), &wanted)
    }

    /// How long the newest build of each spec took, without making its buildroot and waiting for that.
    pub fn durations(&self) -> Result<BTreeMap<String, Duration>, CacheError> {
        let folder = self.state.join("last");
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            entries => entries.map_err(reading(&folder))?,
        };
        let mut durations = BTreeMap::new();
        for entry in entries {
            let name = entry.map_err(reading(&folder))?.file_name().to_string_lossy().into_owned();
            let Some(spec) = name.strip_suffix(".json").filter(|spec| !spec.starts_with(".new-")) else { continue };
            if let Some(last) = self.last(spec)? {
                let seconds = last.times.ended - last.times.asked;
                durations.insert(spec.to_owned(), Duration::try_from_secs_f64(seconds).unwrap_or_default());
            }
        }
        Ok(durations)
    }

    fn path(&self, kind: &str, name: &str) -> PathBuf {
        self.state.join(kind).join(format!("{name}.json"))
    }
}
