//! What a change of pipeline files means: which of their parts differ between the two sides, and whose they are.

use std::collections::BTreeSet;
use std::path::Path;

use chrono::NaiveDate;
use serde_json::Value;

use super::{ChangedError, Place, Range};
use crate::package::Capability;
use crate::pipeline;
use crate::yaml;

/// What of the pipeline has changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Settings {
    /// What makes the change one of every spec and image, in words.
    pub(super) everything: BTreeSet<String>,
    /// The same for every image.
    pub(super) images: BTreeSet<String>,
    /// True when remote repositories are others.
    pub(super) remote: bool,
    /// Names of specs or packages whose checks run.
    pub(super) checked: Sides<BTreeSet<String>>,
    /// Specs that may do something on the day of the run that others may not, and what.
    pub(super) excepted: Sides<BTreeSet<(String, String)>>,
    /// What the stage provides that packages are built in, besides those below it.
    pub(super) provided: Sides<BTreeSet<String>>,
    /// What macros with versions of other specs begin with.
    pub(super) prefix: Sides<Option<String>>,
}

/// Something before and after a change.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sides<T> {
    pub(super) before: T,
    pub(super) after: T,
}

/// Parts of a pipeline file that every package is made with.
const OF_PACKAGES: [&str; 5] =
    ["/toolchain-of", "/packages/toolchain", "/packages/specs", "/packages/macros", "/packages/macro-files"];
/// Those that every image is made with.
const OF_IMAGES: [&str; 2] = ["/images/toolchain", "/images/version"];
/// Those that remote packages are found by.
const OF_REMOTE: [&str; 2] = ["/packages/repositories", "/packages/release-version"];

/// What of a stage stands in the RPM database of its image alone.
const PROVIDES: [&str; 2] = ["provides", "provides-manifest"];

/// A pipeline file, and the one whose stages come first.
struct Files {
    own: Value,
    below: Value,
}

/// Compares the pipeline's files on both sides of `range`; one that cannot be read counts as changed altogether. `today`
/// tells which exceptions hold.
pub(super) async fn settings(range: &Range, place: Place<'_>, today: NaiveDate) -> Result<Settings, ChangedError> {
    let mut settings = Settings::default();
    let Some(own) = both(range, place.path, &mut settings).await? else { return Ok(settings) };
    let below = match &place.pipeline.toolchain_of {
        Some(path) => both(range, path, &mut settings).await?,
        None => None,
    };
    let (below_before, below_after) = below.unwrap_or_default();
    let (before, after) = (Files { own: own.0, below: below_before }, Files { own: own.1, below: below_after });
    settings.compare((&before, &after), today);
    settings.provided = Sides {
        before: provided(&before, range, place, Side::Before).await?,
        after: provided(&after, range, place, Side::After).await?,
    };
    if settings.provided.before.is_empty() != settings.provided.after.is_empty() {
        settings.everything.insert("`toolchain` of the pipeline file".to_owned());
    }
    Ok(settings)
}

#[derive(Clone, Copy)]
enum Side {
    Before,
    After,
}

/// What the stage provides that packages of `files` are built in: the list in the file, and that of a manifest.
async fn provided(
    files: &Files,
    range: &Range,
    place: Place<'_>,
    side: Side,
) -> Result<BTreeSet<String>, ChangedError> {
    let Some(stage) = files.stages_of("/packages/toolchain").first().copied() else { return Ok(BTreeSet::new()) };
    let list = stage.get("provides").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let mut found: BTreeSet<String> = list.map(|text| Capability::parse(text).to_string()).collect();
    if let Some(manifest) = text(stage, "provides-manifest") {
        let path = place.project.join(manifest);
        let content = match side {
            Side::Before => range.repository.text(&range.from, &path).await?,
            Side::After => range.after(&path).await?,
        };
        let listed = content.and_then(|content| pipeline::parse_manifest(&path, &content).ok()).unwrap_or_default();
        found.extend(listed.into_iter().map(|package| Capability::new(package.name, Some(package.evr)).to_string()));
    }
    Ok(found)
}

/// The file `path` on both sides; None when one cannot be read, which is noted.
async fn both(range: &Range, path: &Path, settings: &mut Settings) -> Result<Option<(Value, Value)>, ChangedError> {
    let (before, after) = range.both(path).await?;
    let read = |text: Option<String>| yaml::parse(path, &text?).ok();
    let (before, after): (Option<Value>, Option<Value>) = (read(before), read(after));
    let both = before.zip(after);
    if both.is_none() {
        settings.everything.insert("the pipeline file".to_owned());
    }
    Ok(both)
}

impl Settings {
    fn compare(&mut self, (before, after): (&Files, &Files), today: NaiveDate) {
        let differ = |part: &&&str| before.own.pointer(part) != after.own.pointer(part);
        let words = |part: &&str| format!("`{}` of the pipeline file", part[1..].replace('/', "."));
        self.everything.extend(OF_PACKAGES.iter().filter(differ).map(words));
        self.images.extend(OF_IMAGES.iter().filter(differ).map(words));
        self.remote = OF_REMOTE.iter().any(|part| differ(&part));
        // What the last stage provides counts for each spec by itself.
        if before.essence_of("/packages/toolchain") != after.essence_of("/packages/toolchain") {
            self.everything.insert("`toolchain` of the pipeline file".to_owned());
        } else if before.stages_of("/images/toolchain") != after.stages_of("/images/toolchain") {
            self.images.insert("`toolchain` of the pipeline file".to_owned());
        }
        self.checked = Sides { before: checked(&before.own), after: checked(&after.own) };
        self.excepted = Sides { before: excepted(&before.own, today), after: excepted(&after.own, today) };
        let prefix = |file: &Files| file.own.pointer("/packages/version-macros")?.as_str().map(str::to_owned);
        self.prefix = Sides { before: prefix(before), after: prefix(after) };
    }
}

