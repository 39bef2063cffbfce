//! Images made from small archives, written, read back, damaged.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::tar_read::{Member, MemberKind, read_members};
use super::tar_write::MemberWriter;
use super::{Compression, ImageConfig, OciError, Store, StoredImage};

fn member(path: &str, kind: MemberKind) -> Member {
    let (path, xattrs) = (path.into(), std::collections::BTreeMap::new());
    Member { path, kind, mode: 0o755, uid: 3, gid: 4, size: 0, mtime: 2_000_000_000, xattrs }
}

fn file(path: &str, content: &str) -> (Member, String) {
    (Member { size: content.len() as u64, ..member(path, MemberKind::File) }, content.to_owned())
}

fn other(path: &str, kind: MemberKind) -> (Member, String) {
    (member(path, kind), String::new())
}

fn tar_of(folder: &Path, members: &[(Member, String)]) -> PathBuf {
    let mut writer = MemberWriter::new(Vec::new());
    for (member, content) in members {
        writer.append(member, &mut content.as_bytes()).unwrap();
    }
    let path = folder.join("given.tar");
    fs::write(&path, writer.finish().unwrap()).unwrap();
    path
}

fn layer_members(store: &Store, image: &StoredImage, layer: usize) -> Vec<(Member, String)> {
    let mut members = Vec::new();
    let mut tar = store.open_layer(&image.layers[layer]).unwrap();
    read_members(&mut tar, &mut |member, _, content| {
        let mut text = String::new();
        content.read_to_string(&mut text)?;
        members.push((member, text));
        Ok(())
    })
    .unwrap();
    io::copy(&mut tar, &mut io::sink()).unwrap();
    members
}

fn names(members: &[(Member, String)]) -> Vec<String> {
    members.iter().map(|(member, _)| String::from_utf8(member.path.clone()).unwrap()).collect()
}

fn store() -> (TempDir, Store) {
    let folder = TempDir::new().unwrap();
    let store = Store::open(folder.path().join("oci")).unwrap();
    (folder, store)
}

fn config() -> ImageConfig {
    ImageConfig {
        env: vec!["A=b".into()],
        cmd: vec!["/bin/sh".into()],
        created: 1_700_000_000,
        ..ImageConfig::default()
    }
}

#[test]
fn equal_files_give_equal_bytes_whatever_their_order() {
    let (folder, store) = store();
    let mut given = vec![file("usr/b", "two"), other("usr", MemberKind::Folder), file("usr/a", "one")];
    let first = store.from_rootfs_tar(&tar_of(folder.path(), &given), &config()).unwrap();
    given.reverse();
    let second = store.from_rootfs_tar(&tar_of(folder.path(), &given), &config()).unwrap();
    assert_eq!(first, second);
    assert_eq!(store.image(first.manifest).unwrap(), first);
    assert_eq!(store.config(&first).unwrap(), config());
    let members = layer_members(&store, &first, 0);
    assert_eq!(names(&members), ["usr", "usr/a", "usr/b"]);
    assert!(members.iter().all(|(member, _)| member.mtime == 1_700_000_000 && member.uid == 3 && member.gid == 4));
    assert_eq!(store.images().unwrap(), [(first.manifest, None)]);
}

#[test]
fn hard_links_whiteouts_and_attributes_survive() {
    let (folder, store) = store();
    let mut capable = file("bin/z", "content");
    let binary = vec![1, 0, 0, 2, b'\n', b'=', 0x20, 0];
    capable.0.xattrs.insert("security.capability".into(), binary.clone());
    capable.0.xattrs.insert("trusted.overlay.origin".into(), vec![1]);
    let long = format!("bin/{}", "n".repeat(150));
    let given = [
        other("bin", MemberKind::Folder),
        capable,
        other("bin/a", MemberKind::HardLink("bin/z".into())),
        other(&long, MemberKind::Symlink("t".repeat(120).into())),
        other("bin/.wh.old", MemberKind::File),
        file("bin/.aaa", "x"),
        other("bin/null", MemberKind::CharDevice(1, 3)),
    ];
    let image = store.from_rootfs_tar(&tar_of(folder.path(), &given), &config()).unwrap();
    let members = layer_members(&store, &image, 0);
    assert_eq!(names(&members), ["bin", "bin/.wh.old", "bin/.aaa", "bin/a", &long, "bin/null", "bin/z"]);
    assert_eq!((members[3].0.kind.clone(), members[3].1.as_str()), (MemberKind::File, "content"));
    assert_eq!(members[3].0.xattrs, [("security.capability".to_owned(), binary)].into());
    assert_eq!(members[4].0.kind, MemberKind::Symlink("t".repeat(120).into()));
    assert_eq!(members[5].0.kind, MemberKind::CharDevice(1, 3));
    assert_eq!(members[6].0.kind, MemberKind::HardLink("bin/a".into()));
}

