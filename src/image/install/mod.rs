//! Installs the root file system of an image: one RPM transaction in a container of the assembly image, then accounts,
//! files and scripts; the result comes out as one tar archive.
//!
//! The container is root's, with the default capabilities and without network: it may change its root folder, and finds
//! devices in the new root. It sees the RPMs, the script and the files of the configuration below `/in`.

mod script;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::engine::{
    Capabilities, Collect, ContainerSpec, Engine, EngineError, Exit, GuestPath, HostPath, ImageId, Limits, Mount,
    Network, RelativePath, Session, User,
};
use crate::image::config::ImageConfig;
use crate::image::identity::Seed;
use crate::image::partition::Layout;
use tokio_util::sync::CancellationToken;

/// What is installed.
#[derive(Clone, Copy)]
pub struct Installation<'a> {
    /// The image.
    pub config: &'a ImageConfig,
    /// Its disk, if it has one.
    pub layout: Option<&'a Layout>,
    /// The RPM files to install, every one they need among them.
    pub rpms: &'a [PathBuf],
    /// File name of the kernel, `vmlinuz-VERSION`.
    pub kernel: Option<&'a str>,
    /// What identifiers and salts come from.
    pub seed: Seed,
    /// Version of the image.
    pub version: &'a str,
    /// The image's time, in seconds since 1970.
    pub epoch: u64,
}

/// Where and with what it is done.
pub struct Site<'a> {
    /// Runs the container.
    pub engine: &'a Engine,
    /// The image with rpm and tar.
    pub assembly: ImageId,
    /// An empty folder.
    pub work: &'a Path,
    /// Gets what the container says.
    pub log: &'a mut fs::File,
    /// Ends the container.
    pub cancel: &'a CancellationToken,
}

/// Why a root file system could not be installed, apart from a transaction or script that fails.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// A file for the container cannot be prepared.
    #[error("cannot prepare `{}` for the assembly container", path.display())]
    Prepare {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The working folder has no absolute path.
    #[error("the working folder of an image must be absolute")]
    Relative(#[from] RelativePath),
    /// The engine is broken.
    #[error("cannot run the assembly container")]
    Engine(#[from] EngineError),
    /// A task of ours was stopped or has panicked.
    #[error("preparing the assembly container did not end")]
    Task(#[source] tokio::task::JoinError),
    /// The container ended well and left nothing.
    #[error("the assembly container left no `rootfs.tar`")]
    Nothing,
}

/// Where the archive with the root file system is, or how the container ended.
pub async fn run(installation: Installation<'_>, site: Site<'_>) -> Result<Result<PathBuf, Exit>, InstallError> {
    let (inputs, out) = (site.work.join("in"), site.work.join("out"));
    let spec = spec(site.assembly, &inputs, installation.epoch)?;
    prepare(installation, inputs, out.clone()).await?;
    let log = site.log;
    // The log is for people: a full disk shows in what is written for the image itself.
    let mut output = |_: crate::engine::Stream, bytes: &[u8]| drop(log.write_all(bytes));
    let collect = Some(Collect { from: GuestPath::new("/out")?, into: out.clone() });
    let exit = site.engine.run(&spec, Session { output: &mut output, collect, cancel: site.cancel }).await?;
    if !exit.is_success() {
        return Ok(Err(exit));
    }
    let archive = out.join("rootfs.tar");
    if archive.is_file() { Ok(Ok(archive)) } else { Err(InstallError::Nothing) }
}

fn spec(image: ImageId, inputs: &Path, epoch: u64) -> Result<ContainerSpec, InstallError> {
    Ok(ContainerSpec {
        image,
        argv: vec!["sh".to_owned(), "/in/assemble.sh".to_owned()],
        env: BTreeMap::from([("SOURCE_DATE_EPOCH".to_owned(), epoch.to_string())]),
        user: User::Root,
        workdir: GuestPath::new("/")?,
        mounts: vec![
            Mount::ReadOnly { host: HostPath::new(inputs)?, guest: GuestPath::new("/in")? },
            Mount::Devices { guest: GuestPath::new(format!("{}/dev", script::ROOT))? },
        ],
        network: Network::None,
        capabilities: Capabilities::Default,
        limits: Limits::default(),
    })
}

/// Makes the folder `out`, and fills the folder `inputs`, which the container sees as `/in`.
async fn prepare(installation: Installation<'_>, inputs: PathBuf, out: PathBuf) -> Result<(), InstallError> {
    let script = script::write(installation);
    let rpms = installation.rpms.to_vec();
    let written = tokio::task::spawn_blocking(move || {
        make_folder(&out)?;
        fill(&inputs, &rpms, &script)
    });
    written.await.map_err(InstallError::Task)?
}

fn fill(inputs: &Path, rpms: &[PathBuf], script: &script::Script) -> Result<(), InstallError> {
    let (rpm_folder, files) = (inputs.join("rpms"), inputs.join("files"));
    make_folder(&rpm_folder)?;
    make_folder(&files)?;
    for rpm in rpms {
        let name = rpm.file_name().unwrap_or(rpm.as_os_str());
        link_or_copy(rpm, &rpm_folder.join(name))?;
    }
    for (at, source) in script.files.iter().enumerate() {
        let path = files.join(at.to_string());
        match source {
            script::Source::Text(text) => write_file(&path, text)?,
            script::Source::Host(host) => copy(host, &path)?,
        }
    }
    write_file(&inputs.join("assemble.sh"), &script.text)
}

fn make_folder(path: &Path) -> Result<(), InstallError> {
    fs::create_dir_all(path).map_err(|source| InstallError::Prepare { path: path.to_owned(), source })
}

fn write_file(path: &Path, text: &str) -> Result<(), InstallError> {
    fs::write(path, text).map_err(|source| InstallError::Prepare { path: path.to_owned(), source })
}

/// Another name of the file where the file system allows one: the container cannot change it.
fn link_or_copy(from: &Path, to: &Path) -> Result<(), InstallError> {
    if fs::hard_link(from, to).is_ok() { Ok(()) } else { copy(from, to) }
}

fn copy(from: &Path, to: &Path) -> Result<(), InstallError> {
    fs::copy(from, to).map(drop).map_err(|source| InstallError::Prepare { path: from.to_owned(), source })
}
