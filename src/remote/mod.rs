//! Remote RPM repositories: `.repo` files, metadata, signatures, downloads, and the lock file that pins them.
//!
//! In: repositories as the user names them ([`WantedRepository`]). Out: [`Remote`], which has all packages that may be
//! used, and fetches those that are.
//!
//! What is trusted: an RPM must have the checksum (SHA-256, -384 or -512) and the size that `primary` gives, `primary` the
//! checksum that `repomd.xml` gives. With `repo_gpgcheck`, `repomd.xml` must be signed by a key of the user, with `gpgcheck` each RPM. With
//! neither, whoever can answer at the repository's address decides what is taken; `https` and the lock file bound that.
//! Keys come from files of the user, never from the network.
//!
//! A repository is asked for `repomd.xml` when the last answer is older than [`FRESH`], or of a time to come; one of this
//! machine is asked every time, and so is one that lacks a file which its metadata name. With a lock file and `locked`,
//! no metadata are read: the RPMs that it lists are what there is, and their own headers say what they are.

mod checksum;
mod config;
mod error;
mod filelists;
mod genuine;
mod kept;
mod load;
mod lock_file;
mod primary;
mod repo_file;
mod repomd;
mod unpack;
mod xml;

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use futures_util::StreamExt;

pub use checksum::{Checksum, LongKind};
pub use config::{Place, RepositoryConfig, WantedRepository, configure};
pub use error::{RemoteError, RemoteFault};
pub use filelists::parse as parse_filelists;
pub use kept::FRESH;
pub use load::LoadOptions;
pub use lock_file::{LockFile, LockedImage, LockedPackage, LockedRepository};
pub use primary::{PrimaryPackage, parse as parse_primary};
pub use repo_file::{RepoFileError, RepoSection, Variables, parse as parse_repo_file};
pub use repomd::{MetadataFile, Repomd, parse as parse_repomd};
pub use unpack::unpack;
pub use xml::MetadataError;

use crate::address::shown;
use crate::causes;
use crate::digest::Sha256;
use crate::event::{Event, Report};
use crate::layout::Layout;
use crate::openpgp::Keys;
use crate::package::{RpmHeader, header};
use crate::regular;
use crate::source::{Patience, whole_file};

use load::{Repository, Server, Way};

/// Packages that are fetched at a time.
const AT_A_TIME: usize = 4;

/// A package of a remote repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemotePackage {
    /// What it is, provides and needs.
    pub header: RpmHeader,
    /// The repository's name.
    pub repository: String,
    /// The repository's place among all; lower is preferred.
    pub rank: usize,
    /// Path below the repository.
    pub location: String,
    /// Size of the RPM.
    pub bytes: u64,
    /// Checksum of the RPM.
    pub checksum: Checksum,
}

impl RemotePackage {
    /// What names the RPM in the cache and in build keys.
    pub fn digest(&self) -> Sha256 {
        self.checksum.digest()
    }
}

/// The repositories of a run.
pub struct Remote {
    repositories: Vec<Repository>,
    /// By repository, then by name, the highest version first.
    packages: Vec<RemotePackage>,
    by_digest: BTreeMap<Sha256, usize>,
    folder: PathBuf,
    patience: Patience,
    /// The time of the run; None when no repository was asked.
    now: Option<SystemTime>,
    /// Packages that were found to be what they must be.
    verified: Mutex<BTreeSet<Sha256>>,
    /// Packages that buildroots of this run have.
    used: Mutex<BTreeSet<Sha256>>,
}

impl Remote {
    /// No repository.
    pub fn none(layout: &Layout) -> Self {
        Self::new(Vec::new(), Vec::new(), (layout.remote(), Patience::default()))
    }

    fn new(
        repositories: Vec<Repository>,
        packages: Vec<RemotePackage>,
        (folder, patience): (PathBuf, Patience),
    ) -> Self {
        // Of equal files in several repositories the preferred one counts.
        let by_digest = packages.iter().enumerate().rev().map(|(at, package)| (package.digest(), at)).collect();
        let (verified, used) = (Mutex::default(), Mutex::default());
        Self { repositories, packages, by_digest, folder, patience, now: None, verified, used }
    }

