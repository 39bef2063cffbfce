//! Remote repositories over HTTP: every form of metadata, wrong digests, signatures, snapshots and the lock file.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;
use std::time::SystemTime;

use drydock::digest::Sha256;
use drydock::remote::{
    LoadOptions, LockFile, Remote, RepositoryConfig, Variables, WantedRepository, configure, unpack,
};
use pgp::composed::{ArmorOptions, DetachedSignature};

use crate::remote_place::{DAY, Place, key_file, options, primary, sign, write_repomd};

fn names(remote: &Remote) -> Vec<String> {
    remote.packages().iter().map(|package| package.header.nevra.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_of_every_form_are_read_and_asked_for_once_a_day() {
    let place = Place::far();
    let all = ["data-1-1.noarch", "demo-2-1.noarch", "demo-1-1.noarch"];
    assert_eq!(names(&place.load(place.config(), &options()).await.unwrap()), all);
    let asked = place.server.asked();
    assert_eq!(
        asked.iter().filter(|path| path.ends_with("repomd.xml")).count(),
        2,
        "one address has nothing: {asked:?}"
    );
    place.load(place.config(), &options()).await.unwrap();
    assert!(place.server.asked().is_empty(), "the answer is fresh");
    let later = LoadOptions { now: SystemTime::now() + DAY, ..options() };
    place.load(place.config(), &later).await.unwrap();
    assert_eq!(place.server.asked().len(), 2, "only `repomd.xml` is asked for when nothing has changed");
    place.load(place.config(), &LoadOptions { refresh: true, ..options() }).await.unwrap();
    assert_eq!(place.server.asked().len(), 2);

    let location = primary(&place);
    let xml = unpack(&fs::read(place.file(&location)).unwrap(), 1 << 20).unwrap();
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gz.write_all(&xml).unwrap();
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 6);
    xz.write_all(&xml).unwrap();
    for (end, packed) in [("gz", gz.finish().unwrap()), ("xz", xz.finish().unwrap()), ("xml", xml.clone())] {
        let file = format!("repodata/primary.{end}");
        fs::write(place.file(&file), &packed).unwrap();
        write_repomd(&place, &file, Sha256::of_bytes(&packed), packed.len(), xml.len());
        let refresh = LoadOptions { refresh: true, ..options() };
        assert_eq!(names(&place.load(place.config(), &refresh).await.unwrap()), all, "{end}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_what_the_metadata_say_is_refused() {
    let place = Place::new();
    let remote = place.load(place.config(), &options()).await.unwrap();
    let demo = remote.packages()[1].clone();
    let content = fs::read(place.file(&demo.location)).unwrap();
    let path = place.file(&demo.location);
    fs::remove_file(&path).unwrap();
    fs::write(&path, [&content[..content.len() - 1], b"x"].concat()).unwrap();
    let error = remote.fetch(&[demo.digest()], &|_| {}).await.unwrap_err();
    let told = place.without_place(&error);
    assert!(told.contains("repository `test`: `noarch/demo-2-1.noarch.rpm`"), "{told}");
    assert!(told.contains(&format!("instead of {}", demo.digest())) && !remote.is_at_hand(demo.digest()), "{told}");
    fs::write(&path, [&content[..], b"more"].concat()).unwrap();
    let told = place.without_place(&remote.fetch(&[demo.digest()], &|_| {}).await.unwrap_err());
    assert!(told.contains(&format!("has more than the {} bytes", content.len())), "{told}");
    fs::remove_file(&path).unwrap();
    fs::remove_file(place.file(&remote.packages()[0].location)).unwrap();
    let both = [demo.digest(), remote.packages()[0].digest()];
    let told = place.without_place(&remote.fetch(&both, &|_| {}).await.unwrap_err());
    assert!(told.starts_with("2 files cannot be had") && told.contains("data-1-1") && told.contains("404"), "{told}");
    fs::write(&path, &content).unwrap();
    remote.fetch(&[demo.digest()], &|_| {}).await.unwrap();
    assert!(remote.is_at_hand(demo.digest()));

    write_repomd(&place, &primary(&place), Sha256::of_bytes(b"other"), 10_000, 100_000);
    fs::remove_dir_all(place.layout().remote()).unwrap();
    assert!(place.told(place.config()).await.contains("has digest"));
    let repomd = "<repomd><data type=\"primary\">";
    fs::write(place.file("repodata/repomd.xml"), repomd).unwrap();
    fs::remove_dir_all(place.layout().remote()).unwrap();
    let told = place.told(place.config()).await;
    assert!(told.ends_with(": cannot be read: line 1: it ends in the middle of an element"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_rpm_that_the_metadata_call_something_else_is_refused() {
    for (from, to, told) in [
        (
            "<name>data</name>",
            "<name>tool</name>",
            "is `data-1-1.noarch`, and the metadata say that it is `tool-1-1.noarch`",
        ),
        ("ver=\"1\" rel=\"1\"/>\n", "ver=\"9\" rel=\"1\"/>\n", "and the metadata say that it is"),
        (
            "<rpm:entry name=\"data\"",
            "<rpm:entry name=\"sh\"/><rpm:entry name=\"data\"",
            "does not say that it provides `sh`",
        ),
        ("</format>", "<file>/bin/sh</file></format>", "does not say that it has `/bin/sh`"),
    ] {
        let place = Place::new();
        let before = fs::read(place.file(&primary(&place))).unwrap();
        place.change_primary("repodata/lies.xml", |xml| xml.replace(from, to));
        assert_ne!(unpack(&before, 1 << 20).unwrap(), fs::read(place.file("repodata/lies.xml")).unwrap(), "{from}");
        let remote = place.load(place.config(), &options()).await.unwrap();
        let wanted = remote.packages().iter().find(|package| package.location.contains("data-1")).unwrap();
        let error = remote.fetch(&[wanted.digest()], &|_| {}).await.unwrap_err();
        assert!(place.without_place(&error).contains(told), "{from}: {}", place.without_place(&error));
        assert!(!error.is_host() && error.hint().unwrap().contains("ask who runs the repository"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_that_grow_beyond_what_they_say_are_refused() {
    let place = Place::new();
    let file = primary(&place);
    let packed = fs::read(place.file(&file)).unwrap();
    write_repomd(&place, &file, Sha256::of_bytes(&packed), packed.len(), 100);
    let told = place.told(place.config()).await;
    assert!(told.contains("cannot be unpacked: it unpacks to more than 100 bytes"), "{told}");
    write_repomd(&place, &file, Sha256::of_bytes(&packed), 10, 100_000);
    fs::remove_dir_all(place.layout().remote()).unwrap();
    let told = place.told(place.config()).await;
    assert!(told.contains("has more than the 10 bytes that it may have"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_with_broken_metadata_is_passed_over() {
    let (broken, place) = (Place::new(), Place::new());
    let url = |place: &Place| place.server.url.clone();
    let both = RepositoryConfig { urls: vec![url(&broken), url(&place)], ..place.config() };
    for text in ["<html><body>We are back soon", "<repomd><data type=\"other\"></data></repomd>"] {
        fs::write(broken.file("repodata/repomd.xml"), text).unwrap();
        let refresh = LoadOptions { refresh: true, ..options() };
        assert_eq!(place.load(both.clone(), &refresh).await.unwrap().packages().len(), 3, "{text}");
    }
    fs::write(place.file("repodata/repomd.xml"), "none").unwrap();
    let again = LoadOptions { refresh: true, ..options() };
    let told = place.load(both, &again).await.err().unwrap().to_string();
    let [first, second] = [url(&broken), url(&place)].map(|url| format!("at {url}: cannot be read: "));
    assert!(told.contains(&first) && told.contains(&second), "all are told: {told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn packages_that_came_later_are_not_seen() {
    let place = Place::new();
    let at = |snapshot| LoadOptions { snapshot: Some(snapshot), ..options() };
    assert_eq!(names(&place.load(place.config(), &at(100)).await.unwrap()), ["data-1-1.noarch", "demo-1-1.noarch"]);
    assert_eq!(place.load(place.config(), &at(200)).await.unwrap().packages().len(), 3);
    assert!(place.load(place.config(), &at(99)).await.unwrap().packages().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_primary_does_not_have_are_in_the_lists() {
    let place = Place::new();
    let mut remote = place.load(place.config(), &options()).await.unwrap();
    assert!(remote.packages().iter().all(|package| package.header.files.is_empty()));
    place.server.asked();
    remote.add_files(&BTreeSet::from(["/usr/share/data/file".to_owned()]), &|_| {}).await.unwrap();
    assert_eq!(remote.packages()[0].header.files, ["/usr/share/data/file"]);
    assert_eq!(place.server.asked().len(), 2, "the first address has nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_must_be_signed_where_they_are_to_be() {
    let place = Place::far();
    let config = RepositoryConfig { repo_gpg_check: true, keys: vec![key_file("key-a.asc")], ..place.config() };
    let told = place.told(config.clone()).await;
    assert!(told.contains("repository `test`: `repodata/repomd.xml` ") && told.ends_with(": is not signed"), "{told}");
    let write = |key: &str, content: &[u8]| {
        let armored = DetachedSignature::new(sign(key, content)).to_armored_string(ArmorOptions::default()).unwrap();
        fs::write(place.file("repodata/repomd.xml.asc"), armored).unwrap();
    };
    write("b", place.repomd().as_bytes());
    let told = place.told(config.clone()).await;
    assert!(told.contains(": is signed by ") && told.contains("the keys at hand are "), "{told}");
    write("a", b"something else");
    let told = place.told(config.clone()).await;
    assert!(told.contains(": has a wrong signature by "), "{told}");
    write("a", place.repomd().as_bytes());
    assert_eq!(place.load(config.clone(), &options()).await.unwrap().packages().len(), 3);
    place.server.asked();
    place.load(config.clone(), &options()).await.unwrap();
    assert!(place.server.asked().is_empty(), "the signature is kept");
    let none = RepositoryConfig { keys: vec![key_file("none")], ..config.clone() };
    assert!(place.told(none).await.contains("none` cannot be used: No such file"));
    let secret = RepositoryConfig { keys: vec![key_file("key-a.secret.asc")], ..config };
    assert!(place.told(secret).await.contains("it has no armored public key"));
}

#[tokio::test(flavor = "multi_thread")]
async fn packages_must_be_signed_where_they_are_to_be() {
    for (signer, expected) in [(None, Err("is not signed")), (Some("b"), Err("is signed by ")), (Some("a"), Ok(()))] {
        let place = Place::signed(signer);
        let config = RepositoryConfig { gpg_check: true, keys: vec![key_file("key-a.asc")], ..place.config() };
        let remote = place.load(config, &options()).await.unwrap();
        let demo = remote.packages()[1].digest();
        let fetched = remote.fetch(&[demo], &|_| {}).await;
        match expected {
            Ok(()) => fetched.unwrap(),
            Err(words) => {
                let error = fetched.unwrap_err();
                let told = place.without_place(&error);
                assert!(
                    told.contains("repository `test`: `noarch/demo-2-1.noarch.rpm` ") && told.contains(words),
                    "{told}"
                );
                assert!(!error.is_host() && error.hint().is_some());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_run_has_what_the_lock_lists_and_reads_no_metadata() {
    let place = Place::new();
    let remote = place.load(place.config(), &LoadOptions { snapshot: Some(100), ..options() }).await.unwrap();
    remote.note_used(remote.packages()[1].digest());
    let lock = LockFile::parse(&remote.used().to_text()).unwrap();
    assert_eq!(lock.repositories["test"].packages["demo-1-1.noarch"].location, "noarch/demo-1-1.noarch.rpm");
    assert_eq!(lock.repositories["test"].repomd, Sha256::of_bytes(place.repomd().as_bytes()));
    place.server.asked();

    let locked = async |config: RepositoryConfig| {
        Remote::locked(vec![config], (&lock, Path::new("drydock.lock")), options().patience, &place.layout(), &|_| {})
            .await
    };
    let remote = locked(place.config()).await.unwrap();
    assert_eq!(names(&remote), ["demo-1-1.noarch"], "the repository has a newer one");
    let header = &remote.packages()[0].header;
    assert!(header.requires.iter().any(|one| one.to_string() == "/usr/share/data/file"), "{header:?}");
    let asked = place.server.asked();
    assert!(asked.iter().all(|path| path.ends_with("demo-1-1.noarch.rpm")), "{asked:?}");
    assert_eq!(names(&locked(place.config()).await.unwrap()), ["demo-1-1.noarch"]);
    assert!(place.server.asked().is_empty(), "all is at hand");
    let elsewhere = RepositoryConfig { urls: vec!["http://elsewhere.test".into()], ..place.config() };
    assert!(locked(elsewhere).await.err().unwrap().to_string().contains("repository `test` has another address"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_serves_as_well_as_a_server() {
    let place = Place::new();
    let url = format!("file://{}", place.file("").display());
    let config = RepositoryConfig { urls: vec![url], ..place.config() };
    let remote = place.load(config, &options()).await.unwrap();
    let demo = remote.packages()[1].digest();
    remote.fetch(&[demo], &|_| {}).await.unwrap();
    assert_eq!(Sha256::of_file(&remote.path(demo)).unwrap(), demo);
    assert!(place.server.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_in_an_address_is_in_no_message_and_no_file() {
    let place = Place::new();
    let secret = place.server.url.replace("http://", "http://me:PASS@");
    let wanted = WantedRepository::from_argument(&format!("{secret}?sig=SIGN"), Path::new("/none"));
    let variables = Variables { arch: "x86_64", release: None };
    let config = configure(std::slice::from_ref(&wanted), variables).unwrap().remove(0);
    let hidden = |text: &str| !text.contains("PASS") && !text.contains("SIGN");
    assert!(hidden(&config.name) && config.name.ends_with("?***"), "{}", config.name);
    let events = Mutex::new(Vec::new());
    let report = |event| events.lock().unwrap().push(event);
    let remote = Remote::load(vec![config.clone()], &options(), &place.layout(), &report).await.unwrap();
    let demo = remote.packages()[1].digest();
    remote.note_used(demo);
    remote.fetch(&[demo], &report).await.unwrap();
    let lock = remote.used();
    assert!(hidden(&lock.to_text()) && hidden(&format!("{:?}", events.lock().unwrap())), "{}", lock.to_text());
    assert!(place.server.asked().iter().all(|path| path.ends_with("?sig=SIGN")), "the server is asked with it");
    for file in fs::read_dir(place.layout().remote().join("repositories")).unwrap() {
        assert!(hidden(&fs::read_to_string(file.unwrap().path()).unwrap()));
    }
    let (pinned, layout) = ((&lock, Path::new("drydock.lock")), place.layout());
    let locked = Remote::locked(vec![config.clone()], pinned, options().patience, &layout, &report).await.unwrap();
    assert_eq!(names(&locked), ["demo-2-1.noarch"]);
    fs::remove_file(place.file("repodata/repomd.xml")).unwrap();
    let refresh = LoadOptions { refresh: true, ..options() };
    let told = place.load(config, &refresh).await.err().unwrap().to_string();
    assert!(hidden(&told) && told.contains("404"), "{told}");
    let wrong = ["ftp://me:PASS@x.test/", "http://me:PASS@x.test/$no"];
    let wrong: Vec<_> = wrong.iter().map(|url| WantedRepository::from_argument(url, Path::new("/none"))).collect();
    let told = configure(&wrong, variables).unwrap_err().to_string();
    assert!(hidden(&told) && told.contains("--repo ftp://***@x.test/"), "{told}");
}
