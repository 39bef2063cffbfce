//! The digest that names a build.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::{KeyBuilder, Sha256};

use super::BuildInputs;

/// Names the result of a build by what goes into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BuildKey(pub Sha256);

impl BuildInputs {
    /// The digest of all inputs. Every field enters it; a new field needs a line here and a higher key version.
    pub fn key(&self) -> BuildKey {
        let Self { key_version, spec, spec_digest, sources, macros, macro_files, .. } = self;
        let Self { image, given, arch, buildroot, check, exceptions, .. } = self;
        let mut key = KeyBuilder::new("build")
            .field("key-version", key_version.to_le_bytes())
            .field("spec", spec)
            .field("spec-digest", spec_digest.as_bytes())
            .field("image", image.as_bytes())
            .field("arch", arch)
            .field("check", [u8::from(*check)]);
        for capability in given {
            key = key.field("given", capability);
        }
        for (name, digest) in sources {
            key = key.field("source", name).field("source-digest", digest.as_bytes());
        }
        for (name, body) in macros {
            key = key.field("macro", name).field("macro-body", body);
        }
        for (name, digest) in macro_files {
            key = key.field("macro-file", name).field("macro-file-digest", digest.as_bytes());
        }
        for (nevra, digest) in buildroot {
            key = key.field("rpm", nevra).field("rpm-digest", digest.as_bytes());
        }
        for exception in exceptions {
            key = key.field("exception", exception.to_string());
        }
        BuildKey(key.finish())
    }
}

impl fmt::Display for BuildKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
