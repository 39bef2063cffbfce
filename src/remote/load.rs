//! Asks repositories for their metadata, or takes what an earlier run has kept.
//!
//! | path below the cache | what |
//! |---|---|
//! | `remote/<sha256>` | metadata and RPMs |
//! | `remote/repositories/<key>.json` | which `repomd.xml` a repository had, and when it was asked |

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::StreamExt;
use serde::{Deserialize, Serialize};

use super::config::RepositoryConfig;
use super::error::{RemoteError, RemoteFault};
use super::primary::{self, PrimaryPackage};
use super::repomd::{self, MetadataFile, Repomd};
use super::signature::{Keys, Unsigned};
use super::unpack::{MOST_BYTES, unpack};
use super::{RemotePackage, filelists};
use crate::address::below;
use crate::digest::{KeyBuilder, Sha256};
use crate::event::Report;
use crate::source::{Patience, Web, WebError, whole_file};

/// A repository that was asked less long ago is not asked again.
pub const FRESH: Duration = Duration::from_hours(24);

/// The largest `repomd.xml`, and the largest packed file of metadata.
const MOST_REPOMD_BYTES: u64 = 4 << 20;
const MOST_PACKED_BYTES: u64 = 512 << 20;
/// Repositories that are asked at a time.
const AT_A_TIME: usize = 4;

const REPOMD: &str = "repodata/repomd.xml";

/// How repositories are asked.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// The architecture of what is built; packages of it and of `noarch` are seen.
    pub arch: String,
    /// Packages that came later are not seen; seconds since 1970.
    pub snapshot: Option<u64>,
    /// Asks also when the last answer is fresh.
    pub refresh: bool,
    /// The time of the run.
    pub now: SystemTime,
    /// How long servers may take.
    pub patience: Patience,
}

/// A repository whose metadata are at hand.
pub(super) struct Repository {
    pub(super) config: RepositoryConfig,
    pub(super) keys: Keys,
    /// Digest of its `repomd.xml`.
    pub(super) repomd: Sha256,
    /// Its list of files; None in a locked run, and where it has none.
    filelists: Option<MetadataFile>,
}

/// How files get from repositories into the cache.
#[derive(Clone, Copy)]
pub(super) struct Way<'a> {
    pub(super) folder: &'a Path,
    pub(super) patience: Patience,
    pub(super) report: Report<'a>,
}

/// A repository's server, spoken to when it is needed first.
pub(super) struct Server<'a> {
    pub(super) config: &'a RepositoryConfig,
    way: Way<'a>,
    web: OnceLock<Web<'a>>,
}

impl<'a> Server<'a> {
    pub(super) fn new(config: &'a RepositoryConfig, way: Way<'a>) -> Self {
        Self { config, way, web: OnceLock::new() }
    }

    fn web(&self) -> Result<&Web<'a>, RemoteFault> {
        if let Some(web) = self.web.get() {
            return Ok(web);
        }
        let made = Web::new(self.way.folder.to_owned(), &self.config.access, self.way.patience, self.way.report);
        let web = made.map_err(|wrong| fault(self.config, "", &format!("cannot be asked for: {wrong}")))?;
        Ok(self.web.get_or_init(|| web))
    }
}

/// What is kept of a repository.
#[derive(Serialize, Deserialize)]
struct Kept {
    repomd: Sha256,
    signature: Option<Sha256>,
    asked: u64,
}

/// The keys of each of `configs`.
pub(super) fn with_keys(configs: Vec<RepositoryConfig>) -> Result<Vec<(RepositoryConfig, Keys)>, RemoteError> {
    let keys = |config: &RepositoryConfig| {
        if config.gpg_check || config.repo_gpg_check { Keys::read(&config.keys) } else { Ok(Keys::default()) }
    };
    configs
        .into_iter()
        .map(|config| Ok((keys(&config)?, config)))
        .map(|one| one.map(|(keys, config)| (config, keys)))
        .collect()
}

