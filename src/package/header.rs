//! The header of an RPM: what it is, what it provides, what it needs.

use std::io::BufRead;

use rpm::{DependencyFlags, IndexTag, PackageMetadata};
use serde::{Deserialize, Serialize};

use super::{Capability, Comparison, Dependency, Evr, Nevra, Requirement, header_bytes};
use crate::digest::Sha256;

/// What a dependency solver and a repository need to know of one RPM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RpmHeader {
    /// The package's identity; arch `src` for a source package.
    pub nevra: Nevra,
    /// In the header's order.
    pub provides: Vec<Capability>,
    /// In the header's order, without `rpmlib(…)`, which asks for a feature of rpm itself.
    pub requires: Vec<Requirement>,
    /// In the header's order.
    pub conflicts: Vec<Requirement>,
    /// In the header's order.
    pub obsoletes: Vec<Requirement>,
    /// Absolute paths of all files, folders and links.
    pub files: Vec<String>,
    /// File name of the source package that it was built from; None for a source package.
    pub source_rpm: Option<String>,
    /// Sum of the sizes of its files, in bytes.
    pub installed_bytes: u64,
}

/// The bytes are not an RPM, or its header says something RPM would not.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// The bytes cannot be read, or are not an RPM's.
    #[error("cannot read the RPM header")]
    Bytes(#[source] std::io::Error),
    /// The header's structure is broken.
    #[error("cannot read the RPM header")]
    Format(#[source] rpm::Error),
    /// What names the package cannot be part of a file name.
    #[error("the RPM header says that the {part} is `{}`", text.escape_debug())]
    Name {
        /// `name`, `version`, `release` or `architecture`.
        part: &'static str,
        /// What stands there.
        text: String,
    },
    /// The bytes are not those that the package was made with.
    #[error("the {part} does not have the digest that the package says it has")]
    Digest {
        /// `header` or `payload`.
        part: &'static str,
    },
    /// A dependency in it is not one.
    #[error("the RPM header has a wrong dependency")]
    Dependency(#[from] super::ParseRequirementError),
}

/// Reads the header that `reader` starts with.
pub fn read(reader: &mut impl BufRead) -> Result<RpmHeader, HeaderError> {
    of(&metadata(reader)?)
}

/// All values of the headers that `reader` starts with; what follows them stays in it. RPMs that come from elsewhere are
/// read by this alone: it takes no more memory than a small multiple of what `reader` gives.
pub fn metadata(reader: &mut impl BufRead) -> Result<PackageMetadata, HeaderError> {
    let bytes = header_bytes::read(reader).map_err(HeaderError::Bytes)?;
    PackageMetadata::parse(&mut bytes.as_slice()).map_err(HeaderError::Format)
}

/// What `metadata` says of the package.
pub fn of(metadata: &PackageMetadata) -> Result<RpmHeader, HeaderError> {
    let is_source = metadata.is_source_package();
    let nevra = Nevra {
        name: word("name", metadata.get_name())?,
        evr: Evr {
            epoch: metadata.get_epoch().ok(),
            version: word("version", metadata.get_version())?,
            release: word("release", metadata.get_release())?,
        },
        arch: if is_source { "src".to_owned() } else { word("architecture", metadata.get_arch())? },
    };
    let provides = metadata.get_provides().map_err(HeaderError::Format)?;
    Ok(RpmHeader {
        nevra,
        provides: provides.into_iter().map(capability).collect(),
        requires: requirements(metadata.get_requires())?,
        conflicts: requirements(metadata.get_conflicts())?,
        obsoletes: requirements(metadata.get_obsoletes())?,
        files: file_paths(metadata)?,
        source_rpm: metadata.get_source_rpm().ok().map(str::to_owned),
        installed_bytes: metadata.get_installed_size().unwrap_or(0),
    })
}

/// Whether the bytes are those that the package was made with: the headers' by all digests that it names, and at least one;
/// those of the payload, whose digest is `payload`, by SHA-256 where it names that, as rpm does since 4.14.
pub fn check_digests(metadata: &PackageMetadata, payload: Sha256) -> Result<(), HeaderError> {
    let of_header = metadata.check_digests().map_err(HeaderError::Format)?;
    if !of_header.has_header_digest() || of_header.result().is_err() {
        return Err(HeaderError::Digest { part: "header" });
    }
    let said = metadata.header.get_entry_data_as_string(IndexTag::RPMTAG_PAYLOADSHA256);
    match said {
        Ok(said) if said.parse().ok() != Some(payload) => Err(HeaderError::Digest { part: "payload" }),
        _ => Ok(()),
    }
}

/// A part of what names a package; file names and folders are made of it.
fn word(part: &'static str, text: Result<&str, rpm::Error>) -> Result<String, HeaderError> {
    let text = text.map_err(HeaderError::Format)?;
    let parts_names = |letter: char| letter == '/' || letter.is_control() || letter.is_whitespace();
    let has_dash = part != "name" && text.contains('-');
    if text.is_empty() || text.starts_with('.') || text.contains(parts_names) || has_dash {
        return Err(HeaderError::Name { part, text: text.to_owned() });
    }
    Ok(text.to_owned())
}

fn file_paths(metadata: &PackageMetadata) -> Result<Vec<String>, HeaderError> {
    let paths = metadata.get_file_paths().map_err(HeaderError::Format)?;
    Ok(paths.into_iter().map(|path| path.to_string_lossy().into_owned()).collect())
}

fn capability(dependency: rpm::Dependency) -> Capability {
    // Without a comparison the version counts for nothing, as in rpm.
    let bound = comparison(&dependency).filter(|_| !dependency.version.is_empty());
    let evr = bound.map(|_| Evr::parse(&dependency.version));
    Capability { name: dependency.name, evr, comparison: bound.unwrap_or_default() }
}

fn requirements(found: Result<Vec<rpm::Dependency>, rpm::Error>) -> Result<Vec<Requirement>, HeaderError> {
    let found = found.map_err(HeaderError::Format)?;
    // By the name, as rpm does it: a flag can be set for any.
    let ours = found.into_iter().filter(|dependency| !dependency.name.starts_with("rpmlib("));
    ours.map(requirement).collect()
}

fn requirement(dependency: rpm::Dependency) -> Result<Requirement, HeaderError> {
    if dependency.name.starts_with('(') {
        return Ok(dependency.name.parse()?);
    }
    let bound = comparison(&dependency).map(|comparison| (comparison, Evr::parse(&dependency.version)));
    Ok(Requirement::Simple(Dependency { name: dependency.name, bound }))
}

/// How its version bounds others; None for any version.
fn comparison(dependency: &rpm::Dependency) -> Option<Comparison> {
    let has = |flag| dependency.flags.contains(flag);
    match (has(DependencyFlags::LESS), has(DependencyFlags::EQUAL), has(DependencyFlags::GREATER)) {
        (true, false, _) => Some(Comparison::Less),
        (true, true, _) => Some(Comparison::LessEqual),
        (false, true, true) => Some(Comparison::GreaterEqual),
        (false, false, true) => Some(Comparison::Greater),
        (false, true, false) => Some(Comparison::Equal),
        (false, false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_tells_what_the_package_needs() {
        let package = rpm::PackageBuilder::new("demo", "1.2", "MIT", "x86_64", "a test")
            .release("3.dd1")
            .requires(rpm::Dependency::greater_eq("zlib", "1.2"))
            .requires(rpm::Dependency::any("(a or b)"))
            .requires(rpm::Dependency { flags: DependencyFlags::RPMLIB, ..rpm::Dependency::any("no-feature") })
            .provides(rpm::Dependency::eq("pkgconfig(demo)", "1.2"))
            .provides(rpm::Dependency::greater_eq("demo(api)", "3"))
            .provides(rpm::Dependency { version: "7".into(), ..rpm::Dependency::any("demo(any)") })
            .build()
            .unwrap();
        let mut bytes = Vec::new();
        package.write(&mut bytes).unwrap();

        let header = read(&mut bytes.as_slice()).unwrap();
        assert_eq!(header.nevra.to_string(), "demo-1.2-3.dd1.x86_64");
        let mut requires: Vec<String> = header.requires.iter().map(ToString::to_string).collect();
        requires.sort();
        assert_eq!(requires, ["(a or b)", "no-feature", "zlib >= 1.2"]);
        let provides: Vec<String> = header.provides.iter().map(ToString::to_string).collect();
        assert!(provides.contains(&"pkgconfig(demo) = 1.2".to_owned()), "{provides:?}");
        assert!(provides.contains(&"demo(api) >= 3".to_owned()), "{provides:?}");
        assert!(provides.contains(&"demo(any)".to_owned()), "{provides:?}");
    }

    #[test]
    fn what_names_a_package_must_be_part_of_a_file_name() {
        for (part, text) in [("name", "a-b+c"), ("version", "1.2~rc^3"), ("release", "4%"), ("architecture", "x86_64")]
        {
            assert_eq!(word(part, Ok(text)).unwrap(), text);
        }
        let error = word("architecture", Ok("..")).unwrap_err();
        assert_eq!(error.to_string(), "the RPM header says that the architecture is `..`");
        for (part, text) in [
            ("name", "../a"),
            ("name", "a/b"),
            ("name", ""),
            ("version", "1-2"),
            ("release", "1\u{1b}"),
            ("release", "1 2"),
        ] {
            assert!(word(part, Ok(text)).is_err(), "{part} {text}");
        }
    }

    #[test]
    fn other_bytes_are_refused() {
        assert!(read(&mut &b"not an rpm"[..]).is_err());
    }
}
