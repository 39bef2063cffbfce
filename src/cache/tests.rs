//! Results survive what happens to folders.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use rpm::{BuildConfig, FileOptions, PackageBuilder};

use super::*;
use crate::digest::Sha256;
use crate::layout::Layout;
use crate::plan::BuildInputs;

struct Place {
    folder: tempfile::TempDir,
    store: Store,
}

impl Place {
    /// The store as the next run finds it.
    fn reopened(&self) -> Store {
        opened(self.folder.path())
    }
}

fn opened(folder: &Path) -> Store {
    Store::open(&Layout::new(folder.join("build"), folder.join("out"), folder.join("cache"))).unwrap()
}

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(folder.path());
    Place { folder, store }
}

fn write_rpm(path: &Path, content: &str, build_time: u32) {
    let config = BuildConfig::v4().source_date(build_time);
    let built = PackageBuilder::new("demo", "1", "MIT", "noarch", "a test")
        .using_config(config)
        .build_host(format!("host-{build_time}"))
        .with_file_contents(
            content,
            FileOptions::new("/usr/share/demo").permissions(0o644).modified_at(rpm::Timestamp(7)),
        )
        .unwrap()
        .build()
        .unwrap();
    built.write_file(path).unwrap();
}

fn inputs() -> BuildInputs {
    BuildInputs {
        key_version: 1,
        spec: "demo".into(),
        spec_digest: Sha256::of_bytes(b"spec"),
        sources: BTreeMap::new(),
        macros: BTreeMap::new(),
        macro_files: BTreeMap::new(),
        image: Sha256::of_bytes(b"image"),
        given: BTreeSet::new(),
        arch: "x86_64".into(),
        buildroot: BTreeMap::new(),
        check: false,
        exceptions: BTreeSet::new(),
    }
}

fn add(place: &Place, key: Sha256) -> StoredResult {
    let from = place.folder.path().join("made");
    fs::create_dir_all(&from).unwrap();
    write_rpm(&from.join("demo-1-1.noarch.rpm"), "hello", 100);
    fs::write(place.folder.path().join("log"), "building\n").unwrap();
    let rpms = [describe(&from.join("demo-1-1.noarch.rpm")).unwrap()];
    let new = NewResult {
        key,
        inputs: &inputs(),
        folder: &from,
        rpms: &rpms,
        log: &place.folder.path().join("log"),
        check: CheckOutcome::Off,
        times: BuildTimes::default(),
    };
    place.store.add(&new).unwrap()
}

#[test]
fn a_stored_result_comes_back() {
    let place = place();
    let key = Sha256::of_bytes(b"key");
    assert_eq!(place.store.get(key).unwrap(), Lookup::Absent);
    let added = add(&place, key);
    assert_eq!(place.store.get(key).unwrap(), Lookup::Found(Box::new(added.clone())));
    assert_eq!(place.store.inputs(key).unwrap(), Some(inputs()));
    assert_eq!(fs::read_to_string(added.log_path()).unwrap(), "building\n");
    assert_eq!(add(&place, key).rpms, added.rpms, "a result of the same key replaces the older one");
}

