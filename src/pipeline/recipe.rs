//! The digest of what a stage is made from; of a stage of packages, without the image that its packages are built in.
//!
//! It is read from files alone, so that a stage with nothing to do starts no container and reads no spec: the folders of
//! specs by content, with their signatures and so their sources; macros; which packages are built and installed. It is
//! wider than what the result depends on: a comment in a README beside a spec changes it. Then the packages are looked at
//! one by one, found in the store, and give the same image.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::error::PipelineError;
use super::rpms::places_in;
use super::stage::{PackageStage, RpmStage, Stage};
use crate::build;
use crate::digest::{KeyBuilder, Sha256};
use crate::layout::Layout;
use crate::source::remembered::FileDigests;
use crate::toolchain;

/// Counts up when stages of packages are made in another way.
const KEY_VERSION: &str = "2";
/// The name of the list of digests of the files of stages.
const DIGESTS: &str = "stages";

/// The digest of all that the stage at the end of `chain` is made from, down to its base; no image has to be at hand. Each
/// stage of the chain starts from the one before.
pub(super) fn of_chain(chain: &[&Stage], layout: &Layout) -> Result<Sha256, PipelineError> {
    let mut below = None;
    for stage in chain {
        below = Some(match (stage, below) {
            (Stage::Image(stage), below) => toolchain::key(stage, below, layout)?,
            (Stage::Packages(stage), Some(below)) => of_stage(stage, below, layout)?,
            (Stage::Rpms(stage), Some(below)) => of_rpms(stage, below, layout)?,
            (Stage::Packages(_) | Stage::Rpms(_), None) => {
                return Err(PipelineError::NoStage { stage: stage.below().unwrap_or_default().to_owned() });
            }
        });
    }
    below.ok_or_else(|| PipelineError::NoStage { stage: String::new() })
}

/// The digest of what `stage` is made from in the image `below`, or in what `below` is the digest of.
pub(super) fn of_stage(stage: &PackageStage, below: Sha256, layout: &Layout) -> Result<Sha256, PipelineError> {
    let wrong = |(path, source)| PipelineError::StageFile { stage: stage.name.clone(), path, source };
    let digests = FileDigests::open(layout, DIGESTS);
    let key = of_packages(stage, below, &digests).map_err(wrong)?;
    digests.save().map_err(|source| wrong((PathBuf::from(DIGESTS), source)))?;
    Ok(key)
}

/// The digest of what `stage` is made from in the image `below`, or in what `below` is the digest of. Where its RPMs come
/// from does not count: the manifest says what they are, and the keys say whose. Without keys nothing says so, and the
/// files that are at hand count as they are.
pub(super) fn of_rpms(stage: &RpmStage, below: Sha256, layout: &Layout) -> Result<Sha256, PipelineError> {
    let wrong = |(path, source)| PipelineError::StageFile { stage: stage.name.clone(), path, source };
    let digests = FileDigests::open(layout, DIGESTS);
    let mut key = KeyBuilder::new("stage of RPMs").field("version", KEY_VERSION).field("below", below.as_bytes());
    for path in &stage.keys {
        let (digest, _) = digests.digest(path).map_err(|source| wrong((path.clone(), source)))?;
        key = key.field("key", digest.as_bytes());
    }
    for package in &stage.rpms {
        key = key.field("rpm", package.file_name());
        let at_hand = stage.folders.iter().flat_map(|folder| places_in(folder, package));
        for path in at_hand.filter(|path| stage.keys.is_empty() && path.is_file()) {
            let (digest, _) = digests.digest(&path).map_err(|source| wrong((path.clone(), source)))?;
            key = key.field("file", digest.as_bytes());
        }
    }
    digests.save().map_err(|source| wrong((PathBuf::from(DIGESTS), source)))?;
    Ok(key.finish())
}

/// The digest of what `stage` is made from; `below` stands for the image that its packages are built in. The digests of
/// files are taken from `digests` where these know them.
fn of_packages(stage: &PackageStage, below: Sha256, digests: &FileDigests) -> Result<Sha256, (PathBuf, io::Error)> {
    let packages = &stage.packages;
    let mut key = KeyBuilder::new("stage of packages")
        .field("version", KEY_VERSION)
        .field("build-version", build::KEY_VERSION.to_le_bytes())
        .field("arch", std::env::consts::ARCH)
        .field("below", below.as_bytes())
        .field("version-macros", packages.version_macros.as_deref().unwrap_or_default());
    for folder in &packages.specs {
        let digest = of_folder(folder, digests).map_err(|source| (folder.clone(), source))?;
        key = key.field("specs", digest.as_bytes());
    }
    for path in &packages.macro_files {
        let (digest, _) = digests.digest(path).map_err(|source| (path.clone(), source))?;
        key = key.field("macro-file", digest.as_bytes());
    }
    for (name, body) in &packages.macros {
        key = key.field("macro", name).field("body", body);
    }
    for name in &packages.build {
        key = key.field("build", name);
    }
    for requirement in &stage.install {
        key = key.field("install", requirement.to_string());
    }
    for exception in &packages.exceptions {
        key = key.field("exception", format!("{} {} {}", exception.spec, exception.allow, exception.until));
    }
    Ok(key.finish())
}

/// The digest of all files below `folder`: relative paths and contents, and where links lead.
fn of_folder(folder: &Path, digests: &FileDigests) -> io::Result<Sha256> {
    let mut files = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() { open.push(entry.path()) } else { files.push(entry.path()) }
        }
    }
    files.sort();
    let mut key = KeyBuilder::new("folder");
    for path in files {
        let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
        key = match fs::read_link(&path) {
            Ok(target) => key.field(&name, target.to_string_lossy().as_bytes()),
            Err(_) => key.field(&name, digests.digest(&path)?.0.as_bytes()),
        };
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
        let digest =
            |stage: &PackageStage, below| of_packages(stage, below, &FileDigests::open(&layout, "stages")).unwrap();
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
            of_rpms(&stage(keys), Sha256::of_bytes(b"image"), &layout).unwrap()
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
        let wrong = of_packages(&stage, Sha256::of_bytes(b""), &FileDigests::open(&layout, "stages")).unwrap_err();
        assert_eq!(wrong.0, place.path().join("none"));
    }
}