/// The metadata of each repository, and all packages of them that are seen, the preferred ones first.
pub(super) async fn load(
    configs: Vec<(RepositoryConfig, Keys)>,
    options: &LoadOptions,
    way: Way<'_>,
) -> Result<(Vec<Repository>, Vec<RemotePackage>), RemoteError> {
    let asked = configs.into_iter().enumerate().map(async |(rank, (config, keys))| {
        let loaded = one(&Server::new(&config, way), &keys, options).await;
        (rank, loaded.map(|(repomd, filelists, packages)| (Repository { config, keys, repomd, filelists }, packages)))
    });
    let mut results: Vec<_> = futures_util::stream::iter(asked).buffer_unordered(AT_A_TIME).collect().await;
    results.sort_by_key(|(rank, _)| *rank);
    let (mut repositories, mut packages, mut faults) = (Vec::new(), Vec::new(), Vec::new());
    for (rank, result) in results {
        match result {
            Ok((repository, found)) => {
                let found = found.into_iter().filter(|package| is_seen(package, options));
                packages.extend(found.map(|package| remote_package(package, &repository.config.name, rank)));
                repositories.push(repository);
            }
            Err(fault) => faults.push(fault),
        }
    }
    if !faults.is_empty() {
        return Err(RemoteError::Unavailable(faults));
    }
    packages.sort_by(|a, b| {
        let (x, y) = (&a.header.nevra, &b.header.nevra);
        (a.rank, &x.name).cmp(&(b.rank, &y.name)).then_with(|| y.evr.cmp(&x.evr)).then_with(|| x.arch.cmp(&y.arch))
    });
    Ok((repositories, packages))
}

fn is_seen(package: &PrimaryPackage, options: &LoadOptions) -> bool {
    let came = package.file_time.or(package.build_time);
    let in_time = options.snapshot.is_none_or(|snapshot| came.is_none_or(|came| came <= snapshot));
    in_time && [options.arch.as_str(), "noarch"].contains(&package.header.nevra.arch.as_str())
}

fn remote_package(package: PrimaryPackage, repository: &str, rank: usize) -> RemotePackage {
    let PrimaryPackage { header, location, bytes, sha256, .. } = package;
    RemotePackage { header, repository: repository.to_owned(), rank, location, bytes, sha256 }
}

async fn one(
    server: &Server<'_>,
    keys: &Keys,
    options: &LoadOptions,
) -> Result<(Sha256, Option<MetadataFile>, Vec<PrimaryPackage>), RemoteFault> {
    let config = server.config;
    let (digest, repomd) = match kept(config, keys, server.way.folder, options) {
        Some(found) => found,
        None => ask(server, keys, options).await?,
    };
    let Some(file) = repomd.files.get("primary") else { return Err(fault(config, REPOMD, "names no `primary`")) };
    let unpacked = metadata(server, file).await?;
    let location = file.location.clone();
    let parsed = tokio::task::spawn_blocking(move || primary::parse(&unpacked)).await;
    let wrong = |error: String| fault(config, &location, &format!("cannot be read: {error}"));
    let packages = parsed.map_err(|error| wrong(error.to_string()))?.map_err(|error| wrong(error.to_string()))?;
    Ok((digest, repomd.files.get("filelists").cloned(), packages))
}

/// What an earlier run has kept, when it is fresh and whole.
fn kept(config: &RepositoryConfig, keys: &Keys, folder: &Path, options: &LoadOptions) -> Option<(Sha256, Repomd)> {
    if options.refresh {
        return None;
    }
    let kept: Kept = serde_json::from_slice(&std::fs::read(kept_path(config, folder)).ok()?).ok()?;
    let age = options.now.duration_since(UNIX_EPOCH + Duration::from_secs(kept.asked)).unwrap_or_default();
    let content = std::fs::read(folder.join(kept.repomd.to_string())).ok()?;
    if age >= FRESH || Sha256::of_bytes(&content) != kept.repomd {
        return None;
    }
    let repomd = repomd::parse(&content).ok()?;
    if config.repo_gpg_check {
        let signature = std::fs::read_to_string(folder.join(kept.signature?.to_string())).ok()?;
        keys.verify_detached(&content, &signature).ok()?;
    }
    Some((kept.repomd, repomd))
}

fn kept_path(config: &RepositoryConfig, folder: &Path) -> PathBuf {
    let key = config.urls.iter().fold(KeyBuilder::new("repository"), |key, url| key.field("url", url));
    folder.join("repositories").join(format!("{}.json", key.finish()))
}

/// Asks the repository for `repomd.xml`, at the first address that has it.
async fn ask(server: &Server<'_>, keys: &Keys, options: &LoadOptions) -> Result<(Sha256, Repomd), RemoteFault> {
    let (config, web) = (server.config, server.web()?);
    let mut tried = Vec::new();
    for url in &config.urls {
        let found = match web.fetch(&below(url, REPOMD), None, MOST_REPOMD_BYTES).await {
            Ok(found) => found,
            Err(error) => {
                tried.push(error);
                continue;
            }
        };
        let content = read(config, REPOMD, &found.path)?;
        let repomd = repomd::parse(&content);
        let repomd = repomd.map_err(|error| fault(config, REPOMD, &format!("cannot be read: {error}")))?;
        let signature = signature(config, (keys, web), url, &content).await?;
        let asked = options.now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let kept = Kept { repomd: found.sha256, signature, asked };
        let bytes = serde_json::to_vec(&kept).unwrap_or_default();
        // Only saves a question; not being able to write it is no fault.
        if let Err(error) = whole_file::replace(&kept_path(config, server.way.folder), &bytes) {
            tracing::warn!(%error, "cannot keep the state of a repository");
        }
        return Ok((found.sha256, repomd));
    }
    Err(fault(config, REPOMD, &not_had(&tried)))
}

