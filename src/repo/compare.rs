//! Two builds of the same packages, RPM by RPM: which are the same bytes, and what differs in the others.
//!
//! In: RPM files of both sides, with the digests that they had when they were built. Out: a [`Comparison`] of the files that
//! are there now.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{self, BufReader};
use std::path::Path;

use rpm::{FileEntry, IndexTag, PackageMetadata};

use super::PublishedRpm;
use crate::cache::CacheError;
use crate::cache::file::reading;
use crate::digest::Sha256;
use crate::package::header::{self, HeaderError};
use crate::regular;

/// Tags up to here belong to signatures and to header regions, which hold offsets of the other tags.
const LAST_SIGNATURE_TAG: u32 = 999;
/// Tags that are told by their names; the others are told as their numbers.
const NAMED_TAGS: [IndexTag; 16] = [
    IndexTag::RPMTAG_BUILDHOST,
    IndexTag::RPMTAG_BUILDTIME,
    IndexTag::RPMTAG_CHANGELOGTEXT,
    IndexTag::RPMTAG_COOKIE,
    IndexTag::RPMTAG_DESCRIPTION,
    IndexTag::RPMTAG_DISTRIBUTION,
    IndexTag::RPMTAG_FILECLASS,
    IndexTag::RPMTAG_FILEDIGESTS,
    IndexTag::RPMTAG_FILEMTIMES,
    IndexTag::RPMTAG_FILESIZES,
    IndexTag::RPMTAG_OPTFLAGS,
    IndexTag::RPMTAG_PLATFORM,
    IndexTag::RPMTAG_PROVIDENAME,
    IndexTag::RPMTAG_REQUIRENAME,
    IndexTag::RPMTAG_RPMVERSION,
    IndexTag::RPMTAG_SOURCESIGMD5,
];
/// How many paths a difference names.
const NAMED_FILES: usize = 5;

/// How two sets of RPMs differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// File names of those that are equal, byte for byte.
    pub identical: BTreeSet<String>,
    /// The others that both sides have, by file name.
    pub different: BTreeMap<String, Difference>,
    /// File names that only the first side has.
    pub only_first: BTreeSet<String>,
    /// File names that only the second side has.
    pub only_second: BTreeSet<String>,
}

/// What differs in two RPMs of one name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Paths of files that differ, or that only one of them has.
    pub files: BTreeSet<String>,
    /// Names of header tags that differ.
    pub tags: BTreeSet<String>,
    /// True when one of them is not the file that was built, so that nothing more can be said.
    pub is_damaged: bool,
}

impl Comparison {
    /// True when both sides have the same RPMs.
    pub fn is_equal(&self) -> bool {
        self.different.is_empty() && self.only_first.is_empty() && self.only_second.is_empty()
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tags = self.tags.iter().cloned().collect::<Vec<_>>().join(", ");
        match (self.files.len(), self.tags.is_empty()) {
            _ if self.is_damaged => f.write_str("damaged: it is not the file that was built"),
            (0, true) => f.write_str("the signature, or how the payload is compressed"),
            (0, false) => write!(f, "the same files; of the header: {tags}"),
            (count, _) => {
                let named = self.files.iter().take(NAMED_FILES).cloned().collect::<Vec<_>>().join(", ");
                let more = if count > NAMED_FILES { ", …" } else { "" };
                write!(f, "{count} files: {named}{more}")
            }
        }
    }
}

/// How the RPMs of `first` and `second` differ, source packages among them.
pub fn compare(first: &[PublishedRpm], second: &[PublishedRpm]) -> Result<Comparison, CacheError> {
    let by_name = |rpms: &'_ [PublishedRpm]| -> BTreeMap<String, PublishedRpm> {
        rpms.iter().map(|rpm| (rpm.rpm.file.clone(), rpm.clone())).collect()
    };
    let (first, mut second) = (by_name(first), by_name(second));
    let mut comparison = Comparison::default();
    for (name, one) in first {
        match second.remove(&name) {
            None => drop(comparison.only_first.insert(name)),
            Some(other) => match (digest(&one)?, digest(&other)?) {
                (None, _) => drop(comparison.only_second.insert(name)),
                (_, None) => drop(comparison.only_first.insert(name)),
                (here, there) if here == there => drop(comparison.identical.insert(name)),
                (here, there) if here != Some(one.rpm.sha256) || there != Some(other.rpm.sha256) => {
                    let damaged = Difference { is_damaged: true, ..Difference::default() };
                    comparison.different.insert(name, damaged);
                }
                _ => drop(comparison.different.insert(name, difference(&one.path, &other.path)?)),
            },
        }
    }
    comparison.only_second.extend(second.into_keys());
    Ok(comparison)
}

/// The digest of the file that is there; None when it is missing.
fn digest(rpm: &PublishedRpm) -> Result<Option<Sha256>, CacheError> {
    match Sha256::of_file(&rpm.path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        digest => digest.map(Some).map_err(reading(&rpm.path)),
    }
}

