//! Keys of stages: what they depend on, and what not.

use std::path::Path;

use super::*;

/// The key of a stage with this containerfile in `folder`, on a fresh Debian of `mirror`.
fn key_of(folder: &Path, text: &str, mirror: Option<&str>) -> Sha256 {
    let path = folder.join("a.containerfile");
    std::fs::write(&path, text).unwrap();
    let stage = Stage {
        name: "a".to_owned(),
        origin: Origin::Bases(vec![Base::Debootstrap(Debootstrap {
            suite: "bookworm".to_owned(),
            mirror: mirror.map(str::to_owned),
        })]),
        install: Vec::new(),
        containerfile: Some(Instructions { path, context: folder.to_owned() }),
        provides: Vec::new(),
        packages: Vec::new(),
    };
    let layout = Layout::new(folder.join("build"), folder.join("out"), folder.join("cache"));
    key(&stage, None, &layout).unwrap()
}

#[test]
fn what_only_the_base_decides_counts_as_it_is_written() {
    let place = tempfile::tempdir().unwrap();
    let with = |text: &str| key_of(place.path(), &format!("FROM $BASE\n{text}\nRUN true\n"), None);
    assert_ne!(with("ENV A=${B:-one}"), with("ENV A=${B:-two}"));
    assert_ne!(with("WORKDIR ${B:+x}"), with("WORKDIR ${B:+y}"));
    assert_eq!(with("ENV A=1"), with("# A comment.\n\n  ENV A=1"));
}

#[test]
fn the_mirror_of_the_pipeline_counts() {
    let place = tempfile::tempdir().unwrap();
    let of = |mirror| key_of(place.path(), "FROM $BASE\n", mirror);
    assert_ne!(of(Some("http://a.test/debian")), of(Some("http://b.test/debian")));
    assert_ne!(of(None), of(Some("http://a.test/debian")));
}
