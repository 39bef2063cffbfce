//! The repository's state: what was published, what is in order, and new RPMs under hidden names.
//!
//! [`State::commit`], in `commit.rs`, makes them visible.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rpmrepo_metadata::Package;

use super::fit::entry;
use super::record::{FileRecord, IndexRecord, SpecRecord};
use super::{Published, PublishedRpm, RepoError, repodata};
use crate::cache::file::{self, reading};
use crate::cache::{CacheError, History, Store, StoredResult};
use crate::digest::Sha256;
use crate::layout::Layout;
use crate::package::Nevra;
use crate::source::remembered::FileDigests;

pub(super) struct State {
    pub(super) root: PathBuf,
    pub(super) records: PathBuf,
    pub(super) specs: BTreeMap<String, SpecRecord>,
    pub(super) index: IndexRecord,
    /// Index entries by digest of the RPM, read when they are needed first.
    pub(super) entries: BTreeMap<Sha256, Package>,
    /// Files that another spec may take, with the spec that they are of.
    free: BTreeSet<(String, String)>,
    /// Specs whose records could not be read and were made again, to be written.
    recovered: Vec<String>,
    /// Specs whose records cannot be read, nor made again.
    lost: Vec<String>,
    /// Digests of the repository's files, which are read only when they have changed.
    pub(super) digests: FileDigests,
}

impl State {
    pub(super) fn open(layout: &Layout) -> Result<Self, RepoError> {
        let (root, records) = (layout.rpms(), layout.state());
        let wrong = |source| RepoError::File { folder: root.clone(), source };
        file::free_for_results(&root).map_err(wrong)?;
        let published = records.join("published");
        let (mut specs, mut unreadable) = (BTreeMap::new(), Vec::new());
        for name in names(&published)? {
            let Some(spec) = name.strip_suffix(".json").filter(|spec| !spec.starts_with(".new-")) else { continue };
            match file::read_json(&published.join(&name)).map_err(wrong)? {
                Some(record) => _ = specs.insert(spec.to_owned(), record),
                None => unreadable.push(spec.to_owned()),
            }
        }
        let index = file::read_json(&records.join("repodata.json")).map_err(wrong)?.unwrap_or_default();
        let digests = FileDigests::open(layout, "rpms");
        let (entries, free) = (BTreeMap::new(), BTreeSet::new());
        let (recovered, lost) = (Vec::new(), Vec::new());
        let mut state = Self { root, records, specs, index, entries, free, recovered, lost, digests };
        for spec in unreadable {
            state.recover(spec, layout);
        }
        Ok(state)
    }

    /// Makes the record of `spec` again from the newest result of the spec, when the repository has just that one's RPMs.
    fn recover(&mut self, spec: String, layout: &Layout) {
        let last = History::new(layout).last(&spec).ok().flatten();
        let record = last.and_then(|last| Store::peek(layout, last.key)).map(|result| SpecRecord::of(&result));
        match record.filter(|record| record.files.iter().all(|file| self.has(file))) {
            Some(record) => {
                self.specs.insert(spec.clone(), record);
                self.recovered.push(spec);
            }
            None => self.lost.push(spec),
        }
    }

    /// Records that cannot be read, with their specs, whose RPMs are in no index therefore.
    pub(super) fn lost(&self) -> Vec<(PathBuf, String)> {
        let still = self.lost.iter().filter(|spec| !self.specs.contains_key(*spec));
        still.map(|spec| (self.record_path(spec), spec.clone())).collect()
    }

    pub(super) fn publish(&mut self, results: &[(&str, &StoredResult)]) -> Result<Published, RepoError> {
        for spec in std::mem::take(&mut self.recovered) {
            self.write_record(&spec)?;
        }
        let mut changes = BTreeMap::new();
        for (spec, result) in results {
            if !self.is_intact(spec, result.key) {
                changes.insert((*spec).to_owned(), self.staged(spec, result)?);
            }
        }
        if results.is_empty() || (changes.is_empty() && self.has_index()) {
            return Ok(Published::Unchanged);
        }
        self.commit(changes)?;
        Ok(Published::Changed)
    }

    pub(super) fn let_go(&mut self, is_over: impl Fn(&str, &Nevra) -> bool) {
        let over = self.rpms().filter(|(spec, file)| is_over(spec, &file.rpm.header.nevra));
        self.free = over.map(|(spec, file)| (spec.to_owned(), file.location.clone())).collect();
    }

    /// Every RPM of the repository, with its spec.
    pub(super) fn rpms(&self) -> impl Iterator<Item = (&str, &FileRecord)> {
        self.specs.iter().flat_map(|(spec, record)| record.files.iter().map(move |file| (spec.as_str(), file)))
    }

    pub(super) fn remove(&mut self, spec: &str) -> Result<(), RepoError> {
        let Some(record) = self.specs.get(spec) else { return Ok(()) };
        let nothing = SpecRecord { key: record.key, files: Vec::new(), stale: Vec::new() };
        self.commit(BTreeMap::from([(spec.to_owned(), nothing)]))?;
        self.specs.remove(spec);
        file::remove(&self.record_path(spec)).map_err(|source| self.wrong(source))
    }

