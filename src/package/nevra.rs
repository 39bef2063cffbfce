//! Name, epoch, version, release and architecture: what names one RPM.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Evr;

/// The identity of an RPM. Source packages have the arch `src`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Nevra {
    /// Package name, such as `zlib-devel`.
    pub name: String,
    /// Epoch, version and release.
    pub evr: Evr,
    /// RPM's word for the architecture: `x86_64`, `aarch64`, `noarch`, `src`.
    pub arch: String,
}

impl Nevra {
    /// The file name that rpmbuild gives this package; RPM leaves the epoch out of it.
    pub fn file_name(&self) -> String {
        format!("{}.rpm", self.nvra())
    }

    /// Where the package is in a repository: a folder an arch, source packages in `src`.
    pub fn location(&self) -> String {
        format!("{}/{}", self.arch, self.file_name())
    }

    /// Name, version, release and arch without the epoch.
    pub fn nvra(&self) -> String {
        format!("{}-{}-{}.{}", self.name, self.evr.version, self.evr.release, self.arch)
    }
}

impl fmt::Display for Nevra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}.{}", self.name, self.evr, self.arch)
    }
}
