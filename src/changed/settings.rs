//! What a change of pipeline files means: which of their parts differ between the two sides, and whose they are.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::{ChangedError, Place, Range};
use crate::yaml;

/// What of the pipeline has changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Settings {
    /// What makes the change one of every spec and image, in words.
    pub(super) everything: BTreeSet<String>,
    /// The same for every image.
    pub(super) images: BTreeSet<String>,
    /// Names of specs or packages whose checks run and did not, or the other way round.
    pub(super) checked: BTreeSet<String>,
    /// Names of specs that may do something that they might not, or not any more.
    pub(super) excepted: BTreeSet<String>,
}

/// Parts of a pipeline file that every package is made with.
const OF_PACKAGES: [&str; 7] = [
    "/toolchain",
    "/toolchain-of",
    "/packages/toolchain",
    "/packages/specs",
    "/packages/macros",
    "/packages/macro-files",
    "/packages/version-macros",
];
/// Those that every image is made with.
const OF_IMAGES: [&str; 2] = ["/images/toolchain", "/images/version"];

/// Compares the pipeline's files on both sides of `range`; one that cannot be read counts as changed altogether.
pub(super) async fn settings(range: &Range, place: Place<'_>) -> Result<Settings, ChangedError> {
    let mut settings = Settings::default();
    if let Some((before, after)) = both(range, place.path, &mut settings).await? {
        settings.compare(&before, &after);
    }
    if let Some(below) = &place.pipeline.toolchain_of
        && let Some((before, after)) = both(range, below, &mut settings).await?
        && before.pointer("/toolchain") != after.pointer("/toolchain")
    {
        settings.everything.insert("`toolchain` of the pipeline that `toolchain-of` names".to_owned());
    }
    Ok(settings)
}

/// The file `path` on both sides; None when one cannot be read, which is noted.
async fn both(range: &Range, path: &Path, settings: &mut Settings) -> Result<Option<(Value, Value)>, ChangedError> {
    let read = async |commit: Option<&String>| -> Result<Option<Value>, ChangedError> {
        let text = match commit {
            Some(commit) => range.repository.text(commit, path).await?,
            None => std::fs::read_to_string(path).ok(),
        };
        Ok(text.and_then(|text| yaml::parse(path, &text).ok()))
    };
    let (before, after) = (read(Some(&range.from)).await?, read(range.to.as_ref()).await?);
    let both = before.zip(after);
    if both.is_none() {
        settings.everything.insert("the pipeline file".to_owned());
    }
    Ok(both)
}

impl Settings {
    fn compare(&mut self, before: &Value, after: &Value) {
        let differ = |part: &&&str| before.pointer(part) != after.pointer(part);
        let words = |part: &&str| format!("`{}` of the pipeline file", part[1..].replace('/', "."));
        self.everything.extend(OF_PACKAGES.iter().filter(differ).map(words));
        self.images.extend(OF_IMAGES.iter().filter(differ).map(words));
        self.checked.extend(checked(before).symmetric_difference(&checked(after)).cloned());
        let (before, after) = (excepted(before), excepted(after));
        self.excepted.extend(before.symmetric_difference(&after).map(|(spec, _, _)| spec.clone()));
    }
}

/// The specs whose checks run.
fn checked(pipeline: &Value) -> BTreeSet<String> {
    let list = pipeline.pointer("/packages/check").and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// What specs may do that others may not, and until when.
fn excepted(pipeline: &Value) -> BTreeSet<(String, String, String)> {
    let list = pipeline.pointer("/packages/exceptions").and_then(Value::as_array);
    let text = |one: &Value, key: &str| one.get(key).map(ToString::to_string).unwrap_or_default();
    let of = |one: &Value| Some((one.get("spec")?.as_str()?.to_owned(), text(one, "allow"), text(one, "until")));
    list.into_iter().flatten().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(before: &str, after: &str) -> Settings {
        let value = |text: &str| yaml::parse(Path::new("p.yaml"), text).unwrap();
        let mut settings = Settings::default();
        settings.compare(&value(before), &value(after));
        settings
    }

    #[test]
    fn what_is_said_of_single_specs_affects_these_alone() {
        let of = |text: &str| format!("packages: {{ toolchain: t, {text} }}\n");
        let named = |before: &str, after: &str| {
            let found = compared(&of(before), &of(after));
            assert!(found.everything.is_empty() && found.images.is_empty(), "{found:?}");
            found.checked.into_iter().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(named("check: [zlib]", "check: [musl, zlib]"), "musl");
        assert_eq!(named("check: [zlib]", "check: []"), "zlib");
    }

    #[test]
    fn reasons_of_exceptions_change_nothing_and_what_is_allowed_does() {
        let of = |allow: &str, reason: &str| {
            format!(
                "packages: {{ exceptions: [{{ spec: groff, allow: {allow}, reason: {reason}, until: 2027-01-01 }}] }}\n"
            )
        };
        assert_eq!(compared(&of("root", "a"), &of("root", "b")), Settings::default());
        let found = compared(&of("root", "a"), &of("network-in-check", "a"));
        assert_eq!(found.excepted, BTreeSet::from(["groff".to_owned()]));
        assert!(found.everything.is_empty());
    }

    #[test]
    fn what_every_package_is_made_with_affects_everything() {
        for (before, after, what) in [
            ("toolchain: [{ provides: [gcc] }]", "toolchain: [{ provides: [gcc, make] }]", "`toolchain` of"),
            ("toolchain-of: a.yaml", "toolchain-of: b.yaml", "`toolchain-of` of"),
            ("packages: { macro-files: [a] }", "packages: { macro-files: [a, b] }", "`packages.macro-files` of"),
            ("packages: { macros: { dist: a } }", "packages: { macros: { dist: b } }", "`packages.macros` of"),
            ("packages: { version-macros: azl }", "packages: {}", "`packages.version-macros` of"),
        ] {
            let found = compared(before, after);
            assert_eq!(found.everything.len(), 1, "{found:?}");
            assert!(found.everything.iter().all(|words| words.starts_with(what)), "{found:?}");
        }
        let images = compared("images: { version: 1 }", "images: { version: 2 }");
        assert_eq!((images.everything.len(), images.images.len()), (0, 1));
    }
}
