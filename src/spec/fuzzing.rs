//! The ways to readers of this module for `fuzz/`; there only with `--cfg fuzzing`.

use std::path::PathBuf;

use super::answer::{self, Answer};
use super::find::SpecFile;
use super::{SourcePackage, parsed};
use crate::digest::Sha256;

/// The package of a spec that makes `binaries`, pairs of a name and an arch, of the version `version`, such as `1-1`.
pub fn package(version: &str, binaries: &[(&str, &str)]) -> SourcePackage {
    let (version, release) = version.split_once('-').unwrap_or((version, ""));
    let record = |(name, arch): &(&str, &str)| {
        format!("N\u{1f}{name}\u{1f}(none)\u{1f}{version}\u{1f}{release}\u{1f}{arch}\u{1e}")
    };
    let (source, binary) = (record(&binaries[0]), binaries.iter().map(record).collect::<String>());
    let answer = Answer { source: &source, binary: &binary, checked: None, parsed: "" };
    answer::package(&file(), Sha256::of_bytes(b""), "x86_64", answer).unwrap_or_else(|reason| panic!("{reason}"))
}

fn file() -> SpecFile {
    let (name, relative) = ("a".to_owned(), "a.spec".to_owned());
    SpecFile { name, path: PathBuf::from("/s/a.spec"), folder: 0, relative, linked: None }
}

/// What `rpmspec` wrote about one spec.
#[derive(Clone, Copy, Debug)]
pub struct Texts<'a> {
    /// The source package without checks.
    pub source: &'a str,
    /// Its binary packages.
    pub binary: &'a str,
    /// The source package with checks.
    pub checked: Option<&'a str>,
    /// The expanded spec.
    pub parsed: &'a str,
}

/// Reads `texts` as the answer to one spec. What is read reads back from JSON, as the cache keeps it.
pub fn answer(texts: Texts<'_>) {
    let Texts { source, binary, checked, parsed } = texts;
    match answer::package(&file(), Sha256::of_bytes(b""), "x86_64", Answer { source, binary, checked, parsed }) {
        Ok(package) => {
            let all = source.len() + checked.map_or(0, str::len);
            assert!(package.build_requires.len() + package.check_requires.len() + package.sources.len() <= all / 3 + 1);
            assert!(package.binaries.len() <= binary.len() / 10 && package.nevra.arch == "src");
            assert!(package.check_requires.iter().all(|one| !package.build_requires.contains(one)));
            let kept = serde_json::to_string(&package).unwrap_or_else(|error| panic!("{error}"));
            let back: SourcePackage = serde_json::from_str(&kept).unwrap_or_else(|error| panic!("{error}: {kept}"));
            assert_eq!(back, package);
        }
        Err(reason) => assert!(!reason.is_empty()),
    }
}

/// Splits `text` as the answers to several specs: nothing is added, and no part has another one's boundary.
pub fn answers(text: &str) {
    let parts = answer::before_each(text, "drydock-boundary");
    assert!(parts.iter().map(String::len).sum::<usize>() <= text.len());
    assert!(parts.len() <= text.matches("drydock-boundary\u{1f}").count());
    let parts = answer::source_packages(text);
    assert_eq!(parts.concat(), text);
    assert!(parts.len() <= text.matches("N\u{1f}").count() + 1);
}

/// Reads `text` as an expanded spec.
pub fn expanded(text: &str) {
    let parsed = parsed::read(text, "name");
    assert!(parsed.sources.len() <= text.lines().count());
    assert!(parsed.files.len() <= 256 * text.split_whitespace().count());
    let is_path = |path: &str| path.starts_with('/') && path.len() <= 4096;
    assert!(parsed.files.iter().all(|entry| is_path(&entry.path) && !entry.package.is_empty()), "{:?}", parsed.files);
    for source in &parsed.sources {
        assert!(source.ends_with(parsed::file_name(source)));
    }
}
