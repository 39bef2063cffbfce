//! `out/SRPMS`: one SRPM a spec, as packed last.
//!
//! An SRPM gets its name by a rename, so that a reader sees all of it or none. What each spec has there is recorded in
//! `state/srpms/<spec>.json` after that; an SRPM of the spec's earlier version is removed before the record is written, so
//! that a run which was killed in between is made good by the next one. Files that somebody else put there stay.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::cache::file::{self, reading, writing};
use crate::cache::{CacheError, StoredResult};
use crate::digest::Sha256;
use crate::layout::Layout;
use crate::source::remembered::FileDigests;

/// The folder of packed source packages.
pub struct SrpmFolder {
    folder: PathBuf,
    records: PathBuf,
    /// What each spec has.
    published: BTreeMap<String, Record>,
    /// Specs that were published in this run.
    fresh: BTreeSet<String>,
    digests: FileDigests,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Record {
    file: String,
    sha256: Sha256,
    key: Sha256,
}

impl SrpmFolder {
    /// The folder of the project of `layout`, as it was recorded; no SRPM is read.
    pub fn open(layout: &Layout) -> Result<Self, CacheError> {
        let (folder, records) = (layout.srpms(), layout.srpm_records());
        fs::create_dir_all(&records).map_err(writing(&records))?;
        let mut published = BTreeMap::new();
        for entry in fs::read_dir(&records).map_err(reading(&records))? {
            let path = entry.map_err(reading(&records))?.path();
            let spec = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".json").map(str::to_owned));
            let Some(spec) = spec.filter(|spec| !spec.starts_with('.')) else { continue };
            if let Some(record) = file::read_json(&path)? {
                published.insert(spec, record);
            }
        }
        let digests = FileDigests::open(layout, "srpms");
        Ok(Self { folder, records, published, fresh: BTreeSet::new(), digests })
    }

    /// Makes the SRPM of `result` that of `spec`; gives the name of another spec of this run that has a file of the same
    /// name and other content.
    pub fn publish(&mut self, spec: &str, result: &StoredResult) -> Result<Option<String>, CacheError> {
        let Some(rpm) = result.rpms.first() else { return Ok(None) };
        let new = Record { file: rpm.file.clone(), sha256: rpm.sha256, key: result.key };
        let rival = self.published.iter().find(|(other, record)| {
            *other != spec && self.fresh.contains(*other) && record.file == new.file && record.sha256 != new.sha256
        });
        if let Some((rival, _)) = rival {
            return Ok(Some(rival.clone()));
        }
        self.fresh.insert(spec.to_owned());
        let path = self.folder.join(&new.file);
        let is_there = self.digests.digest(&path).is_ok_and(|(sha256, _)| sha256 == new.sha256);
        if is_there && self.published.get(spec) == Some(&new) {
            return Ok(None);
        }
        if !is_there {
            file::make_folder_of_results(&self.folder)?;
            let hidden = file::unfinished(&path);
            file::remove(&hidden)?;
            file::link_or_copy(&result.path(rpm), &hidden)?;
            fs::rename(&hidden, &path).map_err(writing(&path))?;
            // A rename between two names of one file leaves both.
            file::remove(&hidden)?;
            file::sync_folder(&self.folder)?;
        }
        let old = self.published.insert(spec.to_owned(), new.clone());
        if let Some(old) = old.filter(|old| self.published.values().all(|record| record.file != old.file)) {
            file::remove(&self.folder.join(&old.file))?;
        }
        file::write_json(&self.records.join(format!("{spec}.json")), &new)?;
        Ok(None)
    }

    /// Keeps the next run from reading what this one has read.
    pub fn close(self) -> Result<(), CacheError> {
        for record in self.published.values() {
            // Hashes only what is not remembered.
            let _ = self.digests.digest(&self.folder.join(&record.file));
        }
        self.digests.save().map_err(|source| CacheError::Write { path: self.records.clone(), source })
    }
}
