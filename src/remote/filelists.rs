//! `filelists.xml`: every file of every package of a repository. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::checksum::Checksum;
use super::xml::{MetadataError, Scanner};
use crate::digest::Sha256;

/// Reads `filelists.xml`: for each package, by the digest that names its RPM ([`Checksum::digest`]), which of `wanted` it has. The others are passed over.
pub fn parse(bytes: &[u8], wanted: &BTreeSet<String>) -> Result<BTreeMap<Sha256, Vec<String>>, MetadataError> {
    let mut scanner = Scanner::new(bytes)?;
    scanner.root("filelists")?;
    let mut found: BTreeMap<Sha256, Vec<String>> = BTreeMap::new();
    while let Some(element) = scanner.child()? {
        if element.name() != "package" {
            scanner.skip()?;
            continue;
        }
        let id = Checksum::of_digits(&scanner.needed(&element, "pkgid")?);
        let package = id.map_err(|wrong| scanner.wrong(wrong))?.digest();
        while let Some(element) = scanner.child()? {
            let is_file = element.name() == "file";
            let path = scanner.text()?;
            if is_file && wanted.contains(&path) {
                found.entry(package).or_default().push(path);
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_wanted_files_are_kept() {
        let digest = "c".repeat(64);
        let text = format!(
            "<filelists packages='1'><package pkgid='{digest}' name='a' arch='noarch'><version ver='1'/>\
             <file>/usr/share/a</file><file type='dir'>/usr/share/b</file></package></filelists>"
        );
        let wanted = BTreeSet::from(["/usr/share/b".to_owned(), "/usr/share/c".to_owned()]);
        let found = parse(text.as_bytes(), &wanted).unwrap();
        assert_eq!(found, BTreeMap::from([(digest.parse().unwrap(), vec!["/usr/share/b".to_owned()])]));
        assert!(parse(b"<filelists><package pkgid='1'/></filelists>", &wanted).is_err());
        for end in 0..text.len() {
            assert!(parse(&text.as_bytes()[..end], &wanted).is_err(), "cut at {end}");
        }
    }
}
