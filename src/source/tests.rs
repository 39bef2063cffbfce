//! Fetching from a server that breaks, lies and recovers.

mod access;
mod archives;
mod bounds;
mod secrets;
mod server;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use self::server::{Server, cut, rest, status, whole};
use super::*;

const CONTENT: &[u8] = b"the content of a source file";

/// A project with one spec.
struct Project {
    folder: tempfile::TempDir,
    events: Mutex<Vec<Event>>,
}

impl Project {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("SPECS/demo")).unwrap();
        Self { folder, events: Mutex::default() }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn layout(&self) -> Layout {
        Layout::new(self.path("build"), self.path("out"), self.path("cache"))
    }

    fn sign(&self, text: &str) {
        std::fs::write(self.path("SPECS/demo/demo.signatures.json"), text).unwrap();
    }

    fn sign_as(&self, content: &[u8]) {
        self.sign(&format!("{{\"Signatures\": {{\"demo.tar\": \"{}\"}}}}", Sha256::of_bytes(content)));
    }

    fn wanted(&self, url: Option<String>) -> WantedSource {
        WantedSource {
            spec: "demo".into(),
            spec_path: self.path("SPECS/demo/demo.spec"),
            file: "demo.tar".into(),
            kind: SourceKind::Source,
            url,
            expected: None,
        }
    }

    async fn fetch(&self, wanted: &[WantedSource], options: &FetchOptions) -> Result<Sources, SourceError> {
        let report = |event| self.events.lock().unwrap().push(event);
        complete(fetch(wanted, options, &self.layout(), &report).await?)
    }

    /// Fetches the one file of the spec.
    async fn fetch_from(&self, url: &str, mode: SignatureMode) -> Result<FetchedSource, SourceError> {
        let sources = self.fetch(&[self.wanted(Some(format!("{url}/demo.tar")))], &options(mode)).await?;
        Ok(sources.files.into_values().next().unwrap())
    }

    fn cached(&self) -> Vec<String> {
        let mut found = Vec::new();
        for folder in ["cache/sources", "cache/sources/parts"] {
            let entries = std::fs::read_dir(self.path(folder)).into_iter().flatten().flatten();
            let files = entries.filter(|entry| entry.path().is_file());
            found.extend(files.map(|entry| entry.file_name().to_string_lossy().into_owned()));
        }
        found
    }
}

fn options(mode: SignatureMode) -> FetchOptions {
    let milliseconds = Duration::from_millis;
    let patience =
        Patience { connect: milliseconds(2000), stall: milliseconds(500), least_rate: 0, retry: milliseconds(5) };
    FetchOptions {
        mode,
        checkout: Checkout::default(),
        mirrors: Vec::new(),
        access: MirrorAccess::default(),
        archives: Vec::new(),
        patience,
        now: SystemTime::now(),
    }
}

fn message(error: &SourceError, root: &Path) -> String {
    let text = format!("{error}\nhint: {}", error.hint().unwrap_or_default());
    text.replace(&root.display().to_string(), "[ROOT]")
}

#[tokio::test]
async fn a_busy_server_is_asked_again_and_the_second_run_asks_nobody() {
    let server = Server::start(vec![status("503 Service Unavailable"), whole(CONTENT)]).await;
    let project = Project::new();
    project.sign_as(CONTENT);
    let found = project.fetch_from(&server.url, SignatureMode::Enforce).await.unwrap();
    assert_eq!(std::fs::read(&found.path).unwrap(), CONTENT);
    assert_eq!(found.path, project.path("cache/sources").join(Sha256::of_bytes(CONTENT).to_string()));
    project.fetch_from(&server.url, SignatureMode::Enforce).await.unwrap();
    assert_eq!(server.asked().len(), 2);
    assert_eq!(project.cached().len(), 1);
    assert!(server.asked()[0].contains(concat!("drydock/", env!("CARGO_PKG_VERSION"))));
}

#[tokio::test]
async fn a_broken_transfer_goes_on_where_it_broke() {
    let server = Server::start(vec![cut(CONTENT, 10), rest(CONTENT, 10)]).await;
    let project = Project::new();
    project.sign_as(CONTENT);
    project.fetch_from(&server.url, SignatureMode::Enforce).await.unwrap();
    let second = server.asked()[1].to_lowercase();
    assert!(second.contains("range: bytes=10-") && second.contains("if-range: \"v1\""), "{second}");
}

