//! Reading recorded answers of rpmspec 4.18, keys, and saved specs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use super::answer::{self, Answer};
use super::find::SpecFile;
use super::*;
use crate::digest::Sha256;
use crate::package::Requirement;
use crate::source::SourceKind;

/// `;` ends a record and `|` a field, so that the recorded text can be read.
fn recorded(text: &str) -> String {
    text.replace(';', "\u{1e}").replace('|', "\u{1f}")
}

const SOURCE: &str = "N|t1|2|1.0|1.dd1|x86_64;S|foo.tgz;S|c-1.0.tar.gz;S|local.conf;S|t1-1.0.tar.gz;P|b.patch;P|a.patch;\
    R|(foo >= 1 or bar)|0;R|gcc >= 4|12;R|rpmlib(RichDependencies) <= 4.12.0-1|16777226;XA|x86_64;XA|aarch64;EA|ppc64;\
    C|1768478400;C|1700000000;";

const BINARY: &str = "N|t1|2|1.0|1.dd1|x86_64;V|t1|2:1.0-1.dd1|8;V|t1(api)|3|12;V|t1(any)||0;R|/bin/sh|1280;\
    R|t1-libs(x86-64) = 2:1.0-1.dd1|8;R|hint|524288;N|t1-doc|2|1.0|1.dd1|noarch;V|t1-doc|2:1.0-1.dd1|8;R|(a if b)|0;";

const CHECKED: &str = "N|t1|2|1.0|1.dd1|x86_64;R|(foo >= 1 or bar)|0;R|gcc >= 4|12;R|perl(Test::More)|0;";

const PARSED: &str = "Name: t1\nSource0: https://x.test/a/b.tar.gz#/t1-1.0.tar.gz\nSource1: local.conf\n\
    Source2: https://x.test/a/c-1.0.tar.gz\nSource7: https://x.test/dl?f=foo.tgz\nPatch0: a.patch\n\
    Patch5: https://x.test/p/b.patch\n%check\nmake test\n%files\n/usr/lib64/pkgconfig/t1.pc\n";

fn spec_file() -> SpecFile {
    SpecFile {
        name: "t1-spec".into(),
        path: "/s/t1/t1-spec.spec".into(),
        folder: 0,
        relative: "t1/t1-spec.spec".into(),
        linked: None,
    }
}

fn package_on(arch: &str, source: &str, checked: Option<&str>) -> Result<SourcePackage, String> {
    let (source, binary, checked) = (recorded(source), recorded(BINARY), checked.map(recorded));
    let answer = Answer { source: &source, binary: &binary, checked: checked.as_deref(), parsed: PARSED };
    answer::package(&spec_file(), Sha256::of_bytes(b""), arch, answer)
}

fn shown(requirements: &[Requirement]) -> Vec<String> {
    requirements.iter().map(ToString::to_string).collect()
}

#[test]
fn a_recorded_answer_gives_the_package() {
    let package = package_on("x86_64", SOURCE, Some(CHECKED)).unwrap();
    assert_eq!((package.spec.as_str(), package.nevra.to_string()), ("t1-spec", "t1-2:1.0-1.dd1.src".into()));
    assert_eq!(shown(&package.build_requires), ["(foo >= 1 or bar)", "gcc >= 4"]);
    assert_eq!(shown(&package.check_requires), ["perl(Test::More)"]);
    assert_eq!((package.has_check, package.changelog_time, package.excluded), (true, Some(1_768_478_400), None));
    let files: Vec<_> = package.files.iter().map(|file| (file.package.as_str(), file.path.as_str())).collect();
    assert_eq!(files, [("t1", "/usr/lib64/pkgconfig/t1.pc")]);
    let sources = package.sources.iter().map(|s| (s.name.as_str(), s.url.as_deref(), s.kind == SourceKind::Patch));
    assert_eq!(
        sources.collect::<Vec<_>>(),
        [
            ("t1-1.0.tar.gz", Some("https://x.test/a/b.tar.gz#/t1-1.0.tar.gz"), false),
            ("local.conf", None, false),
            ("c-1.0.tar.gz", Some("https://x.test/a/c-1.0.tar.gz"), false),
            ("foo.tgz", Some("https://x.test/dl?f=foo.tgz"), false),
            ("a.patch", None, true),
            ("b.patch", Some("https://x.test/p/b.patch"), true),
        ]
    );
    let [main, doc] = &package.binaries[..] else { panic!("{:?}", package.binaries) };
    assert_eq!(shown(&main.requires), ["/bin/sh", "t1-libs(x86-64) = 2:1.0-1.dd1"]);
    let provides: Vec<String> = main.provides.iter().map(ToString::to_string).collect();
    assert_eq!(provides, ["t1 = 2:1.0-1.dd1", "t1(api) >= 3", "t1(any)"]);
    assert_eq!(
        (doc.nevra.to_string(), shown(&doc.requires)),
        ("t1-doc-2:1.0-1.dd1.noarch".into(), vec!["(a if b)".into()])
    );
}