/// The digest of the signature of `repomd.xml`, where it must be signed.
async fn signature(
    config: &RepositoryConfig,
    (keys, web): (&Keys, &Web<'_>),
    url: &str,
    content: &[u8],
) -> Result<Option<Sha256>, RemoteFault> {
    if !config.repo_gpg_check {
        return Ok(None);
    }
    let file = format!("{REPOMD}.asc");
    let found = web.fetch(&below(url, &file), None, MOST_REPOMD_BYTES).await;
    let found = match found {
        Err(WebError { is_missing: true, .. }) => return Err(untrusted(config, REPOMD, &Unsigned::Missing)),
        found => found.map_err(|error| fault(config, &file, &not_had(&[error])))?,
    };
    let armored = read(config, &file, &found.path)?;
    let verified = keys.verify_detached(content, &String::from_utf8_lossy(&armored));
    verified.map_err(|unsigned| untrusted(config, REPOMD, &unsigned))?;
    Ok(Some(found.sha256))
}

/// A file of the metadata, unpacked.
async fn metadata(server: &Server<'_>, file: &MetadataFile) -> Result<Vec<u8>, RemoteFault> {
    let config = server.config;
    let path = server.way.folder.join(file.sha256.to_string());
    let at_hand = std::fs::read(&path).ok().filter(|content| Sha256::of_bytes(content) == file.sha256);
    let packed = if let Some(packed) = at_hand {
        packed
    } else {
        let limit = file.bytes.unwrap_or(MOST_PACKED_BYTES).min(MOST_PACKED_BYTES);
        let found = fetch(server, (&file.location, file.sha256, limit)).await?;
        read(config, &file.location, &found)?
    };
    let most = file.open_bytes.unwrap_or(MOST_BYTES);
    let unpacked = tokio::task::spawn_blocking(move || unpack(&packed, most)).await.unwrap_or_else(|e| Err(e.into()));
    unpacked.map_err(|error| fault(config, &file.location, &format!("cannot be unpacked: {error}")))
}

/// A file of the repository with this digest, from the first address that has it.
pub(super) async fn fetch(
    server: &Server<'_>,
    (location, sha256, limit): (&str, Sha256, u64),
) -> Result<PathBuf, RemoteFault> {
    let (config, web) = (server.config, server.web()?);
    let mut tried = Vec::new();
    for url in &config.urls {
        match web.fetch(&below(url, location), Some(sha256), limit).await {
            Ok(found) => return Ok(found.path),
            Err(error) => tried.push(error),
        }
    }
    Err(fault(config, location, &not_had(&tried)))
}

impl Repository {
    /// A repository of which a lock file says what is used.
    pub(super) fn locked(config: RepositoryConfig, keys: Keys, repomd: Sha256) -> Self {
        Self { config, keys, repomd, filelists: None }
    }

    /// Which packages have which of `paths`; nothing where the repository has no list of files.
    pub(super) async fn files(
        &self,
        paths: &BTreeSet<String>,
        way: Way<'_>,
    ) -> Result<BTreeMap<Sha256, Vec<String>>, RemoteFault> {
        let Some(file) = &self.filelists else { return Ok(BTreeMap::new()) };
        tracing::debug!(repository = self.config.name, ?paths, "reading the list of files");
        let unpacked = metadata(&Server::new(&self.config, way), file).await?;
        let found = filelists::parse(&unpacked, paths);
        found.map_err(|error| fault(&self.config, &file.location, &format!("cannot be read: {error}")))
    }
}

fn read(config: &RepositoryConfig, file: &str, path: &Path) -> Result<Vec<u8>, RemoteFault> {
    std::fs::read(path)
        .map_err(|error| fault(config, file, &format!("cannot be read from `{}`: {error}", path.display())))
}

fn not_had(tried: &[WebError]) -> String {
    tried.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

pub(super) fn fault(config: &RepositoryConfig, file: &str, wrong: &str) -> RemoteFault {
    let (repository, file, wrong) = (config.name.clone(), file.to_owned(), wrong.to_owned());
    RemoteFault { repository, file, wrong, is_untrusted: false }
}

pub(super) fn untrusted(config: &RepositoryConfig, file: &str, unsigned: &Unsigned) -> RemoteFault {
    RemoteFault { is_untrusted: true, ..fault(config, file, &unsigned.to_string()) }
}
