//! What the stages of a toolchain are made from, and the digest of it; for a stage of packages, without the image that its
//! packages are built in.
//!
//! It is read from files alone, so that a stage with nothing to do starts no container and reads no spec: the folders of
//! specs by content, with their signatures and so their sources; macros; which packages are built and installed. It is
//! wider than what the result depends on: a comment in a README beside a spec changes it. Then the packages are looked at
//! one by one, found in the store, and give the same image.
//!
//! The files of a stage are read once a run, when they are asked for first, and what is recorded, pulled and pushed for
//! the stage goes by that. What is built from files that were changed meanwhile, even there and back, is recorded for
//! nothing ([`Seen`]).

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::build;
use crate::digest::{KeyBuilder, Sha256};
use crate::layout::Layout;
use crate::pipeline::error::PipelineError;
use crate::pipeline::file::{PackageStage, RpmStage, Stage};
use crate::source::remembered::FileDigests;
use crate::source::seen::{Seen, files_below};
use crate::stop;
use crate::toolchain::ReadStage;

/// Counts up when stages of packages are made in another way.
const KEY_VERSION: &str = "2";
/// The name of the list of digests of the files of stages.
const DIGESTS: &str = "stages";

/// What the stages of a pipeline are made from.
pub struct Recipes<'a> {
    /// Where digests and records are.
    pub(super) layout: &'a Layout,
    /// Ends the reading of files.
    stop: &'a CancellationToken,
    read: Mutex<BTreeMap<String, Arc<Inputs>>>,
}

/// What one stage is made from.
pub(super) enum Inputs {
    /// A base and a containerfile.
    Image(Box<ReadStage>),
    /// Packages.
    Packages(Box<PackageInputs>),
    /// RPMs of others.
    Rpms(Box<RpmInputs>),
}

pub(super) struct PackageInputs {
    pub(super) stage: PackageStage,
    specs: Vec<Sha256>,
    macro_files: Vec<Sha256>,
    pub(super) seen: Seen,
}

pub(super) struct RpmInputs {
    pub(super) stage: RpmStage,
    keys: Vec<Sha256>,
    /// By file name, those that are at hand where no key says whose they are.
    files: Vec<(String, Vec<Sha256>)>,
    pub(super) seen: Seen,
}

impl<'a> Recipes<'a> {
    /// Those of a pipeline's stages; nothing is read yet, nor any more once `stop` is cancelled.
    pub fn new(layout: &'a Layout, stop: &'a CancellationToken) -> Self {
        Self { layout, stop, read: Mutex::default() }
    }

    /// The digest of all that the stage at the end of `chain` is made from, down to its base; no image has to be at hand.
    /// Each stage of the chain starts from the one before.
    pub(super) fn of_chain(&self, chain: &[&Stage]) -> Result<Sha256, PipelineError> {
        let mut below = None;
        for stage in chain {
            below = Some(self.key(stage, below)?);
        }
        below.ok_or_else(|| PipelineError::NoStage { stage: String::new() })
    }

    /// The digest of what `stage` is made from in the image `below`, or in what `below` is the digest of.
    pub(super) fn key(&self, stage: &Stage, below: Option<Sha256>) -> Result<Sha256, PipelineError> {
        let inputs = self.inputs(stage)?;
        let no_stage = || PipelineError::NoStage { stage: stage.below().unwrap_or_default().to_owned() };
        Ok(match inputs.as_ref() {
            Inputs::Image(read) => read.key(below),
            Inputs::Packages(inputs) => inputs.key(below.ok_or_else(no_stage)?),
            Inputs::Rpms(inputs) => inputs.key(below.ok_or_else(no_stage)?),
        })
    }

    /// What `stage` is made from.
    pub(super) fn inputs(&self, stage: &Stage) -> Result<Arc<Inputs>, PipelineError> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = read.get(stage.name()) {
            return Ok(Arc::clone(known));
        }
        let inputs = Arc::new(self.read(stage)?);
        read.insert(stage.name().to_owned(), Arc::clone(&inputs));
        Ok(inputs)
    }

    fn read(&self, stage: &Stage) -> Result<Inputs, PipelineError> {
        let wrong = |(path, source)| match source {
            source if stop::is_stopped(&source) => PipelineError::Cancelled,
            source => PipelineError::StageFile { stage: stage.name().to_owned(), path, source },
        };
        let digests = FileDigests::open(self.layout, DIGESTS).until(self.stop);
        let inputs = match stage {
            Stage::Image(stage) => Inputs::Image(Box::new(ReadStage::of(stage, self.layout, self.stop)?)),
            Stage::Packages(stage) => Inputs::Packages(Box::new(PackageInputs::read(stage, &digests).map_err(wrong)?)),
            Stage::Rpms(stage) => Inputs::Rpms(Box::new(RpmInputs::read(stage, &digests).map_err(wrong)?)),
        };
        digests.save().map_err(|source| wrong((PathBuf::from(DIGESTS), source)))?;
        Ok(inputs)
    }
}

