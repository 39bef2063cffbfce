//! `drydock.lock`: the remote packages and base images that a project's results come from. Pure.
//!
//! JSON of one field a line in an order that does not depend on the run, so that a change shows as the lines that changed.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::checksum::{Checksum, LongKind};
use super::repomd::is_below;
use crate::digest::Sha256;
use crate::json;

/// The version of the file's form.
const VERSION: u32 = 1;

/// The content of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockFile {
    /// Counts up when the form changes.
    pub version: u32,
    /// What toolchain stages start from, by stage.
    #[serde(default)]
    pub images: BTreeMap<String, LockedImage>,
    /// Repositories by name.
    #[serde(default)]
    pub repositories: BTreeMap<String, LockedRepository>,
}

/// The base of a toolchain stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedImage {
    /// The base in the pipeline's words.
    pub base: String,
    /// Manifest digest of the image.
    pub digest: Sha256,
}

/// A repository of which packages are used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedRepository {
    /// Its first address, without what may be secret in it.
    pub url: String,
    /// Digest of the `repomd.xml` that the packages were chosen by.
    pub repomd: Sha256,
    /// The packages by NEVRA.
    pub packages: BTreeMap<String, LockedPackage>,
}

/// A package that was downloaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawPackage", into = "RawPackage")]
pub struct LockedPackage {
    /// Package name.
    pub name: String,
    /// Path below the repository.
    pub location: String,
    /// Size of the RPM.
    pub bytes: u64,
    /// Checksum of the RPM.
    pub checksum: Checksum,
}

/// A package as the file has it: with one of the checksums.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPackage {
    name: String,
    location: String,
    bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha256: Option<Sha256>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha384: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha512: Option<String>,
}

impl TryFrom<RawPackage> for LockedPackage {
    type Error = String;

    fn try_from(raw: RawPackage) -> Result<Self, Self::Error> {
        let RawPackage { name, location, bytes, sha256, sha384, sha512 } = raw;
        let checksum = match (sha256, sha384, sha512) {
            (Some(digest), None, None) => Checksum::Sha256(digest),
            (None, Some(digits), None) => Checksum::read("sha384", &digits)?,
            (None, None, Some(digits)) => Checksum::read("sha512", &digits)?,
            _ => return Err("one of `sha256`, `sha384` and `sha512` is expected".to_owned()),
        };
        Ok(Self { name, location, bytes, checksum })
    }
}

impl From<LockedPackage> for RawPackage {
    fn from(package: LockedPackage) -> Self {
        let LockedPackage { name, location, bytes, checksum } = package;
        let raw = Self { name, location, bytes, sha256: checksum.sha256(), sha384: None, sha512: None };
        match checksum {
            Checksum::Sha256(_) => raw,
            Checksum::Long(LongKind::Sha384, digits) => Self { sha384: Some(digits), ..raw },
            Checksum::Long(LongKind::Sha512, digits) => Self { sha512: Some(digits), ..raw },
        }
    }
}

impl Default for LockFile {
    fn default() -> Self {
        Self { version: VERSION, images: BTreeMap::new(), repositories: BTreeMap::new() }
    }
}

