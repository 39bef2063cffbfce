//! Makes staged RPMs the repository's; see [`super`] for the order of steps and why a crash between two does no harm.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rpmrepo_metadata::{MetadataError, Package};

use super::fit::entry;
use super::record::{FileRecord, SpecRecord};
use super::state::{State, names};
use super::{RepoError, repodata};
use crate::cache::file::{self, writing};
use crate::digest::Sha256;

impl State {
    /// Makes each record of `changes` what its spec has. Their RPMs have hidden names; RPMs that the specs had before
    /// are removed.
    pub(super) fn commit(&mut self, mut changes: BTreeMap<String, SpecRecord>) -> Result<(), RepoError> {
        for (spec, record) in &mut changes {
            record.stale = self.stale(spec, record);
        }
        let index = self.index_with(&changes)?;
        self.write_index_files(&index)?;
        for file in changes.values().flat_map(|record| &record.files) {
            self.show(file)?;
        }
        self.show_index(&index)?;
        self.release(&changes)?;
        for (spec, record) in changes {
            let stale = record.stale.clone();
            self.specs.insert(spec.clone(), record);
            self.write_record(&spec)?;
            self.remove_stale(&spec, &stale)?;
        }
        Ok(())
    }

    /// What `spec` had and does not have in `record`.
    fn stale(&self, spec: &str, record: &SpecRecord) -> Vec<String> {
        let Some(before) = self.specs.get(spec) else { return Vec::new() };
        let had = before.files.iter().map(|file| &file.location).chain(&before.stale);
        let gone = had.filter(|location| !record.files.iter().any(|file| file.location == **location));
        gone.cloned().collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The index after `changes`: the RPMs of `changes` and those of other specs that are there. One of another spec that
    /// cannot be read is left out: it is told when that spec is looked at.
    fn index_with(&mut self, changes: &BTreeMap<String, SpecRecord>) -> Result<repodata::Index, RepoError> {
        let new: Vec<&FileRecord> = changes.values().flat_map(|record| &record.files).collect();
        let new_locations: BTreeSet<&str> = new.iter().map(|file| file.location.as_str()).collect();
        let others = self.rpms().filter(|(spec, file)| {
            !changes.contains_key(*spec) && !new_locations.contains(file.location.as_str()) && self.has(file)
        });
        let mut there: Vec<FileRecord> = others.map(|(_, file)| file.clone()).collect();
        there.extend(new.into_iter().cloned());
        there.sort_by(|a, b| a.location.cmp(&b.location));
        self.read_entries(&there);
        let packages: Vec<&Package> = there.iter().filter_map(|file| self.entries.get(&file.rpm.sha256)).collect();
        repodata::index(&packages).map_err(|source| self.not_indexed(source))
    }

    /// Keeps the index entries of `files` alone, and reads the headers of those that are not known yet.
    fn read_entries(&mut self, files: &[FileRecord]) {
        let mut known = std::mem::take(&mut self.entries);
        for FileRecord { location, rpm } in files {
            let read = || entry(rpm, &self.root.join(location));
            match known.remove(&rpm.sha256).map_or_else(read, Ok) {
                Ok(entry) => drop(self.entries.insert(rpm.sha256, entry)),
                Err(error) => tracing::warn!(%error, "an RPM is not indexed"),
            }
        }
    }

    fn not_indexed(&self, source: MetadataError) -> RepoError {
        RepoError::Index { folder: self.root.clone(), source: Box::new(source) }
    }

    fn write_index_files(&self, index: &repodata::Index) -> Result<(), RepoError> {
        let folder = self.root.join("repodata");
        file::make_folder_of_results(&folder).map_err(|source| self.wrong(source))?;
        for (name, bytes) in &index.files {
            self.write(&folder.join(name), bytes)?;
        }
        Ok(())
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), RepoError> {
        file::write(path, bytes).map_err(|source| self.wrong(source))?;
        self.digests.note(path, Sha256::of_bytes(bytes));
        Ok(())
    }

    /// Gives a staged RPM its name.
    fn show(&self, file: &FileRecord) -> Result<(), RepoError> {
        let path = self.root.join(&file.location);
        let hidden = file::unfinished(&path);
        file::replace(&hidden, &path).map_err(writing(&path)).map_err(|source| self.wrong(source))?;
        // A rename between two names of one file leaves both.
        file::remove(&hidden).map_err(|source| self.wrong(source))?;
        self.digests.note(&path, file.rpm.sha256);
        Ok(())
    }

    /// Makes `index` the one that readers see, records it, and removes files older than the ones before it.
    fn show_index(&mut self, index: &repodata::Index) -> Result<(), RepoError> {
        let folder = self.root.join("repodata");
        self.write(&folder.join("repomd.xml"), &index.repomd)?;
        let current: Vec<String> = index.files.iter().map(|(name, _)| name.clone()).collect();
        if current != self.index.current {
            self.index.previous = std::mem::replace(&mut self.index.current, current);
        }
        let whole = self.index.previous.iter().filter(|name| self.has_index_file(name)).cloned().collect();
        self.index.previous = whole;
        self.index.repomd = Some(Sha256::of_bytes(&index.repomd));
        file::write_json(&self.records.join("repodata.json"), &self.index).map_err(|source| self.wrong(source))?;
        for name in names(&folder)? {
            let kept = self.index.current.iter().chain(&self.index.previous).any(|known| *known == name);
            if name.ends_with(".xml.zst") && !kept {
                file::remove(&folder.join(&name)).map_err(|source| self.wrong(source))?;
            }
        }
        Ok(())
    }

    /// Takes the files of `changes` from specs that made them in an earlier run, such as one that has been renamed since.
    fn release(&mut self, changes: &BTreeMap<String, SpecRecord>) -> Result<(), RepoError> {
        let files = changes.values().flat_map(|record| &record.files);
        let taken: BTreeSet<&str> = files.map(|file| file.location.as_str()).collect();
        let is_taken = |file: &FileRecord| taken.contains(file.location.as_str());
        let mut released = Vec::new();
        for (spec, other) in self.specs.iter_mut().filter(|(spec, _)| !changes.contains_key(*spec)) {
            if other.files.iter().any(is_taken) {
                other.files.retain(|file| !is_taken(file));
                released.push(spec.clone());
            }
        }
        released.iter().try_for_each(|spec| self.write_record(spec))
    }

    fn remove_stale(&mut self, spec: &str, stale: &[String]) -> Result<(), RepoError> {
        if stale.is_empty() {
            return Ok(());
        }
        for location in stale {
            let is_used = self.specs.values().flat_map(|record| &record.files).any(|file| file.location == *location);
            if !is_used {
                file::remove(&self.root.join(location)).map_err(|source| self.wrong(source))?;
            }
        }
        if let Some(record) = self.specs.get_mut(spec) {
            record.stale.clear();
        }
        self.write_record(spec)
    }

    pub(super) fn write_record(&self, spec: &str) -> Result<(), RepoError> {
        file::write_json(&self.record_path(spec), &self.specs.get(spec)).map_err(|source| self.wrong(source))
    }
}
