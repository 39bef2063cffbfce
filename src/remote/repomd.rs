//! `repomd.xml`: which files the metadata of a repository consists of. Pure.

use std::collections::BTreeMap;

use super::checksum::Checksum;
use super::xml::{MetadataError, Scanner, number};

/// The files of a repository's metadata, by type: `primary`, `filelists`, …
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repomd {
    /// Those with a location and a checksum of SHA-2; others cannot be used.
    pub files: BTreeMap<String, MetadataFile>,
}

/// One file of the metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataFile {
    /// Path below the repository.
    pub location: String,
    /// Checksum of the file.
    pub checksum: Checksum,
    /// Its size.
    pub bytes: Option<u64>,
    /// Its size when it is unpacked.
    pub open_bytes: Option<u64>,
}

/// Reads `repomd.xml`.
///
/// # Errors
/// The document is broken, or has no `primary` with a checksum of SHA-2.
pub fn parse(bytes: &[u8]) -> Result<Repomd, MetadataError> {
    let mut scanner = Scanner::new(bytes)?;
    scanner.root("repomd")?;
    let mut repomd = Repomd::default();
    while let Some(element) = scanner.child()? {
        if element.name() != "data" {
            scanner.skip()?;
            continue;
        }
        let kind = scanner.needed(&element, "type")?;
        let file = data(&mut scanner, &kind)?;
        if let Some(file) = file {
            repomd.files.insert(kind, file);
        }
    }
    if repomd.files.contains_key("primary") { Ok(repomd) } else { Err(scanner.wrong("it names no `primary`")) }
}

/// The inside of `<data>`; None for a file that Drydock does not read and that has another kind of checksum.
fn data(scanner: &mut Scanner<'_>, kind: &str) -> Result<Option<MetadataFile>, MetadataError> {
    let (mut location, mut checksum, mut bytes, mut open_bytes) = (None, None, None, None);
    while let Some(element) = scanner.child()? {
        match element.name() {
            "location" => {
                location = Some(checked_location(scanner, scanner.needed(&element, "href")?)?);
                scanner.skip()?;
            }
            "checksum" => {
                let algorithm = scanner.needed(&element, "type")?;
                let text = scanner.text()?;
                match Checksum::read(&algorithm, &text) {
                    Ok(read) => checksum = Some(read),
                    Err(wrong) if ["primary", "filelists"].contains(&kind) => {
                        return Err(scanner.wrong(format!("`{kind}` has {wrong}")));
                    }
                    Err(_) => {}
                }
            }
            "size" => bytes = Some(scanner.text().and_then(|text| number(scanner, &text))?),
            "open-size" => open_bytes = Some(scanner.text().and_then(|text| number(scanner, &text))?),
            _ => scanner.skip()?,
        }
    }
    match (location, checksum) {
        (Some(location), Some(checksum)) => Ok(Some(MetadataFile { location, checksum, bytes, open_bytes })),
        _ if ["primary", "filelists"].contains(&kind) => {
            Err(scanner.wrong(format!("`{kind}` needs a location and a checksum")))
        }
        _ => Ok(None),
    }
}

/// A path below the repository, which must not lead out of it.
pub(super) fn checked_location(scanner: &Scanner<'_>, location: String) -> Result<String, MetadataError> {
    if is_below(&location) {
        Ok(location)
    } else {
        Err(scanner.wrong(format!("the location `{location}` is not a path below the repository")))
    }
}

/// Whether `location` is a path that leads to a file below its folder.
pub(super) fn is_below(location: &str) -> bool {
    let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
    location.split('/').all(plain) && !location.contains(['\\', '\0', '?', '#']) && !location.contains("://")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(inside: &str) -> String {
        format!("<repomd xmlns=\"http://linux.duke.edu/metadata/repo\">\n<revision>1</revision>\n{inside}\n</repomd>")
    }

    fn entry(kind: &str, algorithm: &str, href: &str) -> String {
        let digest = "a".repeat(64);
        format!(
            "<data type=\"{kind}\"><checksum type=\"{algorithm}\">{digest}</checksum>\
             <open-checksum type=\"sha256\">{digest}</open-checksum><location href=\"{href}\"/>\
             <timestamp>1</timestamp><size>10</size><open-size>20</open-size></data>"
        )
    }

    #[test]
    fn files_are_listed_with_digest_and_size() {
        let text = document(&(entry("primary", "sha256", "repodata/p.xml.gz") + &entry("group", "sha1", "x")));
        let repomd = parse(text.as_bytes()).unwrap();
        let primary = &repomd.files["primary"];
        assert_eq!(
            (primary.location.as_str(), primary.bytes, primary.open_bytes),
            ("repodata/p.xml.gz", Some(10), Some(20))
        );
        assert_eq!(repomd.files.len(), 1, "what has a weak checksum and is not read is left out");
    }

    #[test]
    fn what_cannot_be_used_is_told() {
        let told = |inside: &str| parse(document(inside).as_bytes()).unwrap_err().to_string();
        assert!(told("").ends_with("it names no `primary`"));
        assert!(
            told(&entry("primary", "sha1", "a"))
                .ends_with("`primary` has a sha1 checksum; sha256, sha384 or sha512 is needed")
        );
        assert!(told(&entry("primary", "sha256", "../../etc/x")).contains("is not a path below the repository"));
        assert!(told(&entry("primary", "sha256", "http://x.test/a")).contains("is not a path below the repository"));
        assert!(told("<data type='primary'><size>x</size></data>").ends_with("`x` is not a number"));
        assert!(parse(b"").is_err());
        assert!(parse(b"<repomd><data type='primary'>").is_err());
    }
}
