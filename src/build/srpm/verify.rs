//! Whether an SRPM of a server is the one that a spec of this project gives.
//!
//! The header must have the spec's name, epoch, version and release; each signed file must be in the SRPM with the digest
//! of the signatures file, computed from the payload and not taken from the header. Patches beside the spec and the spec
//! itself are the packer's: whether they differ is told and is no fault.

use std::collections::BTreeMap;
use std::path::Path;

use rpm::PackageReader;

use crate::causes;
use crate::digest::{KeyBuilder, Sha256};
use crate::package::Nevra;
use crate::package::header;
use crate::regular;
use crate::source::SourceKind;
use crate::source::signatures::Signatures;
use crate::spec::SourcePackage;

/// What an SRPM must be.
pub struct Expected<'a> {
    /// The spec.
    pub package: &'a SourcePackage,
    /// What its signatures file says; None when signatures do not count.
    pub signatures: Option<&'a Signatures>,
}

/// An SRPM that may be taken.
#[derive(Debug, PartialEq, Eq)]
pub struct Verified {
    /// False when the spec in it is not the one here.
    pub has_same_spec: bool,
}

/// The key under which the SRPM of `expected` from one of `urls` is kept.
pub fn key(expected: &Expected<'_>, urls: &[String]) -> Sha256 {
    let mut key = KeyBuilder::new("downloaded srpm").field("nevra", expected.package.nevra.to_string());
    for (file, digest) in expected.signatures.into_iter().flatten() {
        key = key.field("file", file).field("digest", digest.as_bytes());
    }
    urls.iter().fold(key, |key, url| key.field("url", url)).finish()
}

/// Reads the SRPM in `path` from its start to its end; why it cannot be taken is a sentence without its end.
pub fn verify(path: &Path, expected: &Expected<'_>) -> Result<Verified, String> {
    let file = regular::open(path).map_err(|error| format!("cannot read `{}`: {error}", path.display()))?;
    let header = header::read(&mut std::io::BufReader::new(file)).map_err(|error| causes::in_one_line(&error))?;
    same_package(&header.nevra, &expected.package.nevra)?;
    let files =
        payload(path).map_err(|error| format!("its payload cannot be read: {}", causes::in_one_line(&error)))?;
    for source in &expected.package.sources {
        let Some(signatures) = expected.signatures else { break };
        let (name, signed) = (&source.name, signatures.get(&source.name));
        match (signed, files.get(name)) {
            (None, _) if source.kind == SourceKind::Source => {
                return Err(format!("its source `{name}` has no signature"));
            }
            (Some(_), None) => return Err(format!("it has no `{name}`")),
            (Some(signed), Some(got)) if signed != got => {
                return Err(format!("its source `{name}` has digest {got}, the signature says {signed}"));
            }
            (None, _) | (Some(_), Some(_)) => {}
        }
    }
    let spec = files.iter().find(|(name, _)| Path::new(name).extension().is_some_and(|ending| ending == "spec"));
    Ok(Verified { has_same_spec: spec.is_some_and(|(_, digest)| *digest == expected.package.spec_digest) })
}

fn same_package(got: &Nevra, wanted: &Nevra) -> Result<(), String> {
    if got == wanted { Ok(()) } else { Err(format!("it is `{got}` and not `{wanted}`")) }
}

/// Digests of the files in the SRPM, by name.
fn payload(path: &Path) -> Result<BTreeMap<String, Sha256>, rpm::Error> {
    let mut reader = PackageReader::open(path)?;
    let mut files = BTreeMap::new();
    while let Some(mut file) = reader.next_file()? {
        let name = file.metadata.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (digest, _) = Sha256::of_reader(&mut file)?;
        file.finish()?;
        files.insert(name, digest);
    }
    Ok(files)
}
