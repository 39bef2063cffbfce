//! What `rpmspec` said of each spec, kept for later runs.
//!
//! One file for each image, arch and set of macros: `state/specs/<context>.lines`. Each line is the digest of its JSON and
//! the JSON: the spec's name, the key of what was read, and the package or the failure. A line that is damaged counts as
//! absent. The file is replaced as a whole.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::SourcePackage;
use crate::digest::Sha256;
use crate::source::whole_file;

/// What became of a spec.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Outcome {
    /// It parsed.
    Package(Box<SourcePackage>),
    /// It did not; rpm's lines, with paths of the container.
    Failure(String),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry {
    spec: String,
    key: Sha256,
    outcome: Outcome,
}

/// The kept outcomes of one context.
pub(super) struct Cache {
    path: PathBuf,
    entries: BTreeMap<String, Entry>,
}

impl Cache {
    /// Reads the cache of `context` below the state folder; what cannot be read is not there.
    pub(super) fn open(state: &Path, context: Sha256) -> Self {
        let path = state.join("specs").join(format!("{context}.lines"));
        let text = std::fs::read(&path).unwrap_or_default();
        let entries = text.split(|byte| *byte == b'\n').filter_map(entry);
        Self { path, entries: entries.map(|entry| (entry.spec.clone(), entry)).collect() }
    }

    /// The outcome of the spec called `spec`, if it was that of `key`.
    pub(super) fn outcome(&self, spec: &str, key: Sha256) -> Option<&Outcome> {
        self.entries.get(spec).filter(|entry| entry.key == key).map(|entry| &entry.outcome)
    }

    /// Keeps an outcome in the place of the spec's earlier one; [`Cache::save`] writes it.
    pub(super) fn insert(&mut self, spec: &str, key: Sha256, outcome: Outcome) {
        self.entries.insert(spec.to_owned(), Entry { spec: spec.to_owned(), key, outcome });
    }

    /// Writes everything.
    pub(super) fn save(&self) -> io::Result<()> {
        let mut text = Vec::new();
        for entry in self.entries.values() {
            let json = serde_json::to_vec(entry)?;
            text.extend_from_slice(format!("{} ", Sha256::of_bytes(&json)).as_bytes());
            text.extend_from_slice(&json);
            text.push(b'\n');
        }
        whole_file::replace(&self.path, &text)
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

fn entry(line: &[u8]) -> Option<Entry> {
    let (digest, json) = line.split_at_checked(64)?;
    let json = json.strip_prefix(b" ")?;
    let digest: Sha256 = std::str::from_utf8(digest).ok()?.parse().ok()?;
    if digest == Sha256::of_bytes(json) { serde_json::from_slice(json).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_entry_counts_as_absent() {
        let state = tempfile::tempdir().unwrap();
        let key = Sha256::of_bytes(b"key");
        let mut cache = Cache::open(state.path(), key);
        for spec in ["one", "two"] {
            cache.insert(spec, key, Outcome::Failure(format!("{spec} is wrong")));
        }
        cache.save().unwrap();
        let text = std::fs::read_to_string(cache.path()).unwrap();
        std::fs::write(cache.path(), text.replace("one is", "two is")).unwrap();
        let again = Cache::open(state.path(), key);
        assert_eq!(again.outcome("one", key), None);
        assert_eq!(again.outcome("two", key), Some(&Outcome::Failure("two is wrong".into())));
        assert_eq!(again.outcome("two", Sha256::of_bytes(b"other")), None);
    }
}
