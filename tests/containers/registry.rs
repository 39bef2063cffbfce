//! Images in a real registry: Debian's `docker-registry`, which knows no referrers API.

use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use drydock::attest::{self, Build, PublicKey, SignedAs, SigningKey};
use drydock::digest::Sha256;
use drydock::event::Event;
use drydock::oci::registry::{self, Access, Credentials, Moved, Patience};
use drydock::oci::{Artifact, Companion, ImageConfig, OciError, Store, StoredImage};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// What is said of images.
const KINDS: [&str; 2] = ["application/spdx+json", "application/vnd.in-toto+json"];

/// A registry of the test's own; it ends with this value.
pub(super) struct Registry {
    child: Child,
    folder: TempDir,
    host: String,
}

impl Registry {
    pub(super) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Somebody else may take the port between the question and its use.
        let mut registry = (0..5).find_map(|_| Self::try_start(folder.path()));
        let (child, host) = registry.take().unwrap_or_else(|| {
            panic!("docker-registry does not answer:\n{}", std::fs::read_to_string(folder.path().join("log")).unwrap())
        });
        Self { child, folder, host }
    }

    fn try_start(folder: &Path) -> Option<(Child, String)> {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let root = folder.join("root");
        let settings = format!(
            "version: 0.1\nlog:\n  level: warn\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: {address}\n",
            root.display()
        );
        std::fs::write(folder.join("config.yml"), settings).unwrap();
        let log = File::create(folder.join("log")).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "--", "docker-registry", "serve"]).arg(folder.join("config.yml"));
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let mut child = command.spawn().expect("setpriv is not installed");
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(30) && child.try_wait().unwrap().is_none() {
            if TcpStream::connect(address).is_ok() {
                return Some((child, address.to_string()));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = child.kill();
        let _ = child.wait();
        None
    }

    pub(super) fn reference(&self, suffix: &str) -> String {
        format!("{}/team/tools{suffix}", self.host)
    }

    /// The file in which the registry keeps a blob.
    fn blob(&self, digest: Sha256) -> PathBuf {
        let name = digest.to_string();
        let blobs = self.folder.path().join("root/docker/registry/v2/blobs/sha256");
        blobs.join(&name[..2]).join(&name).join("data")
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A store, and the user who works on it.
struct Place {
    folder: TempDir,
    store: Store,
    told: Mutex<Vec<String>>,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("oci")).unwrap();
        Self { folder, store, told: Mutex::default() }
    }

    async fn with<T>(&self, work: impl AsyncFnOnce(&Access<'_>) -> T) -> T {
        let report = |event| {
            if let Event::Note { text } | Event::Warning { text } = event {
                self.told.lock().unwrap().push(text);
            }
        };
        let (credentials, cancel) = (Credentials::default(), CancellationToken::new());
        let patience = Patience { retry: Duration::from_millis(5), ..Patience::default() };
        work(&Access { credentials: &credentials, patience, report: &report, cancel: &cancel }).await
    }

    async fn push(&self, image: &StoredImage, reference: &str) -> Moved {
        self.with(async |access| registry::push(&self.store, image.manifest, reference, access).await).await.unwrap()
    }

    async fn pull(&self, reference: &str) -> Result<registry::Pulled, OciError> {
        self.with(async |access| registry::pull(reference, &self.store, access).await).await
    }

    /// An image of layers with one file each, of these contents.
    fn image(&self, contents: &[&str]) -> StoredImage {
        let config = ImageConfig { created: 1_700_000_000, ..ImageConfig::default() };
        let mut image: Option<StoredImage> = None;
        for (number, content) in contents.iter().enumerate() {
            let tar = self.tar(number, content);
            let made = match &image {
                None => self.store.from_rootfs_tar(&tar, &config),
                Some(below) => self.store.append_layer(below, &tar, &config),
            };
            image = Some(made.unwrap());
        }
        image.unwrap()
    }

    fn tar(&self, number: usize, content: &str) -> PathBuf {
        let name = format!("file{number}");
        std::fs::write(self.folder.path().join(&name), content.repeat(100_000)).unwrap();
        let tar = self.folder.path().join("layer.tar");
        let made = Command::new("tar").arg("-cf").arg(&tar).arg("-C").arg(self.folder.path()).arg(&name).status();
        assert!(made.unwrap().success());
        tar
    }
}

/// A private key that OpenSSL makes, and its public one.
pub(super) fn keys(folder: &Path) -> (PathBuf, PathBuf) {
    let run = |command: &str| {
        let output = Command::new("sh").args(["-euc", command]).current_dir(folder).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    run("openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt > key.pem");
    run("openssl pkey -in key.pem -pubout > key.pub");
    (folder.join("key.pem"), folder.join("key.pub"))
}

/// `drydock toolchain pull` in a project of its own.
fn pull_command(reference: &str, key: Option<&Path>) -> (Output, TempDir) {
    let project = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_drydock"));
    command.args(["toolchain", "pull", reference]).current_dir(project.path());
    command.env("HOME", project.path()).env_remove("REGISTRY_AUTH_FILE").env_remove("DOCKER_CONFIG");
    if let Some(key) = key {
        command.arg("--require-signature").arg(key);
    }
    (command.output().unwrap(), project)
}

fn is_wanted() -> bool {
    let wanted = std::env::var("DRYDOCK_CONTAINER_TESTS").is_ok();
    if !wanted {
        println!("skipped: set DRYDOCK_CONTAINER_TESTS=1");
    }
    wanted
}

#[tokio::test]
async fn only_a_changed_layer_moves_and_the_digest_stays() {
    if !is_wanted() {
        return;
    }
    let (registry, place) = (Registry::start(), Place::new());
    let first = place.image(&["one", "two", "three"]);
    let second = place.image(&["one", "two", "four"]);
    let bytes = |image: &StoredImage| std::fs::metadata(place.store.blob_path(image.config)).unwrap().len();
    let moved = place.push(&first, &registry.reference(":1")).await;
    let all: u64 = first.layers.iter().map(|layer| layer.bytes).sum();
    assert_eq!(moved, Moved { blobs: 4, bytes: all + bytes(&first), skipped: 0 });
    let moved = place.push(&second, &registry.reference(":1")).await;
    assert_eq!(moved, Moved { blobs: 2, bytes: second.layers[2].bytes + bytes(&second), skipped: 2 });

    let empty = Place::new();
    let tag = registry.reference(":1");
    let digest = empty.with(async |access| registry::resolve(&tag, access).await).await.unwrap().unwrap();
    assert_eq!(digest, second.manifest);
    let pulled = empty.pull(&registry::with_digest(&tag, digest).unwrap()).await.unwrap();
    assert_eq!((&pulled.image, pulled.moved.blobs), (&second, 4));
    let manifest = |store: &Store| std::fs::read(store.blob_path(digest)).unwrap();
    assert_eq!(manifest(&empty.store), manifest(&place.store));
    let older = empty.pull(&registry.reference(&format!("@{}", first.manifest.to_oci()))).await.unwrap();
    assert_eq!((older.image, older.moved.blobs, older.moved.skipped), (first, 2, 2));
}

#[tokio::test]
async fn a_blob_that_the_registry_damaged_is_refused() {
    if !is_wanted() {
        return;
    }
    let (registry, place) = (Registry::start(), Place::new());
    let image = place.image(&["one", "two", "three"]);
    place.push(&image, &registry.reference(":1")).await;
    let layer = image.layers[1].digest;
    let whole = std::fs::read(registry.blob(layer)).unwrap();
    let mut changed = whole.clone();
    changed[20] ^= 1;
    for wrong in [changed, whole[..whole.len() - 1].to_vec(), [whole.as_slice(), b"x"].concat()] {
        std::fs::write(registry.blob(layer), wrong).unwrap();
        let (output, project) = pull_command(&registry.reference(":1"), None);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3), "{told}");
        assert!(told.contains(&layer.to_oci()) && told.contains(&registry.host) && told.contains("hint: "), "{told}");
        let store = Store::open(project.path().join("build/oci")).unwrap();
        assert!(!store.blob_path(layer).exists() && !store.has(image.manifest) && store.images().unwrap().is_empty());
    }
    std::fs::write(registry.blob(layer), whole).unwrap();
    let (output, _project) = pull_command(&registry.reference(":1"), None);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{}\n", image.manifest.to_oci()));
    assert_eq!(output.status.code(), Some(0));
    let (output, _project) = pull_command(&registry.reference(":none"), None);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[tokio::test]
async fn a_signature_goes_with_its_image_and_other_keys_are_refused() {
    if !is_wanted() {
        return;
    }
    let (registry, place) = (Registry::start(), Place::new());
    let (key, public) = keys(place.folder.path());
    let image = place.image(&["one"]);
    let tag = registry.reference(":1");
    place.push(&image, &tag).await;
    let (output, _project) = pull_command(&tag, Some(&public));
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8(output.stderr).unwrap().contains("has no signature"));

    let signed_as = SignedAs { name: registry::name_of(&tag).unwrap(), tag: None };
    attest::sign(&place.store, image.manifest, &signed_as, &SigningKey::read(&key).unwrap()).unwrap();
    let moved = place.push(&image, &tag).await;
    assert_eq!((moved.blobs, moved.skipped), (2, 2), "the signature and its configuration are new");
    let (output, _project) = pull_command(&tag, Some(&public));
    assert_eq!(output.status.code(), Some(0), "{output:?}");

    let stranger = tempfile::tempdir().unwrap();
    let (stranger_key, stranger_public) = keys(stranger.path());
    let (output, project) = pull_command(&tag, Some(&stranger_public));
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("by another key") && told.contains(&image.manifest.to_oci()), "{told}");
    assert!(!Store::open(project.path().join("build/oci")).unwrap().has(image.manifest));

    // Somebody else signs it too, from a store that knows nothing of the first signature: both stay.
    let other = Place::new();
    other.pull(&registry::with_digest(&tag, image.manifest).unwrap()).await.unwrap();
    attest::sign(&other.store, image.manifest, &signed_as, &SigningKey::read(&stranger_key).unwrap()).unwrap();
    other.push(&image, &tag).await;
    for key in [&public, &stranger_public] {
        let (output, _project) = pull_command(&tag, Some(key));
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }
}