    pub(super) fn forget_missing(&mut self, is_gone: impl Fn(&str) -> bool) -> Result<(), RepoError> {
        let is_there = |file: &FileRecord| self.root.join(&file.location).symlink_metadata().is_ok();
        let lost = |(spec, record): &(&String, &SpecRecord)| is_gone(spec) && !record.files.iter().any(is_there);
        let specs: Vec<String> = self.specs.iter().filter(lost).map(|(spec, _)| spec.clone()).collect();
        specs.iter().try_for_each(|spec| self.remove(spec))
    }

    pub(super) fn packages(&self) -> Vec<PublishedRpm> {
        let rpms = |(spec, record): (&String, &SpecRecord)| {
            let published = |file: &FileRecord| PublishedRpm {
                path: self.root.join(&file.location),
                spec: spec.clone(),
                key: record.key,
                rpm: file.rpm.clone(),
            };
            record.files.iter().map(published).collect::<Vec<_>>()
        };
        self.specs.iter().flat_map(rpms).collect()
    }

    pub(super) fn foreign(&self) -> Result<Vec<PathBuf>, RepoError> {
        let ours: BTreeSet<&str> =
            self.specs.values().flat_map(|record| &record.files).map(|file| file.location.as_str()).collect();
        let mut foreign = Vec::new();
        for folder in names(&self.root)? {
            if folder.starts_with('.') || folder == "repodata" || !self.root.join(&folder).is_dir() {
                continue;
            }
            for name in names(&self.root.join(&folder))? {
                let location = format!("{folder}/{name}");
                if is_rpm(&name) && !ours.contains(location.as_str()) {
                    foreign.push(self.root.join(location));
                }
            }
        }
        foreign.sort();
        Ok(foreign)
    }

    pub(super) fn wrong(&self, source: CacheError) -> RepoError {
        RepoError::File { folder: self.root.clone(), source }
    }

    pub(super) fn record_path(&self, spec: &str) -> PathBuf {
        self.records.join("published").join(format!("{spec}.json"))
    }

    /// True when the RPMs of `spec` are those of the build `key`.
    fn is_intact(&self, spec: &str, key: Sha256) -> bool {
        let is_of_build = |record: &SpecRecord| record.key == key && record.stale.is_empty();
        let record = self.specs.get(spec).filter(|record| is_of_build(record));
        record.is_some_and(|record| record.files.iter().all(|file| self.has(file)))
    }

    /// True when the file in the repository is what was published.
    pub(super) fn has(&self, file: &FileRecord) -> bool {
        self.holds(&self.root.join(&file.location), file.rpm.sha256)
    }

    /// True when the index is the one that was written last, and the files of the one before it are whole.
    fn has_index(&self) -> bool {
        let mut files = self.index.current.iter().chain(&self.index.previous);
        let repomd = self.root.join("repodata/repomd.xml");
        files.all(|name| self.has_index_file(name)) && self.index.repomd.is_some_and(|it| self.holds(&repomd, it))
    }

    /// True when the file of the index is what its name says.
    pub(super) fn has_index_file(&self, name: &str) -> bool {
        let path = self.root.join("repodata").join(name);
        repodata::digest_in_name(name).is_some_and(|digest| self.holds(&path, digest))
    }

    fn holds(&self, path: &Path, content: Sha256) -> bool {
        self.digests.digest(path).is_ok_and(|(found, _)| found == content)
    }

    /// Puts the RPMs of `result` into their folders under hidden names, and makes their index entries.
    fn staged(&mut self, spec: &str, result: &StoredResult) -> Result<SpecRecord, RepoError> {
        for rpm in &result.rpms {
            let location = rpm.location();
            self.refuse_taken(spec, &location)?;
            let stored = result.path(rpm);
            if Sha256::of_file(&stored).map_err(reading(&stored)).map_err(|source| self.wrong(source))? != rpm.sha256 {
                return Err(RepoError::Damaged { path: stored });
            }
            self.entries.insert(rpm.sha256, entry(rpm, &stored)?);
            stage(&stored, &self.root.join(&location)).map_err(|source| self.wrong(source))?;
        }
        Ok(SpecRecord::of(result))
    }

    fn refuse_taken(&self, spec: &str, location: &str) -> Result<(), RepoError> {
        let is_free = |owner: &str| self.free.contains(&(owner.to_owned(), location.to_owned()));
        match self.rpms().find(|(owner, file)| *owner != spec && file.location == location && !is_free(owner)) {
            None => Ok(()),
            Some((other, _)) => {
                Err(RepoError::Taken { file: location.to_owned(), spec: spec.to_owned(), other: other.to_owned() })
            }
        }
    }
}

/// True for the name of a file that is, or pretends to be, a whole RPM.
fn is_rpm(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == "rpm") && !name.starts_with('.')
}

/// Gives the stored RPM the hidden name of `to`.
fn stage(stored: &Path, to: &Path) -> Result<(), CacheError> {
    let hidden = file::unfinished(to);
    if let Some(folder) = to.parent() {
        file::make_folder_of_results(folder)?;
    }
    file::remove(&hidden)?;
    file::link_or_copy(stored, &hidden)
}

/// The names in `folder`, unsorted; none when it does not exist.
pub(super) fn names(folder: &Path) -> Result<Vec<String>, RepoError> {
    let wrong = |source| RepoError::List { path: folder.to_owned(), source };
    match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(wrong(error)),
        Ok(entries) => {
            entries.map(|entry| Ok(entry.map_err(wrong)?.file_name().to_string_lossy().into_owned())).collect()
        }
    }
}