/// The names in the layer that `given` makes on top of a small image.
fn difference(given: &[(Member, String)]) -> (Vec<String>, Vec<(Member, String)>, crate::digest::Sha256) {
    let (folder, store) = store();
    let base = [
        other("d", MemberKind::Folder),
        file("d/kept", "same"),
        file("d/old", "old"),
        other("d/sub", MemberKind::Folder),
        file("d/sub/deep", "deep"),
        other("e", MemberKind::Folder),
        file("e/f", "f"),
        other("link", MemberKind::Symlink("d".into())),
    ];
    let base = store.from_rootfs_tar(&tar_of(folder.path(), &base), &config()).unwrap();
    // A second layer, so that what counts is what all of them make together.
    let second = [other("e", MemberKind::Folder), other("e/.wh.f", MemberKind::File), file("e/g", "g")];
    let base = store.append_layer(&base, &tar_of(folder.path(), &second), &config()).unwrap();
    let image = store.append_layer(&base, &tar_of(folder.path(), given), &config()).unwrap();
    let members = layer_members(&store, &image, 2);
    (names(&members), members, image.manifest)
}

#[test]
fn a_folder_that_was_made_again_is_told_in_one_way_whichever_engine_tells_it() {
    // As the embedded engine and Docker tell it, with modes of their own; as an engine does that compares files.
    let opaque = |mode| (Member { mode, ..member("d/.wh..wh..opq", MemberKind::File) }, String::new());
    let folder = || other("d", MemberKind::Folder);
    let (sub, new) = (|| other("d/sub", MemberKind::Folder), || file("d/new", "new"));
    let by_mark = |mode| vec![folder(), opaque(mode), file("d/kept", "same"), new(), sub()];
    let gone = |path| (Member { mode: 0o600, ..member(path, MemberKind::File) }, String::new());
    let by_name = vec![folder(), gone("d/.wh.old"), new(), gone("d/sub/.wh.deep"), sub()];
    let removed_and_made = vec![gone(".wh.d"), folder(), file("d/kept", "same"), new(), sub()];
    let (names, members, manifest) = difference(&by_mark(0o644));
    assert_eq!(names, ["d", "d/.wh.old", "d/new", "d/sub", "d/sub/.wh.deep"]);
    assert_eq!((members[1].0.mode, members[1].0.uid, members[1].0.mtime), (0o644, 0, 0));
    for told in [by_mark(0o755), by_name, removed_and_made] {
        assert_eq!(difference(&told).2, manifest);
    }
}

#[test]
fn a_layer_holds_what_differs_and_the_folders_above() {
    let of = |given: &[(Member, String)]| difference(given).0;
    assert_eq!(of(&[other("d", MemberKind::Folder), file("d/kept", "same")]), [""; 0], "touched is not changed");
    assert_eq!(of(&[other("d", MemberKind::Folder), file("d/kept", "SAME")]), ["d", "d/kept"]);
    assert_eq!(of(&[other("d/.wh.none", MemberKind::File)]), [""; 0], "it was never there");
    assert_eq!(of(&[other(".wh.d", MemberKind::File)]), [".wh.d"], "what is in it goes with it");
    assert_eq!(of(&[file("d", "a file")]), ["d"], "a file hides the folder");
    assert_eq!(of(&[other("e/.wh.f", MemberKind::File), file("e/f", "f")]), ["e/f"], "below, it is gone already");
    let later = Member { mtime: 700, ..member("e", MemberKind::Folder) };
    assert_eq!(of(&[(later, String::new())]), [""; 0], "its time says nothing");
    let mode = Member { mode: 0o700, ..member("e", MemberKind::Folder) };
    assert_eq!(of(&[(mode, String::new())]), ["e"]);
    let hard_links = [file("d/kept", "same"), other("d/twin", MemberKind::HardLink("d/kept".into()))];
    assert_eq!(of(&hard_links), ["d/kept", "d/twin"], "both names of one file, or the second has no first");
    let over_a_link =
        [other("link", MemberKind::Folder), other("link/.wh..wh..opq", MemberKind::File), file("link/x", "x")];
    assert_eq!(of(&over_a_link), ["link", "link/x"], "nothing was below");
}