#[tokio::test]
async fn documents_are_found_by_the_tag_that_stands_for_the_missing_api() {
    if !is_wanted() {
        return;
    }
    let (registry, place) = (Registry::start(), Place::new());
    let (key, public) = keys(place.folder.path());
    let image = place.image(&["one"]);
    let exact = registry.reference(&format!("@{}", image.manifest.to_oci()));
    let name = registry::name_of(&exact).unwrap();
    let sbom = attest::sbom(&name, 0, "azl", &[]).unwrap();
    attest::attach_sbom(&place.store, image.manifest, &sbom).unwrap();
    place.push(&image, &exact).await;
    // The second document comes later; the list keeps the first one.
    let build = Build { builder: "https://example.org/builder".to_owned(), ..Build::default() };
    let statement = attest::provenance(&name, image.manifest, &build).unwrap();
    let later = Place::new();
    later.pull(&exact).await.unwrap();
    attest::attach_provenance(&later.store, image.manifest, &statement).unwrap();
    attest::attest(&later.store, image.manifest, &statement, &SigningKey::read(&key).unwrap()).unwrap();
    later.push(&image, &exact).await;
    later.push(&image, &exact).await;

    let empty = Place::new();
    let found =
        empty.with(async |access| registry::referrers(&exact, &empty.store, &KINDS, access).await).await.unwrap().0;
    let mut types: Vec<&str> = found.iter().map(|one| one.artifact_type.as_str()).collect();
    types.sort_unstable();
    assert_eq!(types, ["application/spdx+json", "application/vnd.in-toto+json"]);
    for one in &found {
        let content = empty.store.artifact_content(one.manifest).unwrap();
        assert!(content == sbom || content == statement.content);
    }
    empty.pull(&exact).await.unwrap();
    assert_eq!(empty.store.referrers(image.manifest).unwrap(), found);
    let pulled =
        empty.with(async |access| registry::companion(&exact, &empty.store, Companion::Attestations, access).await);
    assert!(pulled.await.unwrap());
    let public = PublicKey::read(&public).unwrap();
    let kind = &statement.predicate_type;
    let verified = attest::verify_attestation(&empty.store, image.manifest, kind, &public).unwrap();
    assert_eq!(verified, statement.content);
}

