//! What RPM makes of one spec file.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::digest::Sha256;
use crate::package::{Capability, Nevra, Requirement};
use crate::source::{SourceKind, WantedSource};

/// A source package as `rpmspec` reads it in the toolchain image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourcePackage {
    /// Name of the spec file without `.spec`: the key of the package in graph and plan. Unique in a run.
    pub spec: String,
    /// The spec file, absolute.
    pub spec_path: PathBuf,
    /// Digest of the spec file's content.
    pub spec_digest: Sha256,
    /// Name, version and release of the source package; its arch is `src`.
    pub nevra: Nevra,
    /// The binary packages that it makes, in the spec's order.
    pub binaries: Vec<BinaryPackage>,
    /// What its build needs, checks included when `check_requires` is not told apart.
    pub build_requires: Vec<Requirement>,
    /// What is needed in addition when `%check` runs.
    pub check_requires: Vec<Requirement>,
    /// Sources, then patches, each in the spec's order.
    pub sources: Vec<SourceFile>,
    /// True when the spec has a `%check` section.
    pub has_check: bool,
    /// RPM's word for the architecture that it is built for: that of the toolchain, or `noarch`.
    pub build_arch: String,
    /// Words of `ExclusiveArch`, expanded; empty for no such tag.
    pub exclusive_arch: Vec<String>,
    /// Words of `ExcludeArch`, expanded.
    pub exclude_arch: Vec<String>,
    /// The macros with versions of other specs that its text names, with the values it was read with; a name without a
    /// value is not here. Its build defines the same.
    pub version_macros: BTreeMap<String, String>,
    /// True when it may ask RPM's database, while it is read or built.
    #[serde(default)]
    pub asks_database: bool,
    /// None when the package can be built for the toolchain's arch; otherwise why not, as in `ExclusiveArch: aarch64`.
    pub excluded: Option<String>,
    /// Seconds since 1970 of the newest changelog entry; None without a changelog.
    pub changelog_time: Option<i64>,
    /// The entries of its `%files` sections, expanded; they tell what a generated provide may come from.
    pub files: Vec<FileEntry>,
}

/// An entry of a `%files` section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Name of the binary package that has it.
    pub package: String,
    /// An absolute path or glob.
    pub path: String,
    /// True for `%dir`, a folder without what is in it.
    pub is_bare: bool,
}

/// A source or patch of a spec.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SourceFile {
    /// File name: the last part of the URL or path, or what follows `#/`.
    pub name: String,
    /// The URL as the spec gives it, a `#/name` included; None for a file that comes with the spec.
    pub url: Option<String>,
    /// Source or patch.
    pub kind: SourceKind,
}

impl SourcePackage {
    /// What [`crate::source::fetch`] is asked for this package, by the digests of its signatures file.
    pub fn wanted_sources(&self) -> Vec<WantedSource> {
        let wanted = |file: &SourceFile| WantedSource {
            spec: self.spec.clone(),
            spec_path: self.spec_path.clone(),
            file: file.name.clone(),
            kind: file.kind,
            url: file.url.clone(),
            expected: None,
        };
        self.sources.iter().map(wanted).collect()
    }
}

/// A binary package that a spec says it makes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BinaryPackage {
    /// Its identity.
    pub nevra: Nevra,
    /// What the spec says it provides, its own name included; generated provides are not known before it is built.
    pub provides: Vec<Capability>,
    /// What the spec says it requires.
    pub requires: Vec<Requirement>,
    /// What the spec says it cannot be installed with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<Requirement>,
    /// What the spec says it replaces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub obsoletes: Vec<Requirement>,
}

impl BinaryPackage {
    /// A package of which no more is known.
    pub fn new(nevra: Nevra) -> Self {
        Self { nevra, provides: vec![], requires: vec![], conflicts: vec![], obsoletes: vec![] }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::package::Evr;

    /// A package for tests.
    pub(crate) fn zlib() -> SourcePackage {
        SourcePackage {
            spec: "zlib".into(),
            spec_path: "/specs/zlib/zlib.spec".into(),
            spec_digest: Sha256::of_bytes(b"spec"),
            nevra: Nevra { name: "zlib".into(), evr: Evr::parse("1.3-1"), arch: "src".into() },
            binaries: vec![],
            build_requires: vec![],
            check_requires: vec![],
            sources: vec![],
            has_check: true,
            excluded: None,
            build_arch: "x86_64".into(),
            exclusive_arch: vec![],
            exclude_arch: vec![],
            version_macros: BTreeMap::new(),
            asks_database: false,
            changelog_time: Some(1_768_478_400),
            files: vec![],
        }
    }
}