#[test]
fn a_name_given_twice_means_the_last_file_and_links_keep_the_first() {
    let (folder, store) = store();
    let given = [file("bin/a", "old"), other("bin/link", MemberKind::HardLink("bin/a".into())), file("bin/a", "new")];
    let image = store.from_rootfs_tar(&tar_of(folder.path(), &given), &config()).unwrap();
    let members = layer_members(&store, &image, 0);
    assert_eq!(names(&members), ["bin/a", "bin/link"]);
    assert_eq!([members[0].1.as_str(), members[1].1.as_str()], ["new", "old"]);
}

#[test]
fn a_path_that_leaves_the_archive_is_refused_by_name() {
    let (folder, store) = store();
    let given = tar_of(folder.path(), &[file("bin/../../etc/passwd", "x")]);
    let fault = store.from_rootfs_tar(&given, &config()).unwrap_err();
    let cause = std::error::Error::source(&fault).unwrap().to_string();
    assert_eq!(cause, "`bin/../../etc/passwd` leaves the archive's root");
}

#[test]
fn an_archive_comes_back_as_the_same_image() {
    let (folder, store) = store();
    let base = store.from_rootfs_tar(&tar_of(folder.path(), &[file("bin/a", "one")]), &config()).unwrap();
    let more = ImageConfig { user: Some("builder".into()), ..config() };
    let image = store.append_layer(&base, &tar_of(folder.path(), &[file("bin/b", "two")]), &more).unwrap();
    assert_eq!((image.layers.len(), &image.layers[0]), (2, &base.layers[0]));
    let gzip = store.recompressed(&image, Compression::Gzip).unwrap();
    assert_eq!(gzip.config, image.config);
    let path = folder.path().join("image.tar");
    store.write_archive(&image, "drydock/test:1", &path).unwrap();
    let mut zstd = Vec::new();
    store.docker_archive(&image, "drydock/test:1", &mut zstd).unwrap();
    for (given, bytes) in [(&image, zstd), (&gzip, fs::read(&path).unwrap())] {
        let (other_folder, other_store) = self::store();
        let copy = other_folder.path().join("copy.tar");
        fs::write(&copy, &bytes).unwrap();
        assert_eq!(other_store.import_archive(&copy, &ImageConfig::default()).unwrap(), *given);
        let mut again = Vec::new();
        other_store.docker_archive(given, "drydock/test:1", &mut again).unwrap();
        assert!(bytes == again);
    }
    let (_other_folder, other_store) = self::store();
    assert_eq!(
        other_store.import_archive(store.root(), &more).unwrap_err().to_string().matches("has no image").count(),
        1
    );
}

#[test]
fn compressed_root_file_systems_are_told_apart_by_content() {
    let (folder, store) = store();
    let plain = tar_of(folder.path(), &[file("bin/a", "one")]);
    let expected = store.from_rootfs_tar(&plain, &config()).unwrap();
    let bytes = fs::read(&plain).unwrap();
    let compressed = folder.path().join("compressed");
    let mut xz = Vec::new();
    liblzma::read::XzEncoder::new(bytes.as_slice(), 1).read_to_end(&mut xz).unwrap();
    for content in [zstd::encode_all(bytes.as_slice(), 1).unwrap(), xz] {
        fs::write(&compressed, content).unwrap();
        assert_eq!(store.import_archive(&compressed, &config()).unwrap(), expected);
    }
    fs::write(&compressed, "no archive at all").unwrap();
    store.import_archive(&compressed, &config()).unwrap_err();
    assert_eq!(fs::read_dir(store.temporary_folder()).unwrap().count(), 1, "only the lock is left");
}