#[tokio::test]
async fn what_others_attached_to_an_image_is_not_signed_with_it() {
    if !is_wanted() {
        return;
    }
    let (registry, place) = (Registry::start(), Place::new());
    let (key, public) = keys(place.folder.path());
    let (key, public) = (SigningKey::read(&key).unwrap(), PublicKey::read(&public).unwrap());
    let image = place.image(&["one"]);
    let tag = registry.reference(":1");
    let exact = registry::with_digest(&tag, image.manifest).unwrap();
    place.push(&image, &tag).await;
    // Whoever may write to the registry says that the image is signed, that it has no packages, and how it was made.
    let stranger = Place::new();
    stranger.pull(&exact).await.unwrap();
    let statement = |kind: &str| attest::Statement::new("x", image.manifest, kind, serde_json::json!({})).unwrap();
    let signed = statement("https://sigstore.dev/cosign/sign/v1");
    let build = Build { builder: "https://example.org/stranger".to_owned(), ..Build::default() };
    let made = attest::provenance("x", image.manifest, &build).unwrap();
    for statement in [&signed, &made] {
        attest::attach_provenance(&stranger.store, image.manifest, statement).unwrap();
    }
    let sbom = attest::sbom("x", 0, "stranger", &[]).unwrap();
    attest::attach_sbom(&stranger.store, image.manifest, &sbom).unwrap();
    stranger.push(&image, &exact).await;

    // A mirror pulls the image with all of it, and pushes it signed.
    let mirror = Place::new();
    let work = async |access: &Access<'_>| {
        attest::pull_trusted(&tag, image.manifest, None, (&mirror.store, access)).await?;
        attest::sign_all(&tag, image.manifest, &key, (&mirror.store, access)).await
    };
    mirror.with(work).await.unwrap();
    assert_eq!(mirror.store.referrers(image.manifest).unwrap().len(), 3);
    assert!(mirror.store.remarks(image.manifest, Companion::Attestations).unwrap().is_empty());
    assert!(attest::verify_signature(&mirror.store, image.manifest, Some("1"), &public).is_ok());
    assert!(attest::verify_signature(&mirror.store, image.manifest, Some("2"), &public).is_err());

    // What is said where the image was made is signed; the statement of another kind is not even then.
    attest::attach_sbom(&place.store, image.manifest, &sbom).unwrap();
    attest::attach_provenance(&place.store, image.manifest, &signed).unwrap();
    let sign = async |access: &Access<'_>| attest::sign_all(&tag, image.manifest, &key, (&place.store, access)).await;
    place.with(sign).await.unwrap();
    let kind = "https://spdx.dev/Document";
    assert_eq!(place.store.remarks(image.manifest, Companion::Attestations).unwrap().len(), 1);
    assert!(attest::verify_attestation(&place.store, image.manifest, kind, &public).is_ok());

    // A manifest that says of itself that it was made here was not.
    let annotations = [("org.drydock.made-here".to_owned(), "true".to_owned())].into();
    let (artifact_type, content) = (KINDS[0], b"{}".as_slice());
    let artifact = Artifact { artifact_type, media_type: artifact_type, content, annotations };
    stranger.store.attach(image.manifest, &artifact).unwrap();
    stranger.push(&image, &exact).await;
    let later = Place::new();
    let pull = async |access: &Access<'_>| {
        attest::pull_trusted(&tag, image.manifest, None, (&later.store, access)).await.unwrap();
    };
    later.with(pull).await;
    assert!(later.store.referrers(image.manifest).unwrap().iter().all(|one| !one.made_here));
}
