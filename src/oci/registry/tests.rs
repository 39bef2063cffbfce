//! Images moved to and from a registry that breaks, lies and recovers.

mod login;
mod push;
mod server;

use std::sync::Mutex;

use tempfile::TempDir;

use self::server::{Server, cut, refusal, status, whole};
use super::*;
use crate::digest::Sha256;
use crate::event::Event;
use crate::oci::document::write_image;
use crate::oci::{Compression, ImageConfig, StoredImage};

/// A store, and what was told.
struct Place {
    folder: TempDir,
    store: Store,
    credentials: Credentials,
    patience: Patience,
    cancel: CancellationToken,
    told: Mutex<Vec<String>>,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("oci")).unwrap();
        let cancel = CancellationToken::new();
        let milliseconds = Duration::from_millis;
        let (connect, stall, retry) = (milliseconds(2000), milliseconds(500), milliseconds(5));
        let patience = Patience { connect, stall, least_rate: 0, retry };
        Self { folder, store, credentials: Credentials::default(), patience, cancel, told: Mutex::default() }
    }

    /// A place whose user has logged in.
    fn logged_in(host: &str, user_and_password: &str) -> Self {
        use base64::Engine as _;
        let auth = base64::engine::general_purpose::STANDARD.encode(user_and_password);
        let mut place = Self::new();
        let file = place.folder.path().join("config.json");
        std::fs::write(&file, format!(r#"{{"auths": {{"{host}": {{"auth": "{auth}"}}}}}}"#)).unwrap();
        place.credentials.files.push(file);
        place
    }

    async fn with<T>(&self, work: impl AsyncFnOnce(&Access<'_>) -> T) -> T {
        let report = |event| {
            if let Event::Note { text } | Event::Warning { text } = event {
                self.told.lock().unwrap().push(text);
            }
        };
        let Self { credentials, patience, cancel, .. } = self;
        let access = Access { credentials, patience: *patience, report: &report, cancel };
        work(&access).await
    }

    async fn pull(&self, reference: &str) -> Result<Pulled, OciError> {
        self.with(async |access| pull(reference, &self.store, access).await).await
    }

    async fn push(&self, image: &StoredImage, reference: &str) -> Result<Moved, OciError> {
        self.with(async |access| push(&self.store, image.manifest, reference, access).await).await
    }

    /// An image of layers with these contents.
    fn image(&self, contents: &[&str]) -> StoredImage {
        let layer = |content: &&str| {
            let written = self.store.write_layer(Compression::Gzip, |into| {
                into.write_all(content.as_bytes()).unwrap();
                Ok(())
            });
            written.unwrap()
        };
        write_image(&self.store, contents.iter().map(layer).collect(), &ImageConfig::default()).unwrap()
    }

    fn told(&self) -> String {
        self.told.lock().unwrap().join("\n")
    }

    /// True when no temporary file is left; what is just being renamed into the layout is waited for.
    async fn is_tidy(&self) -> bool {
        let files = || std::fs::read_dir(self.store.temporary_folder()).unwrap().count();
        let tidied = async {
            while files() > 1 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), tidied).await.is_ok()
    }
}

/// A registry that has an image of three layers, the image, and its reference by digest.
async fn registry() -> (Server, StoredImage, String) {
    registry_of(&["one", "two", "three"]).await
}

async fn registry_of(layers: &[&str]) -> (Server, StoredImage, String) {
    let (server, place) = (Server::start().await, Place::new());
    let image = place.image(layers);
    let blobs = image.layers.iter().map(|layer| layer.digest).chain([image.config]);
    for blob in blobs {
        server.keep(format!("blobs/{}", blob.to_oci()), std::fs::read(place.store.blob_path(blob)).unwrap());
    }
    let manifest = std::fs::read(place.store.blob_path(image.manifest)).unwrap();
    server.keep("manifests/1", manifest.clone());
    server.keep(format!("manifests/{}", image.manifest.to_oci()), manifest);
    let reference = server.reference(&format!("@{}", image.manifest.to_oci()));
    (server, image, reference)
}

fn message(error: &OciError, server: &Server) -> String {
    let text = format!("{}\nhint: {}", crate::causes::in_one_line(error), error.hint().unwrap_or_default());
    let mut parts = text.split("sha256:");
    let first = parts.next().unwrap().to_owned();
    let text = parts.fold(first, |text, part| format!("{text}[DIGEST]{}", &part[64..]));
    text.replace(&server.host, "[HOST]")
}

fn blob_path(digest: Sha256) -> String {
    format!("/v2/team/tools/blobs/{}", digest.to_oci())
}

#[tokio::test]
async fn an_image_is_pulled_once_and_its_tag_becomes_a_digest() {
    let (server, image, reference) = registry().await;
    let place = Place::new();
    let tag = server.reference(":1");
    let digest = place.with(async |access| resolve(&tag, access).await).await.unwrap();
    assert_eq!(digest, Some(image.manifest));
    assert_eq!(with_digest(&tag, image.manifest).unwrap(), reference);
    let none = server.reference(":none");
    assert_eq!(place.with(async |access| resolve(&none, access).await).await.unwrap(), None);
    let pulled = place.pull(&reference).await.unwrap();
    let bytes: u64 = pulled.image.layers.iter().map(|layer| layer.bytes).sum();
    let config = std::fs::metadata(place.store.blob_path(image.config)).unwrap().len();
    assert_eq!(pulled, Pulled { image, moved: Moved { blobs: 4, bytes: bytes + config, skipped: 0 } });
    assert!(place.told().contains(&format!("pulled `{reference}`: 4 blobs")), "{}", place.told());
    let asked = server.asked("").len();
    assert_eq!(place.pull(&reference).await.unwrap().moved, Moved::default());
    assert_eq!(server.asked("").len(), asked);
    assert!(place.is_tidy().await);
}

#[tokio::test]
async fn blobs_at_hand_are_not_asked_for() {
    let (server, image, reference) = registry().await;
    let place = Place::new();
    let other = place.image(&["one", "two", "something else"]);
    assert_eq!(other.layers[..2], image.layers[..2]);
    let pulled = place.pull(&reference).await.unwrap();
    assert_eq!((pulled.moved.blobs, pulled.moved.skipped), (2, 2));
    assert!(server.asked(&format!("GET {}", blob_path(image.layers[0].digest))).is_empty());
}

#[tokio::test]
async fn what_a_registry_does_not_have_is_told_by_name() {
    let (server, image, reference) = registry().await;
    let digest = format!("@sha256:{}", "0".repeat(64));
    let fault = Place::new().pull(&server.reference(&digest)).await.unwrap_err();
    insta::assert_snapshot!(message(&fault, &server), @r#"
    cannot pull the manifest `[DIGEST]` of `[HOST]/team/tools@[DIGEST]`: `[HOST]` does not have it: said by the test
    hint: check the name, the tag and the digest of `[HOST]/team/tools@[DIGEST]`
    "#);
    let blob = blob_path(image.layers[1].digest);
    server.script(format!("GET {blob}"), vec![refusal(404, "BLOB_UNKNOWN")]);
    let place = Place::new();
    let fault = place.pull(&reference).await.unwrap_err();
    insta::assert_snapshot!(message(&fault, &server), @r#"
    cannot pull the blob `[DIGEST]` of `[HOST]/team/tools@[DIGEST]`: `[HOST]` does not have it: said by the test
    hint: `[HOST]` has lost a part of the image: push the image again from where it is whole
    "#);
    assert!(fault.is_usage() && place.is_tidy().await && !place.store.has(image.manifest));
}

#[tokio::test]
async fn a_busy_registry_is_asked_again_and_a_broken_one_three_times() {
    let (server, image, reference) = registry().await;
    let blob = blob_path(image.layers[0].digest);
    server.script(format!("GET {blob}"), vec![refusal(429, "TOOMANYREQUESTS"), status("429 Too Many Requests")]);
    let place = Place::new();
    place.pull(&reference).await.unwrap();
    assert_eq!(server.asked(&format!("GET {blob}")).len(), 3);
    assert_eq!(place.told().matches("is asked too often").count(), 2, "{}", place.told());
    let manifest = format!("GET /v2/team/tools/manifests/{}", image.manifest.to_oci());
    server.script(&manifest, vec![status("429 Too Many Requests\r\nRetry-After: 1")]);
    let place = Place::new();
    place.pull(&reference).await.unwrap();
    assert!(place.told().contains("is asked too often; trying again in 1 s"), "{}", place.told());
    let before = server.asked(&manifest).len();
    server.script(&manifest, vec![status("500 Internal Server Error"); 3]);
    let fault = Place::new().pull(&reference).await.unwrap_err();
    insta::assert_snapshot!(message(&fault, &server), @r#"
    cannot pull the manifest `[DIGEST]` of `[HOST]/team/tools@[DIGEST]`: `[HOST]` has a fault of its own (HTTP 500)
    hint: try again later; whoever runs `[HOST]` finds the reason in its log
    "#);
    assert_eq!((server.asked(&manifest).len() - before, fault.is_usage()), (3, false));
    server.script(&manifest, vec![refusal(429, "TOOMANYREQUESTS"); 3]);
    let fault = Place::new().pull(&reference).await.unwrap_err();
    insta::assert_snapshot!(message(&fault, &server), @r#"
    cannot pull the manifest `[DIGEST]` of `[HOST]/team/tools@[DIGEST]`: `[HOST]` is asked too often: said by the test
    hint: wait some minutes, or log in: `[HOST]` may allow more to those it knows
    "#);
}

#[tokio::test]
async fn a_broken_transfer_goes_on_where_it_broke() {
    let (server, image, reference) = registry().await;
    let layer = image.layers[2].digest;
    let content = server.kept(&format!("blobs/{}", layer.to_oci())).unwrap();
    server.script(format!("GET {}", blob_path(layer)), vec![cut(&content, 10)]);
    let place = Place::new();
    let pulled = place.pull(&reference).await.unwrap();
    let asked = server.asked(&format!("GET {}", blob_path(layer)));
    assert!(asked.len() == 2 && asked[1].to_lowercase().contains("range: bytes=10-"), "{asked:?}");
    let bytes: u64 = image.layers.iter().map(|layer| layer.bytes).sum();
    let config = std::fs::metadata(place.store.blob_path(image.config)).unwrap().len();
    assert_eq!(pulled.moved.bytes, bytes + config, "no byte comes twice");
    // A registry that knows no ranges gives all of it again.
    server.script(format!("GET {}", blob_path(layer)), vec![cut(&content, 10), whole(&content)]);
    let place = Place::new();
    assert_eq!(place.pull(&reference).await.unwrap().moved.bytes, bytes + config + 10);
    // Parts of different answers are not put together.
    let other = vec![b'x'; content.len()];
    server.script(format!("GET {}", blob_path(layer)), vec![cut(&other, 10)]);
    let place = Place::new();
    assert_eq!(place.pull(&reference).await.unwrap().image, image);
    assert!(place.told().contains("the parts of several answers do not fit"), "{}", place.told());
}

#[tokio::test]
async fn a_blob_that_trickles_is_given_up() {
    let content: String = (0..100_u8).map(|number| Sha256::of_bytes(&[number]).to_oci()).collect();
    let (server, image, reference) = registry_of(&[&content]).await;
    let get = format!("GET {}", blob_path(image.layers[0].digest));
    server.trickle(&get, Duration::from_millis(1));
    let mut place = Place::new();
    place.patience.least_rate = 100_000;
    let fault = place.pull(&reference).await.unwrap_err();
    let told = message(&fault, &server);
    assert!(told.contains("the blob `[DIGEST]`") && told.contains("which is less than 100000 a second"), "{told}");
    assert_eq!(server.asked(&get).len(), 3);
    assert!(place.is_tidy().await && !place.store.has(image.manifest));
    place.patience.least_rate = 10;
    place.pull(&reference).await.unwrap();
}

#[tokio::test]
async fn a_body_that_always_ends_early_is_told_and_not_kept() {
    let (server, image, reference) = registry().await;
    let layer = image.layers[2].digest;
    let content = server.kept(&format!("blobs/{}", layer.to_oci())).unwrap();
    server.script(format!("GET {}", blob_path(layer)), vec![cut(&content, 10), cut(&content, 5), cut(&content, 5)]);
    let place = Place::new();
    let fault = place.pull(&reference).await.unwrap_err();
    assert!(matches!(&fault, OciError::Registry(fault) if fault.refusal == Refusal::Connection), "{fault}");
    assert!(fault.to_string().contains(&layer.to_oci()), "{fault}");
    assert!(place.is_tidy().await && !place.store.blob_path(layer).exists());
    // A registry whose own file is too short says so honestly.
    server.keep(format!("blobs/{}", layer.to_oci()), &content[..10]);
    let fault = place.pull(&reference).await.unwrap_err();
    assert!(
        matches!(&fault, OciError::Registry(fault) if matches!(fault.refusal, Refusal::OtherBytes { .. })),
        "{fault}"
    );
}

#[tokio::test]
async fn wrong_bytes_never_get_into_the_store() {
    let (server, image, reference) = registry().await;
    let layer = image.layers[2].digest;
    let right = server.kept(&format!("blobs/{}", layer.to_oci())).unwrap();
    let longer = [right.as_slice(), b"more"].concat();
    for wrong in [vec![b'x'; right.len()], longer] {
        server.keep(format!("blobs/{}", layer.to_oci()), wrong);
        let place = Place::new();
        let fault = place.pull(&reference).await.unwrap_err();
        assert!(matches!(&fault, OciError::Registry(fault) if matches!(fault.refusal, Refusal::OtherBytes { .. })));
        let (text, hint) = (fault.to_string(), fault.hint().unwrap());
        assert!(text.contains(&layer.to_oci()) && hint.contains("damages what it holds"), "{text}");
        assert!(place.is_tidy().await && !place.store.blob_path(layer).exists() && !place.store.has(image.manifest));
    }
    let manifest = server.kept("manifests/1").unwrap();
    server.keep(format!("manifests/{}", image.manifest.to_oci()), [manifest.as_slice(), b" "].concat());
    let fault = Place::new().pull(&reference).await.unwrap_err();
    assert!(
        matches!(&fault, OciError::Registry(fault) if matches!(fault.refusal, Refusal::OtherBytes { .. })),
        "{fault}"
    );
}

#[tokio::test]
async fn a_store_that_cannot_be_written_is_told_with_the_blob() {
    // A device that takes no byte, in the place of a full disk.
    let (server, image, reference) = registry().await;
    let place = Place::new();
    let fault = place
        .with(async |access| {
            let remote = remote::Remote::open(&reference, client::Purpose::Pull, access).await?;
            let file = std::fs::File::options().write(true).open("/dev/full").unwrap();
            download::into_file(&remote, place.folder.path(), (image.layers[0].digest, image.layers[0].bytes), file)
                .await
        })
        .await
        .unwrap_err();
    insta::assert_snapshot!(message(&fault, &server).replace(&place.folder.path().display().to_string(), "[FOLDER]"), @r#"
    cannot pull the blob `[DIGEST]` of `[HOST]/team/tools@[DIGEST]`: it cannot be written: `[FOLDER]`: No space left on device (os error 28)
    hint: make room where the project's build folder is, and run the same command again: what came so far is kept
    "#);
}

#[tokio::test]
async fn a_registry_that_nobody_answers_for_is_told() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = listener.local_addr().unwrap().to_string();
    drop(listener);
    let fault = Place::new().pull(&format!("{gone}/x@sha256:{}", "0".repeat(64))).await.unwrap_err();
    let (text, cause) = (fault.to_string(), std::error::Error::source(&fault).unwrap().to_string());
    assert_eq!(text.replace(&gone, "[GONE]").matches("the connection to `[GONE]` fails").count(), 1, "{text}");
    assert!(cause.contains("Connection refused"), "{cause}");
}

#[tokio::test]
async fn a_stop_ends_a_transfer() {
    let (_server, _, reference) = registry().await;
    let place = Place::new();
    place.cancel.cancel();
    let fault = place.pull(&reference).await.unwrap_err();
    assert!(matches!(fault, OciError::Stopped { .. }), "{fault}");
    assert!(place.is_tidy().await);
}

#[test]
fn only_this_machine_is_spoken_to_in_plain_http() {
    for (registry, local) in [
        ("localhost:5000", true),
        ("localhost", true),
        ("127.0.0.1:5000", true),
        ("[::1]:5000", true),
        ("[::1]", true),
        ("127.0.0.1.example.org:5000", false),
        ("localhost.example.org", false),
        ("registry.example.org:5000", false),
    ] {
        assert_eq!(client::is_local(registry), local, "{registry}");
    }
}

#[tokio::test]
async fn a_reference_without_digest_is_refused() {
    let fault = Place::new().pull("docker.io/library/debian:12").await.unwrap_err();
    let expected =
        "the image reference `docker.io/library/debian:12` has no sha256 digest, so it could be another image tomorrow";
    assert_eq!(fault.to_string(), expected);
}
