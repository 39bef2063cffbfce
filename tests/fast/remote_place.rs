//! A repository in a temporary folder, the server that gives it, and the keys that sign it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use drydock::cache::{BuildTimes, CheckOutcome, StoredResult, describe};
use drydock::digest::Sha256;
use drydock::event::Event;
use drydock::layout::Layout;
use drydock::remote::{LoadOptions, Remote, RemoteError, RepositoryConfig, unpack};
use drydock::repo::Repo;
use drydock::source::{Patience, WebAccess};
use pgp::composed::{Deserializable as _, SignedSecretKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{PacketTrait as _, Signature, SignatureConfig, SignatureType, Subpacket, SubpacketData};
use pgp::types::{KeyDetails as _, Password, Timestamp};
use rpm::{BuildConfig, FileOptions, PackageBuilder};

pub(crate) const DAY: Duration = Duration::from_hours(24);

/// A server that gives the files of a folder and keeps the paths it was asked for.
pub(crate) struct Server {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(folder: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                answer(stream.unwrap(), &folder, &log);
            }
        });
        Self { url, asked }
    }

    /// What was asked for since the last question.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

fn answer(mut stream: TcpStream, folder: &Path, log: &Mutex<Vec<String>>) {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
        request.push(byte[0]);
    }
    let path = String::from_utf8_lossy(&request).split(' ').nth(1).unwrap_or_default().to_owned();
    log.lock().unwrap().push(path.clone());
    let (status, body) = match fs::read(folder.join(meant(&path))) {
        Ok(body) => ("200 OK", body),
        Err(_) => ("404 Not Found", Vec::new()),
    };
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
}

/// The file that a request means, as S3 reads it: `+` is a blank, and `^` has to be encoded.
fn meant(path: &str) -> String {
    let path = path.split('?').next().unwrap_or_default().trim_start_matches('/').replace('^', "").replace('+', " ");
    let mut parts = path.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
        bytes.extend(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).unwrap()
}

/// A repository with the packages `demo` 1 and 2 and `data`, which `demo` requires by a path.
pub(crate) struct Place {
    folder: tempfile::TempDir,
    pub(crate) server: Server,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self::signed(None)
    }

    /// The same by an address that does not tell that the server is on this machine.
    pub(crate) fn far() -> Self {
        let place = Self::new();
        let url = place.server.url.replace("127.0.0.1", "0.0.0.0");
        Self { server: Server { url, ..place.server }, ..place }
    }

    /// The same with every RPM signed by a key.
    pub(crate) fn signed(key: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let layout = Layout::new(at("server/build"), at("server/out"), at("server/cache"));
        let result = at("result");
        fs::create_dir_all(result.join("rpms")).unwrap();
        let rpms = [("demo", "1", 100), ("demo", "2", 200), ("data", "1", 100)];
        let rpms = rpms.map(|(name, version, time)| {
            let path = result.join("rpms").join(format!("{name}-{version}-1.noarch.rpm"));
            fs::write(&path, rpm(name, version, time, key)).unwrap();
            describe(&path).unwrap()
        });
        let digest = Sha256::of_bytes(b"result");
        let (check, times) = (CheckOutcome::Off, BuildTimes::default());
        let stored = StoredResult { key: digest, folder: result, rpms: rpms.into(), check, times, log: digest };
        Repo::open(&layout).unwrap().publish(&[("demo", &stored)]).unwrap();
        let server = Server::start(layout.rpms());
        Self { folder, server }
    }

    pub(crate) fn file(&self, path: &str) -> PathBuf {
        self.folder.path().join("server/out/RPMS").join(path)
    }

    pub(crate) fn repomd(&self) -> String {
        fs::read_to_string(self.file("repodata/repomd.xml")).unwrap()
    }

    pub(crate) fn layout(&self) -> Layout {
        let at = |name: &str| self.folder.path().join(name);
        Layout::new(at("build"), at("out"), at("cache"))
    }

    pub(crate) fn config(&self) -> RepositoryConfig {
        RepositoryConfig {
            name: "test".into(),
            urls: vec![format!("{}/missing", self.server.url), self.server.url.clone()],
            keys: Vec::new(),
            gpg_check: false,
            repo_gpg_check: false,
            priority: 99,
            access: WebAccess::default(),
        }
    }

    pub(crate) async fn load(&self, config: RepositoryConfig, options: &LoadOptions) -> Result<Remote, RemoteError> {
        Remote::load(vec![config], options, &self.layout(), &|_: Event| {}).await
    }

    /// The same with the texts of warnings and notes.
    pub(crate) async fn load_telling(
        &self,
        config: RepositoryConfig,
        options: &LoadOptions,
    ) -> (Result<Remote, RemoteError>, String) {
        let told = Mutex::new(String::new());
        let report = |event: Event| {
            if let Event::Warning { text } | Event::Note { text } = event {
                told.lock().unwrap().extend([text.as_str(), "\n"]);
            }
        };
        let loaded = Remote::load(vec![config], options, &self.layout(), &report).await;
        (loaded, told.into_inner().unwrap())
    }

    /// Makes the primary metadata those that `change` makes of them, under the name `file`.
    pub(crate) fn change_primary(&self, file: &str, change: impl Fn(String) -> String) {
        let old = fs::read(self.file(&primary(self))).unwrap();
        let xml = String::from_utf8(unpack(&old, 1 << 20).unwrap()).unwrap();
        let new = change(xml);
        fs::write(self.file(file), &new).unwrap();
        write_repomd(self, file, Sha256::of_bytes(new.as_bytes()), new.len(), new.len());
    }

    pub(crate) async fn told(&self, config: RepositoryConfig) -> String {
        let loaded = self.load(config, &options()).await;
        self.without_place(&loaded.err().unwrap())
    }

    pub(crate) fn without_place(&self, error: &RemoteError) -> String {
        error.to_string().replace(&self.server.url, "[URL]").replace(&self.folder.path().display().to_string(), "[DIR]")
    }
}