#[test]
fn answers_to_several_specs_are_told_apart() {
    let boundary = "N|drydock-boundary|(none)|1|1|x86_64;V|drydock-boundary|1-1|8;(none)R|x|0;";
    let text = recorded(&format!(
        "N|a|0|1|1|x86_64;V|a|1-1|8;N|a-devel|0|1|1|x86_64;{boundary}{boundary}(none)N|b|1|1|1|x;(none){boundary}"
    ));
    let parts = answer::before_each(&text, "drydock-boundary");
    assert_eq!(parts.len(), 3);
    assert_eq!(parts[0], recorded("N|a|0|1|1|x86_64;V|a|1-1|8;N|a-devel|0|1|1|x86_64;"));
    assert_eq!((parts[1].as_str(), parts[2].as_str()), ("", recorded("(none)N|b|1|1|1|x;").as_str()));

    let [a, b] = ["N|a|0|1|1|src;R|x|0;(none)", "N|b|0|1|1|src;(none)R|y|0;(none)"].map(recorded);
    assert_eq!(answer::source_packages(&format!("{a}{b}")), [recorded("N|a|0|1|1|src;R|x|0;"), format!("(none){b}")]);
    assert_eq!(answer::source_packages(""), Vec::<String>::new());
}

#[test]
fn a_spec_without_a_word_on_checks_needs_nothing_more_for_them() {
    assert_eq!(package_on("x86_64", SOURCE, None).unwrap().check_requires, []);
}

#[test]
fn architectures_and_systems_exclude_as_in_rpm() {
    let excluded =
        |arch, list: &str| package_on(arch, &format!("N|a|(none)|1|1|x86_64;{list}"), None).unwrap().excluded;
    assert_eq!(excluded("aarch64", "XA|x86_64;").as_deref(), Some("ExclusiveArch: x86_64"));
    assert_eq!(excluded("x86_64", "XA|x86_64;XA|aarch64;"), None);
    assert_eq!(excluded("x86_64", "EA|x86_64;EA|ppc64;").as_deref(), Some("ExcludeArch: x86_64 ppc64"));
    assert_eq!(excluded("x86_64", "XO|darwin;").as_deref(), Some("ExclusiveOS: darwin"));
    assert_eq!(excluded("x86_64", "XO|Linux;EO|(none)"), None);
    let noarch = package_on("x86_64", "N|a|(none)|1|1|noarch;XA|aarch64;XA|noarch;", None).unwrap();
    assert_eq!(noarch.excluded, None);
}

#[test]
fn text_that_is_no_answer_is_refused() {
    for source in [
        "",
        "N|a|(none)|1|1|x86_64;S|a|b;",
        "N|a|(none)|1|1|x86_64;Z|a;",
        "N|a|x|1|1|x86_64;",
        "N|a|(none)|1:2|1|x86_64;",
        "N|a|(none)|1|2-3|x86_64;",
        "N|a|(none)|1|1|x86_64;R|a b|0;",
    ] {
        assert!(package_on("x86_64", source, None).is_err(), "{source}");
    }
}

