//! The image of a stage that is made of packages: RPMs, installed into an empty root.
//!
//! In: RPM files, every one they need among them, and the image that has `rpm`. Out: an image with one layer a source
//! package and one for the RPM database; nothing of the image below is in it. Its time is that of the newest package.
//! The container is root's, with the default capabilities and without network: scriptlets run below the new root, and
//! find devices there.
//!
//! **Key.** What the RPMs provide to a build, the image below, the script that installs them, and [`KEY_VERSION`].

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufReader, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use rpm::FileFlags;

use super::StageContext;
use super::error::ToolchainError;
use super::layers::{self, Owners};
use super::log::open_log;
use super::record::{self, Record};
use crate::digest::{KeyBuilder, Sha256};
use crate::engine::{
    Capabilities, Collect, ContainerSpec, Exit, GuestPath, HostPath, ImageId, Limits, Mount, Network, RelativePath,
    Session, Stream, User,
};
use crate::event::Event;
use crate::oci::{ImageConfig, OciError};
use crate::package::header;
use crate::regular;
use crate::removal;
use crate::tail::Tail;

/// Counts up when images are made of RPMs in another way.
const KEY_VERSION: &str = "1";
const SCRIPT: (&str, &str) =
    ("install.sh", concat!(include_str!("database.sh"), include_str!("root.sh"), include_str!("install.sh")));
/// Where the devices of the new root are in the container.
const DEVICES: &str = "/var/tmp/drydock-root/dev";
/// Functions of a shell that installs packages into the folder `$root`, whose database is in `$database`.
pub const ROOT_SCRIPT: &str = include_str!("root.sh");
/// How many files without a package are named; the rest is counted.
const NAMED_FILES: usize = 5;

/// An RPM of a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageRpm {
    /// The file.
    pub path: PathBuf,
    /// Its name for `rpm`: `name-version-release.arch.rpm`.
    pub file: String,
    /// Digest of what it provides to a build, so that a package that was built again and is the same changes no image.
    pub content: Sha256,
    /// The spec that makes it.
    pub spec: String,
    /// When it was built, in seconds since 1970.
    pub build_time: u64,
}

/// The image of the stage `name`, made of `rpms` by the rpm of the image `below`; and whether it was there already.
pub async fn assemble(
    name: &str,
    below: Sha256,
    rpms: &[StageRpm],
    context: &StageContext<'_>,
) -> Result<(Sha256, bool), ToolchainError> {
    let mut key = KeyBuilder::new("toolchain packages")
        .field("version", KEY_VERSION)
        .field("script", SCRIPT.1)
        .field("below", below.as_bytes());
    for rpm in rpms {
        key = key.field(&rpm.spec, rpm.content.as_bytes());
    }
    let (key, state) = (key.finish(), context.layout.toolchain_state());
    if let Some(known) = record::load(&state, key).filter(|known| context.store.has(known.image)) {
        return Ok((known.image, true));
    }
    let assembly = Assembly { name, below, rpms, context, work: context.layout.work().join("toolchain").join(name) };
    let image = assembly.run().await;
    let removed = removal::remove(&assembly.work);
    let image = image?;
    removed.map_err(assembly.fault("remove"))?;
    record::save(&state, key, &Record::of_packages(image))?;
    Ok((image, false))
}

struct Assembly<'a> {
    name: &'a str,
    below: Sha256,
    rpms: &'a [StageRpm],
    context: &'a StageContext<'a>,
    work: PathBuf,
}

