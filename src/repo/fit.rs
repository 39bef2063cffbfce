//! Whether an RPM can stand in the index: what XML cannot express would make the index of all RPMs unreadable.

use std::io::BufReader;
use std::path::Path;

use rpmrepo_metadata::Package;

use super::{RepoError, repodata};
use crate::cache::BuiltRpm;
use crate::causes;
use crate::package::{Requirement, RpmHeader, header};
use crate::regular;

/// Why `rpm`, the file `path`, cannot be published, as a sentence without its end; None when it can.
pub fn unfit(rpm: &BuiltRpm, path: &Path) -> Option<String> {
    entry(rpm, path).err().map(|error| causes::in_one_line(&error))
}

/// The index entry of `rpm`, which is in `path`.
///
/// # Errors
/// [`RepoError::Unfit`] when no index could hold it.
pub(super) fn entry(rpm: &BuiltRpm, path: &Path) -> Result<Package, RepoError> {
    let file = regular::open(path).map_err(|source| RepoError::Open { path: path.to_owned(), source })?;
    let metadata = header::metadata(&mut BufReader::new(file));
    let metadata = metadata.map_err(|source| RepoError::Header { path: path.to_owned(), source: Box::new(source) })?;
    entry_of(rpm, &metadata)
}

/// The index entry of `rpm`, whose header is `metadata`.
pub(super) fn entry_of(rpm: &BuiltRpm, metadata: &rpm::PackageMetadata) -> Result<Package, RepoError> {
    let unfit = |what| RepoError::Unfit { file: rpm.file.clone(), what };
    if let Some(what) = forbidden(&rpm.header) {
        return Err(unfit(what));
    }
    // The writer has rules of its own.
    let entry = repodata::entry(rpm, metadata).and_then(|entry| repodata::check(&entry).map(|()| entry));
    entry.map_err(|error| unfit(causes::in_one_line(&error)))
}

/// The first value that no XML can hold: what it is, and its text with a `?` in the place of such characters.
fn forbidden(header: &RpmHeader) -> Option<String> {
    let provides = header.provides.iter().map(|capability| ("Provides", capability.to_string()));
    let lists = [("Requires", &header.requires), ("Conflicts", &header.conflicts), ("Obsoletes", &header.obsoletes)];
    let others =
        lists.into_iter().flat_map(|(tag, list)| list.iter().map(move |one| (tag, Requirement::to_string(one))));
    let files = header.files.iter().map(|path| ("file", path.clone()));
    let (what, text) = provides.chain(others).chain(files).find(|(_, text)| !text.chars().all(is_of_xml))?;
    Some(format!("its {what} `{}`", text.replace(|letter| !is_of_xml(letter), "?")))
}

/// True for the characters of XML 1.0 (<https://www.w3.org/TR/xml/#charsets>).
fn is_of_xml(letter: char) -> bool {
    matches!(letter, '\t' | '\n' | '\r') || (!letter.is_ascii_control() && !matches!(letter, '\u{fffe}' | '\u{ffff}'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Sha256;

    /// What is said of an RPM in which every `@` is the control character 2.
    fn told(fill: impl FnOnce(&mut rpm::PackageBuilder)) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        let mut builder = rpm::PackageBuilder::new("a", "1", "MIT", "noarch", "A @ test");
        fill(&mut builder);
        let mut bytes = Vec::new();
        builder.build().unwrap().write(&mut bytes).unwrap();
        bytes.iter_mut().filter(|byte| **byte == b'@').for_each(|byte| *byte = 2);
        let path = folder.path().join("a-1-1.noarch.rpm");
        std::fs::write(&path, &bytes).unwrap();
        let header = header::read(&mut bytes.as_slice()).unwrap();
        let (sha256, file) = (Sha256::of_bytes(&bytes), "a-1-1.noarch.rpm".to_owned());
        let size = bytes.len() as u64;
        unfit(&BuiltRpm { file, sha256, bytes: size, content: sha256, build_time: 0, header }, &path)
    }

    #[test]
    fn what_no_index_can_hold_is_named() {
        assert_eq!(told(|_| {}), None, "in a text it is replaced");
        let of = |what: &str| Some(format!("`a-1-1.noarch.rpm`: {what} cannot stand in repository metadata"));
        let provides = told(|builder| _ = builder.provides(rpm::Dependency::any("ksym(default:@)")));
        assert_eq!(provides, of("its Provides `ksym(default:?)`"));
        let requires = told(|builder| _ = builder.requires(rpm::Dependency::greater("b@", "1")));
        assert_eq!(requires, of("its Requires `b? > 1`"));
        let file = told(|builder| {
            builder.with_file_contents("x", rpm::FileOptions::new("/usr/share/@x")).unwrap();
        });
        assert_eq!(file, of("its file `/usr/share/?x`"));
        let recommends = told(|builder| _ = builder.recommends(rpm::Dependency::any("b@")));
        assert!(recommends.is_some_and(|told| told.ends_with("cannot stand in repository metadata")));
    }
}
