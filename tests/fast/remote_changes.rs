//! Repositories that change, move, and are not as most are: clocks, rotated files, other checksums and processors.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use drydock::digest::Sha256;
use drydock::openpgp::Keys;
use drydock::remote::{LoadOptions, LockFile, Remote, RepositoryConfig};

use crate::remote_place::{DAY, Place, key_file, options, primary};

fn asked_for_repomd(place: &Place) -> usize {
    // One of the two addresses has nothing.
    place.server.asked().iter().filter(|path| path.ends_with("repomd.xml")).count() / 2
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_a_time_to_come_does_not_count() {
    let place = Place::far();
    let wrong_clock = LoadOptions { now: SystemTime::now() + 400 * DAY, ..options() };
    place.load(place.config(), &wrong_clock).await.unwrap();
    assert_eq!(asked_for_repomd(&place), 1);
    place.load(place.config(), &options()).await.unwrap();
    assert_eq!(asked_for_repomd(&place), 1, "nobody knows how old the answer is");
    place.load(place.config(), &options()).await.unwrap();
    assert_eq!(asked_for_repomd(&place), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_of_this_machine_is_asked_every_time() {
    let place = Place::new();
    let folder = RepositoryConfig {
        name: "folder".into(),
        urls: vec![format!("file://{}", place.file("").display())],
        ..place.config()
    };
    for count in [3, 0] {
        for config in [place.config(), folder.clone()] {
            assert_eq!(place.load(config, &options()).await.unwrap().packages().len(), count);
        }
        assert_eq!(asked_for_repomd(&place), 1);
        place.change_primary("repodata/none-primary.xml", |_| "<metadata/>".to_owned());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_that_are_gone_are_asked_for_again_at_once() {
    let place = Place::far();
    place.load(place.config(), &options()).await.unwrap();
    let (old, kept) = (primary(&place), place.layout().remote());
    place.change_primary("repodata/next.xml", |xml| xml.replace("<name>data</name>", "<name>other</name>"));
    fs::remove_file(place.file(&old)).unwrap();
    for file in fs::read_dir(&kept).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() && !fs::read_to_string(&path).is_ok_and(|text| text.contains("<repomd")) {
            fs::remove_file(path).unwrap();
        }
    }
    place.server.asked();
    let remote = place.load(place.config(), &options()).await.unwrap();
    assert!(remote.packages().iter().any(|package| package.header.nevra.name == "other"));
    assert_eq!(asked_for_repomd(&place), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_rpm_that_is_gone_makes_the_next_run_ask() {
    let place = Place::far();
    place.load(place.config(), &options()).await.unwrap();
    let later = LoadOptions { now: SystemTime::now() + Duration::from_hours(5), ..options() };
    let remote = place.load(place.config(), &later).await.unwrap();
    assert!(remote.ages()[0].starts_with("the metadata of repository `test` are 5 h old; `--repo-refresh`"));
    let data = remote.packages()[0].clone();
    fs::remove_file(place.file(&data.location)).unwrap();
    let error = remote.fetch(&[data.digest()], &|_| {}).await.unwrap_err();
    assert!(error.is_outdated() && error.hint().unwrap().contains("`--repo-refresh`"));
    assert!(error.to_string().contains("404 Not Found (the metadata that name it are 5 h old)"), "{error}");
    place.server.asked();
    let again = place.load(place.config(), &later).await.unwrap();
    assert_eq!((asked_for_repomd(&place), again.ages().len()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn signs_that_mean_something_in_an_address_are_encoded() {
    let place = Place::new();
    place.change_primary("repodata/p+1^2~3 %41.xml", |xml| xml);
    assert_eq!(place.load(place.config(), &options()).await.unwrap().packages().len(), 3);
    let asked = place.server.asked();
    assert!(asked.iter().any(|path| path.ends_with("/p%2B1%5E2~3%20%2541.xml")), "{asked:?}");
}

/// `xml` with the SHA-512 of each RPM in the place of its SHA-256.
fn with_sha512(place: &Place, xml: &str) -> String {
    use sha2::Digest as _;
    let mut changed = xml.to_owned();
    for name in ["data-1-1", "demo-1-1", "demo-2-1"] {
        let content = fs::read(place.file(&format!("noarch/{name}.noarch.rpm"))).unwrap();
        let long: String = sha2::Sha512::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
        changed = changed.replace(&Sha256::of_bytes(&content).to_string(), &long);
    }
    changed.replace("type=\"sha256\"", "type=\"sha512\"")
}

#[tokio::test(flavor = "multi_thread")]
async fn longer_checksums_count_and_weaker_ones_are_refused() {
    let place = Place::new();
    place.change_primary("repodata/long.xml", |xml| with_sha512(&place, &xml));
    let remote = place.load(place.config(), &options()).await.unwrap();
    let demo = remote.packages()[1].clone();
    assert!(demo.checksum.to_string().starts_with("sha512:"), "{}", demo.checksum);
    let path = place.file(&demo.location);
    let content = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    fs::write(&path, [&content[..content.len() - 1], b"x"].concat()).unwrap();
    let told = remote.fetch(&[demo.digest()], &|_| {}).await.unwrap_err().to_string();
    assert!(told.contains("has another checksum than sha512:") && !remote.is_at_hand(demo.digest()), "{told}");
    fs::write(&path, &content).unwrap();
    remote.fetch(&[demo.digest()], &|_| {}).await.unwrap();
    assert_eq!(fs::read(remote.path(demo.digest())).unwrap(), content);
    place.server.asked();
    remote.note_used(demo.digest());
    let lock = LockFile::parse(&remote.used().to_text()).unwrap();
    assert!(lock.to_text().contains("\"sha512\": \"") && !lock.to_text().contains("\"sha256\""));
    let (pinned, layout) = ((&lock, Path::new("drydock.lock")), place.layout());
    let locked = Remote::locked(vec![place.config()], pinned, options().patience, &layout, &|_| {}).await.unwrap();
    assert_eq!(locked.packages()[0].header.nevra.to_string(), "demo-2-1.noarch");
    assert!(place.server.asked().is_empty(), "it is at hand");

    let place = Place::new();
    place.change_primary("repodata/weak.xml", |xml| xml.replace("type=\"sha256\"", "type=\"sha1\""));
    let told = place.told(place.config()).await;
    assert!(told.contains("a sha1 checksum; sha256, sha384 or sha512 is needed"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn packages_for_better_processors_are_seen_where_the_image_has_some() {
    let place = Place::new();
    place.change_primary("repodata/v3.xml", |xml| {
        let (before, after) = xml.split_once("<name>data</name>").unwrap();
        format!("{before}<name>data</name>{}", after.replacen("<arch>noarch</arch>", "<arch>x86_64_v3</arch>", 1))
    });
    let (remote, told) = place.load_telling(place.config(), &options()).await;
    assert_eq!(remote.unwrap().packages().len(), 2);
    assert!(told.contains("repository `test`: 1 packages for x86_64_v3 are left out"), "{told}");
    let better = LoadOptions { compatible: vec!["x86_64_v2".into(), "x86_64_v3".into()], ..options() };
    let (remote, told) = place.load_telling(place.config(), &better).await;
    assert_eq!((remote.unwrap().packages().len(), told.as_str()), (3, ""));
}

/// A key of an algorithm that nobody knows.
fn foreign_key() -> String {
    let body = [4, 0x60, 0, 0, 0, 99, 1, 2, 3, 4, 5, 6, 7, 8];
    let packet: Vec<u8> = [0x98, u8::try_from(body.len()).unwrap()].into_iter().chain(body).collect();
    let text = base64::engine::general_purpose::STANDARD.encode(packet);
    format!("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{text}\n-----END PGP PUBLIC KEY BLOCK-----\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_not_understood_is_told_and_passed_over() {
    let place = Place::signed(Some("a"));
    let known = fs::read_to_string(key_file("key-a.asc")).unwrap();
    let (both, alone, windows) = (place.file("both.asc"), place.file("alone.asc"), place.file("windows.asc"));
    fs::write(&both, format!("{}{known}", foreign_key())).unwrap();
    fs::write(&alone, foreign_key()).unwrap();
    fs::write(&windows, format!("\u{feff}{}", known.replace('\n', "\r\n"))).unwrap();
    for (file, is_told) in [(both, true), (windows, false)] {
        let config = RepositoryConfig { gpg_check: true, keys: vec![file], ..place.config() };
        let (remote, told) = place.load_telling(config, &options()).await;
        let remote = remote.unwrap();
        remote.fetch(&[remote.packages()[1].digest()], &|_| {}).await.unwrap();
        assert_eq!(told.contains("both.asc` cannot be used and is passed over: "), is_told, "{told}");
    }
    let told = Keys::read(&[alone]).unwrap_err().to_string();
    assert!(told.contains("alone.asc` cannot be used: "), "{told}");
}
