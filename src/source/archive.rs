//! Finds an upstream file in package archives by its digest, whatever its name there.
//!
//! In: [`Archive`]s and the digest of a source. Out: the URL of that file in the pool of an archive. An index is fetched
//! when a digest is not in the indexes at hand and the index is older than a day. It is compared with the digest that the
//! archive's `InRelease` gives, which must be signed by a key of the archive ([`Trust`]). What is trusted in the end is
//! the digest of the source itself, and the file that an index points to must have it.

use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use reqwest::Url;
use tokio::sync::Mutex;

use super::apt::{Archive, Trust};
use super::download::Downloader;
use super::index::{Lookup, released};
use super::lock::lock;
use super::transfer::Fault;
use super::whole_file;
use crate::address::{below, shown};
use crate::digest::{KeyBuilder, Sha256};
use crate::openpgp::{Keys, Unsigned};

/// An index that is older than this is fetched again before a digest counts as not there.
const FRESH: Duration = Duration::from_hours(24);

/// The largest `InRelease`, the largest compressed index and the largest uncompressed one that are read.
const MAX_RELEASE_BYTES: u64 = 16 << 20;
const MAX_INDEX_BYTES: u64 = 256 << 20;
const MAX_UNPACKED_BYTES: u64 = 4 << 30;

/// The indexes of all archives, read when they are first needed.
pub(super) struct Archives<'a> {
    downloader: Downloader<'a>,
    folder: PathBuf,
    now: SystemTime,
    components: Mutex<Vec<Component>>,
}

/// One component of one archive's suite.
struct Component {
    base_url: String,
    suite: String,
    name: String,
    trust: Trust,
    lookup: Option<Lookup>,
    /// True when the index needs no look at the archive any more in this run.
    settled: bool,
}

impl<'a> Archives<'a> {
    /// Archives whose indexes are kept in `folder`; `downloader` writes there too.
    pub(super) fn new(archives: &[Archive], downloader: Downloader<'a>, folder: PathBuf, now: SystemTime) -> Self {
        let components = archives.iter().flat_map(|archive| {
            archive.components.iter().map(|name| Component {
                base_url: archive.base_url.clone(),
                suite: archive.suite.clone(),
                name: name.clone(),
                trust: archive.trust.clone(),
                lookup: None,
                settled: false,
            })
        });
        Self { downloader, folder, now, components: Mutex::new(components.collect()) }
    }

    /// URLs of the file with this digest; when there are none, why not, in words.
    pub(super) async fn find(&self, digest: Sha256) -> Result<Vec<Url>, String> {
        let mut components = self.components.lock().await;
        if components.is_empty() {
            return Err("none is known".into());
        }
        for component in components.iter_mut().filter(|component| component.lookup.is_none()) {
            component.read_kept(&self.folder, self.now);
        }
        let mut found = urls(&components, digest);
        let mut failures = Vec::new();
        if found.is_empty() {
            // One process at a time fetches indexes.
            let locked = lock(&self.folder.join("lock")).await;
            let _locked = locked.map_err(|error| format!("cannot lock the indexes: {error}"))?;
            for component in components.iter_mut().filter(|component| !component.settled) {
                // Another process may have done this while this one waited for the lock.
                component.read_kept(&self.folder, self.now);
                if !component.settled {
                    failures.extend(component.refresh(&self.downloader, &self.folder).await.err());
                }
            }
            found = urls(&components, digest);
        }
        if !found.is_empty() {
            return Ok(found);
        }
        let count = components.len();
        failures.insert(0, format!("no file with this digest in the source indexes of {count} package archives"));
        Err(failures.join("; "))
    }
}

fn urls(components: &[Component], digest: Sha256) -> Vec<Url> {
    let of = |component: &Component| {
        let (path, _) = component.lookup.as_ref()?.files.get(&digest)?;
        Url::parse(&below(&component.base_url, path)).ok()
    };
    components.iter().filter_map(of).collect()
}

impl Component {
    fn kept_path(&self, folder: &Path) -> PathBuf {
        let key = KeyBuilder::new("source-index").field("url", &self.base_url).field("suite", &self.suite);
        folder.join(format!("{}.sources", key.field("component", &self.name).finish()))
    }

    /// Reads the index of an earlier run, or of another process.
    fn read_kept(&mut self, folder: &Path, now: SystemTime) {
        let path = self.kept_path(folder);
        let kept = fs::read_to_string(&path).ok().and_then(|text| Lookup::from_text(&text));
        let Some(lookup) = kept.filter(|_| !self.settled) else { return };
        self.lookup = Some(lookup);
        let written = fs::metadata(&path).and_then(|metadata| metadata.modified());
        let age = written.ok().and_then(|written| now.duration_since(written).ok());
        // One of a time to come was written while a clock was wrong.
        self.settled = age.is_some_and(|age| age < FRESH);
    }