#[test]
fn a_damaged_result_is_moved_aside() {
    let place = place();
    let key = Sha256::of_bytes(b"key");
    let path = |result: &StoredResult| result.path(&result.rpms[0]);

    let added = add(&place, key);
    fs::remove_file(path(&added)).unwrap();
    let Lookup::Damaged { reason, moved_to } = place.store.get(key).unwrap() else { panic!("it is damaged") };
    assert_eq!(reason, "`demo-1-1.noarch.rpm` is missing");
    assert!(moved_to.join("inputs.json").exists());
    assert_eq!(place.store.get(key).unwrap(), Lookup::Absent);

    let added = add(&place, key);
    fs::remove_file(added.folder.join("result.json")).unwrap();
    assert!(matches!(place.store.get(key).unwrap(), Lookup::Damaged { .. }));

    let added = add(&place, key);
    let bytes = usize::try_from(added.rpms[0].bytes).unwrap();
    fs::remove_file(path(&added)).unwrap();
    fs::write(path(&added), vec![0; bytes]).unwrap();
    assert!(matches!(place.store.get(key).unwrap(), Lookup::Damaged { .. }), "of the same size");

    let added = add(&place, key);
    let (rpm, modified) = (path(&added), fs::metadata(path(&added)).unwrap().modified().unwrap());
    fs::set_permissions(&rpm, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let mut content = fs::read(&rpm).unwrap();
    content[0] ^= 1;
    let mut file = fs::File::options().write(true).open(&rpm).unwrap();
    std::io::Write::write_all(&mut file, &content).unwrap();
    file.set_modified(modified).unwrap();
    place.store.remember();
    assert!(matches!(place.reopened().get(key).unwrap(), Lookup::Damaged { .. }), "of the same size and time");

    let added = add(&place, key);
    fs::set_permissions(path(&added), std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    assert!(matches!(place.store.get(key).unwrap(), Lookup::Found(_)), "read again and found whole");
}

#[test]
fn what_a_killed_run_left_is_removed() {
    let place = place();
    let root = place.folder.path().join("build/store");
    fs::create_dir_all(root.join(".new-abc/rpms")).unwrap();
    Store::open(&Layout::new(place.folder.path().join("build"), "/o".into(), "/c".into())).unwrap();
    assert!(!root.join(".new-abc").exists());
}

#[test]
fn time_and_host_of_the_build_do_not_enter_the_content() {
    let folder = tempfile::tempdir().unwrap();
    let described = |name: &str, content: &str, time: u32| {
        let path = folder.path().join(name);
        write_rpm(&path, content, time);
        describe(&path).unwrap()
    };
    let first = described("a.rpm", "hello", 100);
    let again = described("b.rpm", "hello", 200);
    let other = described("c.rpm", "good bye", 100);
    assert_ne!(first.sha256, again.sha256);
    assert_eq!(first.content, again.content);
    assert_ne!(first.content, other.content);
    assert_eq!(first.build_time, 100);
}

#[test]
fn other_files_are_no_rpms() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.rpm");
    fs::write(&path, "text").unwrap();
    assert_eq!(describe(&path).unwrap_err().to_string(), format!("`{}` is not an RPM", path.display()));
}

#[test]
fn an_rpm_with_other_bytes_than_its_digests_say_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.rpm");
    write_rpm(&path, "hello", 100);
    let whole = fs::read(&path).unwrap();
    let header_end = whole.len() - usize::try_from(payload_bytes(&path)).unwrap();
    let told = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&path, bytes).unwrap();
        crate::causes::in_one_line(&describe(&path).unwrap_err())
    };
    assert!(told(whole.len() - 9).ends_with("the payload does not have the digest that the package says it has"));
    // The last bytes of the header belong to the region's trailer, those before to texts.
    assert!(told(header_end - 40).ends_with("the header does not have the digest that the package says it has"));
}

fn payload_bytes(path: &std::path::Path) -> u64 {
    let mut reader = std::io::BufReader::new(fs::File::open(path).unwrap());
    crate::package::header::metadata(&mut reader).unwrap();
    std::io::copy(&mut reader, &mut std::io::sink()).unwrap()
}

#[test]
fn a_failure_is_remembered_without_passwords() {
    let place = place();
    let layout = Layout::new(place.folder.path().join("build"), "/out".into(), "/cache".into());
    let failed = FailedBuild {
        package: "a-1-1".to_owned(),
        key: None,
        phase: "%prep".to_owned(),
        status: "https://me:SECRET@a.test/x: exit status 1".to_owned(),
        excerpt: vec!["curl https://me:SECRET@a.test/x.tar".to_owned()],
        log: "/log".into(),
    };
    History::new(&layout).set_failed("a", &failed).unwrap();
    let text = fs::read_to_string(layout.state().join("failed/a.json")).unwrap();
    assert!(!text.contains("SECRET") && text.contains("curl https://***@a.test/x.tar"), "{text}");
}