#[test]
fn a_damaged_blob_is_named_and_removed() {
    let (folder, store) = store();
    let image = store.from_rootfs_tar(&tar_of(folder.path(), &[file("bin/a", "one")]), &config()).unwrap();
    let path = store.blob_path(image.config);
    fs::write(&path, "{}").unwrap();
    let fault = store.image(image.manifest).unwrap_err();
    assert_eq!(fault.to_string(), format!("the blob `{}` is damaged", path.display()));
    assert!(fault.hint().unwrap().contains("the same command pulls or makes it again"));
    assert!(matches!(store.image(image.manifest), Err(OciError::MissingBlob { .. })));
    assert!(!store.has(image.manifest));

    let image = store.from_rootfs_tar(&tar_of(folder.path(), &[file("bin/a", "one")]), &config()).unwrap();
    let layer = image.layers[0].digest;
    let mut bytes = fs::read(store.blob_path(layer)).unwrap();
    let blob = || fs::File::options().write(true).open(store.blob_path(layer)).unwrap();
    let time = || blob().metadata().unwrap().modified().unwrap();
    let written = time();
    fs::write(store.blob_path(layer), &bytes).unwrap();
    assert!(store.has(image.manifest) && time() == written, "what was only touched is read once");
    bytes[9] ^= 1;
    fs::write(store.blob_path(layer), &bytes).unwrap();
    blob().set_modified(written).unwrap();
    assert!(store.has(image.manifest), "no blob is read that was not touched");
    assert!(matches!(store.check_blob(layer), Err(OciError::DamagedBlob { is_removed: true, .. })));
    fs::write(store.blob_path(layer), &bytes).unwrap();
    assert!(!store.has(image.manifest) && !store.blob_path(layer).exists());
    fs::write(store.blob_path(layer), &bytes[1..]).unwrap();
    assert!(!store.has(image.manifest), "a cut layer is none");
}

#[test]
fn a_damaged_index_is_made_anew() {
    let (folder, store) = store();
    let image = store.from_rootfs_tar(&tar_of(folder.path(), &[file("bin/a", "one")]), &config()).unwrap().manifest;
    fs::write(store.root().join("index.json"), "{ \"manifests\": [").unwrap();
    assert_eq!(store.images().unwrap(), [(image, None)]);
    store.tag(image, "stage:1").unwrap();
    assert_eq!(store.find("stage:1").unwrap(), Some(image));

    fs::remove_file(store.blob_path(image)).unwrap();
    assert!(store.images().unwrap().is_empty(), "what is gone is not listed");
}

#[test]
fn a_name_moves_to_the_image_that_got_it_last() {
    let (folder, store) = store();
    let [one, two] = ["one", "two"]
        .map(|text| store.from_rootfs_tar(&tar_of(folder.path(), &[file("bin/a", text)]), &config()).unwrap().manifest);
    store.tag(one, "stage:1").unwrap();
    store.tag(two, "stage:1").unwrap();
    assert_eq!(store.find("stage:1").unwrap(), Some(two));
    store.tag(two, "other").unwrap();
    assert_eq!(store.images().unwrap().len(), 2);
    assert_eq!(store.find("none").unwrap(), None);
}

#[test]
fn an_index_may_list_one_image_under_several_names() {
    use super::document::{for_this_machine, parse};
    let entry = |digit: &str| {
        let digest = digit.repeat(64);
        format!(r#"{{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":1,"digest":"sha256:{digest}"}}"#)
    };
    let index = |entries: &[String]| {
        let text = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, entries.join(","));
        parse::<oci_spec::image::ImageIndex>(text.as_bytes(), "the index").unwrap()
    };
    let one = index(&[entry("1"), entry("1")]);
    assert!(for_this_machine(&one, "the index").is_ok());
    let two = index(&[entry("1"), entry("2")]);
    let fault = for_this_machine(&two, "the index").unwrap_err().to_string();
    assert!(for_this_machine(&index(&[]), "the index").unwrap_err().to_string().ends_with("it has none at all"));
    assert!(fault.ends_with("it has several, and does not say what for"), "{fault}");
}
