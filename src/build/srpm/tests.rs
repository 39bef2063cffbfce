//! What is published, kept, refused and verified; packing itself needs a container.

use std::fs;
use std::path::{Path, PathBuf};

use super::verify::{Expected, Verified, verify};
use super::*;
use crate::cache::BuiltRpm;
use crate::package::{Evr, Nevra};
use crate::source::SourceKind;
use crate::source::signatures::Signatures;
use crate::spec::SourceFile;

struct Place {
    folder: tempfile::TempDir,
    layout: Layout,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let layout = Layout::new(at("build"), at("out"), at("cache"));
        Self { folder, layout }
    }

    /// A package with the files of `content`; to the header alone it is no source package.
    fn srpm(&self, version: &str, content: &[(&str, &str)]) -> PathBuf {
        let mut builder = rpm::PackageBuilder::new("demo", version, "MIT", "x86_64", "a demo");
        builder.release("1");
        for (name, text) in content {
            let options = rpm::FileOptions::new(format!("/{name}"));
            builder.with_file_contents(text.as_bytes().to_vec(), options).unwrap();
        }
        let package = builder.build().unwrap();
        let path = self.folder.path().join("demo.src.rpm");
        package.write_file(&path).unwrap();
        path
    }

    /// A stored result whose SRPM has `content`.
    fn result(&self, file: &str, content: &str) -> StoredResult {
        let sha256 = Sha256::of_bytes(content.as_bytes());
        let folder = self.layout.store().join(sha256.to_string());
        fs::create_dir_all(folder.join("rpms")).unwrap();
        fs::write(folder.join("rpms").join(file), content).unwrap();
        let header = header_of(&self.srpm("1", &[]));
        let rpm = BuiltRpm { file: file.into(), sha256, bytes: 1, content: sha256, build_time: 0, header };
        let (check, times) = (CheckOutcome::Off, BuildTimes::default());
        StoredResult { key: sha256, folder, rpms: vec![rpm], check, times, log: sha256 }
    }

    fn published(&self) -> Vec<String> {
        let entries = fs::read_dir(self.layout.srpms()).unwrap();
        let mut names: Vec<String> = entries.map(|one| one.unwrap().file_name().to_string_lossy().into()).collect();
        names.sort();
        names
    }
}

fn header_of(path: &Path) -> crate::package::RpmHeader {
    crate::package::header::read(&mut std::io::BufReader::new(fs::File::open(path).unwrap())).unwrap()
}

fn demo() -> SourcePackage {
    let file = |name: &str, kind| SourceFile { name: name.into(), url: None, kind };
    SourcePackage {
        spec: "demo".into(),
        spec_digest: Sha256::of_bytes(b"the spec"),
        nevra: Nevra { name: "demo".into(), evr: Evr::parse("1-1"), arch: "x86_64".into() },
        sources: vec![file("demo.tar", SourceKind::Source), file("a.patch", SourceKind::Patch)],
        ..super::super::container::tests::package()
    }
}

#[test]
fn an_srpm_is_the_spec_s_own_when_name_version_and_signed_files_agree() {
    let place = Place::new();
    let package = demo();
    let signed = Signatures::from([("demo.tar".into(), Sha256::of_bytes(b"tar"))]);
    let check = |path: &Path, signatures| verify(path, &Expected { package: &package, signatures });
    let right = place.srpm("1", &[("demo.spec", "the spec"), ("demo.tar", "tar"), ("a.patch", "patch")]);
    assert_eq!(check(&right, Some(&signed)), Ok(Verified { has_same_spec: true }));
    let nothing = Signatures::new();
    let unsigned = check(&right, Some(&nothing)).unwrap_err();
    assert_eq!(unsigned, "its source `demo.tar` has no signature");

    let other = place.srpm("1", &[("demo.spec", "another spec"), ("demo.tar", "rat")]);
    assert_eq!(check(&other, None), Ok(Verified { has_same_spec: false }));
    let wrong = check(&other, Some(&signed)).unwrap_err();
    assert!(wrong.starts_with("its source `demo.tar` has digest "), "{wrong}");
    let lacking = check(&place.srpm("1", &[("demo.spec", "the spec")]), Some(&signed)).unwrap_err();
    assert_eq!(lacking, "it has no `demo.tar`");
    assert_eq!(check(&place.srpm("2", &[]), None).unwrap_err(), "it is `demo-2-1.x86_64` and not `demo-1-1.x86_64`");
}

