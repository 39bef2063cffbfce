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
use crate::address;
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

/// What the newest build of a spec asked for while it ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Asked {
    /// Digest of the spec file of that build.
    pub spec_digest: Sha256,
    /// All its build requirements by then, sorted.
    pub requirements: Vec<Requirement>,
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

    /// Remembers that `spec` failed, without the passwords of addresses in what it wrote.
    pub fn set_failed(&self, spec: &str, failed: &FailedBuild) -> Result<(), CacheError> {
        let masked = |text: &String| address::in_text(text).into_owned();
        let (status, excerpt) = (masked(&failed.status), failed.excerpt.iter().map(masked).collect());
        file::write_json(&self.path("failed", spec), &FailedBuild { status, excerpt, ..failed.clone() })
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

    /// What the newest build of each spec asked for by `%generate_buildrequires`; only those that did.
    pub fn asked(&self) -> Result<BTreeMap<String, Asked>, CacheError> {
        let mut asked = BTreeMap::new();
        for spec in self.names("asked")? {
            if let Some(one) = file::read_json(&self.path("asked", &spec))? {
                asked.insert(spec, one);
            }
        }
        Ok(asked)
    }

    /// Remembers what the newest build of `spec` asked for, so that the next run plans with it.
    pub fn set_asked(&self, spec: &str, asked: &Asked) -> Result<(), CacheError> {
        file::write_json(&self.path("asked", spec), asked)
    }

    /// Remembers that the newest build of `spec` asked for nothing.
    pub fn clear_asked(&self, spec: &str) -> Result<(), CacheError> {
        file::remove(&self.path("asked", spec))
    }

    /// How long the newest build of each spec took, without making its buildroot and waiting for that.
    pub fn durations(&self) -> Result<BTreeMap<String, Duration>, CacheError> {
        let mut durations = BTreeMap::new();
        for spec in self.names("last")? {
            if let Some(last) = self.last(&spec)? {
                let seconds = last.times.ended - last.times.asked;
                durations.insert(spec, Duration::try_from_secs_f64(seconds).unwrap_or_default());
            }
        }
        Ok(durations)
    }

    /// The names of what is remembered of one kind.
    fn names(&self, kind: &str) -> Result<Vec<String>, CacheError> {
        let folder = self.state.join(kind);
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(reading(&folder))?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.map_err(reading(&folder))?.file_name().to_string_lossy().into_owned();
            let name = name.strip_suffix(".json").filter(|name| !name.starts_with(".new-"));
            names.extend(name.map(str::to_owned));
        }
        Ok(names)
    }

    fn path(&self, kind: &str, name: &str) -> PathBuf {
        self.state.join(kind).join(format!("{name}.json"))
    }
}
