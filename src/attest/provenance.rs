//! How an image was made: an in-toto statement with SLSA provenance, in bytes that depend on nothing but its content.
//!
//! Formats: <https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md>,
//! <https://slsa.dev/spec/v1.0/provenance>.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::error::AttestError;
use crate::digest::Sha256;
use crate::oci::{Artifact, Store};

/// The media type of statements.
pub(super) const MEDIA_TYPE: &str = "application/vnd.in-toto+json";
/// The annotation that says what kind of statement an artifact is.
const PREDICATE_TYPE: &str = "in-toto.io/predicate-type";
const STATEMENT: &str = "https://in-toto.io/Statement/v1";
const PROVENANCE: &str = "https://slsa.dev/provenance/v1";

/// What is known of a build.
#[derive(Clone, Debug, Default)]
pub struct Build {
    /// Who built: a URI.
    pub builder: String,
    /// What kind of build it was, and with it what the parameters mean: a URI.
    pub build_type: String,
    /// What the user asked for.
    pub parameters: BTreeMap<String, String>,
    /// What went in, sorted by the caller.
    pub materials: Vec<Material>,
}

/// Something that went into a build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Material {
    /// Where it comes from: a URI, such as a purl.
    pub uri: String,
    /// Its digest.
    pub digest: Sha256,
}

/// A statement about one image, ready to be kept or signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// What kind of statement it is: a URI.
    pub predicate_type: String,
    /// The statement as JSON.
    pub content: Vec<u8>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<P> {
    #[serde(rename = "_type")]
    kind: &'static str,
    subject: [Subject; 1],
    predicate_type: String,
    predicate: P,
}

#[derive(Serialize)]
struct Subject {
    name: String,
    digest: BTreeMap<&'static str, Sha256>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Predicate<'a> {
    build_definition: BuildDefinition<'a>,
    run_details: RunDetails<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BuildDefinition<'a> {
    build_type: &'a str,
    external_parameters: &'a BTreeMap<String, String>,
    resolved_dependencies: Vec<ResourceDescriptor<'a>>,
}

#[derive(Serialize)]
struct ResourceDescriptor<'a> {
    uri: &'a str,
    digest: BTreeMap<&'static str, Sha256>,
}

#[derive(Serialize)]
struct RunDetails<'a> {
    builder: Builder<'a>,
}

#[derive(Serialize)]
struct Builder<'a> {
    id: &'a str,
}

impl Statement {
    /// The statement that `predicate`, of the kind `predicate_type`, holds for the image `image` of the name `name`.
    pub fn new(
        name: &str,
        image: Sha256,
        predicate_type: &str,
        predicate: impl Serialize,
    ) -> Result<Self, AttestError> {
        let written = Written {
            kind: STATEMENT,
            subject: [Subject { name: name.to_owned(), digest: [("sha256", image)].into() }],
            predicate_type: predicate_type.to_owned(),
            predicate,
        };
        let content =
            serde_json::to_vec(&written).map_err(|source| AttestError::Json { what: "a statement", source })?;
        Ok(Self { predicate_type: predicate_type.to_owned(), content })
    }
}

/// The statement that the image `image` of the name `name` was made by `build`.
pub fn provenance(name: &str, image: Sha256, build: &Build) -> Result<Statement, AttestError> {
    let materials = build.materials.iter();
    let predicate = Predicate {
        build_definition: BuildDefinition {
            build_type: &build.build_type,
            external_parameters: &build.parameters,
            resolved_dependencies: materials
                .map(|material| ResourceDescriptor { uri: &material.uri, digest: [("sha256", material.digest)].into() })
                .collect(),
        },
        run_details: RunDetails { builder: Builder { id: &build.builder } },
    };
    Statement::new(name, image, PROVENANCE, predicate)
}

/// What is read of a statement, whoever made it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Read {
    subject: Vec<ReadSubject>,
    pub(super) predicate_type: String,
}

#[derive(Deserialize)]
struct ReadSubject {
    digest: BTreeMap<String, String>,
}

impl Read {
    /// True when it is about the image `image`, and maybe about others.
    pub(super) fn is_about(&self, image: Sha256) -> bool {
        let digest = image.to_string();
        self.subject.iter().any(|subject| subject.digest.get("sha256") == Some(&digest))
    }
}

/// The statement in `content` when it says how the image `image` was made, and nothing of another.
pub(super) fn read(content: Vec<u8>, image: Sha256) -> Option<Statement> {
    let read: Read = serde_json::from_slice(&content).ok()?;
    let is_it = read.predicate_type == PROVENANCE && read.subject.len() == 1 && read.is_about(image);
    is_it.then_some(Statement { predicate_type: read.predicate_type, content })
}

/// Keeps an unsigned statement about the image `image` in `store`; gives the digest of the artifact's manifest.
pub fn attach_provenance(store: &Store, image: Sha256, statement: &Statement) -> Result<Sha256, AttestError> {
    let kind = (PREDICATE_TYPE.to_owned(), statement.predicate_type.clone());
    let artifact = Artifact {
        artifact_type: MEDIA_TYPE,
        media_type: MEDIA_TYPE,
        content: &statement.content,
        annotations: [kind].into(),
    };
    Ok(store.attach(image, &artifact)?)
}