impl LockFile {
    /// Reads the file's text.
    ///
    /// # Errors
    /// What is wrong and where, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let found: Version = json::parse(text).map_err(|fault| fault.to_string())?;
        if found.version != VERSION {
            return Err(format!("`version` is {}; this drydock reads {VERSION}", found.version));
        }
        let lock: Self = json::parse(text).map_err(|fault| fault.to_string())?;
        for (name, repository) in &lock.repositories {
            for (nevra, package) in &repository.packages {
                let place = format!("`repositories`, `{name}`, `{nevra}`");
                if !is_below(&package.location) {
                    return Err(format!("{place}: `{}` is not a path below the repository", package.location));
                }
                if package.name.is_empty() || !nevra.starts_with(&format!("{}-", package.name)) {
                    return Err(format!("{place}: `{}` is not the name of this package", package.name));
                }
            }
        }
        Ok(lock)
    }

    /// The file's text.
    pub fn to_text(&self) -> String {
        // A value of strings and numbers can always be written.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// This file with what a run has used: `used` is put in, and takes the place of other versions of the same packages,
    /// of base images of the same stages. What only other runs use stays, as long as `configured` has its repository.
    #[must_use]
    pub fn with(&self, used: &Self, configured: &BTreeSet<String>) -> Self {
        let mut next = self.clone();
        next.images.extend(used.images.clone());
        next.repositories.retain(|name, _| configured.contains(name));
        let of = |nevra: &str, package: &LockedPackage| {
            (package.name.clone(), nevra.rsplit_once('.').map_or(String::new(), |(_, arch)| arch.to_owned()))
        };
        let renewed: BTreeSet<(String, String)> = used
            .repositories
            .values()
            .flat_map(|repository| &repository.packages)
            .map(|(nevra, package)| of(nevra, package))
            .collect();
        for repository in next.repositories.values_mut() {
            repository.packages.retain(|nevra, package| !renewed.contains(&of(nevra, package)));
        }
        for (name, repository) in &used.repositories {
            let entry = next.repositories.entry(name.clone()).or_insert_with(|| repository.clone());
            entry.url.clone_from(&repository.url);
            entry.repomd = repository.repomd;
            entry.packages.extend(repository.packages.clone());
        }
        next.repositories.retain(|_, repository| !repository.packages.is_empty());
        next
    }

    /// What differs in `next`, a line each.
    pub fn changes(&self, next: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        let stages: BTreeSet<&String> = self.images.keys().chain(next.images.keys()).collect();
        for stage in stages {
            match (self.images.get(stage), next.images.get(stage)) {
                (Some(old), Some(new)) if old != new => lines.push(format!(
                    "stage `{stage}`: {} sha256:{} instead of {} sha256:{}",
                    new.base,
                    new.digest.short(),
                    old.base,
                    old.digest.short()
                )),
                (None, Some(new)) => {
                    lines.push(format!("stage `{stage}`: {} sha256:{} is new", new.base, new.digest.short()));
                }
                (Some(_), None) => lines.push(format!("stage `{stage}` is gone")),
                _ => {}
            }
        }
        let (old, new) = (self.flat(), next.flat());
        lines.extend(
            new.keys()
                .filter(|key| !old.contains_key(*key))
                .map(|(name, nevra)| format!("`{nevra}` of repository `{name}` is new")),
        );
        lines.extend(
            old.keys()
                .filter(|key| !new.contains_key(*key))
                .map(|(name, nevra)| format!("`{nevra}` of repository `{name}` is gone")),
        );
        let other = |key: &&(&String, &String)| old.get(*key).is_some_and(|package| package != &new[*key]);
        lines.extend(
            new.keys().filter(other).map(|(name, nevra)| format!("`{nevra}` of repository `{name}` is another file")),
        );
        let other_url = |(name, repository): &(&String, &LockedRepository)| {
            next.repositories.get(*name).is_some_and(|next| next.url != repository.url)
        };
        lines.extend(
            self.repositories
                .iter()
                .filter(other_url)
                .map(|(name, _)| format!("repository `{name}` has another address")),
        );
        lines
    }

    fn flat(&self) -> BTreeMap<(&String, &String), &LockedPackage> {
        let of = |(name, repository)| {
            let repository: &LockedRepository = repository;
            repository.packages.iter().map(move |(nevra, package)| ((name, nevra), package))
        };
        self.repositories.iter().flat_map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lock(packages: &[&str]) -> LockFile {
        let package = |nevra: &&str| {
            let name = nevra.split('-').next().unwrap().to_owned();
            let location = format!("Packages/{nevra}.rpm");
            (
                (*nevra).to_owned(),
                LockedPackage {
                    name,
                    location,
                    bytes: 1,
                    checksum: Checksum::Sha256(Sha256::of_bytes(nevra.as_bytes())),
                },
            )
        };
        let (url, repomd) = ("http://a.test".to_owned(), Sha256::of_bytes(b"r"));
        let repository = LockedRepository { url, repomd, packages: packages.iter().map(package).collect() };
        let image = LockedImage { base: "image x".into(), digest: Sha256::of_bytes(b"i") };
        LockFile {
            images: BTreeMap::from([("bootstrap".into(), image)]),
            repositories: BTreeMap::from([("a".into(), repository)]),
            ..LockFile::default()
        }
    }

    #[test]
    fn the_file_reads_back_what_it_writes() {
        let one = lock(&["demo-1-1.x86_64", "other-1-1.noarch"]);
        assert_eq!(LockFile::parse(&one.to_text()).unwrap(), one);
        assert!(one.to_text().starts_with("{\n  \"version\": 1,\n"), "{}", one.to_text());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let text = lock(&["demo-1-1.x86_64"]).to_text();
        let told = |old: &str, new: &str| LockFile::parse(&text.replace(old, new)).unwrap_err();
        assert_eq!(told("\"version\": 1", "\"version\": 9"), "`version` is 9; this drydock reads 1");
        assert!(told("\"bytes\": 1", "\"bytes\": -1").contains("line 17"), "{}", told("\"bytes\": 1", "\"bytes\": -1"));
        assert!(told("\"bytes\"", "\"bites\"").contains("`bites` is no known key; did you mean `bytes`?"));
        assert!(
            told("Packages/", "/etc/../").contains("`demo-1-1.x86_64`: `/etc/../demo-1-1.x86_64.rpm` is not a path")
        );
        assert!(told("\"name\": \"demo\"", "\"name\": \"x\"").contains("`x` is not the name"));
        for end in 0..text.len() - 2 {
            assert!(LockFile::parse(&text[..end]).is_err());
        }
    }

    #[test]
    fn a_new_version_takes_the_place_of_the_old_and_the_rest_stays() {
        let configured = BTreeSet::from(["a".to_owned()]);
        let old = lock(&["demo-1-1.x86_64", "other-1-1.noarch"]);
        let next = old.with(&lock(&["demo-2-1.x86_64"]), &configured);
        assert_eq!(next, lock(&["demo-2-1.x86_64", "other-1-1.noarch"]));
        assert_eq!(
            old.changes(&next),
            ["`demo-2-1.x86_64` of repository `a` is new", "`demo-1-1.x86_64` of repository `a` is gone"]
        );
        assert!(next.changes(&next).is_empty());
        assert!(old.with(&LockFile::default(), &BTreeSet::new()).repositories.is_empty());
    }

    /// Any packages of up to three repositories.
    fn locks() -> impl Strategy<Value = LockFile> {
        let package =
            ("[a-z][a-z-]{0,6}", "[0-9.]{1,4}-1", prop::sample::select(vec!["x86_64", "noarch"]), any::<u64>());
        let packages = prop::collection::vec(package, 0..5);
        let repositories = prop::collection::btree_map(any::<String>(), (any::<String>(), packages), 0..3);
        repositories.prop_map(|repositories| {
            let package = |(name, version, arch, bytes): (String, String, &str, u64)| {
                let nevra = format!("{name}-{version}.{arch}");
                let (location, digest) = (format!("p/{nevra}.rpm"), Sha256::of_bytes(nevra.as_bytes()));
                let checksum = match bytes % 3 {
                    0 => Checksum::Long(LongKind::Sha512, digest.to_string().repeat(2)),
                    1 => Checksum::Long(LongKind::Sha384, digest.to_string().repeat(2)[..96].to_owned()),
                    _ => Checksum::Sha256(digest),
                };
                (nevra, LockedPackage { name, location, bytes, checksum })
            };
            let repository = |(name, (url, packages)): (String, (String, Vec<_>))| {
                let repomd = Sha256::of_bytes(name.as_bytes());
                (name, LockedRepository { url, repomd, packages: packages.into_iter().map(package).collect() })
            };
            LockFile { repositories: repositories.into_iter().map(repository).collect(), ..LockFile::default() }
        })
    }

    proptest! {
        #[test]
        fn every_lock_reads_back(lock in locks()) {
            prop_assert_eq!(LockFile::parse(&lock.to_text()), Ok(lock));
        }

        #[test]
        fn what_a_run_has_used_is_in_the_lock_and_using_it_again_changes_nothing(old in locks(), used in locks()) {
            let configured = old.repositories.keys().chain(used.repositories.keys()).cloned().collect();
            let next = old.with(&used, &configured);
            for (name, repository) in &used.repositories {
                for (nevra, package) in &repository.packages {
                    prop_assert_eq!(next.repositories[name].packages.get(nevra), Some(package));
                }
            }
            prop_assert_eq!(next.with(&used, &configured), next.clone());
            prop_assert!(next.changes(&next).is_empty());
        }
    }
}
