//! Toolchain stages: container images that packages and disk images are built in.
//!
//! In: [`Stage`]s of a pipeline. Out: for each stage one image in the OCI layout, from then on named by its digest.
//!
//! A stage is a base (an image of a registry by digest, an archive, or a Debian-like root by mmdebstrap, the first that
//! can be had) or the image of a stage above, then packages that the image's own package manager installs, then the
//! instructions of its containerfile, then one layer with an RPM database that says what the stage [provides](provides).
//! Each instruction gives one layer and is kept when it is finished, so that an interrupted stage goes on with the next
//! one. A stage can also be made of packages, which are built elsewhere ([`assemble()`]). What the packages of an image
//! provide is asked of its RPM database ([`installed()`]).
//!
//! **Key.** What enters the key of a stage: the list of bases as the pipeline has it (archives by content) or the digest
//! of the image below, the packages to install, the containerfile's instructions as they are written and as they are
//! understood, the content of the files that they copy, `provides`, and [`KEY_VERSION`]. What does not: paths of the host,
//! its mirrors, the engine. What is built in the image is named by its other layers, without that of `provides`
//! ([`essence()`]). Known hole: a command such as `apt-get install` gives what the archive holds on that day; the image is
//! made once and its digest enters every build key.

pub mod apt;
mod ask;
mod assemble;
mod base;
mod containerfile;
mod copy;
mod debootstrap;
mod error;
mod essence;
#[cfg(fuzzing)]
pub mod fuzzing;
mod ignored;
mod inputs;
mod installed;
mod layers;
mod log;
mod place;
mod provides;
mod record;
mod script;
mod stage;
mod steps;
#[cfg(test)]
mod tests;
mod variables;
mod words;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use assemble::{ROOT_SCRIPT, StageRpm, assemble};
pub use containerfile::ContainerfileError;
pub use error::ToolchainError;
pub use essence::essence;
pub use inputs::inputs;
pub use installed::{Installed, installed, known as known_packages};
use script::Script;
pub use stage::{Base, Debootstrap, Instructions, Origin, Stage};
use tokio_util::sync::CancellationToken;

use crate::digest::KeyBuilder;
use crate::digest::Sha256;
use crate::engine::Engine;
use crate::engine::ImageId;
use crate::event::Report;
use crate::layout::Layout;
use crate::oci::Store;
use crate::oci::registry::Credentials;
use crate::package::{Capability, Nevra, Provides};
use crate::source::Archive;
use crate::source::remembered::FileDigests;
use crate::source::seen::Seen;

/// Counts up when the same stage description gives another image.
const KEY_VERSION: &str = "2";

/// A finished stage: an image that packages are built in.
#[derive(Clone, Debug)]
pub struct Toolchain {
    /// Name of the stage.
    pub stage: String,
    /// The image's manifest digest.
    pub digest: Sha256,
    /// Names what specs are read with and built in: the image without `given` ([`essence()`]).
    pub essence: Sha256,
    /// What its own stage provides besides, as the pipeline has it.
    pub given: Vec<Capability>,
    /// The architecture of what it builds, in RPM's word: `x86_64`, `aarch64`.
    pub arch: String,
    /// What RPM may take as given in it: its rpm database says so too.
    pub provides: Provides,
    /// RPM macros of the run, such as `dist`.
    pub macros: BTreeMap<String, String>,
    /// Files of RPM macros, in the order in which they are loaded: after the image's own, before `macros`.
    pub macro_files: Vec<MacroFile>,
    /// The prefix of macros by which a spec takes the version of another: `azl` for `%azl_kernel_version`; None when no
    /// spec is to have any.
    pub version_macros: Option<String>,
    /// The packages that its RPM database has.
    pub packages: Vec<Nevra>,
}

/// A file of RPM macros.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MacroFile {
    /// Its name in a container: the place in the list in two digits, and the file's name.
    pub name: String,
    /// Absolute.
    pub path: PathBuf,
    /// Digest of its content.
    pub digest: Sha256,
}

impl Toolchain {
    /// The image to start containers from.
    pub fn image(&self) -> ImageId {
        ImageId::Stored(self.digest)
    }
}

/// What making a stage needs.
pub struct StageContext<'a> {
    /// Runs the commands of containerfiles.
    pub engine: &'a Engine,
    /// Gets the image.
    pub store: &'a Store,
    /// Where records, logs and work in progress are.
    pub layout: &'a Layout,
    /// The host's package archives, for `debootstrap`.
    pub archives: &'a [Archive],
    /// The user's logins at registries.
    pub credentials: &'a Credentials,
    /// Tells what is going on.
    pub report: Report<'a>,
    /// Ends the work.
    pub cancel: &'a CancellationToken,
}

/// A stage's image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Its manifest digest.
    pub image: Sha256,
    /// Which base it goes back to, in words.
    pub base: String,
    /// True when nothing had to be done.
    pub up_to_date: bool,
}

/// A stage with its files as they were when they were read, once: what its key stands for is what its image gets.
pub struct ReadStage {
    stage: Stage,
    script: Option<Script>,
    script_digest: Option<Sha256>,
    /// The bases as the key sees them.
    bases: Vec<String>,
    /// The archives among them.
    archives: Seen,
}

