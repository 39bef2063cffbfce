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
        manifest: None,
    };
    let layout = Layout::new(folder.join("build"), folder.join("out"), folder.join("cache"));
    ReadStage::of(&stage, &layout, &CancellationToken::new()).unwrap().key(None)
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

#[test]
fn marks_and_line_ends_of_an_editor_do_not_count() {
    let place = tempfile::tempdir().unwrap();
    let of = |text: &str| key_of(place.path(), text, None);
    let plain = of("FROM $BASE\nRUN a \\\n  b\nRUN <<EOF\nc\nEOF\n");
    assert_eq!(plain, of("\u{feff}FROM $BASE\r\nRUN a \\\r\n  b\r\nRUN <<EOF\r\nc\r\nEOF\r\n"));
    assert_ne!(plain, of("FROM $BASE\nRUN a \\\n  b\nRUN <<EOF\nd\nEOF\n"));
}

#[test]
fn an_archive_is_the_one_that_the_key_names() {
    let place = tempfile::tempdir().unwrap();
    let archive = place.path().join("base.tar");
    let stage = Stage {
        name: "a".to_owned(),
        origin: Origin::Bases(vec![Base::Archive(archive.clone())]),
        install: Vec::new(),
        containerfile: None,
        provides: Vec::new(),
        manifest: None,
    };
    let layout = Layout::new(place.path().join("build"), place.path().join("out"), place.path().join("cache"));
    let read = || ReadStage::of(&stage, &layout, &CancellationToken::new()).unwrap();
    let missing = read();
    std::fs::write(&archive, "one").unwrap();
    let one = read();
    assert!(missing.same_archives().is_err() && one.same_archives().is_ok());
    // There and back, as a checkout may do it.
    std::fs::write(&archive, "two").unwrap();
    std::fs::rename(&archive, place.path().join("other")).unwrap();
    std::fs::write(&archive, "one").unwrap();
    assert!(matches!(one.same_archives(), Err(ToolchainError::Changed { path, .. }) if path == archive));
    assert_eq!(read().key(None), one.key(None));
}