    /// The packages of `configs`, which stand in the order of preference.
    ///
    /// # Errors
    /// A key cannot be used, or repositories cannot be had or are not signed as they must be: all of them.
    pub async fn load(
        configs: Vec<RepositoryConfig>,
        options: &LoadOptions,
        layout: &Layout,
        report: Report<'_>,
    ) -> Result<Self, RemoteError> {
        let (folder, patience) = (layout.remote(), options.patience);
        let way = Way { folder: &folder, patience, report };
        let (repositories, packages) = load::load(load::with_keys(configs, report)?, options, way).await?;
        Ok(Self { now: Some(options.now), ..Self::new(repositories, packages, (folder, patience)) })
    }

    /// The packages that `lock` lists, and nothing else. RPMs that are not at hand are fetched, since only they say what
    /// they provide.
    ///
    /// # Errors
    /// As [`Remote::load`]; or a repository has another address than in the lock file.
    pub async fn locked(
        configs: Vec<RepositoryConfig>,
        (lock, path): (&LockFile, &Path),
        patience: Patience,
        layout: &Layout,
        report: Report<'_>,
    ) -> Result<Self, RemoteError> {
        let (mut repositories, mut packages) = (Vec::new(), Vec::new());
        for (rank, (config, keys)) in load::with_keys(configs, report)?.into_iter().enumerate() {
            let Some(locked) = lock.repositories.get(&config.name) else { continue };
            let told = shown(&locked.url);
            if !config.urls.iter().any(|url| shown(url) == told) {
                let changes = vec![format!("repository `{}` has another address than `{told}`", config.name)];
                return Err(RemoteError::Locked { path: path.to_owned(), changes });
            }
            packages.extend(locked.packages.iter().map(|(nevra, package)| unread(nevra, package, &config.name, rank)));
            repositories.push(Repository::locked(config, keys, locked.repomd));
        }
        let mut remote = Self::new(repositories, packages, (layout.remote(), patience));
        remote.read_headers(report).await?;
        Ok(remote)
    }