#[test]
fn a_source_has_the_name_of_a_file() {
    let long = "x".repeat(256);
    for name in ["", ".", "..", "a/b", "/", "a\u{1b}b", &long] {
        for (tag, what) in [("S", "Source"), ("P", "Patch")] {
            let told = package_on("x86_64", &format!("N|a|(none)|1|1|x86_64;{tag}|{name};"), None).unwrap_err();
            assert!(told.starts_with(&format!("{what}: `{}` is no name of a file", name.escape_debug())), "{told}");
        }
    }
    assert!(package_on("x86_64", "N|a|(none)|1|1|x86_64;S|..a;S|a b;", None).is_ok());
}

#[test]
fn a_change_of_any_file_beside_a_spec_changes_its_key() {
    let root = tempfile::tempdir().unwrap();
    let layout = Layout::new(root.path().join("build"), root.path().join("out"), root.path().join("cache"));
    fs::create_dir_all(root.path().join("SPECS/a/sub")).unwrap();
    let write = |path: &str, text: &str| fs::write(root.path().join("SPECS").join(path), text).unwrap();
    write("a/a.spec", "");
    write("top.spec", "");
    let keys = || {
        let files = find::spec_files(&[root.path().join("SPECS")]).unwrap().files;
        let keyed = key::keyed(files, &FileDigests::open(&layout, "specs")).unwrap();
        keyed.into_iter().map(|spec| spec.key).collect::<Vec<_>>()
    };
    let first = keys();
    assert_eq!(keys(), first);
    write("a/sub/macros.inc", "x");
    let second = keys();
    assert_ne!(second[0], first[0]);
    let macros = root.path().join("SPECS/a/sub/macros.inc");
    fs::set_permissions(&macros, fs::Permissions::from_mode(0o755)).unwrap();
    assert_ne!(keys()[0], second[0], "a spec may ask what it can run");
    assert_eq!(second[1], first[1], "what is below other folders does not matter to a spec of the searched folder");
}

#[test]
fn a_file_that_nobody_waits_for_is_hashed_no_further() {
    let root = tempfile::tempdir().unwrap();
    let layout = Layout::new(root.path().join("build"), root.path().join("out"), root.path().join("cache"));
    let specs = root.path().join("SPECS");
    fs::create_dir_all(specs.join("a")).unwrap();
    fs::write(specs.join("a/a.spec"), "").unwrap();
    fs::File::create(specs.join("a/big")).unwrap().set_len(500 << 30).unwrap();
    let stop = CancellationToken::new();
    let digests = FileDigests::open(&layout, "specs").until(&stop);
    let files = find::spec_files(std::slice::from_ref(&specs)).unwrap().files;
    let hashing = std::thread::spawn(move || key::keyed(files, &digests).map(|keyed| keyed.len()));
    std::thread::sleep(Duration::from_millis(100));
    assert!(!hashing.is_finished());
    stop.cancel();
    assert!(matches!(hashing.join().unwrap(), Err(SpecError::Cancelled)));
}

fn saved(text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("specs.json");
    fs::write(&path, text).unwrap();
    let error = LoadedSpecs::read(&path).unwrap_err().to_string();
    error.replace(&folder.path().display().to_string(), "[ROOT]")
}

#[test]
fn saved_specs_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let failure = SpecFailure { spec_path: "/s/b.spec".into(), message: "error".into() };
    let loaded = LoadedSpecs {
        packages: vec![package_on("x86_64", SOURCE, Some(CHECKED)).unwrap()],
        failures: vec![failure],
        ..LoadedSpecs::default()
    };
    let path = folder.path().join("specs.json");
    loaded.save(&path).unwrap();
    assert_eq!(LoadedSpecs::read(&path).unwrap(), loaded);
    assert!(LoadedSpecs::read(Path::new("/nonexistent")).is_err());
}

#[test]
fn other_files_are_not_saved_specs() {
    assert_eq!(
        saved("{\"format\": 4, \"new\": 1}"),
        "`[ROOT]/specs.json` holds no saved specs: it has format 4, this Drydock reads format 3"
    );
    assert_eq!(
        saved("{\"format\": 3,\n\"packets\": []}"),
        "`[ROOT]/specs.json` holds no saved specs: line 2, column 9: `packets` is no known key; known here: \
         format, packages, failures"
    );
}
