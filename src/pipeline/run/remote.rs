//! Remote repositories and the lock file of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use super::made::MadeStages;
use super::prepare::Prepared;
use super::runner::Runner;
use crate::event::Event;
use crate::graph::RemoteIndex;
use crate::pipeline::error::PipelineError;
use crate::pipeline::file::Packages;
use crate::remote::{
    self, LoadOptions, LockFile, LockedImage, Remote, RemoteError, Variables, WantedRepository, configure,
};
use crate::source::Patience;
use crate::toolchain::Toolchain;

impl Prepared {
    /// The remote packages that may be used.
    pub(super) fn remote_index(&self) -> RemoteIndex<'_> {
        RemoteIndex::new(self.remote.packages(), &self.specs.packages, &self.toolchain.packages)
    }
}

impl Runner<'_> {
    /// The repositories of a run over `packages`, with their metadata.
    pub(super) async fn remote(
        &self,
        packages: &Packages,
        made: &MadeStages,
        toolchain: &Toolchain,
    ) -> Result<Remote, PipelineError> {
        let (options, arch) = (&self.options.remote, toolchain.arch.as_str());
        let wanted: Vec<WantedRepository> = if options.off {
            Vec::new()
        } else {
            options.repositories.iter().chain(&packages.repositories).cloned().collect()
        };
        let configs = configure(&wanted, Variables { arch, release: packages.release_version.as_deref() })?;
        let patience = Patience::default();
        if options.locked {
            let names = configs.iter().map(|config| config.name.clone()).collect();
            let lock = self.checked_lock(&names, made)?;
            let locked = Remote::locked(configs, (&lock, &self.lock_file), patience, self.layout, self.report);
            return self.unless_cancelled(locked).await;
        }
        if configs.is_empty() {
            return Ok(Remote::none(self.layout));
        }
        let refresh = options.refresh && !self.refreshed.swap(true, Ordering::Relaxed);
        let (arch, snapshot, now) = (arch.to_owned(), options.snapshot, self.options.now);
        let compatible = compatible(toolchain);
        let options = LoadOptions { arch, compatible, snapshot, refresh, now, patience };
        self.unless_cancelled(Remote::load(configs, &options, self.layout, self.report)).await
    }

    /// The lock file, when it says the same of base images and of the repositories `names` as this run.
    fn checked_lock(&self, names: &BTreeSet<String>, made: &MadeStages) -> Result<LockFile, RemoteError> {
        let locked = |changes| RemoteError::Locked { path: self.lock_file.clone(), changes };
        let Some(lock) = remote::read_lock(&self.lock_file)? else {
            return Err(locked(vec!["there is no such file".to_owned()]));
        };
        // With `--no-remote`, what the file says of repositories stays.
        let all = lock.repositories.keys().cloned().collect();
        let names = if self.options.remote.off { &all } else { names };
        let mut used = of_images(made);
        // A stage may be made on one machine and pulled on another: it is another one only by its digest, where that is
        // locked.
        used.images.retain(|stage, image| {
            let is_pulled = made.get(stage).is_some_and(|made| made.pulled.is_some());
            !is_pulled || lock.images.get(stage).is_some_and(|known| known.digest != image.digest)
        });
        let changes = lock.changes(&lock.with(&used, names));
        if changes.is_empty() { Ok(lock) } else { Err(locked(changes)) }
    }

    /// Writes what the run has used into the lock file when that is not there yet. A project that uses no remote package
    /// gets no lock file.
    pub(super) fn keep_lock(&self, prepared: &Prepared, made: &MadeStages) -> Result<(), PipelineError> {
        let options = &self.options.remote;
        if options.locked || options.off {
            return Ok(());
        }
        let mut used = prepared.remote.used();
        let old = remote::read_lock(&self.lock_file)?;
        if old.is_none() && used.repositories.is_empty() {
            return Ok(());
        }
        used.images = of_images(made).images;
        let next = old.clone().unwrap_or_default().with(&used, &prepared.remote.names());
        if old.as_ref() == Some(&next) {
            return Ok(());
        }
        remote::write_lock(&self.lock_file, &next)?;
        let changes = old.unwrap_or_default().changes(&next).len();
        let text = format!("`{}` is written, with {changes} changes", self.lock_file.display());
        (self.report)(Event::Note { text });
        Ok(())
    }
}

/// The levels of x86-64 that packages of the image are for, and those below: rpm's `arch_compat`.
fn compatible(toolchain: &Toolchain) -> Vec<String> {
    let level = |arch: &str| arch.strip_prefix("x86_64_v")?.parse::<u8>().ok();
    let highest = toolchain.packages.iter().filter_map(|package| level(&package.arch)).max().unwrap_or(1);
    (2..=highest.min(4)).map(|level| format!("x86_64_v{level}")).collect()
}

/// The base images of stages.
fn of_images(made: &MadeStages) -> LockFile {
    let image = |(base, digest): &(String, crate::digest::Sha256)| LockedImage { base: base.clone(), digest: *digest };
    let images: BTreeMap<String, LockedImage> =
        made.iter().filter_map(|(stage, made)| Some((stage.clone(), image(made.base.as_ref()?)))).collect();
    LockFile { images, ..LockFile::default() }
}