    /// Takes the headers of all packages from their RPMs.
    async fn read_headers(&mut self, report: Report<'_>) -> Result<(), RemoteError> {
        let away: Vec<Sha256> =
            self.packages.iter().map(RemotePackage::digest).filter(|sha256| !self.is_at_hand(*sha256)).collect();
        self.fetch(&away, report).await?;
        let mut faults = Vec::new();
        for package in &mut self.packages {
            let path = self.folder.join(package.digest().to_string());
            let read = regular::open(&path).map_err(|error| error.to_string());
            let read = read
                .and_then(|file| header::read(&mut BufReader::new(file)).map_err(|error| causes::in_one_line(&error)));
            match read {
                Ok(header) => package.header = header,
                Err(wrong) => faults.push(RemoteFault {
                    repository: package.repository.clone(),
                    file: package.location.clone(),
                    wrong: format!("cannot be read: {wrong}"),
                    is_untrusted: false,
                    is_gone: false,
                }),
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(RemoteError::Unavailable(faults)) }
    }

    /// All packages that may be used.
    pub fn packages(&self) -> &[RemotePackage] {
        &self.packages
    }

    /// The package with this digest.
    pub fn package(&self, sha256: Sha256) -> Option<&RemotePackage> {
        self.by_digest.get(&sha256).and_then(|at| self.packages.get(*at))
    }

    /// Where the RPM with this digest is once it is fetched.
    pub fn path(&self, sha256: Sha256) -> PathBuf {
        self.folder.join(sha256.to_string())
    }

    /// True when the RPM need not be downloaded.
    pub fn is_at_hand(&self, sha256: Sha256) -> bool {
        self.path(sha256).is_file()
    }

    /// Adds to the packages which of `paths` they have, from the repositories' lists of files.
    pub async fn add_files(&mut self, paths: &BTreeSet<String>, report: Report<'_>) -> Result<(), RemoteError> {
        let (mut found, mut faults) = (BTreeMap::new(), Vec::new());
        let way = Way { folder: &self.folder, patience: self.patience, report };
        for repository in &self.repositories {
            match repository.files(paths, way).await {
                Ok(files) => found.extend(files),
                Err(fault) => faults.push(self.outdated(fault)),
            }
        }
        if !faults.is_empty() {
            return Err(RemoteError::Unavailable(faults));
        }
        for package in &mut self.packages {
            for path in found.get(&package.digest()).into_iter().flatten() {
                if !package.header.files.contains(path) {
                    package.header.files.push(path.clone());
                }
            }
        }
        Ok(())
    }

    /// Makes sure that these RPMs are at hand and are what they must be; each is looked at once in a run.
    ///
    /// # Errors
    /// All that cannot be had or trusted.
    pub async fn fetch(&self, wanted: &[Sha256], report: Report<'_>) -> Result<(), RemoteError> {
        let known = |sha256: &&Sha256| !self.verified.lock().unwrap_or_else(PoisonError::into_inner).contains(sha256);
        let wanted: BTreeSet<Sha256> = wanted.iter().filter(known).copied().collect();
        let packages: Vec<&RemotePackage> = wanted.iter().filter_map(|sha256| self.package(*sha256)).collect();
        let way = Way { folder: &self.folder, patience: self.patience, report };
        let mut faults = Vec::new();
        for repository in &self.repositories {
            let server = Server::new(&repository.config, way);
            let of = packages.iter().filter(|package| package.repository == repository.config.name);
            let fetched = of.map(|package| self.fetch_one(package, (&server, &repository.keys), report));
            let results: Vec<_> = futures_util::stream::iter(fetched).buffer_unordered(AT_A_TIME).collect().await;
            faults.extend(results.into_iter().filter_map(Result::err));
        }
        faults.sort();
        if faults.is_empty() { Ok(()) } else { Err(RemoteError::Unavailable(faults)) }
    }

    async fn fetch_one(
        &self,
        package: &RemotePackage,
        (server, keys): (&Server<'_>, &Keys),
        report: Report<'_>,
    ) -> Result<(), RemoteFault> {
        let path = self.path(package.digest());
        let is_right = tokio::task::spawn_blocking({
            let (path, checksum) = (path.clone(), package.checksum.clone());
            move || checksum.is_of_file(&path).unwrap_or(false)
        });
        if !is_right.await.unwrap_or(false) {
            let fetched = load::fetch(server, (&package.location, &package.checksum, package.bytes)).await;
            fetched.map_err(|fault| self.outdated(fault))?;
            let (file, from) = (package.header.nevra.to_string(), package.repository.clone());
            report(Event::PackageFetched { package: file, from, bytes: package.bytes });
        }
        if server.config.gpg_check {
            let verified = keys.verify_rpm(&path);
            verified.map_err(|unsigned| load::untrusted(server.config, &package.location, &unsigned))?;
        }
        let (said, of) = (package.header.clone(), path.clone());
        let wrong = tokio::task::spawn_blocking(move || genuine::contradiction(&said, &of)).await;
        if let Some(wrong) = wrong.unwrap_or_else(|error| Some(format!("cannot be looked at: {error}"))) {
            let fault = load::fault(server.config, &package.location, &wrong);
            return Err(RemoteFault { is_untrusted: true, ..fault });
        }
        self.verified.lock().unwrap_or_else(PoisonError::into_inner).insert(package.digest());
        Ok(())
    }

    /// `fault` with the age of the metadata that name a file which is gone. Their repository is asked again next time.
    fn outdated(&self, fault: RemoteFault) -> RemoteFault {
        let of = |repository: &&Repository| repository.config.name == fault.repository && fault.is_gone;
        let found = self.repositories.iter().find(of);
        let Some((repository, age)) = found.and_then(|found| Some((found, self.age(found)?))) else {
            // What a lock file lists is gone for good.
            return RemoteFault { is_gone: false, ..fault };
        };
        kept::forget(&repository.config, &self.folder);
        RemoteFault { wrong: format!("{} (the metadata that name it are {age} old)", fault.wrong), ..fault }
    }

    fn age(&self, repository: &Repository) -> Option<String> {
        Some(kept::age(repository.asked?, self.now?))
    }

    /// How old the metadata of the repositories are, as sentences; of those that were not asked in this run.
    pub fn ages(&self) -> Vec<String> {
        let kept = self.repositories.iter().filter(|repository| repository.asked < self.now);
        let told = kept.filter_map(|repository| {
            let (name, age) = (&repository.config.name, self.age(repository)?);
            Some(format!("the metadata of repository `{name}` are {age} old; `--repo-refresh` asks for new ones"))
        });
        told.collect()
    }

    /// Notes that a buildroot of this run has the package.
    pub fn note_used(&self, sha256: Sha256) {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(sha256);
    }

    /// What a lock file says of the packages that were used, without base images.
    pub fn used(&self) -> LockFile {
        let mut lock = LockFile::default();
        for sha256 in self.used.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let Some(package) = self.package(*sha256) else { continue };
            let of = |repository: &&Repository| repository.config.name == package.repository;
            let Some(Repository { config, repomd, .. }) = self.repositories.iter().find(of) else { continue };
            let Some(url) = config.urls.first().map(|url| shown(url)) else { continue };
            let new = || LockedRepository { url, repomd: *repomd, packages: BTreeMap::new() };
            let nevra = &package.header.nevra;
            let (name, location) = (nevra.name.clone(), package.location.clone());
            let (bytes, checksum) = (package.bytes, package.checksum.clone());
            let locked = LockedPackage { name, location, bytes, checksum };
            let repository = lock.repositories.entry(config.name.clone()).or_insert_with(new);
            repository.packages.insert(nevra.to_string(), locked);
        }
        lock
    }

    /// Names of the repositories.
    pub fn names(&self) -> BTreeSet<String> {
        self.repositories.iter().map(|repository| repository.config.name.clone()).collect()
    }
}

/// A package of a lock file of which only its identity is known.
fn unread(nevra: &str, package: &LockedPackage, repository: &str, rank: usize) -> RemotePackage {
    let (rest, arch) = nevra.rsplit_once('.').unwrap_or((nevra, ""));
    let evr = rest.strip_prefix(&package.name).unwrap_or(rest).trim_start_matches('-');
    let nevra = crate::package::Nevra {
        name: package.name.clone(),
        evr: crate::package::Evr::parse(evr),
        arch: arch.to_owned(),
    };
    let header = RpmHeader {
        nevra,
        provides: Vec::new(),
        requires: Vec::new(),
        conflicts: Vec::new(),
        obsoletes: Vec::new(),
        files: Vec::new(),
        source_rpm: None,
        installed_bytes: 0,
    };
    let (location, repository) = (package.location.clone(), repository.to_owned());
    RemotePackage { header, repository, rank, location, bytes: package.bytes, checksum: package.checksum.clone() }
}

/// The lock file `path`; None when there is none.
///
/// # Errors
/// It cannot be read, or is not right.
pub fn read_lock(path: &Path) -> Result<Option<LockFile>, RemoteError> {
    let text = match regular::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(RemoteError::File { path: path.to_owned(), source }),
    };
    let lock = LockFile::parse(&text).map_err(|wrong| RemoteError::Lock { path: path.to_owned(), wrong })?;
    Ok(Some(lock))
}

/// Makes `lock` the content of `path`, in one step.
pub fn write_lock(path: &Path, lock: &LockFile) -> Result<(), RemoteError> {
    let written = whole_file::replace(path, lock.to_text().as_bytes());
    written.map_err(|source| RemoteError::File { path: path.to_owned(), source })
}
