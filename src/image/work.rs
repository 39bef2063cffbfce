//! The making of one image: the containers, and between and after them the blocking work on files.
//!
//! All that is in between stands in one folder of work in progress, which is removed at the end, whatever it is.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::config::{Format, ImageConfig};
use super::disk_image::{self, Content};
use super::identity::Seed;
use super::install::{self, Installation, Site};
use super::output::{self, Sources};
use super::partition::Layout;
use super::record::ImageFile;
use super::rootfs::Rootfs;
use super::{ImageContext, ImageError, Outcome, container, iso, packages};
use crate::cache::file;
use crate::engine::{Collect, Exit, GuestPath, Session, Stream};
use crate::removal;
use crate::tail;

/// An image that is to be made.
#[derive(Clone)]
pub(super) struct Plan {
    pub(super) config: ImageConfig,
    /// The RPM files to install.
    pub(super) rpms: Vec<PathBuf>,
    /// File name of the kernel.
    pub(super) kernel: Option<String>,
    pub(super) seed: Seed,
    /// Where each output goes, in the order of the configuration.
    pub(super) paths: Vec<PathBuf>,
}

/// A plan with what follows from it.
#[derive(Clone)]
struct Job {
    plan: Plan,
    layout: Option<Layout>,
    epoch: u64,
    version: String,
    work: PathBuf,
    log: PathBuf,
}

/// Makes the image.
pub(super) async fn make(context: &ImageContext<'_>, plan: Plan) -> Result<Outcome, ImageError> {
    let name = plan.config.name.clone();
    let work = context.layout.work().join(format!("image-{name}"));
    let log = context.layout.image_log(&name);
    let version = context.version.to_owned();
    let job = blocking({
        let (work, log) = (work.clone(), log.clone());
        move || begin(plan, version, work, log)
    });
    let outcome = match job.await {
        Ok(job) => run(context, &job).await,
        Err(error) => Err(error),
    };
    let removed = blocking(move || Ok(removal::remove(&work))).await;
    if let Ok(Err(error)) = removed {
        tracing::debug!(%error, image = name, "work folder stays");
    }
    outcome
}

fn begin(plan: Plan, version: String, work: PathBuf, log: PathBuf) -> Result<Job, ImageError> {
    if work.exists() {
        removal::remove(&work).map_err(|source| ImageError::Write { path: work.clone(), source })?;
    }
    let results = plan.paths.iter().filter_map(|path| path.parent());
    for folder in results {
        file::make_folder_of_results(folder).map_err(ImageError::Results)?;
    }
    for folder in [work.as_path()].into_iter().chain(log.parent()) {
        fs::create_dir_all(folder).map_err(|source| ImageError::Write { path: folder.to_owned(), source })?;
    }
    let epoch = packages::newest(&plan.rpms).map_err(|(path, source)| ImageError::Read { path, source })?;
    let layout = plan.config.disk.as_ref().map(|disk| Layout::new(disk, plan.config.system.boot, plan.seed));
    Ok(Job { plan, layout, epoch, version, work, log })
}

async fn run(context: &ImageContext<'_>, job: &Job) -> Result<Outcome, ImageError> {
    let log_fault = |source| ImageError::Write { path: job.log.clone(), source };
    let mut log = File::create(&job.log).map_err(log_fault)?;
    let installation = Installation {
        config: &job.plan.config,
        layout: job.layout.as_ref(),
        rpms: &job.plan.rpms,
        kernel: job.plan.kernel.as_deref(),
        seed: job.plan.seed,
        version: &job.version,
        epoch: job.epoch,
    };
    let site = Site {
        engine: context.engine,
        assembly: context.assembly.image(),
        work: &job.work,
        log: &mut log,
        cancel: context.cancel,
    };
    let rootfs = match install::run(installation, site).await? {
        Ok(rootfs) => rootfs,
        Err(exit) => return failed("installing packages", exit, job),
    };
    let wants = |format: &Format| job.plan.config.outputs.iter().any(|output| output.format == *format);
    let mut iso = None;
    if wants(&Format::Iso) {
        match make_iso(context, job, rootfs.clone(), &mut log).await? {
            Ok(path) => iso = Some(path),
            Err(exit) => return failed("making the ISO", exit, job),
        }
    }
    let files = blocking({
        let (job, cancel) = (job.clone(), context.cancel.clone());
        move || write_outputs(&job, &rootfs, iso.as_deref(), &|| cancel.is_cancelled())
    });
    Ok(Outcome::Written { files: files.await? })
}