impl ReadStage {
    /// Reads the files of `stage`, until `stop` is cancelled.
    pub fn of(stage: &Stage, layout: &Layout, stop: &CancellationToken) -> Result<Self, ToolchainError> {
        let script = Script::read(stage, stop)?;
        let script_digest = script.as_ref().map(Script::digest).transpose()?;
        let all = if let Origin::Bases(bases) = &stage.origin { bases.as_slice() } else { &[] };
        // Looked at before they are hashed: what changes from now on is seen.
        let archives = Seen::now(all.iter().filter_map(Base::archive).collect());
        let mut read = Self { stage: stage.clone(), script, script_digest, bases: Vec::new(), archives };
        if let Origin::Bases(bases) = &stage.origin {
            let digests = FileDigests::open(layout, "bases").until(stop);
            read.bases = bases.iter().map(|base| base_name(base, &digests)).collect();
            if stop.is_cancelled() {
                return Err(ToolchainError::Cancelled { stage: stage.name.clone() });
            }
            let fault = |source| ToolchainError::File { operation: "write", path: layout.toolchain_state(), source };
            digests.save().map_err(fault)?;
        }
        Ok(read)
    }

    /// What the pipeline says of it.
    pub fn stage(&self) -> &Stage {
        &self.stage
    }

    /// The key of the stage on the image `below`, or on what `below` is the digest of.
    pub fn key(&self, below: Option<Sha256>) -> Sha256 {
        let mut key = KeyBuilder::new("toolchain stage").field("version", KEY_VERSION);
        if let Origin::Stage(_) = &self.stage.origin {
            key = key.field("below", below.map(Sha256::to_oci).unwrap_or_default());
        }
        for base in &self.bases {
            key = key.field("base", base);
        }
        if !self.stage.install.is_empty() {
            key = key.field("install", steps::install_digest(&self.stage.install).as_bytes());
        }
        if let Some(digest) = self.script_digest {
            key = key.field("script", digest.as_bytes());
        }
        for capability in &self.stage.provides {
            key = key.field("provides", capability.to_string());
        }
        key.finish()
    }

    /// Fails when an archive is no longer the one that was hashed.
    fn same_archives(&self) -> Result<(), ToolchainError> {
        let changed = |path| ToolchainError::Changed { stage: self.stage.name.clone(), path };
        self.archives.changed().map_or(Ok(()), |path| Err(changed(path)))
    }
}

/// Makes the image of `read`, or finds it when its key is known; `below` is the image of the stage that it starts from.
pub async fn build(
    read: &ReadStage,
    below: Option<Sha256>,
    context: &StageContext<'_>,
) -> Result<Finished, ToolchainError> {
    let key = read.key(below);
    if let Some(finished) = find(key, context) {
        return Ok(finished);
    }
    let start = base::obtain(&read.stage, below, context).await?;
    read.same_archives()?;
    let done = steps::carry_out((&read.stage, read.script.as_ref()), start, context).await?;
    record::save(&context.layout.toolchain_state(), key, &done)?;
    Ok(Finished { image: done.image, base: done.base, up_to_date: false })
}

/// The base that the finished image of the stage with the key `key` was made from, in words, and the digest of its image.
/// None for a stage that starts from another.
pub fn base_of(key: Sha256, layout: &Layout) -> Option<(String, Sha256)> {
    let record = record::load(&layout.toolchain_state(), key)?;
    Some((record.base, record.base_image?))
}

/// The image that is recorded for `key`, the key of a stage, while the store has it: then nothing has to be done for it.
pub fn image_of(key: Sha256, layout: &Layout, store: &Store) -> Option<Sha256> {
    record::load(&layout.toolchain_state(), key).map(|record| record.image).filter(|image| store.has(*image))
}

/// Records `image` for `key`, the key of a stage that is made of packages.
pub fn keep_image(key: Sha256, image: Sha256, layout: &Layout) -> Result<(), ToolchainError> {
    record::save(&layout.toolchain_state(), key, &record::Record::of_packages(image))
}

/// Records `image`, which was pulled as `reference`, for a stage that is made from what `recipe` is the digest of.
pub fn keep_pulled(recipe: Sha256, image: Sha256, reference: &str, layout: &Layout) -> Result<(), ToolchainError> {
    let record = record::Record { image, apt_lines: Vec::new(), base: reference.to_owned(), base_image: Some(image) };
    record::save(&layout.toolchain_state(), pulled_key(recipe), &record)
}

/// The image that was pulled for what `recipe` is the digest of, and as what, while the store has it.
pub fn pulled(recipe: Sha256, layout: &Layout, store: &Store) -> Option<(Sha256, String)> {
    let record = record::load(&layout.toolchain_state(), pulled_key(recipe))?;
    store.has(record.image).then_some((record.image, record.base))
}

fn pulled_key(recipe: Sha256) -> Sha256 {
    KeyBuilder::new("pulled stage").field("recipe", recipe.as_bytes()).finish()
}

fn find(key: Sha256, context: &StageContext<'_>) -> Option<Finished> {
    let record = record::load(&context.layout.toolchain_state(), key)?;
    let is_there = context.store.has(record.image);
    is_there.then_some(Finished { image: record.image, base: record.base, up_to_date: true })
}

/// A base as the key sees it: an archive by its content, so that its path does not count.
fn base_name(base: &Base, digests: &FileDigests) -> String {
    match base {
        Base::Archive(path) => format!("archive {}", archive_digest(&stage::file_of_archive(path), digests)),
        Base::Debootstrap(Debootstrap { mirror: Some(mirror), .. }) => format!("{} {mirror}", base.describe()),
        Base::Image(_) | Base::Debootstrap(_) => base.describe(),
    }
}

fn archive_digest(path: &Path, digests: &FileDigests) -> String {
    digests.digest(path).map_or_else(|_| "missing".to_owned(), |(digest, _)| digest.to_oci())
}
