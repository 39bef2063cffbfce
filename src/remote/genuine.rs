//! Whether an RPM is the package that the metadata say it is.
//!
//! The checksum of the metadata shows that the bytes are those that they mean, and a signature who has made them; neither
//! shows that the words are right. A mirror could otherwise pass an old signed RPM off as another package.

use std::collections::HashSet;
use std::io::BufReader;
use std::path::Path;

use crate::causes;
use crate::package::{Nevra, Requirement, RpmHeader, header};
use crate::regular;

/// What the RPM in `path` is not that `said`, the words of the metadata, tell of it; as the rest of a sentence.
pub(super) fn contradiction(said: &RpmHeader, path: &Path) -> Option<String> {
    let file = regular::open(path).map_err(|error| error.to_string());
    let read =
        file.and_then(|file| header::read(&mut BufReader::new(file)).map_err(|error| causes::in_one_line(&error)));
    match read {
        Ok(is) => difference(said, &is),
        Err(wrong) => Some(format!("cannot be read: {wrong}")),
    }
}

fn difference(said: &RpmHeader, is: &RpmHeader) -> Option<String> {
    if identity(&said.nevra) != identity(&is.nevra) {
        return Some(format!("is `{}`, and the metadata say that it is `{}`", is.nevra, said.nevra));
    }
    let lists = [
        ("provides", provided(said), provided(is)),
        ("conflicts with", named(&said.conflicts), named(&is.conflicts)),
        ("replaces", named(&said.obsoletes), named(&is.obsoletes)),
        ("has", said.files.iter().map(String::as_str).collect(), is.files.iter().map(String::as_str).collect()),
    ];
    lists.into_iter().find_map(|(verb, said, is)| {
        let more = said.iter().find(|name| !is.contains(*name))?;
        Some(format!("does not say that it {verb} `{more}`, and the metadata do"))
    })
}

/// Metadata write an epoch of 0 where a header has none.
fn identity(nevra: &Nevra) -> (&str, u32, &str, &str, &str) {
    let Nevra { name, evr, arch } = nevra;
    (name, evr.epoch.unwrap_or(0), &evr.version, &evr.release, arch)
}

fn provided(header: &RpmHeader) -> HashSet<&str> {
    header.provides.iter().map(|provided| provided.name.as_str()).collect()
}

fn named(requirements: &[Requirement]) -> HashSet<&str> {
    requirements.iter().flat_map(Requirement::dependencies).map(|dependency| dependency.name.as_str()).collect()
}
