//! Asks repositories for their metadata, or takes what an earlier run has kept.
//!
//! | path below the cache | what |
//! |---|---|
//! | `remote/<sha256>` | metadata and RPMs |
//! | `remote/repositories/<key>.json` | which `repomd.xml` a repository had, and when it was asked |

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::SystemTime;

use futures_util::StreamExt;

use super::checksum::Checksum;
use super::config::RepositoryConfig;
use super::error::{RemoteError, RemoteFault};
use super::kept::{self, Answer};
use super::primary::{self, PrimaryPackage};
use super::repomd::{self, MetadataFile, Repomd};
use super::unpack::{MOST_BYTES, unpack};
use super::{RemotePackage, filelists};
use crate::address::{below, shown};
use crate::digest::Sha256;
use crate::event::{Event, Report};
use crate::openpgp::{Keys, Unsigned};
use crate::source::{Patience, Web, WebError, WebFile, whole_file};

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
    /// Other architectures whose packages the toolchain image takes, such as `x86_64_v2`.
    pub compatible: Vec<String>,
    /// Packages that came later are not seen; seconds since 1970.
    pub snapshot: Option<u64>,
    /// Asks also when the last answer is fresh.
    pub refresh: bool,
    /// The time of the run.
    pub now: SystemTime,
    /// How long servers may take.
    pub patience: Patience,
}

impl LoadOptions {
    fn takes(&self, arch: &str) -> bool {
        arch == self.arch || arch == "noarch" || self.compatible.iter().any(|other| other == arch)
    }
}

