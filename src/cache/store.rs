//! The folder of finished results.
//!
//! In: the RPMs and the log of a build that succeeded. Out: [`StoredResult`]s by key. A result is complete before its
//! folder gets the key as its name, so that a process killed at any moment leaves either all of it or a hidden folder
//! that [`Store::open`] removes. A result that has changed since is moved aside and counts as absent.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::file::{self, reading, writing};
use super::result::{ResultFile, rpms_folder};
use super::{BuildTimes, BuiltRpm, CacheError, CheckOutcome, StoredResult};
use crate::digest::Sha256;
use crate::layout::Layout;
use crate::plan::BuildInputs;
use crate::regular;
use crate::source::remembered::FileDigests;

/// Counts up when `result.json` changes in a way that an older Drydock cannot read.
const FORMAT: u32 = 1;

/// The results of one project.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
    /// Digests of RPMs, which are read only when they have changed.
    digests: Arc<FileDigests>,
}

/// What the store has under a key.
#[derive(Clone, Debug, PartialEq)]
pub enum Lookup {
    /// A whole result.
    Found(Box<StoredResult>),
    /// Nothing.
    Absent,
    /// A result that is not what was stored; it has been moved aside.
    Damaged {
        /// What is wrong with it, as a sentence without its end.
        reason: String,
        /// Where it is now.
        moved_to: PathBuf,
    },
}

/// A build that succeeded.
#[derive(Clone, Copy, Debug)]
pub struct NewResult<'a> {
    /// Its build key.
    pub key: Sha256,
    /// What went into it.
    pub inputs: &'a BuildInputs,
    /// The folder that holds its RPMs; they are moved out of it.
    pub folder: &'a Path,
    /// The RPMs, sorted by file name.
    pub rpms: &'a [BuiltRpm],
    /// Its log, which is copied.
    pub log: &'a Path,
    /// How its tests went.
    pub check: CheckOutcome,
    /// How long it took.
    pub times: BuildTimes,
}

