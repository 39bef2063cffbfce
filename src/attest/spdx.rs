//! The packages of an image as an SPDX 2.3 document, in bytes that depend on nothing but the packages, the image's name
//! and its time.
//!
//! Format: <https://spdx.github.io/spdx-spec/v2.3/>; package URLs:
//! <https://github.com/package-url/purl-spec/blob/main/types-doc/rpm-definition.md>.

use serde::Serialize;

use super::error::AttestError;
use super::license::is_expression;
use crate::digest::Sha256;
use crate::oci::{Artifact, Store};
use crate::package::{Evr, Nevra};

/// The media type of lists of packages.
pub(super) const MEDIA_TYPE: &str = "application/spdx+json";

/// A package of an image.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SbomPackage {
    /// What it is.
    pub nevra: Nevra,
    /// As its spec has it; an SPDX expression or not; empty when it is not known.
    pub license: String,
    /// Digest of the RPM file, when that is known.
    pub sha256: Option<Sha256>,
    /// File name of the source package that it was built from; None when it is not known.
    pub source: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    spdx_version: &'static str,
    data_license: &'static str,
    #[serde(rename = "SPDXID")]
    id: &'static str,
    name: String,
    #[serde(rename = "documentNamespace")]
    namespace: String,
    creation_info: CreationInfo,
    packages: Vec<Package>,
    relationships: Vec<Relationship>,
}

#[derive(Serialize)]
struct CreationInfo {
    created: String,
    creators: [&'static str; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Package {
    #[serde(rename = "SPDXID")]
    id: String,
    name: String,
    version_info: String,
    download_location: &'static str,
    files_analyzed: bool,
    license_concluded: &'static str,
    license_declared: String,
    copyright_text: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    license_comments: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_info: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    checksums: Vec<Checksum>,
    external_refs: [ExternalRef; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Checksum {
    algorithm: &'static str,
    checksum_value: Sha256,
}

#[derive(Serialize)]
struct ExternalRef {
    #[serde(rename = "referenceCategory")]
    category: &'static str,
    #[serde(rename = "referenceType")]
    kind: &'static str,
    #[serde(rename = "referenceLocator")]
    locator: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Relationship {
    spdx_element_id: &'static str,
    #[serde(rename = "relationshipType")]
    kind: &'static str,
    related_spdx_element: String,
}

/// The document for `packages`, in whatever order, of an image of the name `name` and the time `created` (seconds since
/// 1970). `namespace` is the vendor in package URLs.
pub fn sbom(name: &str, created: u64, namespace: &str, packages: &[SbomPackage]) -> Result<Vec<u8>, AttestError> {
    let mut packages = packages.to_vec();
    packages.sort();
    packages.dedup();
    let listed = packages.iter().map(identity).collect::<String>();
    // The format wants a name for every document that no other one has: what it lists gives one.
    let unique = Sha256::of_bytes(format!("{name} {created} {listed}").as_bytes());
    let packages: Vec<Package> = packages.iter().map(|package| written(package, namespace)).collect();
    let describes = |package: &Package| Relationship {
        spdx_element_id: "SPDXRef-DOCUMENT",
        kind: "DESCRIBES",
        related_spdx_element: package.id.clone(),
    };
    let document = Document {
        spdx_version: "SPDX-2.3",
        data_license: "CC0-1.0",
        id: "SPDXRef-DOCUMENT",
        name: name.to_owned(),
        namespace: format!("urn:sha256:{unique}"),
        creation_info: CreationInfo { created: crate::oci::rfc3339(created), creators: ["Tool: drydock"] },
        relationships: packages.iter().map(describes).collect(),
        packages,
    };
    serde_json::to_vec(&document).map_err(|source| AttestError::Json { what: "a list of packages", source })
}

/// Keeps a list of packages about the image `image` in `store`; gives the digest of the artifact's manifest.
pub fn attach_sbom(store: &Store, image: Sha256, sbom: &[u8]) -> Result<Sha256, AttestError> {
    let artifact =
        Artifact { artifact_type: MEDIA_TYPE, media_type: MEDIA_TYPE, content: sbom, annotations: [].into() };
    Ok(store.attach(image, &artifact)?)
}

/// A digest that no other package has.
fn identity(package: &SbomPackage) -> String {
    package.sha256.unwrap_or_else(|| Sha256::of_bytes(package.nevra.to_string().as_bytes())).to_string()
}

fn written(package: &SbomPackage, namespace: &str) -> Package {
    let SbomPackage { nevra, license, sha256, source } = package;
    let name = &nevra.name;
    let declared = is_expression(license);
    Package {
        id: format!("SPDXRef-Package-{}-{}", id_text(name), &identity(package)[..16]),
        name: name.clone(),
        version_info: nevra.evr.to_string(),
        download_location: "NOASSERTION",
        files_analyzed: false,
        license_concluded: "NOASSERTION",
        license_declared: if declared { license.clone() } else { "NOASSERTION".to_owned() },
        copyright_text: "NOASSERTION",
        license_comments: (!declared && !license.is_empty()).then(|| format!("License of the RPM: {license}")),
        source_info: source.as_ref().map(|source| format!("built from {source}")),
        checksums: sha256.iter().map(|sha256| Checksum { algorithm: "SHA256", checksum_value: *sha256 }).collect(),
        external_refs: [ExternalRef {
            category: "PACKAGE-MANAGER",
            kind: "purl",
            locator: purl(namespace, nevra, source.as_deref()),
        }],
    }
}

/// The package URL of an RPM; `source` is the file name of the source package that it was built from.
pub fn purl(namespace: &str, nevra: &Nevra, source: Option<&str>) -> String {
    let Nevra { name, evr: Evr { epoch, version, release }, arch } = nevra;
    let mut qualifiers = vec![format!("arch={}", escaped(arch))];
    qualifiers.extend(epoch.map(|epoch| format!("epoch={epoch}")));
    qualifiers.extend(source.map(|source| format!("upstream={}", escaped(source))));
    format!(
        "pkg:rpm/{}/{}@{}?{}",
        escaped(&namespace.to_lowercase()),
        escaped(name),
        escaped(&format!("{version}-{release}")),
        qualifiers.join("&")
    )
}

/// `text` with everything percent-encoded that package URLs do not take as it is.
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_~:".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// `text` with what identifiers may not have as dots.
fn id_text(text: &str) -> String {
    text.chars().map(|letter| if letter.is_ascii_alphanumeric() || letter == '-' { letter } else { '.' }).collect()
}
