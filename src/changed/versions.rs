//! Specs whose version may have changed, and those that take it by a macro.

use std::collections::BTreeSet;

use super::{ChangedError, FileChange, Range};
use crate::spec::{SourcePackage, takes_version_of};

/// The changed spec files of `range` whose version may be another one, by name: lines that may say it differ.
pub(super) async fn touched(range: &Range, files: &[FileChange]) -> Result<BTreeSet<String>, ChangedError> {
    let mut touched = BTreeSet::new();
    for file in files {
        let Some(name) = file.path.file_name().and_then(|name| name.to_str()?.strip_suffix(".spec")) else { continue };
        let before = range.repository.text(&range.from, file.before.as_deref().unwrap_or(&file.path)).await?;
        let after = match &range.to {
            Some(commit) => range.repository.text(commit, &file.path).await?,
            None => std::fs::read_to_string(&file.path).ok(),
        };
        if before.as_deref().map(saying) != after.as_deref().map(saying) {
            touched.insert(name.to_owned());
        }
    }
    Ok(touched)
}

/// The lines of a spec that its version can depend on: tags of versions, macros and conditions.
fn saying(spec: &str) -> Vec<&str> {
    let says = |line: &&str| {
        let line = line.trim_start();
        let tag = line.split(':').next().unwrap_or_default().trim_end();
        let is_tag = ["version", "release", "epoch"].iter().any(|name| tag.eq_ignore_ascii_case(name));
        is_tag
            || ["%global", "%define", "%undefine", "%if", "%el", "%endif", "%bcond", "%include", "%load", "%{"]
                .iter()
                .any(|start| line.starts_with(start))
    };
    spec.lines().filter(says).collect()
}

/// The specs of `sources` that take the version of one of `touched` by a macro with this prefix.
pub(super) fn takers<'a>(
    touched: &'a BTreeSet<String>,
    prefix: Option<&'a str>,
    sources: &'a [SourcePackage],
) -> impl Iterator<Item = String> {
    let takes = move |source: &&SourcePackage| {
        prefix.is_some_and(|prefix| touched.iter().any(|spec| takes_version_of(source, prefix, spec)))
    };
    sources.iter().filter(takes).map(|source| source.spec.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_that_may_say_a_version_count() {
        let spec = "%global commit 1\nName: a\nVersion : 1\nrelease: 2%{?dist}\n%description\nText.\n%build\nmake\n";
        assert_eq!(saying(spec), ["%global commit 1", "Version : 1", "release: 2%{?dist}"]);
        assert_eq!(saying(spec), saying(&spec.replace("make", "make -j1").replace("Text", "Words")));
        assert_ne!(saying(spec), saying(&spec.replace("commit 1", "commit 2")));
    }
}