impl Store {
    /// The store of the project of `layout`; makes its folder, and removes what killed runs left half-written.
    pub fn open(layout: &Layout) -> Result<Self, CacheError> {
        let store = Self { root: layout.store(), digests: Arc::new(FileDigests::open(layout, "store")) };
        fs::create_dir_all(&store.root).map_err(writing(&store.root))?;
        for entry in fs::read_dir(&store.root).map_err(reading(&store.root))? {
            let path = entry.map_err(reading(&store.root))?.path();
            if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')) {
                file::remove(&path)?;
            }
        }
        Ok(store)
    }

    /// The result of `key`. Checks that every RPM is the one that was stored; reads those that have changed since they were
    /// read or written last.
    pub fn get(&self, key: Sha256) -> Result<Lookup, CacheError> {
        let folder = self.folder(key);
        let path = folder.join("result.json");
        let bytes = match regular::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !folder.exists() => return Ok(Lookup::Absent),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return self.set_aside(key, "`result.json` is missing".to_owned());
            }
            Err(error) => return Err(reading(&path)(error)),
        };
        let stored = match serde_json::from_slice::<ResultFile>(&bytes) {
            Ok(stored) if stored.format == FORMAT => stored,
            Ok(stored) => return self.set_aside(key, format!("`result.json` has the format {}", stored.format)),
            Err(error) => return self.set_aside(key, format!("`result.json` cannot be read: {error}")),
        };
        let result = from_file(key, folder, stored);
        match result.rpms.iter().find_map(|rpm| self.wrong(&result.path(rpm), rpm)) {
            Some(reason) => self.set_aside(key, reason),
            None => Ok(Lookup::Found(Box::new(result))),
        }
    }

    /// What the store of the project of `layout` says of the result of `key`; nothing of it is checked, made or moved.
    pub fn peek(layout: &Layout, key: Sha256) -> Option<StoredResult> {
        let folder = layout.store().join(key.to_string());
        let stored: ResultFile = file::read_json(&folder.join("result.json")).ok()??;
        (stored.format == FORMAT).then(|| from_file(key, folder, stored))
    }

    /// Reads every RPM of `result`; a result that is not what was stored is moved aside.
    pub fn verify(&self, result: StoredResult) -> Result<Lookup, CacheError> {
        for rpm in &result.rpms {
            let path = result.path(rpm);
            if Sha256::of_file(&path).map_err(reading(&path))? != rpm.sha256 {
                let reason = format!("`{}` is not the file that was stored", rpm.file);
                return self.set_aside(result.key, reason);
            }
        }
        Ok(Lookup::Found(Box::new(result)))
    }

    /// Stores the result of a build, in place of an older one of the same key.
    pub fn add(&self, new: &NewResult<'_>) -> Result<StoredResult, CacheError> {
        let unfinished = self.root.join(format!(".new-{}", new.key));
        file::remove(&unfinished)?;
        let stored = write_result(&unfinished, new).inspect_err(|_| {
            // Nothing is gained by an error about an error; the next start removes it too.
            let _ = file::remove(&unfinished);
        })?;
        let folder = self.folder(new.key);
        self.replace(&unfinished, &folder)?;
        let result = from_file(new.key, folder, stored);
        self.note(&result);
        Ok(result)
    }

    /// Takes the result of `key` from another store, if it has one, by other names of the same files where the file
    /// systems allow them.
    pub fn take(&self, other: &Self, key: Sha256) -> Result<(), CacheError> {
        let (from, unfinished) = (other.folder(key), self.root.join(format!(".new-{key}")));
        if !from.exists() {
            return Ok(());
        }
        file::remove(&unfinished)?;
        for (from, to) in [(from.clone(), unfinished.clone()), (rpms_folder(&from), rpms_folder(&unfinished))] {
            fs::create_dir_all(&to).map_err(writing(&to))?;
            for entry in fs::read_dir(&from).map_err(reading(&from))? {
                let entry = entry.map_err(reading(&from))?;
                if entry.path().is_file() {
                    file::link_or_copy(&entry.path(), &to.join(entry.file_name()))?;
                }
            }
        }
        self.replace(&unfinished, &self.folder(key))
    }

    /// The inputs of the stored result of `key`.
    pub fn inputs(&self, key: Sha256) -> Result<Option<BuildInputs>, CacheError> {
        file::read_json(&self.folder(key).join("inputs.json"))
    }

    /// Renames `unfinished` to `folder`. A folder cannot be renamed over one with content, so an older result goes first:
    /// a process killed between the two loses that older one, and the next run builds it again.
    fn replace(&self, unfinished: &Path, folder: &Path) -> Result<(), CacheError> {
        let old = unfinished.with_extension("old");
        if folder.exists() {
            fs::rename(folder, &old).map_err(writing(folder))?;
        }
        fs::rename(unfinished, folder).map_err(writing(folder))?;
        file::sync_folder(&self.root)?;
        file::remove(&old)
    }

    /// Takes note that the RPMs of `result`, which were found to be those that were stored, have got or lost a name.
    pub fn note(&self, result: &StoredResult) {
        result.rpms.iter().for_each(|rpm| self.digests.note(&result.path(rpm), rpm.sha256));
    }

    /// Keeps the next run from reading what this one has read or written. Without it, that run takes longer.
    pub fn remember(&self) {
        if let Err(error) = self.digests.save() {
            tracing::warn!(%error, "the digests of stored RPMs are not remembered");
        }
    }

    /// What is wrong with the stored `rpm` in `path`, as a sentence without its end.
    fn wrong(&self, path: &Path, rpm: &BuiltRpm) -> Option<String> {
        match fs::metadata(path) {
            Err(_) => Some(format!("`{}` is missing", rpm.file)),
            Ok(metadata) if metadata.len() != rpm.bytes => {
                Some(format!("`{}` has {} bytes and not {}", rpm.file, metadata.len(), rpm.bytes))
            }
            Ok(_) => match self.digests.digest(path) {
                Ok((found, _)) if found == rpm.sha256 => None,
                Ok(_) => Some(format!("`{}` is not the file that was stored", rpm.file)),
                Err(error) => Some(format!("`{}` cannot be read: {error}", rpm.file)),
            },
        }
    }

    fn set_aside(&self, key: Sha256, reason: String) -> Result<Lookup, CacheError> {
        let damaged = self.root.join("damaged");
        fs::create_dir_all(&damaged).map_err(writing(&damaged))?;
        let moved_to = damaged.join(key.to_string());
        file::remove(&moved_to)?;
        fs::rename(self.folder(key), &moved_to).map_err(writing(&moved_to))?;
        Ok(Lookup::Damaged { reason, moved_to })
    }

    fn folder(&self, key: Sha256) -> PathBuf {
        self.root.join(key.to_string())
    }
}

fn from_file(key: Sha256, folder: PathBuf, stored: ResultFile) -> StoredResult {
    let ResultFile { format: _, rpms, check, times, log } = stored;
    StoredResult { key, folder, rpms, check, times, log }
}

fn write_result(folder: &Path, new: &NewResult<'_>) -> Result<ResultFile, CacheError> {
    let rpms = rpms_folder(folder);
    fs::create_dir_all(&rpms).map_err(writing(&rpms))?;
    for rpm in new.rpms {
        let path = rpms.join(&rpm.file);
        file::relocate(&new.folder.join(&rpm.file), &path)?;
        file::seal(&path)?;
    }
    let log = folder.join("log");
    fs::copy(new.log, &log).map_err(writing(&log))?;
    let stored = ResultFile {
        format: FORMAT,
        rpms: new.rpms.to_vec(),
        check: new.check,
        times: new.times,
        log: Sha256::of_file(&log).map_err(reading(&log))?,
    };
    file::write_json(&folder.join("inputs.json"), new.inputs)?;
    file::write_json(&folder.join("result.json"), &stored)?;
    file::sync_folder(&rpms)?;
    file::sync_folder(folder)?;
    Ok(stored)
}