#[tokio::test]
async fn a_transfer_goes_on_in_a_later_run() {
    let project = Project::new();
    project.sign_as(CONTENT);
    let server = Server::start(vec![cut(CONTENT, 4), rest(CONTENT, 4)]).await;
    let wanted = project.wanted(Some(format!("{}/demo.tar", server.url)));
    let slow = Patience { retry: Duration::from_hours(1), ..options(SignatureMode::Enforce).patience };
    let waiting = FetchOptions { patience: slow, ..options(SignatureMode::Enforce) };
    // The first run is killed while it waits for its retry.
    let killed = tokio::time::timeout(Duration::from_secs(1), project.fetch(std::slice::from_ref(&wanted), &waiting));
    assert!(killed.await.is_err());
    project.fetch(&[wanted], &options(SignatureMode::Enforce)).await.unwrap();
    assert!(server.asked()[1].to_lowercase().contains("range: bytes=4-"));
}

#[tokio::test]
async fn content_that_changed_in_between_is_fetched_from_its_start() {
    let server = Server::start(vec![cut(b"something else entirely", 10), whole(CONTENT)]).await;
    let project = Project::new();
    project.sign_as(CONTENT);
    project.fetch_from(&server.url, SignatureMode::Enforce).await.unwrap();
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn a_damaged_part_is_thrown_away_once() {
    let mut broken = CONTENT.to_vec();
    broken[..10].fill(b'x');
    let server = Server::start(vec![cut(&broken, 10), rest(CONTENT, 10), whole(CONTENT)]).await;
    let project = Project::new();
    project.sign_as(CONTENT);
    project.fetch_from(&server.url, SignatureMode::Enforce).await.unwrap();
    assert_eq!(server.asked().len(), 3);
}

#[tokio::test]
async fn a_stalled_server_is_left() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            stream.write_all(&cut(CONTENT, 3)).await.unwrap();
            open.push(stream);
        }
    });
    let project = Project::new();
    project.sign_as(CONTENT);
    let error = project.fetch_from(&url, SignatureMode::Enforce).await.unwrap_err();
    assert!(error.to_string().contains("no answer in time"), "{error}");
}

#[tokio::test]
async fn wrong_bytes_are_quarantined_and_the_next_place_is_tried() {
    let lying = Server::start(vec![whole(b"evil")]).await;
    let honest = Server::start(vec![whole(CONTENT)]).await;
    let project = Project::new();
    project.sign_as(CONTENT);
    let wanted = project.wanted(Some(format!("{}/x/demo-1.tar#/demo.tar", honest.url)));
    let with_mirror = FetchOptions { mirrors: vec![lying.url.clone()], ..options(SignatureMode::Enforce) };
    project.fetch(&[wanted], &with_mirror).await.unwrap();
    let evil = Sha256::of_bytes(b"evil");
    assert_eq!(std::fs::read(project.path("cache/sources/quarantine").join(evil.to_string())).unwrap(), b"evil");
    let digest = Sha256::of_bytes(CONTENT);
    assert_eq!(lying.paths(), ["/demo.tar".to_owned(), format!("/demo/{digest}/demo.tar")]);
    assert_eq!(honest.paths(), ["/x/demo-1.tar"]);
    let events = project.events.lock().unwrap();
    assert!(matches!(&events[0], Event::Warning { text } if text.contains("has digest")), "{events:?}");
}

