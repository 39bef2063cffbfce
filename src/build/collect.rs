//! What a container left in its output folder.
//!
//! In: the collected files. Out: the RPMs with their digests, and how `%check` went; or a sentence that says why this
//! cannot be what the spec makes.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::cache::{
    BuiltRpm, CacheError, CheckOutcome, describe,
    file::{reading, writing},
};
use crate::package::{Requirement, RpmHeader};
use crate::spec::{SourcePackage, is_path_for_debuggers};

/// Ends the name of the package in which rpmbuild asks for more `BuildRequires`.
const REQUEST_SUFFIX: &str = ".buildreqs.nosrc.rpm";

/// More than a status and the white space around it.
const STATUS_BYTES: u64 = 64;

/// What a build made.
#[derive(Debug)]
pub(super) struct Outputs {
    /// Sorted by file name.
    pub(super) rpms: Vec<BuiltRpm>,
    /// Exit status of `%check`, when it ran.
    pub(super) check_status: Option<i32>,
}

/// The files in `folder`.
pub(super) fn outputs(folder: &Path) -> Result<Outputs, CacheError> {
    let mut rpms = Vec::new();
    for name in names(folder)? {
        let is_rpm = Path::new(&name).extension().is_some_and(|extension| extension == "rpm");
        if is_rpm && folder.join(&name).is_file() && !name.ends_with(REQUEST_SUFFIX) {
            rpms.push(describe(&readable(folder.join(name))?)?);
        }
    }
    Ok(Outputs { rpms, check_status: check_status(folder) })
}

