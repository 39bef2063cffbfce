//! Images: from a configuration and RPMs to disks, ISOs, archives and OCI images.
//!
//! In: an image configuration with Azure Linux's schema and the RPMs that may be installed. Out: the files it names, in
//! `out/images/NAME/`. The way there:
//!
//! 1. [`config`]: the file is read and checked whole; nothing is built for one that has a fault.
//! 2. [`packages`]: what it asks for is solved to an exact list of RPMs; the digests of all inputs give the image's key. If
//!    the image of this key is there, nothing is done.
//! 3. [`install`]: one RPM transaction, accounts, files and scripts, in one container without network; out comes one tar.
//! 4. Everything after it is done in process, without root, loop devices or mounts: file systems ([`ext4`], [`fat`]),
//!    tables ([`table`]), boot loader ([`bios`], [`grub`]), formats ([`vhd`], [`vhdx`], [`cpio`], [`archive`]). Only an ISO
//!    is made by a second container, see [`iso`].
//!
//! The same inputs give the same bytes: identifiers come from a [`identity::Seed`], times from the newest package, and
//! entries are sorted. Known holes: what scriptlets and the configuration's scripts write is theirs, random or not; a
//! VHDX is always dynamic and a VHD always fixed; extended attributes of `security.selinux` are left out.
//!
//! The list of packages stands in every image, with or without an RPM database: `/var/lib/rpmmanifest/container-manifest-2`
//! has a line a package, fields separated by tabs: name, version-release, install time, build time, vendor, `(none)`, size,
//! arch, epoch, source RPM.

pub mod archive;
pub mod bios;
pub mod compress;
pub mod config;
pub mod container;
pub mod cpio;
pub mod crypt;
pub mod disk_image;
mod error;
pub mod ext4;
pub mod fat;
pub mod grub;
pub mod identity;
pub mod install;
pub mod iso;
pub mod output;
pub mod packages;
pub mod partition;
pub mod record;
pub mod rootfs;
pub mod sparse;
pub mod table;
pub mod vhd;
pub mod vhdx;
mod work;

use std::path::{Path, PathBuf};
use std::time::Instant;

pub use error::ImageError;
pub use packages::AvailableRpm;
pub use record::{ImageFile, Record};

use config::{Format, ImageConfig};
use record::ImageInputs;
use tokio_util::sync::CancellationToken;

use crate::digest::Sha256;
use crate::engine::Engine;
use crate::event::{Event, Report};
use crate::layout::Layout;
use crate::source::seen::Seen;
use crate::toolchain::Toolchain;

/// With what images are made.
#[derive(Clone, Copy)]
pub struct ImageContext<'a> {
    /// Runs the containers.
    pub engine: &'a Engine,
    /// The image with rpm, tar, and xorriso for ISOs.
    pub assembly: &'a Toolchain,
    /// The RPMs that may be installed; where two are equal, the first is taken.
    pub packages: &'a [AvailableRpm],
    /// Part of the files' names, such as `1.0`.
    pub version: &'a str,
    /// The project's folders.
    pub layout: &'a Layout,
    /// Told what happens.
    pub report: Report<'a>,
    /// Ends the work.
    pub cancel: &'a CancellationToken,
}

/// A finished or failed image.
#[derive(Clone, Debug)]
pub struct AssembledImage {
    /// Name of its configuration.
    pub name: String,
    /// Digest of all that went into it.
    pub key: Sha256,
    /// What came out.
    pub outcome: Outcome,
}

/// What came out.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The image of this key is there already.
    UpToDate {
        /// Its files, in the order of the configuration.
        files: Vec<ImageFile>,
    },
    /// It was made.
    Written {
        /// Its files, in the order of the configuration.
        files: Vec<ImageFile>,
    },
    /// The RPM transaction, a scriptlet, a script or the ISO maker failed in its container.
    Failed {
        /// What failed: `installing packages`, `making the ISO`.
        phase: &'static str,
        /// How the container ended, in words.
        status: String,
        /// The last lines it said.
        excerpt: Vec<String>,
        /// The whole log.
        log: PathBuf,
    },
}

/// Makes the image of the configuration `config_path`, unless it is there already.
pub async fn assemble(context: &ImageContext<'_>, config_path: &Path) -> Result<AssembledImage, ImageError> {
    let started = Instant::now();
    let path = config_path.to_owned();
    let (config, seen) = tokio::task::spawn_blocking(move || read(&path)).await??;
    let rpms = packages::resolve(&config, context.packages, &context.assembly.arch)
        .map_err(|source| ImageError::Packages { config: config_path.to_owned(), source })?;
    let kernel = packages::kernel_file(&rpms, config.system.kernel.as_ref());
    if kernel.is_none() && needs_kernel(&config) {
        return Err(ImageError::NoKernel { config: config_path.to_owned() });
    }
    let inputs = ImageInputs::new(&config, &rpms, (context.assembly.digest, context.version))
        .map_err(|(path, source)| ImageError::Read { path, source })?;
    let (name, key) = (config.name.clone(), inputs.key());
    let paths = output_paths(context, &config);
    let record_path = context.layout.image_record(&name);
    if let Some(record) = record::up_to_date(&record_path, key, &paths) {
        tell(context, &name, &record.files, (true, started));
        return Ok(AssembledImage { name, key, outcome: Outcome::UpToDate { files: record.files } });
    }
    (context.report)(Event::ImageStarted { image: name.clone() });
    tokio::task::block_in_place(|| packages::check_files(&rpms))?;
    let rpm_paths = rpms.iter().map(|rpm| rpm.path.clone()).collect();
    let plan = work::Plan { config, rpms: rpm_paths, kernel, seed: inputs.seed(), paths };
    let outcome = Box::pin(work::make(context, plan)).await?;
    if let Outcome::Written { files } = &outcome {
        if let Some(path) = seen.changed() {
            return Err(ImageError::Changed { config: config_path.to_owned(), path });
        }
        let record = Record { key, inputs, files: files.clone() };
        record::store(&record_path, &record).map_err(|source| ImageError::Write { path: record_path, source })?;
        tell(context, &name, files, (false, started));
    }
    Ok(AssembledImage { name, key, outcome })
}

/// The configuration `path`, and the files that it is made of and names, as they were before it was read.
fn read(path: &Path) -> Result<(ImageConfig, Seen), ImageError> {
    // Which files it names is known only when it is read; from the look at them on, it is read anew.
    loop {
        let named = config::read(path)?.inputs;
        let seen = Seen::now(named.values().cloned().collect());
        let config = config::read(path)?;
        if config.inputs == named {
            return Ok((config, seen));
        }
    }
}

fn needs_kernel(config: &ImageConfig) -> bool {
    config.system.kernel.is_some()
        && config.outputs.iter().any(|output| output.needs_disk() || output.format == Format::Iso)
}

fn output_paths(context: &ImageContext<'_>, config: &ImageConfig) -> Vec<PathBuf> {
    let folder = context.layout.images().join(&config.name);
    config.outputs.iter().map(|output| folder.join(output.file_name(context.version))).collect()
}

fn tell(context: &ImageContext<'_>, image: &str, files: &[ImageFile], (up_to_date, started): (bool, Instant)) {
    for file in files {
        (context.report)(Event::ImageFinished {
            image: image.to_owned(),
            path: file.path.clone(),
            bytes: file.bytes,
            up_to_date,
            elapsed: started.elapsed(),
        });
    }
}