/// Fails when files that `stage` is made from are no longer those that were `seen`.
pub(super) fn same_files(stage: &str, seen: &Seen) -> Result<(), PipelineError> {
    let changed = |path| PipelineError::StageChanged { stage: stage.to_owned(), path };
    seen.changed().map_or(Ok(()), |path| Err(changed(path)))
}

impl PackageInputs {
    /// The files of `stage`; their digests are taken from `digests` where these know them.
    fn read(stage: &PackageStage, digests: &FileDigests) -> Result<Self, (PathBuf, io::Error)> {
        let packages = &stage.packages;
        let seen = Seen::now(packages.specs.iter().chain(&packages.macro_files).cloned().collect());
        let folder = |path: &PathBuf| of_folder(path, digests).map_err(|source| (path.clone(), source));
        let specs = packages.specs.iter().map(folder).collect::<Result<_, _>>()?;
        Ok(Self { stage: stage.clone(), specs, macro_files: of_files(&packages.macro_files, digests)?, seen })
    }

    /// `below` stands for the image that the packages are built in.
    fn key(&self, below: Sha256) -> Sha256 {
        let packages = &self.stage.packages;
        let mut key = KeyBuilder::new("stage of packages")
            .field("version", KEY_VERSION)
            .field("build-version", build::KEY_VERSION.to_le_bytes())
            .field("arch", std::env::consts::ARCH)
            .field("below", below.as_bytes())
            .field("version-macros", packages.version_macros.as_deref().unwrap_or_default());
        for digest in &self.specs {
            key = key.field("specs", digest.as_bytes());
        }
        for digest in &self.macro_files {
            key = key.field("macro-file", digest.as_bytes());
        }
        for (name, body) in &packages.macros {
            key = key.field("macro", name).field("body", body);
        }
        for name in &packages.build {
            key = key.field("build", name);
        }
        for requirement in &self.stage.install {
            key = key.field("install", requirement.to_string());
        }
        for exception in &packages.exceptions {
            key = key.field("exception", format!("{} {} {}", exception.spec, exception.allow, exception.until));
        }
        key.finish()
    }
}

impl RpmInputs {
    /// The files of `stage`. Where its RPMs come from does not count: the manifest says what they are, and the keys say
    /// whose. Without keys nothing says so, and the files that are at hand count as they are.
    fn read(stage: &RpmStage, digests: &FileDigests) -> Result<Self, (PathBuf, io::Error)> {
        let places = |package| stage.places(package);
        let at_hand = |package| -> Vec<PathBuf> {
            places(package).filter(|path| stage.keys.is_empty() && path.is_file()).collect()
        };
        let all = stage.rpms.iter().flat_map(|package| places(package).filter(|_| stage.keys.is_empty()));
        let seen = Seen::now(all.chain(stage.keys.iter().cloned()).collect());
        let of = |package| of_files(&at_hand(package), digests);
        let files =
            stage.rpms.iter().map(|package| Ok((package.file_name(), of(package)?))).collect::<Result<_, _>>()?;
        Ok(Self { stage: stage.clone(), keys: of_files(&stage.keys, digests)?, files, seen })
    }

    /// `below` stands for the image that installs them.
    fn key(&self, below: Sha256) -> Sha256 {
        let mut key = KeyBuilder::new("stage of RPMs").field("version", KEY_VERSION).field("below", below.as_bytes());
        for digest in &self.keys {
            key = key.field("key", digest.as_bytes());
        }
        for (name, files) in &self.files {
            key = key.field("rpm", name);
            for digest in files {
                key = key.field("file", digest.as_bytes());
            }
        }
        key.finish()
    }
}

fn of_files(paths: &[PathBuf], digests: &FileDigests) -> Result<Vec<Sha256>, (PathBuf, io::Error)> {
    let of = |path: &PathBuf| digests.digest(path).map(|(digest, _)| digest).map_err(|source| (path.clone(), source));
    paths.iter().map(of).collect()
}

