//! Reads a toolchain manifest of Azure Linux: the RPMs that a toolchain consists of.
//!
//! In: a file with one `name-version-release.arch.rpm` a line; empty lines and those that start with `#` say nothing.
//! Out: the packages in the file's order. File names have no epochs, so these are not known.

use std::collections::BTreeMap;
use std::path::Path;

use crate::package::{Evr, Nevra};
use crate::regular;
use crate::text_file::without_mark;

/// The packages of the manifest `path`, or every fault in it.
pub(super) fn read(path: &Path) -> Result<Vec<Nevra>, Vec<String>> {
    let text =
        regular::read_to_string(path).map_err(|error| vec![format!("cannot read `{}`: {error}", path.display())])?;
    parse(path, &text)
}

/// The packages in `text`, the content of the manifest `path`, or every fault in it.
pub fn parse(path: &Path, text: &str) -> Result<Vec<Nevra>, Vec<String>> {
    let (mut packages, mut faults) = (Vec::new(), Vec::new());
    let mut lines = BTreeMap::new();
    for (number, line) in without_mark(text).lines().map(str::trim).enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(first) = lines.insert(line, number + 1) {
            faults.push(format!("`{}` line {}: `{line}` stands in line {first} already", path.display(), number + 1));
            continue;
        }
        match package(line) {
            Some(package) => packages.push(package),
            None => faults.push(format!(
                "`{}` line {}: `{line}` is not the file name of an RPM, `name-version-release.arch.rpm`",
                path.display(),
                number + 1
            )),
        }
    }
    if faults.is_empty() { Ok(packages) } else { Err(faults) }
}

fn package(line: &str) -> Option<Nevra> {
    let (nvr, arch) = line.strip_suffix(".rpm")?.rsplit_once('.')?;
    let mut parts = nvr.rsplitn(3, '-');
    let (release, version, name) = (parts.next()?, parts.next()?, parts.next()?);
    let is_whole = [name, version, release, arch].iter().all(|part| !part.is_empty() && !part.contains([' ', '/']));
    let evr = Evr { epoch: None, version: version.to_owned(), release: release.to_owned() };
    is_whole.then(|| Nevra { name: name.to_owned(), evr, arch: arch.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_are_taken_apart() {
        let package = package("perl-Test-Harness-1:3.48-1.azl3.noarch.rpm".replace("1:", "").as_str()).unwrap();
        assert_eq!(package.to_string(), "perl-Test-Harness-3.48-1.azl3.noarch");
        assert_eq!((package.name.as_str(), package.arch.as_str()), ("perl-Test-Harness", "noarch"));
    }

    #[test]
    fn every_wrong_line_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("toolchain.txt");
        std::fs::write(
            &path,
            "# RPMs\nacl-2.3.1-2.azl3.x86_64.rpm\n\nacl.rpm\nattr-2.5.2-1.azl3.x86_64\n  acl-2.3.1-2.azl3.x86_64.rpm",
        )
        .unwrap();
        let faults = read(&path).unwrap_err();
        assert_eq!(faults.len(), 3);
        assert!(faults[2].ends_with("line 6: `acl-2.3.1-2.azl3.x86_64.rpm` stands in line 2 already"), "{faults:?}");
        assert!(faults[0].contains("toolchain.txt` line 4: `acl.rpm` is not the file name of an RPM"), "{faults:?}");
        assert!(faults[1].contains("line 5"), "{faults:?}");
    }
}
