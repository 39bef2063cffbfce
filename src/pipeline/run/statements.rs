//! What is said of the image of a stage: the list of its RPMs (SPDX) and what it was made from (SLSA provenance). Both are
//! kept beside the image in the store and pushed along with it.

use std::collections::BTreeMap;
use std::io::BufReader;
use std::path::Path;

use crate::attest::{self, AttestError, Build, Material, SbomPackage};
use crate::cache::BuiltRpm;
use crate::digest::Sha256;
use crate::oci::Store;
use crate::package::Nevra;
use crate::package::header::{self, HeaderError};
use crate::pipeline::error::PipelineError;
use crate::regular;
use crate::toolchain::{self, Installed, ToolchainError};

/// The kind of build: RPMs, installed into an empty root.
const BUILD_TYPE: &str = "urn:drydock:stage-of-packages:1";
/// The kind of build: packages installed and commands carried out on a base or on another stage.
const BUILD_TYPE_OF_COMMANDS: &str = "urn:drydock:stage-of-commands:1";
const BUILDER: &str = concat!("urn:drydock:", env!("CARGO_PKG_VERSION"));

/// The image that is described.
pub(super) struct About<'a> {
    /// Its stage.
    pub(super) stage: &'a str,
    /// Who makes the packages, for package URLs.
    pub(super) vendor: &'a str,
    /// The stage whose image built or installed it, and that image.
    pub(super) from: (&'a str, Sha256),
    pub(super) image: Sha256,
}

/// Keeps what is known of an image that has `rpms` and was made from `materials`.
pub(super) fn attach(
    about: &About<'_>,
    rpms: &[(&Path, &BuiltRpm)],
    mut materials: Vec<Material>,
    store: &Store,
) -> Result<(), PipelineError> {
    let packages = rpms.iter().map(|rpm| described(*rpm, about.stage)).collect::<Result<Vec<_>, _>>()?;
    let created = rpms.iter().map(|(_, rpm)| rpm.build_time).max().unwrap_or_default();
    let list = attest::sbom(about.stage, created, about.vendor, &packages)?;
    attest::attach_sbom(store, about.image, &list)?;

    materials.sort_by(|a, b| a.uri.cmp(&b.uri));
    let (from, below) = about.from;
    materials.insert(0, Material { uri: format!("pkg:oci/{from}@{}", below.to_oci()), digest: below });
    let build = Build {
        builder: BUILDER.to_owned(),
        build_type: BUILD_TYPE.to_owned(),
        parameters: [("stage".to_owned(), about.stage.to_owned())].into(),
        materials,
    };
    let statement = attest::provenance(about.stage, about.image, &build)?;
    attest::attach_provenance(store, about.image, &statement)?;
    Ok(())
}

/// Keeps what is known of `image`, which the stage `stage` made of `from`: its base or the stage below, in words, and the
/// image of that. `recipe` is the digest of all that the stage is made from.
pub(super) fn attach_commands(
    stage: &toolchain::Stage,
    (image, recipe): (Sha256, Sha256),
    (from, below): (&str, Option<Sha256>),
    installed: &Installed,
    store: &Store,
) -> Result<(), PipelineError> {
    // What its package manager installed has no file any more: its name and its version are what is known.
    let package =
        |nevra: &Nevra| SbomPackage { nevra: nevra.clone(), license: String::new(), sha256: None, source: None };
    let packages: Vec<SbomPackage> = installed.packages.iter().map(package).collect();
    if !packages.is_empty() {
        let config = store.image(image).and_then(|image| store.config(&image)).map_err(AttestError::from)?;
        attest::attach_sbom(store, image, &attest::sbom(&stage.name, config.created, "unknown", &packages)?)?;
    }
    let mut materials = vec![Material { uri: "urn:drydock:recipe".to_owned(), digest: recipe }];
    materials.extend(below.map(|digest| Material { uri: "urn:drydock:base".to_owned(), digest }));
    let mut parameters = BTreeMap::from([("stage", stage.name.clone()), ("base", from.to_owned())]);
    if !stage.install.is_empty() {
        parameters.insert("install", stage.install.join(" "));
    }
    if let Some(name) = stage.containerfile.as_ref().and_then(|file| file.path.file_name()) {
        parameters.insert("containerfile", name.to_string_lossy().into_owned());
    }
    let build = Build {
        builder: BUILDER.to_owned(),
        build_type: BUILD_TYPE_OF_COMMANDS.to_owned(),
        parameters: parameters.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        materials,
    };
    attest::attach_provenance(store, image, &attest::provenance(&stage.name, image, &build)?)?;
    Ok(())
}

/// Who makes the RPM, as it says itself.
pub(super) fn vendor_of(path: Option<&Path>) -> String {
    let metadata = path.and_then(|path| header::metadata(&mut BufReader::new(regular::open(path).ok()?)).ok());
    metadata.and_then(|metadata| metadata.get_vendor().ok().map(str::to_owned)).unwrap_or_else(|| "unknown".to_owned())
}

/// The package URL of an RPM.
pub(super) fn purl_of(vendor: &str, rpm: &BuiltRpm) -> String {
    attest::purl(vendor, &rpm.header.nevra, rpm.header.source_rpm.as_deref())
}

fn described((path, rpm): (&Path, &BuiltRpm), stage: &str) -> Result<SbomPackage, PipelineError> {
    let wrong = |source| ToolchainError::Rpm { stage: stage.to_owned(), path: path.to_owned(), source };
    let file = regular::open(path).map_err(|error| wrong(HeaderError::Bytes(error)))?;
    let metadata = header::metadata(&mut BufReader::new(file)).map_err(wrong)?;
    Ok(SbomPackage {
        nevra: rpm.header.nevra.clone(),
        license: metadata.get_license().unwrap_or_default().to_owned(),
        sha256: Some(rpm.sha256),
        source: rpm.header.source_rpm.clone(),
    })
}