impl Assembly<'_> {
    async fn run(&self) -> Result<Sha256, ToolchainError> {
        let (inputs, out) = (self.work.join("in"), self.work.join("out"));
        tokio::task::block_in_place(|| self.prepare(&inputs, &out)).map_err(self.fault("prepare"))?;
        let archive = self.install(&inputs, &out).await?;
        tokio::task::block_in_place(|| self.image(&archive))
    }

    /// The folder that the container sees, and an empty one for what it leaves.
    fn prepare(&self, inputs: &Path, out: &Path) -> std::io::Result<()> {
        removal::remove(&self.work)?;
        fs::create_dir_all(inputs.join("rpms"))?;
        fs::create_dir_all(out)?;
        for rpm in self.rpms {
            let target = inputs.join("rpms").join(&rpm.file);
            // Another name of the file where the file system allows one: the container cannot change it. What is there
            // already may be the file itself, which a copy onto it would empty.
            match fs::hard_link(&rpm.path, &target) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => _ = fs::copy(&rpm.path, &target)?,
                linked => linked?,
            }
        }
        fs::write(inputs.join(SCRIPT.0), SCRIPT.1)
    }

    async fn install(&self, inputs: &Path, out: &Path) -> Result<PathBuf, ToolchainError> {
        let spec = self.container(inputs).map_err(|error| ToolchainError::place(self.context, &error))?;
        let log_path = self.context.layout.stage_log(self.name);
        let (mut log, mut tail) = (open_log(&log_path)?, Tail::default());
        let mut output = |_: Stream, bytes: &[u8]| {
            tail.push(bytes);
            if let Err(error) = log.write_all(bytes) {
                tracing::warn!(%error, "cannot write the log of a toolchain stage");
            }
        };
        let from = GuestPath::new("/out").map_err(|error| ToolchainError::place(self.context, &error))?;
        let collect = Some(Collect { from, into: out.to_owned() });
        let session = Session { output: &mut output, collect, cancel: self.context.cancel };
        let exit = self.context.engine.run(&spec, session).await;
        let stage = self.name.to_owned();
        match exit.map_err(|source| ToolchainError::Engine { stage: stage.clone(), source })? {
            exit if exit.is_success() => Ok(out.join("rootfs.tar")),
            Exit::Cancelled => Err(ToolchainError::Cancelled { stage }),
            exit => Err(ToolchainError::Install { stage, exit, excerpt: tail.lines(), log: log_path }),
        }
    }

    fn container(&self, inputs: &Path) -> Result<ContainerSpec, RelativePath> {
        Ok(ContainerSpec {
            image: ImageId::Stored(self.below),
            argv: vec!["sh".to_owned(), format!("/in/{}", SCRIPT.0)],
            env: BTreeMap::from([("SOURCE_DATE_EPOCH".to_owned(), self.epoch().to_string())]),
            user: User::Root,
            workdir: GuestPath::new("/")?,
            mounts: vec![
                Mount::ReadOnly { host: HostPath::new(inputs)?, guest: GuestPath::new("/in")? },
                Mount::Devices { guest: GuestPath::new(DEVICES)? },
            ],
            network: Network::None,
            capabilities: Capabilities::Default,
            limits: Limits::default(),
        })
    }

    /// The time of the newest package.
    fn epoch(&self) -> u64 {
        self.rpms.iter().map(|rpm| rpm.build_time).max().unwrap_or(0)
    }

    fn image(&self, archive: &Path) -> Result<Sha256, ToolchainError> {
        let folder = self.work.join("layers");
        fs::create_dir(&folder).map_err(self.fault("make the folder"))?;
        let cut = layers::cut(archive, &self.owners()?, &folder).map_err(self.fault("cut the root in"))?;
        self.tell_unowned(&cut.unowned);
        let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned();
        let config = ImageConfig { env: vec![path], created: self.epoch(), ..ImageConfig::default() };
        let layers: Vec<&Path> = cut.layers.iter().map(PathBuf::as_path).collect();
        let image = self.context.store.from_layer_tars(&layers, &config);
        Ok(image.map_err(|source| self.store_fault(source))?.manifest)
    }

    fn owners(&self) -> Result<Owners, ToolchainError> {
        let mut owners = Owners::default();
        for rpm in self.rpms {
            let wrong = |source| ToolchainError::Rpm { stage: self.name.to_owned(), path: rpm.path.clone(), source };
            let mut reader = BufReader::new(regular::open(&rpm.path).map_err(self.fault("read the RPMs of"))?);
            let metadata = header::metadata(&mut reader).map_err(wrong)?;
            let each = metadata.for_each_file_entry(|entry| {
                let path = entry.path().to_string_lossy().into_owned();
                if entry.flags().contains(FileFlags::GHOST) {
                    owners.ghosts.insert(path.clone());
                }
                owners.paths.entry(path).or_insert_with(|| rpm.spec.clone());
                Ok(())
            });
            each.map_err(|source| wrong(header::HeaderError::Format(source)))?;
        }
        Ok(owners)
    }

    fn tell_unowned(&self, files: &[String]) {
        if files.is_empty() {
            return;
        }
        let named = files.iter().take(NAMED_FILES).map(|file| format!("`{file}`")).collect::<Vec<_>>().join(", ");
        let more = if files.len() > NAMED_FILES { ", …" } else { "" };
        let text = format!("stage `{}`: {} files belong to no package: {named}{more}", self.name, files.len());
        (self.context.report)(Event::Warning { text });
    }

    fn fault(&self, operation: &'static str) -> impl Fn(std::io::Error) -> ToolchainError {
        let path = self.work.clone();
        move |source| ToolchainError::File { operation, path: path.clone(), source }
    }

    fn store_fault(&self, source: OciError) -> ToolchainError {
        ToolchainError::Store { stage: self.name.to_owned(), source }
    }
}