#[tokio::test]
async fn all_faults_are_told_at_once() {
    let server = Server::start(vec![status("404 Not Found"), whole(b"evil")]).await;
    let project = Project::new();
    let root = project.folder.path();
    project.sign(&format!(
        "{{\"Signatures\": {{\"demo.tar\": \"{0}\", \"b.tar\": \"{0}\", \"local.conf\": \"{0}\"}}}}",
        Sha256::of_bytes(CONTENT)
    ));
    std::fs::write(project.path("SPECS/demo/local.conf"), "x").unwrap();
    std::fs::write(project.path("SPECS/demo/new.conf"), "x").unwrap();
    std::fs::create_dir_all(project.path("SPECS/bad")).unwrap();
    std::fs::write(project.path("SPECS/bad/bad.signatures.json"), "{\n\"Signatures\": 3}").unwrap();
    let named = |file: &str, url| WantedSource { file: file.into(), ..project.wanted(url) };
    let bad =
        WantedSource { spec: "bad".into(), spec_path: project.path("SPECS/bad/bad.spec"), ..project.wanted(None) };
    let wanted = [
        named("new.conf", None),
        named("local.conf", None),
        named("gone.patch", None),
        named("demo.tar", Some(format!("{}/demo.tar", server.url))),
        bad,
    ];
    let error = project.fetch(&wanted, &options(SignatureMode::Enforce)).await.unwrap_err();
    let text = message(&error, root).replace(&server.url, "[SERVER]");
    insta::assert_snapshot!(text, @r"
    5 source files are not at hand
      `[ROOT]/SPECS/bad/bad.spec`: `bad.signatures.json`: `[ROOT]/SPECS/bad/bad.signatures.json`, line 2, column 15: this is the number `3`, and an object of keys and values is expected
      `[ROOT]/SPECS/demo/demo.spec`: `demo.tar`: is nowhere (digest bcd3e9844dd0fb2d4b07df35162db1e838aaeccce8620d7f7a8bb8256e6c8a2d)
        [SERVER]/demo.tar: 404 Not Found
        package archives: none is known
      `[ROOT]/SPECS/demo/demo.spec`: `gone.patch`: has no signature
      `[ROOT]/SPECS/demo/demo.spec`: `local.conf`: `[ROOT]/SPECS/demo/local.conf` has digest 2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881, its signature says bcd3e9844dd0fb2d4b07df35162db1e838aaeccce8620d7f7a8bb8256e6c8a2d
      `[ROOT]/SPECS/demo/demo.spec`: `new.conf`: has no signature; the file beside the spec has digest 2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881
    hint: if the files are the right ones, `drydock sources --update-signatures demo` writes their digests
    name a mirror that has the missing files with `--source-url URL`, or put them beside their specs
    ");
    let events = project.events.lock().unwrap();
    assert!(
        events.iter().any(|e| matches!(e, Event::Warning { text } if text.contains("signs `b.tar`"))),
        "{events:?}"
    );
}

#[tokio::test]
async fn a_patch_beside_its_spec_needs_no_signature() {
    let project = Project::new();
    std::fs::write(project.path("SPECS/demo/fix.patch"), "p").unwrap();
    let patch = WantedSource { file: "fix.patch".into(), kind: SourceKind::Patch, ..project.wanted(None) };
    let sources = project.fetch(&[patch], &options(SignatureMode::Enforce)).await.unwrap();
    assert_eq!(sources.files[&("demo".into(), "fix.patch".into())].sha256, Sha256::of_bytes(b"p"));
}

#[tokio::test]
async fn an_update_writes_what_was_found() {
    let server = Server::start(vec![whole(CONTENT)]).await;
    let project = Project::new();
    project.sign(&format!("{{\n \"Signatures\": {{\n  \"old.tar\": \"{}\"\n }}\n}}\n", Sha256::of_bytes(b"")));
    std::fs::write(project.path("SPECS/demo/local.conf"), "x").unwrap();
    std::fs::write(project.path("SPECS/demo/fix.patch"), "p").unwrap();
    let named = |file: &str, kind| WantedSource { file: file.into(), kind, ..project.wanted(None) };
    let wanted = [
        project.wanted(Some(format!("{}/demo.tar", server.url))),
        named("local.conf", SourceKind::Source),
        named("fix.patch", SourceKind::Patch),
    ];
    project.fetch(&wanted, &options(SignatureMode::Update)).await.unwrap();
    let text = std::fs::read_to_string(project.path("SPECS/demo/demo.signatures.json")).unwrap();
    let entry = |file, content| format!("  \"{file}\": \"{}\"", Sha256::of_bytes(content));
    let (tar, conf) = (entry("demo.tar", CONTENT), entry("local.conf", b"x"));
    assert_eq!(text, format!("{{\n \"Signatures\": {{\n{tar},\n{conf}\n }}\n}}\n"));
    project.fetch(&wanted, &options(SignatureMode::Enforce)).await.unwrap();
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn an_unsigned_file_is_downloaded_once() {
    let server = Server::start(vec![whole(CONTENT)]).await;
    let project = Project::new();
    project.sign("not read");
    for _ in 0..2 {
        let found = project.fetch_from(&server.url, SignatureMode::Skip).await.unwrap();
        assert_eq!(found.sha256, Sha256::of_bytes(CONTENT));
    }
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn a_damaged_cache_file_is_fetched_again() {
    let server = Server::start(vec![whole(CONTENT), whole(CONTENT)]).await;
    let project = Project::new();
    project.sign_as(CONTENT);
    let found = project.fetch_from(&server.url, SignatureMode::Enforce).await.unwrap();
    std::fs::write(&found.path, "damaged").unwrap();
    project.fetch_from(&server.url, SignatureMode::Enforce).await.unwrap();
    assert_eq!(std::fs::read(&found.path).unwrap(), CONTENT);
}

#[tokio::test]
async fn a_host_that_refuses_connections_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let project = Project::new();
    project.sign_as(CONTENT);
    let error = project.fetch_from(&url, SignatureMode::Enforce).await.unwrap_err();
    assert!(error.to_string().contains("no connection: "), "{error}");
}

#[tokio::test]
async fn several_specs_share_one_download() {
    let server = Server::start(vec![whole(CONTENT)]).await;
    let project = Project::new();
    let digest = Some(Sha256::of_bytes(CONTENT));
    let first = WantedSource { expected: digest, ..project.wanted(Some(format!("{}/demo.tar", server.url))) };
    let second = WantedSource { spec: "other".into(), ..first.clone() };
    let sources = project.fetch(&[first, second], &options(SignatureMode::Enforce)).await.unwrap();
    assert_eq!((sources.files.len(), server.asked().len()), (2, 1));
}