pub(crate) fn options() -> LoadOptions {
    let short = Duration::from_millis(1);
    let patience = Patience { connect: DAY, stall: DAY, least_rate: 0, retry: short };
    let (arch, compatible, now) = ("x86_64".into(), Vec::new(), SystemTime::now());
    LoadOptions { arch, compatible, snapshot: None, refresh: false, now, patience }
}

fn rpm(name: &str, version: &str, time: u32, key: Option<&str>) -> Vec<u8> {
    let mut builder = PackageBuilder::new(name, version, "MIT", "noarch", "a test");
    builder.using_config(BuildConfig::v4().source_date(time));
    if name == "demo" {
        builder.requires(rpm::Dependency::any("/usr/share/data/file"));
    }
    let path = format!("/usr/share/{name}/file");
    builder.with_file_contents(name, FileOptions::new(path).permissions(0o644)).unwrap();
    let package = builder.build().unwrap();
    let mut bytes = Vec::new();
    package.write(&mut bytes).unwrap();
    let Some(key) = key else { return bytes };
    let mut signature = Vec::new();
    sign(key, &package.metadata.header_bytes().unwrap()).to_writer_with_header(&mut signature).unwrap();
    with_signature(&bytes, &signature)
}

/// `rpm` with one more entry in its signature header: tag 268, a signature of the header
/// (<https://rpm-software-management.github.io/rpm/manual/format_v4.html>).
fn with_signature(rpm: &[u8], signature: &[u8]) -> Vec<u8> {
    const LEAD: usize = 96;
    let number = |at: usize| usize::try_from(u32::from_be_bytes(rpm[at..at + 4].try_into().unwrap())).unwrap();
    let (entries, bytes) = (number(LEAD + 8), number(LEAD + 12));
    let (store, end) = (LEAD + 16 + 16 * entries, LEAD + 16 + 16 * entries + bytes);
    let rest = (end - LEAD).next_multiple_of(8) + LEAD;
    let mut signed = rpm[..LEAD + 8].to_vec();
    let numbers =
        |all: &[usize]| all.iter().flat_map(|one| u32::try_from(*one).unwrap().to_be_bytes()).collect::<Vec<_>>();
    signed.extend(numbers(&[entries + 1, bytes + signature.len()]));
    signed.extend(&rpm[LEAD + 16..store]);
    signed.extend(numbers(&[268, 7, bytes, signature.len()]));
    signed.extend(&rpm[store..end]);
    signed.extend(signature);
    signed.resize((signed.len() - LEAD).next_multiple_of(8) + LEAD, 0);
    signed.extend(&rpm[rest..]);
    signed
}

pub(crate) fn key_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/remote").join(name)
}

pub(crate) fn sign(key: &str, content: &[u8]) -> Signature {
    let text = fs::read_to_string(key_file(&format!("key-{key}.secret.asc"))).unwrap();
    let key = SignedSecretKey::from_string(&text).unwrap().0.primary_key;
    let mut config = SignatureConfig::v4(SignatureType::Binary, key.algorithm(), HashAlgorithm::Sha256);
    config.hashed_subpackets = [
        SubpacketData::SignatureCreationTime(Timestamp::now()),
        SubpacketData::IssuerFingerprint(key.fingerprint()),
        SubpacketData::IssuerKeyId(key.legacy_key_id()),
    ]
    .map(|data| Subpacket::regular(data).unwrap())
    .into();
    config.sign(&key, &Password::empty(), content).unwrap()
}

/// Where the primary metadata are.
pub(crate) fn primary(place: &Place) -> String {
    let repomd = place.repomd();
    let after = repomd.split("repodata/").find(|part| part.contains("-primary")).unwrap();
    format!("repodata/{}", after.split('"').next().unwrap())
}

pub(crate) fn write_repomd(place: &Place, file: &str, digest: Sha256, bytes: usize, open: usize) {
    let text = format!(
        "<repomd><data type=\"primary\"><checksum type=\"sha256\">{digest}</checksum><location href=\"{file}\"/>\
         <size>{bytes}</size><open-size>{open}</open-size></data></repomd>"
    );
    fs::write(place.file("repodata/repomd.xml"), text).unwrap();
}