/// Exit status of `%check`, when it ran. The build can write anything into the file.
pub(super) fn check_status(folder: &Path) -> Option<i32> {
    let mut text = String::new();
    File::open(folder.join("check-status")).ok()?.take(STATUS_BYTES).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// All `BuildRequires` of a build that `%generate_buildrequires` asked more for; None when it left no such request.
pub(super) fn requested(folder: &Path) -> Result<Option<Vec<Requirement>>, CacheError> {
    let request = names(folder)?.into_iter().find(|name| name.ends_with(REQUEST_SUFFIX));
    let Some(request) = request else { return Ok(None) };
    let mut wanted = describe(&readable(folder.join(request))?)?.header.requires;
    wanted.sort();
    wanted.dedup();
    Ok(Some(wanted))
}

/// How the tests of a package went, whose `%check` ended with `status`.
pub(super) fn check_outcome(status: Option<i32>) -> CheckOutcome {
    match status {
        None => CheckOutcome::Off,
        Some(0) => CheckOutcome::Passed,
        Some(status) => CheckOutcome::Failed { status },
    }
}

/// Why `rpms` cannot be what `package` makes.
pub(super) fn unexpected(package: &SourcePackage, rpms: &[BuiltRpm]) -> Option<String> {
    let source = &package.nevra;
    let sources: Vec<&BuiltRpm> = rpms.iter().filter(|rpm| rpm.is_source()).collect();
    let [source_rpm] = sources.as_slice() else {
        return Some(format!("rpmbuild left {} source packages", sources.len()));
    };
    if source_rpm.header.nevra != *source {
        let made = &source_rpm.header.nevra;
        let why = if made.name == source.name {
            ": its version or release holds the time, or something else that is not the same twice; write down a fixed one"
        } else {
            ""
        };
        return Some(format!("rpmbuild made `{made}` and not `{source}`{why}"));
    }
    if rpms.len() == 1 {
        return Some("rpmbuild made no binary package".to_owned());
    }
    let wrong =
        |rpm| wrong_name(rpm).or_else(|| wrong_source(rpm, &source_rpm.file)).or_else(|| undeclared(package, rpm));
    rpms.iter().find_map(wrong)
}

/// Why `rpms` cannot be published beside the packages `names`, those of all specs: one that gives the name of another spec's
/// package, replaces it or keeps it away, without its own spec's saying so, would be installed in its place.
pub(super) fn usurped(package: &SourcePackage, rpms: &[BuiltRpm], names: &BTreeSet<String>) -> Option<String> {
    rpms.iter().filter(|rpm| !rpm.is_source()).find_map(|rpm| {
        let (verb, what, name) = unsaid(package, &rpm.header, names)?;
        let (file, spec) = (&rpm.file, &package.spec);
        let of = if what == name { String::new() } else { format!("`{name}`, ") };
        Some(format!("`{file}` {verb} `{what}`, {of}a package of another spec, and `{spec}.spec` does not say so"))
    })
}

/// What `header` says of one of `names` that `package` does not say: the verb, the words, and the name.
fn unsaid(
    package: &SourcePackage,
    header: &RpmHeader,
    names: &BTreeSet<String>,
) -> Option<(&'static str, String, String)> {
    let binaries = || package.binaries.iter();
    let is_foreign = |name: &&str| names.contains(*name) && !binaries().any(|binary| binary.nevra.name == **name);
    let said = |name: &str| binaries().flat_map(|binary| &binary.provides).any(|provided| provided.name == name);
    let provided = header.provides.iter().map(|provided| provided.name.as_str());
    if let Some(name) = provided.filter(is_foreign).find(|name| !said(name)) {
        return Some(("provides", name.to_owned(), name.to_owned()));
    }
    let names_of = |requirement: &Requirement| {
        let names = requirement.dependencies().into_iter().map(|dependency| dependency.name.as_str());
        names.filter(is_foreign).map(str::to_owned).next()
    };
    let replaced = header.obsoletes.iter().filter(|it| !binaries().any(|binary| binary.obsoletes.contains(it)));
    let kept_away = header.conflicts.iter().filter(|it| !binaries().any(|binary| binary.conflicts.contains(it)));
    let mut told = replaced.map(|it| ("replaces", it)).chain(kept_away.map(|it| ("conflicts with", it)));
    told.find_map(|(verb, requirement)| Some((verb, requirement.to_string(), names_of(requirement)?)))
}

/// A package that the spec does not say it makes could take the place of another spec's.
fn undeclared(package: &SourcePackage, rpm: &BuiltRpm) -> Option<String> {
    let (nevra, spec) = (&rpm.header.nevra, &package.spec);
    if package.declared().any(|declared| declared == nevra) {
        return None;
    }
    if package.makes_for_debuggers(nevra) {
        let other = rpm.header.files.iter().find(|path| !is_path_for_debuggers(path))?;
        return Some(format!("`{}`, a package for debuggers, has the file `{other}`", rpm.file));
    }
    let same_name = package.binaries.iter().find(|binary| binary.nevra.name == nevra.name);
    Some(match same_name {
        Some(binary) => {
            format!("rpmbuild made `{nevra}`; read in the toolchain image, `{spec}.spec` says `{}`", binary.nevra)
        }
        None => format!(
            "rpmbuild made `{nevra}`, which `{spec}.spec` does not declare when it is read in the toolchain image"
        ),
    })
}

fn wrong_name(rpm: &BuiltRpm) -> Option<String> {
    let expected = rpm.header.nevra.file_name();
    let without_source = expected.replace(".src.rpm", ".nosrc.rpm");
    let right = rpm.file == expected || (rpm.is_source() && rpm.file == without_source);
    (!right).then(|| format!("`{}` holds the package `{}`", rpm.file, rpm.header.nevra))
}

fn wrong_source(rpm: &BuiltRpm, source_rpm: &str) -> Option<String> {
    let right = rpm.is_source() || rpm.header.source_rpm.as_deref() == Some(source_rpm);
    (!right).then(|| format!("`{}` says that it was built from another source package", rpm.file))
}

/// The file `path`, which a container left with whatever permissions; it is ours now.
fn readable(path: PathBuf) -> Result<PathBuf, CacheError> {
    fs::set_permissions(&path, Permissions::from_mode(0o644)).map_err(writing(&path))?;
    Ok(path)
}

/// The names in `folder`, sorted. One that is not UTF-8 is none of a package.
fn names(folder: &Path) -> Result<Vec<String>, CacheError> {
    let entries = fs::read_dir(folder).map_err(reading(folder))?;
    let names: std::io::Result<Vec<OsString>> = entries.map(|entry| Ok(entry?.file_name())).collect();
    let names = names.map_err(reading(folder))?.into_iter().filter_map(|name| name.into_string().ok());
    let mut names: Vec<String> = names.collect();
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Sha256;
    use crate::package::{Capability, Evr, Nevra};
    use crate::spec::{BinaryPackage, zlib};

    fn rpm(name: &str, arch: &str, source_rpm: Option<&str>) -> BuiltRpm {
        let nevra = Nevra { name: name.into(), evr: Evr::parse("1-1"), arch: arch.into() };
        let digest = Sha256::of_bytes(b"");
        let header = RpmHeader {
            nevra: nevra.clone(),
            provides: vec![],
            requires: vec![],
            conflicts: vec![],
            obsoletes: vec![],
            files: vec![],
            source_rpm: source_rpm.map(str::to_owned),
            installed_bytes: 0,
        };
        BuiltRpm { file: nevra.file_name(), sha256: digest, bytes: 0, content: digest, build_time: 0, header }
    }

    /// The spec `a`, which makes `a` without architecture and `a-libs`.
    fn spec() -> SourcePackage {
        let nevra = |name: &str, arch| rpm(name, arch, None).header.nevra;
        let binary = BinaryPackage::new;
        let binaries = vec![binary(nevra("a", "noarch")), binary(nevra("a-libs", "x86_64"))];
        SourcePackage { spec: "a".into(), nevra: nevra("a", "src"), binaries, ..zlib() }
    }

    #[test]
    fn outputs_must_belong_to_the_spec() {
        let source = rpm("a", "src", None);
        let binary = rpm("a-libs", "x86_64", Some("a-1-1.src.rpm"));
        let a = spec();
        assert_eq!(unexpected(&a, &[binary.clone(), source.clone()]), None);
        let mut no_source = source.clone();
        no_source.file = "a-1-1.nosrc.rpm".into();
        let binary_of_it = rpm("a", "noarch", Some("a-1-1.nosrc.rpm"));
        assert_eq!(unexpected(&a, &[binary_of_it, no_source]), None);

        let told = |rpms: &[BuiltRpm]| unexpected(&a, rpms).unwrap();
        assert_eq!(told(std::slice::from_ref(&source)), "rpmbuild made no binary package");
        assert_eq!(told(std::slice::from_ref(&binary)), "rpmbuild left 0 source packages");
        assert!(told(&[rpm("b", "noarch", Some("b-1-1.src.rpm")), source.clone()]).contains("another source package"));
        assert!(told(&[binary.clone(), rpm("b", "src", None)]).contains("made `b-1-1.src` and not `a-1-1.src`"));
        let mut renamed = binary;
        renamed.file = "x.rpm".into();
        assert_eq!(told(&[renamed, source]), "`x.rpm` holds the package `a-libs-1-1.x86_64`");
    }

    #[test]
    fn a_package_that_the_spec_does_not_declare_is_refused_by_name() {
        let a = spec();
        let outcome = |rpm: BuiltRpm| unexpected(&a, &[rpm, super::tests::rpm("a", "src", None)]);
        let made = |name: &str, arch: &str| rpm(name, arch, Some("a-1-1.src.rpm"));
        for (name, arch, told) in [
            ("release", "noarch", "rpmbuild made `release-1-1.noarch`, which `a.spec` does not declare"),
            ("a", "x86_64", "rpmbuild made `a-1-1.x86_64`; read in the toolchain image, `a.spec` says `a-1-1.noarch`"),
            ("a-libs", "..", "rpmbuild made `a-libs-1-1...`; read"),
            ("b-debuginfo", "x86_64", "rpmbuild made `b-debuginfo-1-1.x86_64`, which `a.spec` does not declare"),
        ] {
            let text = outcome(made(name, arch)).unwrap();
            assert!(text.starts_with(told), "{text}");
        }
        let mut newer = made("a", "noarch");
        newer.header.nevra.evr = Evr::parse("2-1");
        newer.file = newer.header.nevra.file_name();
        assert!(outcome(newer).unwrap().starts_with("rpmbuild made `a-2-1.noarch`; read"));

        let mut symbols = made("a-libs-debuginfo", "x86_64");
        symbols.header.files = vec!["/usr/lib/debug".into(), "/usr/lib/debug/a.debug".into()];
        assert_eq!(outcome(symbols.clone()), None);
        symbols.header.files.push("/usr/bin/sh".into());
        let told = outcome(symbols).unwrap();
        assert_eq!(told, "`a-libs-debuginfo-1-1.x86_64.rpm`, a package for debuggers, has the file `/usr/bin/sh`");
    }

    #[test]
    fn the_name_of_another_specs_package_is_provided_only_where_the_spec_says_so() {
        let mut a = spec();
        let names = ["a", "a-libs", "release"].map(str::to_owned).into();
        let mut made = rpm("a", "noarch", Some("a-1-1.src.rpm"));
        for name in ["a", "a-libs", "pkgconfig(a)", "nobody"] {
            made.header.provides.push(Capability::parse(name));
        }
        assert_eq!(usurped(&a, std::slice::from_ref(&made), &names), None);
        made.header.provides.push(Capability::parse("release = 99"));
        let told = usurped(&a, std::slice::from_ref(&made), &names).unwrap();
        let expected = "`a-1-1.noarch.rpm` provides `release`, a package of another spec, and `a.spec` does not say so";
        assert_eq!(told, expected);
        a.binaries[1].provides.push(Capability::parse("release"));
        assert_eq!(usurped(&a, &[made], &names), None);
    }

    #[test]
    fn a_package_of_another_spec_is_replaced_or_kept_away_only_where_the_spec_says_so() {
        let mut a = spec();
        let names = ["a", "a-libs", "release"].map(str::to_owned).into();
        let told = |a: &SourcePackage, change: &dyn Fn(&mut RpmHeader)| {
            let mut made = rpm("a", "noarch", Some("a-1-1.src.rpm"));
            change(&mut made.header);
            usurped(a, &[made], &names)
        };
        let asked = |text: &str| -> Requirement { text.parse().unwrap() };
        assert_eq!(told(&a, &|header| header.obsoletes = vec![asked("old-a < 2"), asked("a-libs < 1")]), None);
        assert_eq!(told(&a, &|header| header.conflicts = vec![asked("nobody")]), None);
        let end = "a package of another spec, and `a.spec` does not say so";
        let replaces = |header: &mut RpmHeader| header.obsoletes = vec![asked("release < 99")];
        let text = told(&a, &replaces).unwrap();
        assert_eq!(text, format!("`a-1-1.noarch.rpm` replaces `release < 99`, `release`, {end}"));
        let conflicts = |header: &mut RpmHeader| header.conflicts = vec![asked("(x if release)")];
        assert!(told(&a, &conflicts).unwrap().contains("conflicts with `(x if release)`, `release`"));
        a.binaries[1].obsoletes.push(asked("release < 98"));
        assert!(told(&a, &replaces).is_some(), "another version is another claim");
        a.binaries[1].obsoletes.push(asked("release < 99"));
        a.binaries[1].conflicts.push(asked("(x if release)"));
        assert_eq!(told(&a, &replaces), None);
        assert_eq!(told(&a, &conflicts), None);
    }

    #[test]
    fn the_status_of_a_check_is_read() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(check_outcome(check_status(folder.path())), CheckOutcome::Off);
        fs::write(folder.path().join("check-status"), "2\n").unwrap();
        assert_eq!(check_outcome(check_status(folder.path())), CheckOutcome::Failed { status: 2 });
        // Sparse, and larger than the memory.
        let status = File::create(folder.path().join("check-status")).unwrap();
        status.set_len(1 << 40).unwrap();
        assert_eq!(check_status(folder.path()), None);
    }
}