/// The digest of all files below `folder`: relative paths and contents; of links also where they lead.
fn of_folder(folder: &Path, digests: &FileDigests) -> io::Result<Sha256> {
    let mut key = KeyBuilder::new("folder");
    for path in files_below(folder)? {
        let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
        if let Ok(target) = fs::read_link(&path) {
            key = key.field(&name, target.to_string_lossy().as_bytes());
        }
        if path.is_file() {
            key = key.field(&name, digests.digest(&path)?.0.as_bytes());
        }
    }
    Ok(key.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Layout;
    use crate::package::{Evr, Nevra};
    use crate::pipeline::Packages;

    #[test]
    fn contents_names_and_wishes_change_the_digest_and_nothing_else_does() {
        let place = tempfile::tempdir().unwrap();
        let specs = place.path().join("SPECS");
        fs::create_dir_all(specs.join("a")).unwrap();
        fs::write(specs.join("a/a.spec"), "one").unwrap();
        let layout = Layout::new(place.path().join("build"), place.path().join("out"), place.path().join("cache"));
        let below = Sha256::of_bytes(b"image");
        let stage = |install: &[&str]| PackageStage {
            name: "s".to_owned(),
            packages: Packages { specs: vec![specs.clone()], ..Packages::default() },
            install: install.iter().map(|text| text.parse().unwrap()).collect(),
        };
        let digest = |stage: &PackageStage, below| {
            Recipes::new(&layout, &CancellationToken::new())
                .key(&Stage::Packages(Box::new(stage.clone())), Some(below))
                .unwrap()
        };
        let first = digest(&stage(&[]), below);
        assert_eq!(first, digest(&PackageStage { name: "other".to_owned(), ..stage(&[]) }, below));
        assert_ne!(first, digest(&stage(&["bash"]), below));
        assert_ne!(first, digest(&stage(&[]), Sha256::of_bytes(b"other image")));
        fs::write(specs.join("a/a.patch"), "").unwrap();
        let second = digest(&stage(&[]), below);
        assert_ne!(first, second);
        fs::rename(specs.join("a/a.patch"), specs.join("a/b.patch")).unwrap();
        assert_ne!(second, digest(&stage(&[]), below));
    }

    #[test]
    fn rpms_without_keys_count_as_they_are() {
        let place = tempfile::tempdir().unwrap();
        let layout = Layout::new(place.path().join("build"), place.path().join("out"), place.path().join("cache"));
        let rpm = Nevra {
            name: "a".to_owned(),
            evr: Evr { epoch: None, version: "1".to_owned(), release: "1".to_owned() },
            arch: "noarch".to_owned(),
        };
        let stage = |keys: &[&str]| RpmStage {
            name: "s".to_owned(),
            from: "b".to_owned(),
            manifest: place.path().join("list"),
            rpms: vec![rpm.clone()],
            urls: Vec::new(),
            folders: vec![place.path().to_owned()],
            keys: keys.iter().map(|name| place.path().join(name)).collect(),
        };
        fs::write(place.path().join("key"), "key").unwrap();
        let of = |content: &str, keys: &[&str]| {
            fs::write(place.path().join("a-1-1.noarch.rpm"), content).unwrap();
            let stage = Stage::Rpms(Box::new(stage(keys)));
            Recipes::new(&layout, &CancellationToken::new()).key(&stage, Some(Sha256::of_bytes(b"image"))).unwrap()
        };
        assert_ne!(of("one", &[]), of("other", &[]));
        assert_eq!(of("one", &["key"]), of("other", &["key"]), "the key says whose it is");
    }

    #[test]
    fn a_missing_folder_is_named() {
        let place = tempfile::tempdir().unwrap();
        let layout = Layout::new(place.path().join("build"), place.path().join("out"), place.path().join("cache"));
        let packages = Packages { specs: vec![place.path().join("none")], ..Packages::default() };
        let stage = PackageStage { name: "s".to_owned(), packages, install: Vec::new() };
        let wrong = PackageInputs::read(&stage, &FileDigests::open(&layout, "stages")).err().unwrap();
        assert_eq!(wrong.0, place.path().join("none"));
    }

    #[test]
    fn files_are_read_once_and_a_change_is_seen() {
        let place = tempfile::tempdir().unwrap();
        let (specs, shared) = (place.path().join("SPECS"), place.path().join("shared"));
        fs::create_dir_all(&specs).unwrap();
        fs::create_dir_all(&shared).unwrap();
        for (path, text) in [(specs.join("a.spec"), "one"), (shared.join("b.spec"), "b"), (place.path().join("m"), "m")]
        {
            fs::write(path, text).unwrap();
        }
        std::os::unix::fs::symlink("../shared", specs.join("link")).unwrap();
        std::os::unix::fs::symlink("..", specs.join("ring")).unwrap();
        let layout = Layout::new(place.path().join("build"), place.path().join("out"), place.path().join("cache"));
        let packages =
            Packages { specs: vec![specs.clone()], macro_files: vec![place.path().join("m")], ..Packages::default() };
        let stage = PackageStage { name: "s".to_owned(), packages, install: Vec::new() };
        let stage = Stage::Packages(Box::new(stage));
        let key = |recipes: &Recipes<'_>| recipes.key(&stage, Some(Sha256::of_bytes(b"image"))).unwrap();
        for path in [specs.join("a.spec"), specs.join("new"), shared.join("b.spec"), place.path().join("m")] {
            let stop = CancellationToken::new();
            let recipes = Recipes::new(&layout, &stop);
            let before = key(&recipes);
            let inputs = recipes.inputs(&stage).unwrap();
            let Inputs::Packages(inputs) = inputs.as_ref() else { panic!("packages") };
            assert_eq!(inputs.seen.changed(), None);
            fs::write(&path, "another content").unwrap();
            assert!(inputs.seen.changed().is_some(), "{}", path.display());
            assert_eq!(key(&recipes), before, "what was read counts to the end");
            assert_ne!(key(&Recipes::new(&layout, &CancellationToken::new())), before, "{}", path.display());
        }
    }
}
