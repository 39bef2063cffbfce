//! What is said of the image of a stage that is made of RPMs: the list of those (SPDX) and what it was made from (SLSA
//! provenance). Both are kept beside the image in the store and pushed along with it.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use super::error::PipelineError;
use crate::attest::{self, Build, Material, SbomPackage};
use crate::cache::BuiltRpm;
use crate::digest::Sha256;
use crate::oci::Store;
use crate::package::header::{self, HeaderError};
use crate::toolchain::ToolchainError;

/// The kind of build: RPMs, installed into an empty root.
const BUILD_TYPE: &str = "urn:drydock:stage-of-packages:1";
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

/// Who makes the RPM, as it says itself.
pub(super) fn vendor_of(path: Option<&Path>) -> String {
    let metadata = path.and_then(|path| header::metadata(&mut BufReader::new(File::open(path).ok()?)).ok());
    metadata.and_then(|metadata| metadata.get_vendor().ok().map(str::to_owned)).unwrap_or_else(|| "unknown".to_owned())
}

/// The package URL of an RPM.
pub(super) fn purl_of(vendor: &str, rpm: &BuiltRpm) -> String {
    attest::purl(vendor, &rpm.header.nevra, rpm.header.source_rpm.as_deref())
}

fn described((path, rpm): (&Path, &BuiltRpm), stage: &str) -> Result<SbomPackage, PipelineError> {
    let wrong = |source| ToolchainError::Rpm { stage: stage.to_owned(), path: path.to_owned(), source };
    let file = File::open(path).map_err(|error| wrong(HeaderError::Bytes(error)))?;
    let metadata = header::metadata(&mut BufReader::new(file)).map_err(wrong)?;
    Ok(SbomPackage {
        nevra: rpm.header.nevra.clone(),
        license: metadata.get_license().unwrap_or_default().to_owned(),
        sha256: rpm.sha256,
        source: rpm.header.source_rpm.clone(),
    })
}