impl Files {
    /// The stages that the one which `user` names stands on, as the file has them, and those whose packages they take.
    fn stages_of(&self, user: &str) -> Vec<&Value> {
        let list = |file| Value::pointer(file, "/toolchain").and_then(Value::as_array).into_iter().flatten();
        let all: Vec<&Value> = list(&self.below).chain(list(&self.own)).collect();
        let named = |name: &str| all.iter().copied().find(|stage| text(stage, "stage") == Some(name));
        let (mut found, mut next) = (Vec::new(), self.own.pointer(user).and_then(Value::as_str));
        while let Some(stage) = next.and_then(named).filter(|stage| !found.contains(stage)) {
            found.push(stage);
            found.extend(text(stage, "packages-of").and_then(named));
            next = text(stage, "from");
        }
        found
    }

    /// The same without what the last stage provides.
    fn essence_of(&self, user: &str) -> Vec<Value> {
        let mut stages: Vec<Value> = self.stages_of(user).into_iter().cloned().collect();
        if let Some(last) = stages.first_mut().and_then(Value::as_object_mut) {
            for key in PROVIDES {
                last.remove(key);
            }
        }
        stages
    }
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key)?.as_str()
}

/// The specs whose checks run.
fn checked(pipeline: &Value) -> BTreeSet<String> {
    let list = pipeline.pointer("/packages/check").and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// What specs may do `today` that others may not.
fn excepted(pipeline: &Value, today: NaiveDate) -> BTreeSet<(String, String)> {
    let list = pipeline.pointer("/packages/exceptions").and_then(Value::as_array);
    let holds =
        |one: &&Value| text(one, "until").and_then(|day| day.parse().ok()).is_none_or(|day: NaiveDate| today <= day);
    let of = |one: &Value| Some((text(one, "spec")?.to_owned(), text(one, "allow")?.to_owned()));
    list.into_iter().flatten().filter(holds).filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(before: &str, after: &str) -> Settings {
        let files = |text: &str| Files {
            own: yaml::parse(Path::new("p.yaml"), text).unwrap(),
            below: yaml::parse(Path::new("q.yaml"), "toolchain: [{ stage: q, provides: [make] }]").unwrap(),
        };
        let mut settings = Settings::default();
        settings.compare((&files(before), &files(after)), NaiveDate::from_ymd_opt(2026, 6, 1).unwrap());
        settings
    }

    #[test]
    fn what_is_said_of_single_specs_affects_these_alone() {
        let found = compared("packages: { toolchain: t, check: [zlib] }", "packages: { toolchain: t, check: [musl] }");
        assert!(found.everything.is_empty() && found.images.is_empty(), "{found:?}");
        let named = |set: BTreeSet<String>| set.into_iter().collect::<Vec<_>>().join(" ");
        assert_eq!((named(found.checked.before), named(found.checked.after)), ("zlib".into(), "musl".into()));
        let found = compared("packages: { version-macros: azl }", "packages: {}");
        assert_eq!(found.prefix, Sides { before: Some("azl".to_owned()), after: None });
        assert!(found.everything.is_empty());
    }

    #[test]
    fn exceptions_are_what_is_allowed_today() {
        let of = |allow: &str, reason: &str, until: &str| {
            format!(
                "packages: {{ exceptions: [{{ spec: groff, allow: {allow}, reason: {reason}, until: {until} }}] }}\n"
            )
        };
        let differ = |before: &str, after: &str| {
            let found = compared(before, after);
            assert!(found.everything.is_empty());
            found.excepted.before != found.excepted.after
        };
        assert!(!differ(&of("root", "a", "2027-01-01"), &of("root", "b", "2026-06-01")), "it holds on both sides");
        assert!(differ(&of("root", "a", "2027-01-01"), &of("network-in-check", "a", "2027-01-01")));
        assert!(differ(&of("root", "a", "2027-01-01"), &of("root", "a", "2026-05-31")));
    }

    #[test]
    fn what_every_package_is_made_with_affects_everything() {
        for (before, after, what) in [
            ("toolchain-of: a.yaml", "toolchain-of: b.yaml", "`toolchain-of` of"),
            ("packages: { macro-files: [a] }", "packages: { macro-files: [a, b] }", "`packages.macro-files` of"),
            ("packages: { macros: { dist: a } }", "packages: { macros: { dist: b } }", "`packages.macros` of"),
        ] {
            let found = compared(before, after);
            assert_eq!(found.everything.len(), 1, "{found:?}");
            assert!(found.everything.iter().all(|words| words.starts_with(what)), "{found:?}");
        }
        let images = compared("images: { version: 1 }", "images: { version: 2 }");
        assert_eq!((images.everything.len(), images.images.len()), (0, 1));
        let remote = compared("packages: { repositories: [{ url: a }] }", "packages: { repositories: [{ url: b }] }");
        assert!(remote.remote && remote.everything.is_empty());
    }

    #[test]
    fn only_the_stages_that_packages_are_built_in_affect_everything() {
        let of = |lower: &str, other: &str| {
            format!(
                "toolchain:\n- {{ stage: a, from: q, provides: [{lower}] }}\n- {{ stage: t, from: a }}\n\
                 - {{ stage: i, from: a, provides: [{other}] }}\npackages: {{ toolchain: t }}\nimages: {{ toolchain: i }}\n"
            )
        };
        let found = compared(&of("gcc", "x"), &of("make", "x"));
        assert_eq!((found.everything.len(), found.images.len()), (1, 0), "{found:?}");
        let found = compared(&of("gcc", "x"), &of("gcc", "y"));
        assert_eq!((found.everything.len(), found.images.len()), (0, 1), "{found:?}");
    }
}
