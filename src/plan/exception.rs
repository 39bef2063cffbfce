//! What single packages may do that others may not.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Something that a package's container may do although none may by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exception {
    /// Its `%check` sees the host's network. It runs apart from the build, whose RPMs are made without network.
    NetworkInCheck,
    /// It is built as root of its container, since its spec writes outside the folders of its build.
    Root,
}

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NetworkInCheck => "network-in-check",
            Self::Root => "root",
        })
    }
}
