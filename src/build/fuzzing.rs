//! The way to what looks at RPMs that a build left, for `fuzz/`; there only with `--cfg fuzzing`.

use std::collections::BTreeSet;

use super::collect::{unexpected, usurped};
use crate::cache::{self, BuiltRpm};
use crate::package::{Nevra, Requirement};
use crate::repo;
use crate::spec::{self, SourcePackage, is_path_for_debuggers};

/// The names of the packages that the spec makes, with their arch. The seeds are of them.
const DECLARED: [(&str, &str); 2] = [("drydock-release", "noarch"), ("drydock-release-libs", "x86_64")];
const VERSION: &str = "1.0-1.dd1";

/// Takes `bytes` for an RPM that a build of a spec left beside right ones. What is taken is what the spec says.
pub fn built_rpm(bytes: &[u8]) {
    let Some((rpm, metadata)) = cache::fuzzing::described(bytes) else { return };
    let location = rpm.location();
    let parts: Vec<&str> = location.split('/').collect();
    assert!(parts.len() == 2 && parts.iter().all(|part| !part.starts_with('.') && !part.is_empty()), "{location}");
    let package = spec::fuzzing::package(VERSION, &DECLARED);
    let [source, binary] = right(&rpm, &package);
    let beside = if rpm.is_source() { binary } else { source };
    if unexpected(&package, &[rpm.clone(), beside]).is_some() {
        return;
    }
    is_declared(&rpm);
    if usurped(&package, std::slice::from_ref(&rpm), &BTreeSet::from(["other".to_owned()])).is_none() {
        let header = &rpm.header;
        let asked = header.obsoletes.iter().chain(&header.conflicts).flat_map(Requirement::dependencies);
        let named = header.provides.iter().map(|it| &it.name).chain(asked.map(|it| &it.name));
        assert!(rpm.is_source() || { named }.all(|name| name != "other"));
    }
    repo::fuzzing::indexed(&rpm, &metadata);
}

/// A source package and a binary package as the spec says, with the rest of `rpm`.
fn right(rpm: &BuiltRpm, package: &SourcePackage) -> [BuiltRpm; 2] {
    let of = |nevra: &Nevra, source_rpm: Option<String>| {
        let mut right = rpm.clone();
        right.header.nevra = nevra.clone();
        right.header.source_rpm = source_rpm;
        right.file = nevra.file_name();
        right
    };
    [of(&package.nevra, None), of(&package.binaries[0].nevra, Some(package.nevra.file_name()))]
}

/// By its file's name: it is one of a few, and for debuggers when it is none that the spec names.
fn is_declared(rpm: &BuiltRpm) {
    let named = DECLARED.map(|(name, arch)| format!("{arch}/{name}-{VERSION}.{arch}.rpm"));
    let main = DECLARED[0].0;
    let of_rpm = [format!("{main}-libs-debuginfo"), format!("{main}-debuginfo"), format!("{main}-debugsource")];
    let for_debuggers = of_rpm.iter().any(|name| rpm.location() == format!("x86_64/{name}-{VERSION}.x86_64.rpm"));
    let is_source = rpm.location() == format!("src/{main}-{VERSION}.src.rpm");
    assert!(named.contains(&rpm.location()) || for_debuggers || is_source, "{}", rpm.location());
    assert!(!for_debuggers || rpm.header.files.iter().all(|path| is_path_for_debuggers(path)), "{:?}", rpm.header);
    let made_of = rpm.header.source_rpm.as_deref();
    assert!(is_source || made_of == Some(format!("{main}-{VERSION}.src.rpm").as_str()), "{made_of:?}");
    assert_eq!(rpm.header.nevra.evr.epoch, None);
}