/// A repository whose metadata are at hand.
pub(super) struct Repository {
    pub(super) config: RepositoryConfig,
    pub(super) keys: Keys,
    /// Digest of its `repomd.xml`.
    pub(super) repomd: Sha256,
    /// Its list of files; None in a locked run, and where it has none.
    filelists: Option<MetadataFile>,
    /// When it was asked; None in a locked run.
    pub(super) asked: Option<SystemTime>,
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

/// The keys of each of `configs`; keys that cannot be used are told and passed over.
pub(super) fn with_keys(
    configs: Vec<RepositoryConfig>,
    report: Report<'_>,
) -> Result<Vec<(RepositoryConfig, Keys)>, RemoteError> {
    let keys = |config: &RepositoryConfig| {
        if config.gpg_check || config.repo_gpg_check { Keys::read(&config.keys) } else { Ok(Keys::default()) }
    };
    let read: Result<Vec<_>, RemoteError> = configs
        .into_iter()
        .map(|config| Ok((keys(&config)?, config)))
        .map(|one| one.map(|(keys, config)| (config, keys)))
        .collect();
    let read = read?;
    let told: BTreeSet<&String> = read.iter().flat_map(|(_, keys)| keys.passed_over()).collect();
    for text in told {
        report(Event::Warning { text: text.clone() });
    }
    Ok(read)
}

/// The metadata of each repository, and all packages of them that are seen, the preferred ones first.
pub(super) async fn load(
    configs: Vec<(RepositoryConfig, Keys)>,
    options: &LoadOptions,
    way: Way<'_>,
) -> Result<(Vec<Repository>, Vec<RemotePackage>), RemoteError> {
    let asked = configs.into_iter().enumerate().map(async |(rank, (config, keys))| {
        let loaded = one(&Server::new(&config, way), &keys, options).await;
        (rank, loaded.map(|(answer, packages)| (Repository::asked(config, keys, &answer), packages)))
    });
    let mut results: Vec<_> = futures_util::stream::iter(asked).buffer_unordered(AT_A_TIME).collect().await;
    results.sort_by_key(|(rank, _)| *rank);
    let (mut repositories, mut packages, mut faults) = (Vec::new(), Vec::new(), Vec::new());
    for (rank, result) in results {
        match result {
            Ok((repository, found)) => {
                tell_left_out(&repository.config.name, &found, options, way.report);
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
    in_time && options.takes(&package.header.nevra.arch)
}

/// Tells how many packages are for better processors of this architecture than the image is for: nobody would find out
/// why they are not taken.
fn tell_left_out(repository: &str, packages: &[PrimaryPackage], options: &LoadOptions, report: Report<'_>) {
    let mut left_out: BTreeMap<&str, usize> = BTreeMap::new();
    let level = format!("{}_v", options.arch);
    for package in packages {
        let arch = package.header.nevra.arch.as_str();
        if arch.starts_with(&level) && !options.takes(arch) {
            *left_out.entry(arch).or_default() += 1;
        }
    }
    for (arch, count) in left_out {
        let text = format!(
            "repository `{repository}`: {count} packages for {arch} are left out, since no package of the toolchain image is for it"
        );
        report(Event::Note { text });
    }
}

fn remote_package(package: PrimaryPackage, repository: &str, rank: usize) -> RemotePackage {
    let PrimaryPackage { header, location, bytes, checksum, .. } = package;
    RemotePackage { header, repository: repository.to_owned(), rank, location, bytes, checksum }
}

/// What a repository says of itself, and its packages. Where what is kept of it names a file that is gone, it is asked.
async fn one(
    server: &Server<'_>,
    keys: &Keys,
    options: &LoadOptions,
) -> Result<(Answer, Vec<PrimaryPackage>), RemoteFault> {
    let answer = match kept::read(server.config, keys, server.way.folder, options) {
        Some(answer) => answer,
        None => ask(server, keys, options).await?,
    };
    match packages(server, &answer.repomd).await {
        Err(fault) if fault.is_gone && answer.is_kept => {
            let answer = ask(server, keys, options).await?;
            let packages = packages(server, &answer.repomd).await?;
            Ok((answer, packages))
        }
        found => found.map(|packages| (answer, packages)),
    }
}

async fn packages(server: &Server<'_>, repomd: &Repomd) -> Result<Vec<PrimaryPackage>, RemoteFault> {
    let config = server.config;
    let Some(file) = repomd.files.get("primary") else { return Err(fault(config, REPOMD, "names no `primary`")) };
    let unpacked = metadata(server, file).await?;
    let parsed = tokio::task::spawn_blocking(move || primary::parse(&unpacked)).await;
    let wrong = |error: String| fault(config, &file.location, &format!("cannot be read: {error}"));
    parsed.map_err(|error| wrong(error.to_string()))?.map_err(|error| wrong(error.to_string()))
}

/// Asks the repository for `repomd.xml`, at the first address that has one which can be used.
async fn ask(server: &Server<'_>, keys: &Keys, options: &LoadOptions) -> Result<Answer, RemoteFault> {
    let (config, web) = (server.config, server.web()?);
    let mut faults = Vec::new();
    for url in &config.urls {
        match web.fetch(&below(url, REPOMD), None, MOST_REPOMD_BYTES).await {
            Err(error) => faults.push(not_had(config, REPOMD, &[error])),
            Ok(found) => match answer(server, (url, &found), keys, options).await {
                Ok(answer) => return Ok(answer),
                Err(fault) if config.urls.len() == 1 => return Err(fault),
                Err(fault) => {
                    faults.push(RemoteFault { wrong: format!("at {}: {}", shown(url), fault.wrong), ..fault });
                }
            },
        }
    }
    let wrong: Vec<&str> = faults.iter().map(|fault| fault.wrong.as_str()).collect();
    let is_untrusted = faults.iter().any(|fault| fault.is_untrusted);
    let is_gone = !is_untrusted && faults.iter().any(|fault| fault.is_gone);
    Err(RemoteFault { is_untrusted, is_gone, ..fault(config, REPOMD, &wrong.join("; ")) })
}

/// What the `repomd.xml` that was `found` at `url` says, when it can be read and is signed as it must be.
async fn answer(
    server: &Server<'_>,
    (url, found): (&str, &WebFile),
    keys: &Keys,
    options: &LoadOptions,
) -> Result<Answer, RemoteFault> {
    let (config, web) = (server.config, server.web()?);
    let content = read(config, REPOMD, &found.path)?;
    let repomd = repomd::parse(&content);
    let repomd = repomd.map_err(|error| fault(config, REPOMD, &format!("cannot be read: {error}")))?;
    let signature = signature(config, (keys, web), url, &content).await?;
    kept::write(config, server.way.folder, (found.sha256, signature, options.now));
    Ok(Answer { digest: found.sha256, repomd, asked: options.now, is_kept: false })
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
        found => found.map_err(|error| not_had(config, &file, &[error]))?,
    };
    let armored = read(config, &file, &found.path)?;
    let verified = keys.verify_detached(content, &String::from_utf8_lossy(&armored));
    verified.map_err(|unsigned| untrusted(config, REPOMD, &unsigned))?;
    Ok(Some(found.sha256))
}

/// A file of the metadata, unpacked.
async fn metadata(server: &Server<'_>, file: &MetadataFile) -> Result<Vec<u8>, RemoteFault> {
    let config = server.config;
    let path = server.way.folder.join(file.checksum.digest().to_string());
    let at_hand = std::fs::read(&path).ok().filter(|content| file.checksum.is_of(content));
    let packed = if let Some(packed) = at_hand {
        packed
    } else {
        let limit = file.bytes.unwrap_or(MOST_PACKED_BYTES).min(MOST_PACKED_BYTES);
        let found = fetch(server, (&file.location, &file.checksum, limit)).await?;
        read(config, &file.location, &found)?
    };
    let most = file.open_bytes.unwrap_or(MOST_BYTES);
    let unpacked = tokio::task::spawn_blocking(move || unpack(&packed, most)).await.unwrap_or_else(|e| Err(e.into()));
    unpacked.map_err(|error| fault(config, &file.location, &format!("cannot be unpacked: {error}")))
}

/// A file of the repository with this checksum, from the first address that has it.
pub(super) async fn fetch(
    server: &Server<'_>,
    (location, checksum, limit): (&str, &Checksum, u64),
) -> Result<PathBuf, RemoteFault> {
    let (config, web) = (server.config, server.web()?);
    let mut tried = Vec::new();
    for url in &config.urls {
        let found = web.fetch(&below(url, location), checksum.sha256(), limit).await;
        match found.and_then(|found| named(&found.path, checksum, server.way.folder, url)) {
            Ok(path) => return Ok(path),
            Err(error) => tried.push(error),
        }
    }
    Err(not_had(config, location, &tried))
}

/// Gives a file with a longer checksum than SHA-256, which its download could not compare, the name that stands for that.
fn named(path: &Path, checksum: &Checksum, folder: &Path, url: &str) -> Result<PathBuf, WebError> {
    let wrong = |reason: String| WebError { url: shown(url), reason, is_missing: false };
    let to = folder.join(checksum.digest().to_string());
    if path == to {
        return Ok(to);
    }
    let is_right =
        tokio::task::block_in_place(|| checksum.is_of_file(path)).map_err(|error| wrong(error.to_string()))?;
    if !is_right {
        let _ = std::fs::remove_file(path);
        return Err(wrong(format!("has another checksum than {checksum}")));
    }
    whole_file::publish(path, &to).map_err(|error| wrong(error.to_string())).map(|()| to)
}

impl Repository {
    /// A repository of which a lock file says what is used.
    pub(super) fn locked(config: RepositoryConfig, keys: Keys, repomd: Sha256) -> Self {
        Self { config, keys, repomd, filelists: None, asked: None }
    }

    fn asked(config: RepositoryConfig, keys: Keys, answer: &Answer) -> Self {
        let filelists = answer.repomd.files.get("filelists").cloned();
        Self { config, keys, repomd: answer.digest, filelists, asked: Some(answer.asked) }
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

fn not_had(config: &RepositoryConfig, file: &str, tried: &[WebError]) -> RemoteFault {
    let reasons: Vec<String> = tried.iter().map(ToString::to_string).collect();
    let is_gone = tried.iter().any(|error| error.is_missing);
    RemoteFault { is_gone, ..fault(config, file, &reasons.join("; ")) }
}

pub(super) fn fault(config: &RepositoryConfig, file: &str, wrong: &str) -> RemoteFault {
    let (repository, file, wrong) = (config.name.clone(), file.to_owned(), wrong.to_owned());
    RemoteFault { repository, file, wrong, is_untrusted: false, is_gone: false }
}

pub(super) fn untrusted(config: &RepositoryConfig, file: &str, unsigned: &Unsigned) -> RemoteFault {
    RemoteFault { is_untrusted: true, ..fault(config, file, &unsigned.to_string()) }
}