fn difference(first: &Path, second: &Path) -> Result<Difference, CacheError> {
    let (one, other) = (metadata(first)?, metadata(second)?);
    let wrong =
        |path: &Path, source| CacheError::Rpm { path: path.to_owned(), source: Box::new(HeaderError::Format(source)) };
    let files_of = |metadata: &PackageMetadata, path| -> Result<BTreeMap<String, String>, CacheError> {
        let entries = metadata.get_file_entries().map_err(|source| wrong(path, source))?;
        Ok(entries.iter().map(|entry| (entry.path().to_string_lossy().into_owned(), identity(entry))).collect())
    };
    let tags_of = |metadata: &PackageMetadata, path| -> Result<BTreeMap<u32, String>, CacheError> {
        let entries = metadata.header.get_all_entries().map_err(|source| wrong(path, source))?;
        Ok(entries.into_iter().map(|(tag, value)| (tag, format!("{value:?}"))).collect())
    };
    Ok(Difference {
        files: differing(&files_of(&one, first)?, &files_of(&other, second)?).cloned().collect(),
        tags: differing(&tags_of(&one, first)?, &tags_of(&other, second)?)
            .filter(|tag| **tag > LAST_SIGNATURE_TAG)
            .map(|tag| name_of(*tag))
            .collect(),
        is_damaged: false,
    })
}

fn metadata(path: &Path) -> Result<PackageMetadata, CacheError> {
    let mut reader = BufReader::new(regular::open(path).map_err(reading(path))?);
    let wrong = |source| CacheError::Rpm { path: path.to_owned(), source: Box::new(source) };
    header::metadata(&mut reader).map_err(wrong)
}

/// What makes a file another one; not its time.
fn identity(entry: &FileEntry<'_>) -> String {
    format!("{:?} {:?} {:?} {:?}", entry.mode(), entry.digest(), entry.linkto(), (entry.user(), entry.group()))
}

/// The keys whose values differ, or that only one side has.
fn differing<'a, K: Ord, V: PartialEq>(
    one: &'a BTreeMap<K, V>,
    other: &'a BTreeMap<K, V>,
) -> impl Iterator<Item = &'a K> {
    let left = one.iter().filter(|(key, value)| other.get(*key) != Some(*value)).map(|(key, _)| key);
    left.chain(other.keys().filter(|key| !one.contains_key(*key)))
}

fn name_of(tag: u32) -> String {
    let named = NAMED_TAGS.iter().find(|named| **named as u32 == tag);
    named.map_or_else(|| format!("tag {tag}"), |named| format!("{named:?}").replacen("RPMTAG_", "", 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::describe;

    fn rpm(folder: &Path, name: &str, license: &str, content: &str) -> PublishedRpm {
        let mut builder = rpm::PackageBuilder::new(name, "1", license, "noarch", "A test");
        builder.using_config(rpm::BuildConfig::v4().source_date(1));
        let options = rpm::FileOptions::new(format!("/usr/share/{name}"));
        builder.with_file_contents(content, options).unwrap();
        let path = folder.join(format!("{name}.rpm"));
        builder.build().unwrap().write_file(&path).unwrap();
        let rpm = describe(&path).unwrap();
        PublishedRpm { path, spec: name.to_owned(), key: Sha256::of_bytes(b""), rpm }
    }

    #[test]
    fn what_differs_is_named() {
        let (left, right) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let first = ["a", "b", "c", "d"].map(|name| rpm(left.path(), name, "MIT", "x"));
        let second = [
            rpm(right.path(), "a", "MIT", "x"),
            rpm(right.path(), "b", "MIT", "y"),
            rpm(right.path(), "c", "ISC", "x"),
            rpm(right.path(), "e", "MIT", "x"),
        ];
        let compared = compare(&first, &second).unwrap();
        assert!(!compared.is_equal());
        assert_eq!(compared.identical, BTreeSet::from(["a.rpm".to_owned()]));
        assert_eq!(compared.different["b.rpm"].to_string(), "1 files: /usr/share/b");
        assert_eq!(compared.different["c.rpm"].to_string(), "the same files; of the header: tag 1014");
        assert_eq!((compared.only_first.len(), compared.only_second.len()), (1, 1));
        assert!(compare(&first, &first).unwrap().is_equal());
    }

    #[test]
    fn the_files_are_compared_and_not_what_they_were() {
        let (left, right) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let first = ["a", "b", "c"].map(|name| rpm(left.path(), name, "MIT", "x"));
        let second = ["a", "b", "c"].map(|name| rpm(right.path(), name, "MIT", "x"));
        let mut bytes = std::fs::read(&first[0].path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&first[0].path, bytes).unwrap();
        std::fs::remove_file(&first[1].path).unwrap();
        let compared = compare(&first, &second).unwrap();
        assert_eq!(compared.different["a.rpm"].to_string(), "damaged: it is not the file that was built");
        assert_eq!(compared.only_second, BTreeSet::from(["b.rpm".to_owned()]));
        assert_eq!(compared.identical, BTreeSet::from(["c.rpm".to_owned()]));
    }
}
