//! Sources that package archives have, by digest, and whose word that is.

use pgp::composed::{CleartextSignedMessage, Deserializable as _, SignedSecretKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{SignatureConfig, SignatureType, Subpacket, SubpacketData};
use pgp::types::{KeyDetails as _, Password, Timestamp};

use super::*;

/// The text of a `Release` file and the packed index that it vouches for, which has [`CONTENT`].
fn index_of(digest: Sha256) -> (String, Vec<u8>) {
    let index = format!("Package: d\nDirectory: pool/d\nChecksums-Sha256:\n {digest} {} d_1.orig.tar\n", CONTENT.len());
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, index.as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    let release = format!("SHA256:\n {} {} main/source/Sources.gz\n", Sha256::of_bytes(&packed), packed.len());
    (release, packed)
}

/// `text` signed in clear by the test key `a`.
fn signed_in_clear(text: &str) -> String {
    let key = std::fs::read_to_string("tests/fixtures/remote/key-a.secret.asc").unwrap();
    let key = SignedSecretKey::from_string(&key).unwrap().0.primary_key;
    let mut config = SignatureConfig::v4(SignatureType::Text, key.algorithm(), HashAlgorithm::Sha256);
    config.hashed_subpackets = [
        SubpacketData::SignatureCreationTime(Timestamp::now()),
        SubpacketData::IssuerFingerprint(key.fingerprint()),
        SubpacketData::IssuerKeyId(key.legacy_key_id()),
    ]
    .map(|data| Subpacket::regular(data).unwrap())
    .into();
    let message = CleartextSignedMessage::new(text, config, &key, &Password::empty()).unwrap();
    message.to_armored_string(pgp::composed::ArmorOptions::default()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_is_taken_from_who_has_a_key_of_the_archive() {
    let (release, packed) = index_of(Sha256::of_bytes(CONTENT));
    let signed = signed_in_clear(&release);
    let changed = signed.replace(" main/source/Sources.gz", "0 main/source/Sources.gz");
    let keyring = |name: &str| Trust::Keyrings(vec![PathBuf::from("tests/fixtures/remote").join(name)]);
    for (in_release, trust, told) in [
        (&signed, keyring("key-a.asc"), None),
        (&signed, keyring("key-b.asc"), Some("/dists/s/InRelease` is signed by ")),
        (&changed, keyring("key-a.asc"), Some("/dists/s/InRelease` has a wrong signature by ")),
        (&release, keyring("key-a.asc"), Some("/dists/s/InRelease` cannot be verified")),
        (&signed, keyring("none.asc"), Some("this machine has no keyring of the archive")),
    ] {
        let server = Server::start(vec![whole(in_release.as_bytes()), whole(&packed), whole(CONTENT)]).await;
        let project = Project::new();
        project.sign_as(CONTENT);
        let (base_url, suite, components) = (server.url.clone(), "s".to_owned(), vec!["main".to_owned()]);
        let archives = vec![Archive { base_url, suite, components, trust }];
        let options = FetchOptions { archives, ..options(SignatureMode::Enforce) };
        let found = project.fetch(&[project.wanted(None)], &options).await;
        match told {
            None => assert_eq!(found.unwrap().files.len(), 1),
            Some(told) => {
                let error = found.unwrap_err().to_string();
                assert!(error.contains(told) && server.asked().len() == 1, "{error}");
            }
        }
    }
}

#[tokio::test]
async fn an_archive_is_searched_by_digest() {
    let digest = Sha256::of_bytes(CONTENT);
    let (release, packed) = index_of(digest);
    let server =
        Server::start(vec![whole(release.as_bytes()), whole(&packed), whole(CONTENT), whole(release.as_bytes())]).await;
    let project = Project::new();
    project.sign_as(CONTENT);
    let archive = Archive {
        base_url: server.url.clone(),
        suite: "s".into(),
        components: vec!["main".into()],
        trust: Trust::Anyone,
    };
    let with_archive = FetchOptions { archives: vec![archive], ..options(SignatureMode::Enforce) };
    let found = project.fetch(&[project.wanted(None)], &with_archive).await.unwrap();
    assert_eq!(found.files.len(), 1);
    assert_eq!(server.paths(), ["/dists/s/InRelease", "/dists/s/main/source/Sources.gz", "/pool/d/d_1.orig.tar"]);

    // Another digest that is not there asks nobody today; tomorrow the archive is asked whether its index changed.
    project.sign_as(b"other");
    let with_archive = FetchOptions { now: SystemTime::now(), ..with_archive };
    let error = project.fetch(&[project.wanted(None)], &with_archive).await.unwrap_err();
    assert!(error.to_string().contains("no file with this digest"), "{error}");
    assert_eq!(server.asked().len(), 3);
    let tomorrow = FetchOptions { now: SystemTime::now() + Duration::from_hours(25), ..with_archive };
    project.fetch(&[project.wanted(None)], &tomorrow).await.unwrap_err();
    assert_eq!(server.paths()[3..], ["/dists/s/InRelease"]);
    // An index of a time to come was written while a clock was wrong.
    let earlier = FetchOptions { now: SystemTime::now() - Duration::from_hours(9000), ..tomorrow };
    project.fetch(&[project.wanted(None)], &earlier).await.unwrap_err();
    assert_eq!(server.paths()[4], "/dists/s/InRelease");
}
