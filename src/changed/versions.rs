//! Specs whose version may have changed, and those that take it by a macro.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::{ChangedError, FileChange, Range};
use crate::regular;
use crate::spec::{SourcePackage, macro_name, version_macros};

/// What macros can have of a spec, by the words that its tags and the macros end with.
const FIELDS: [&str; 3] = ["version", "release", "epoch"];

/// Fields that may have another value, by the spec.
pub(super) type Touched = BTreeMap<String, BTreeSet<&'static str>>;

/// The changed spec files of `range`, each with the fields that may have another value.
pub(super) async fn touched(
    range: &Range,
    files: &[FileChange],
) -> Result<BTreeMap<PathBuf, BTreeSet<&'static str>>, ChangedError> {
    let mut touched: BTreeMap<PathBuf, BTreeSet<&str>> = BTreeMap::new();
    for file in files {
        if !file.paths().any(|path| path.extension().is_some_and(|end| end == "spec")) {
            continue;
        }
        let after = range.after(&file.path).await?;
        let old = file.before.as_deref().unwrap_or(&file.path);
        let before = range.repository.text(&range.from, old).await?;
        let mut note = |path: &Path, before: Option<&str>, after: Option<&str>| {
            touched.entry(path.to_owned()).or_default().extend(differing(before, after));
        };
        if old.file_name() == file.path.file_name() {
            note(old, before.as_deref(), after.as_deref());
        } else {
            note(old, before.as_deref(), None);
            note(&file.path, None, after.as_deref());
        }
    }
    Ok(touched)
}

/// The name of the spec that is in the file `path`.
pub(super) fn name_of(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()?.strip_suffix(".spec")
}

/// The fields that may have other values in `after` than in `before`.
fn differing(before: Option<&str>, after: Option<&str>) -> BTreeSet<&'static str> {
    let (Some(before), Some(after)) = (before, after) else { return FIELDS.into() };
    let may_differ = saying(before) != saying(after);
    let differs = |field: &&str| match (literal(before, field), literal(after, field)) {
        (Some(before), Some(after)) => before != after,
        _ => may_differ,
    };
    FIELDS.into_iter().filter(differs).collect()
}

/// The values of the tag `field`.
fn values<'a>(spec: &'a str, field: &str) -> Vec<&'a str> {
    let tags = spec.lines().filter_map(|line| line.split_once(':'));
    tags.filter(|(tag, _)| tag.trim().eq_ignore_ascii_case(field)).map(|(_, value)| value.trim()).collect()
}

/// The only value of the tag `field`, empty when there is none, where no macro but that of the distribution has a part in
/// it; None when reading the spec alone tells.
fn literal<'a>(spec: &'a str, field: &str) -> Option<&'a str> {
    if spec.lines().any(|line| line.trim_start().starts_with("%include")) {
        return None;
    }
    match values(spec, field)[..] {
        [] => Some(""),
        [value] => (!value.replace("%{?dist}", "").contains('%')).then_some(value),
        _ => None,
    }
}

/// The lines of a spec that its version can depend on: tags of versions, macros and conditions.
fn saying(spec: &str) -> Vec<&str> {
    let says = |line: &&str| {
        let line = line.trim_start();
        let tag = line.split(':').next().unwrap_or_default().trim_end();
        FIELDS.iter().any(|name| tag.eq_ignore_ascii_case(name))
            || ["%global", "%define", "%undefine", "%if", "%el", "%endif", "%bcond", "%include", "%load", "%{"]
                .iter()
                .any(|start| line.starts_with(start))
    };
    spec.lines().filter(says).collect()
}

/// Specs and their texts, of which some take the versions of others.
pub(super) struct Takers<'a> {
    texts: Vec<(&'a str, String)>,
}

impl<'a> Takers<'a> {
    /// Reads the specs of `sources`.
    pub(super) fn of(sources: &'a [SourcePackage]) -> Self {
        let text = |source: &SourcePackage| regular::read_text(&source.spec_path).unwrap_or_default();
        let texts = sources
            .iter()
            .map(|source| (source.spec.as_str(), String::from_utf8_lossy(&text(source)).into_owned()))
            .collect();
        Self { texts }
    }

    /// The fields of the spec `name` that more than its own text tells.
    pub(super) fn not_literal(&self, name: &str) -> impl Iterator<Item = &'static str> {
        let text = self.texts.iter().find(|(spec, _)| *spec == name).map_or("", |(_, text)| text.as_str());
        FIELDS.into_iter().filter(move |field| literal(text, field).is_none())
    }

    /// The specs that name a macro with this prefix which has something of `touched`, directly or by the version of
    /// another one.
    pub(super) fn taking(&self, prefix: &str, mut touched: Touched) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        loop {
            let changed: BTreeSet<String> = touched
                .iter()
                .flat_map(|(spec, fields)| fields.iter().map(|field| format!("{prefix}_{}_{field}", macro_name(spec))))
                .collect();
            let takes = |text: &str| version_macros(text, prefix).iter().any(|name| changed.contains(name));
            let new: Vec<&str> = self
                .texts
                .iter()
                .filter(|(spec, text)| !found.contains(*spec) && takes(text))
                .map(|(spec, _)| *spec)
                .collect();
            if new.is_empty() {
                return found;
            }
            for spec in new {
                found.insert(spec.to_owned());
                touched.entry(spec.to_owned()).or_default().extend(self.not_literal(spec));
            }
        }
    }

    /// The specs that name a macro with this prefix for a spec that is there.
    pub(super) fn with_prefix(&self, prefix: &str) -> BTreeSet<String> {
        let all = self.texts.iter().map(|(spec, _)| ((*spec).to_owned(), FIELDS.into())).collect();
        self.taking(prefix, all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_that_may_say_a_version_count() {
        let spec =
            "%global commit 1\nName: a\nVersion : 1.%{commit}\nrelease: 2%{?dist}\n%description\nText.\n%build\nmake\n";
        assert_eq!(saying(spec), ["%global commit 1", "Version : 1.%{commit}", "release: 2%{?dist}"]);
        let differing = |after: &str| differing(Some(spec), Some(after)).into_iter().collect::<Vec<_>>().join(" ");
        assert_eq!(differing(&spec.replace("make", "make -j1").replace("Text", "Words")), "");
        assert_eq!(differing(&spec.replace("commit 1", "commit 2")), "version", "the release is a literal one");
        assert_eq!(differing(&spec.replace("release: 2", "release: 3")), "release version");
        assert_eq!(differing(&spec.replace("Name: a", "Name: a\nEpoch: 1")), "epoch version");
    }
}