#[test]
fn a_part_of_an_srpm_or_a_page_of_html_is_not_taken() {
    let place = Place::new();
    let package = demo();
    let expected = Expected { package: &package, signatures: None };
    let path = place.srpm("1", &[("demo.spec", &"the spec".repeat(2000))]);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 20]).unwrap();
    let cut = verify(&path, &expected).unwrap_err();
    assert!(cut.starts_with("its payload cannot be read"), "{cut}");
    fs::write(&path, "<html>please log in</html>").unwrap();
    assert!(verify(&path, &expected).unwrap_err().starts_with("cannot read the RPM header"));
}

#[test]
fn a_spec_has_one_srpm_and_what_is_lost_comes_back() {
    let place = Place::new();
    let open = || SrpmFolder::open(&place.layout).unwrap();
    let (old, new) = (place.result("a-1.src.rpm", "old"), place.result("a-2.src.rpm", "new"));
    let mut folder = open();
    assert_eq!(folder.publish("a", &old).unwrap(), None);
    folder.close().unwrap();
    let mut folder = open();
    fs::write(place.layout.srpms().join("foreign.src.rpm"), "x").unwrap();
    assert_eq!(folder.publish("a", &new).unwrap(), None);
    assert_eq!(place.published(), ["a-2.src.rpm", "foreign.src.rpm"]);
    fs::remove_file(place.layout.srpms().join("a-2.src.rpm")).unwrap();
    open().publish("a", &new).unwrap();
    assert_eq!(fs::read_to_string(place.layout.srpms().join("a-2.src.rpm")).unwrap(), "new");
}

#[test]
fn two_specs_of_a_run_cannot_have_one_file() {
    let place = Place::new();
    let mut folder = SrpmFolder::open(&place.layout).unwrap();
    folder.publish("a", &place.result("a-1.src.rpm", "one")).unwrap();
    assert_eq!(folder.publish("b", &place.result("a-1.src.rpm", "two")).unwrap().as_deref(), Some("a"));
    // In a later run the first one may be gone: a spec that was renamed keeps its package's name.
    let mut later = SrpmFolder::open(&place.layout).unwrap();
    assert_eq!(later.publish("b", &place.result("a-1.src.rpm", "two")).unwrap(), None);
    assert_eq!(fs::read_to_string(place.layout.srpms().join("a-1.src.rpm")).unwrap(), "two");
}

#[test]
fn the_key_is_that_of_content_and_not_of_a_build() {
    let toolchain = Toolchain {
        stage: "s".into(),
        digest: Sha256::of_bytes(b"image"),
        essence: Sha256::of_bytes(b"essence"),
        given: vec![],
        arch: "x86_64".into(),
        provides: crate::package::Provides::default(),
        macros: [("dist".to_owned(), ".t".to_owned())].into(),
        macro_files: vec![],
        version_macros: None,
        packages: vec![],
    };
    let inputs = |package: &SourcePackage| inputs_without_buildroot(&toolchain, package, &[]);
    let package = demo();
    let changed = SourcePackage { spec_digest: Sha256::of_bytes(b"other"), ..demo() };
    assert_eq!(key(&inputs(&package)), key(&inputs(&demo())));
    assert_ne!(key(&inputs(&package)), key(&inputs(&changed)));
    assert_ne!(key(&inputs(&package)), inputs(&package).key().0);
}