fn failed(phase: &'static str, exit: Exit, job: &Job) -> Result<Outcome, ImageError> {
    if exit == Exit::Cancelled {
        return Err(ImageError::Cancelled);
    }
    let text = tail::of_file(&job.log).map_err(|source| ImageError::Read { path: job.log.clone(), source })?;
    let excerpt = tail::last_lines(&text);
    Ok(Outcome::Failed { phase, status: exit.to_string(), excerpt, log: job.log.clone() })
}

/// The path of the finished ISO, or how its container ended.
async fn make_iso(
    context: &ImageContext<'_>,
    job: &Job,
    rootfs: PathBuf,
    log: &mut File,
) -> Result<Result<PathBuf, Exit>, ImageError> {
    let (tree, out) = (job.work.join("iso-tree"), job.work.join("iso"));
    let folders = (tree.clone(), out.clone());
    let owned = job.clone();
    blocking(move || iso_tree(&owned, &rootfs, &folders.0, &folders.1)).await?;
    let spec = iso::container(context.assembly.image(), &tree, &job.plan.config.name, job.epoch)?;
    let mut output = |_: Stream, bytes: &[u8]| drop(log.write_all(bytes));
    let collect = Some(Collect { from: GuestPath::new(iso::OUTPUT_FOLDER)?, into: out.clone() });
    let exit = context.engine.run(&spec, Session { output: &mut output, collect, cancel: context.cancel }).await?;
    Ok(if exit.is_success() { Ok(out.join(iso::OUTPUT)) } else { Err(exit) })
}

fn iso_tree(job: &Job, rootfs: &Path, tree: &Path, out: &Path) -> Result<(), ImageError> {
    let image = || job.plan.config.name.clone();
    let rootfs = Rootfs::open(rootfs, job.epoch).map_err(|source| ImageError::Rootfs { image: image(), source })?;
    let content = iso::Content {
        rootfs: &rootfs,
        system: &job.plan.config.system,
        kernel: job.plan.kernel.as_deref().unwrap_or_default(),
        seed: job.plan.seed,
    };
    let written = fs::create_dir_all(out).and_then(|()| iso::write_tree(content, tree));
    written.map_err(|source| ImageError::Iso { image: image(), source })
}

fn write_outputs(
    job: &Job,
    archive: &Path,
    iso: Option<&Path>,
    is_cancelled: &dyn Fn() -> bool,
) -> Result<Vec<ImageFile>, ImageError> {
    let image = || job.plan.config.name.clone();
    let config = &job.plan.config;
    let rootfs = Rootfs::open(archive, job.epoch).map_err(|source| ImageError::Rootfs { image: image(), source })?;
    let mut disk = match (&job.layout, &config.disk) {
        (Some(layout), Some(disk)) => {
            let content =
                Content { layout, boot: config.system.boot, blobs: &disk.blobs, rootfs: &rootfs, epoch: job.epoch };
            Some(disk_image::write(content, &job.work.join("disk.raw"))?)
        }
        _ => None,
    };
    let mut files = Vec::new();
    for (output, path) in config.outputs.iter().zip(&job.plan.paths) {
        if is_cancelled() {
            return Err(ImageError::Cancelled);
        }
        let oci = (output.format == Format::Oci).then(|| job.work.join("image.oci.tar"));
        if let Some(oci) = &oci {
            let name = container::Name { name: &output.name, version: &job.version, epoch: job.epoch };
            let written = container::write(archive, name, &job.work.join("oci"), oci);
            written.map_err(|source| ImageError::Oci { image: image(), source })?;
        }
        let mut sources = Sources {
            disk: disk.as_mut(),
            layout: job.layout.as_ref(),
            rootfs: &rootfs,
            iso,
            oci: oci.as_deref(),
            seed: job.plan.seed,
            epoch: job.epoch,
        };
        files.push(output::write(output, path, &mut sources)?);
    }
    Ok(files)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ImageError> + Send + 'static,
) -> Result<T, ImageError> {
    tokio::task::spawn_blocking(work).await?
}