    /// Asks the archive for its index unless the one at hand is the same.
    async fn refresh(&mut self, downloader: &Downloader<'_>, folder: &Path) -> Result<(), String> {
        self.settled = true;
        let release = self.release(downloader).await?;
        let candidates = ["xz", "gz"].map(|end| format!("{}/source/Sources.{end}", self.name));
        let offered =
            candidates.iter().find_map(|path| released(&release, path).map(|(digest, size)| (path, digest, size)));
        match offered {
            // The same index as before is written again: its age counts from now.
            Some((_, digest, _)) if self.lookup.as_ref().is_some_and(|kept| kept.made_from == Some(digest)) => {}
            Some((path, digest, size)) => self.lookup = Some(self.fetch(downloader, (path, digest, size)).await?),
            None => self.lookup = Some(Lookup::default()),
        }
        let text = self.lookup.as_ref().map(Lookup::to_text).unwrap_or_default();
        let path = self.kept_path(folder);
        let kept = tokio::task::spawn_blocking(move || whole_file::replace(&path, text.as_bytes())).await;
        kept.unwrap_or_else(|error| Err(error.into())).map_err(|error| format!("cannot keep the index: {error}"))
    }

    /// What `InRelease` says, or `Release` with `Release.gpg` where an archive has no other.
    async fn release(&self, downloader: &Downloader<'_>) -> Result<String, String> {
        match self.text(downloader, "InRelease").await? {
            Ok(text) => self.checked("InRelease", |keys| keys.verify_clear(&text), &text),
            Err(refused) => {
                let Ok(text) = self.text(downloader, "Release").await? else { return Err(refused) };
                let signature = match self.trust {
                    Trust::Keyrings(_) => self.text(downloader, "Release.gpg").await??,
                    Trust::Anyone => String::new(),
                };
                let verify = |keys: &Keys| keys.verify_detached(text.as_bytes(), &signature).map(|()| text.clone());
                self.checked("Release", verify, &text)
            }
        }
    }

    /// The text of a file of the suite; the inner error when the server says that it does not give it.
    async fn text(&self, downloader: &Downloader<'_>, name: &str) -> Result<Result<String, String>, String> {
        let url = self.in_suite(name)?;
        match downloader.download_limited(&url, None, MAX_RELEASE_BYTES).await {
            Ok(fetched) => {
                let text = fs::read(&fetched.path).map_err(|error| told(&url, &error))?;
                let _ = fs::remove_file(&fetched.path);
                Ok(Ok(String::from_utf8_lossy(&text).into_owned()))
            }
            Err(fault @ Fault::Refused(_)) => Ok(Err(told(&url, &fault))),
            Err(fault) => Err(told(&url, &fault)),
        }
    }

    /// What `verify` gives with the keys of the archive; the whole `text` where nobody's signature is needed.
    fn checked(
        &self,
        name: &str,
        verify: impl Fn(&Keys) -> Result<String, Unsigned>,
        text: &str,
    ) -> Result<String, String> {
        let Trust::Keyrings(files) = &self.trust else { return Ok(text.to_owned()) };
        let keys = Keys::of_keyrings(files);
        let shown = shown(self.in_suite(name)?.as_str());
        if keys.is_empty() {
            return Err(format!("`{shown}` is not used: this machine has no keyring of the archive to check it with"));
        }
        tokio::task::block_in_place(|| verify(&keys)).map_err(|unsigned| format!("`{shown}` {unsigned}"))
    }

    async fn fetch(&self, downloader: &Downloader<'_>, offered: (&str, Sha256, u64)) -> Result<Lookup, String> {
        let (path, digest, size) = offered;
        let url = self.in_suite(path)?;
        if size > MAX_INDEX_BYTES {
            return Err(told(&url, &format_args!("{size} bytes are more than an index has")));
        }
        let fetched = downloader.download_limited(&url, Some(digest), size).await;
        let index = fetched.map_err(|fault| told(&url, &fault))?;
        let packed_by_xz = Path::new(path).extension().is_some_and(|end| end == "xz");
        let read = tokio::task::spawn_blocking(move || {
            let lookup = read_index(&index.path, digest, packed_by_xz);
            let _ = fs::remove_file(&index.path);
            lookup
        });
        let lookup = read.await.unwrap_or_else(|error| Err(error.into()));
        lookup.map_err(|error| told(&url, &error))
    }

    fn in_suite(&self, path: &str) -> Result<Url, String> {
        let text = below(&self.base_url, &format!("dists/{}/{path}", self.suite));
        Url::parse(&text).map_err(|error| format!("`{}`: {error}", shown(&text)))
    }
}

fn told(url: &Url, wrong: &dyn std::fmt::Display) -> String {
    format!("`{}`: {wrong}", shown(url.as_str()))
}

fn read_index(path: &Path, digest: Sha256, packed_by_xz: bool) -> io::Result<Lookup> {
    let packed = BufReader::new(fs::File::open(path)?);
    let unpacked: Box<dyn BufRead> = if packed_by_xz {
        Box::new(BufReader::new(liblzma::bufread::XzDecoder::new(packed).take(MAX_UNPACKED_BYTES)))
    } else {
        Box::new(BufReader::new(flate2::bufread::MultiGzDecoder::new(packed).take(MAX_UNPACKED_BYTES)))
    };
    Lookup::read_index(unpacked, digest)
}
