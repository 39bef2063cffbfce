//! What `rpmspec` said of each spec, kept for later runs.
//!
//! One file for each image without what its stage provides, arch and set of macros: `state/specs/<context>.lines`. What
//! was read of a spec that may ask RPM's database holds for one image alone. Each line is the digest of its JSON and
//! the JSON: the spec's name, the key of what was read, the versions of other specs that it was read with, and the package
//! or the failure. A line that is damaged counts as
//! absent. The file is replaced as a whole.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::SourcePackage;
use super::key::{KeyedSpec, Uses};
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
    uses: Uses,
    /// The image whose database it may have asked; None where it asks none.
    asked: Option<Sha256>,
    /// Everything in the searched folders, where it may read files of others than its own.
    far: Option<Sha256>,
    outcome: Outcome,
}

/// The kept outcomes of one context.
pub(super) struct Cache {
    path: PathBuf,
    /// The image that specs are read in now.
    image: Sha256,
    /// Everything in the searched folders as it is now, once somebody wants to know.
    all: Option<Sha256>,
    entries: BTreeMap<String, Entry>,
}

impl Cache {
    /// Reads the cache of `context` below the state folder; what cannot be read is not there.
    pub(super) fn open(state: &Path, context: Sha256, image: Sha256) -> Self {
        let path = state.join("specs").join(format!("{context}.lines"));
        let text = std::fs::read(&path).unwrap_or_default();
        let entries = text.split(|byte| *byte == b'\n').filter_map(entry);
        Self { path, image, all: None, entries: entries.map(|entry| (entry.spec.clone(), entry)).collect() }
    }

    /// The outcome of the spec, if it was read from the same files with the same versions of other specs.
    pub(super) fn outcome(&self, spec: &KeyedSpec) -> Option<&Outcome> {
        let entry = self.entry(&spec.file.name, spec.key).filter(|entry| entry.uses == spec.uses);
        let entry = entry.filter(|entry| entry.asked.is_none_or(|image| image == self.image));
        entry.filter(|entry| entry.far.is_none() || entry.far == self.all).map(|entry| &entry.outcome)
    }

    /// True when some outcome depends on everything in the searched folders.
    pub(super) fn has_far(&self) -> bool {
        self.entries.values().any(|entry| entry.far.is_some())
    }

    /// True once the digest of everything in the searched folders was told.
    pub(super) fn knows_all(&self) -> bool {
        self.all.is_some()
    }

    /// Tells the digest of everything in the searched folders.
    pub(super) fn with_all(self, all: Sha256) -> Self {
        Self { all: Some(all), ..self }
    }

    /// The macros with versions of other specs that the spec called `spec` names, if its files are those of `key`.
    pub(super) fn names(&self, spec: &str, key: Sha256) -> Option<impl Iterator<Item = &String>> {
        self.entry(spec, key).map(|entry| entry.uses.keys())
    }

    fn entry(&self, spec: &str, key: Sha256) -> Option<&Entry> {
        self.entries.get(spec).filter(|entry| entry.key == key)
    }

    /// Keeps an outcome in the place of the spec's earlier one; [`Cache::save`] writes it.
    pub(super) fn insert(&mut self, spec: &KeyedSpec, outcome: Outcome) {
        let (name, uses) = (spec.file.name.clone(), spec.uses.clone());
        let asked = spec.asks_database.then_some(self.image);
        let far = self.all.filter(|_| spec.reads_far);
        self.entries.insert(name.clone(), Entry { spec: name, key: spec.key, uses, asked, far, outcome });
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
    use crate::spec::find::SpecFile;

    #[test]
    fn a_damaged_entry_counts_as_absent() {
        let state = tempfile::tempdir().unwrap();
        let key = Sha256::of_bytes(b"key");
        let mut cache = Cache::open(state.path(), key, image());
        for name in ["one", "two"] {
            cache.insert(&spec(name, key), Outcome::Failure(format!("{name} is wrong")));
        }
        cache.save().unwrap();
        let text = std::fs::read_to_string(cache.path()).unwrap();
        std::fs::write(cache.path(), text.replace("one is", "two is")).unwrap();
        let again = Cache::open(state.path(), key, image());
        assert_eq!(again.outcome(&spec("one", key)), None);
        assert_eq!(again.outcome(&spec("two", key)), Some(&Outcome::Failure("two is wrong".into())));
        assert_eq!(again.outcome(&spec("two", Sha256::of_bytes(b"other"))), None);
    }

    #[test]
    fn what_was_read_of_other_folders_holds_while_they_are_the_same() {
        let state = tempfile::tempdir().unwrap();
        let [key, other] = [b"key", b"all"].map(|text| Sha256::of_bytes(text));
        let far = KeyedSpec { reads_far: true, ..spec("far", key) };
        let mut cache = Cache::open(state.path(), key, image()).with_all(key);
        assert!(!cache.has_far());
        cache.insert(&far, Outcome::Failure("x".into()));
        cache.insert(&spec("near", key), Outcome::Failure("y".into()));
        cache.save().unwrap();
        let again = |all| Cache::open(state.path(), key, image()).with_all(all);
        assert!(again(key).has_far() && again(key).outcome(&far).is_some());
        assert_eq!(again(other).outcome(&far), None);
        assert!(again(other).outcome(&spec("near", key)).is_some());
    }

    #[test]
    fn another_version_of_another_spec_is_another_reading() {
        let state = tempfile::tempdir().unwrap();
        let key = Sha256::of_bytes(b"key");
        let with = |version: Option<&str>| {
            let uses = Uses::from([("azl_kernel_version".to_owned(), version.map(str::to_owned))]);
            KeyedSpec { uses, ..spec("knem", key) }
        };
        let mut cache = Cache::open(state.path(), key, image());
        cache.insert(&with(Some("6.6")), Outcome::Failure("x".into()));
        cache.save().unwrap();
        let again = Cache::open(state.path(), key, image());
        assert!(again.outcome(&with(Some("6.6"))).is_some());
        assert!(again.outcome(&with(Some("6.7"))).is_none());
        assert!(again.outcome(&with(None)).is_none());
        assert_eq!(again.names("knem", key).unwrap().collect::<Vec<_>>(), ["azl_kernel_version"]);
    }

    #[test]
    fn a_spec_that_asks_the_database_is_read_again_in_another_image() {
        let state = tempfile::tempdir().unwrap();
        let key = Sha256::of_bytes(b"key");
        let mut cache = Cache::open(state.path(), key, image());
        cache.insert(&KeyedSpec { asks_database: true, ..spec("asks", key) }, Outcome::Failure("x".into()));
        cache.insert(&spec("plain", key), Outcome::Failure("x".into()));
        cache.save().unwrap();
        let known = |image| {
            let cache = Cache::open(state.path(), key, image);
            ["asks", "plain"].map(|name| cache.outcome(&spec(name, key)).is_some())
        };
        assert_eq!(known(image()), [true, true]);
        assert_eq!(known(Sha256::of_bytes(b"another image")), [false, true]);
    }

    fn image() -> Sha256 {
        Sha256::of_bytes(b"image")
    }

    fn spec(name: &str, key: Sha256) -> KeyedSpec {
        let relative = format!("{name}.spec");
        let file =
            SpecFile { name: name.to_owned(), path: PathBuf::from(&relative), folder: 0, relative, linked: None };
        KeyedSpec {
            file,
            digest: key,
            key,
            uses: Uses::new(),
            loses_section: false,
            asks_database: false,
            reads_far: false,
        }
    }
}
