//! Signed statements: DSSE envelopes, kept as layers of the image's companion as cosign keeps attestations.
//!
//! What is signed is the statement with its type, so that it cannot pass for a document of another kind.
//! Formats: <https://github.com/secure-systems-lab/dsse/blob/master/protocol.md>,
//! <https://github.com/sigstore/cosign/blob/main/specs/ATTESTATION_SPEC.md>.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::error::AttestError;
use super::key::{PublicKey, SigningKey};
use super::provenance::{MEDIA_TYPE as PAYLOAD_TYPE, Read, Statement};
use crate::digest::Sha256;
use crate::oci::{Companion, Remark, Store};

/// The annotation that holds a layer's signature.
pub(super) const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
const MEDIA_TYPE: &str = "application/vnd.dsse.envelope.v1+json";

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Envelope {
    payload_type: String,
    /// In base64.
    payload: String,
    signatures: Vec<Signature>,
}

#[derive(Serialize, Deserialize)]
struct Signature {
    #[serde(default)]
    keyid: String,
    /// In base64.
    sig: String,
}

/// Signs `statement` about the image `image` of `store`, and keeps it there; one that the key has signed already stays as
/// it is.
pub fn attest(store: &Store, image: Sha256, statement: &Statement, key: &SigningKey) -> Result<(), AttestError> {
    let public = key.public()?;
    let is_same = |remark: &Remark| {
        check(remark, image, &statement.predicate_type, &public).is_ok_and(|known| known == statement.content)
    };
    if store.remarks(image, Companion::Attestations)?.iter().any(is_same) {
        return Ok(());
    }
    let what = format!("a statement about the image `{}`", image.to_oci());
    let envelope = Envelope {
        payload_type: PAYLOAD_TYPE.to_owned(),
        payload: STANDARD.encode(&statement.content),
        signatures: vec![Signature {
            keyid: String::new(),
            sig: key.sign(&encoded(PAYLOAD_TYPE, &statement.content), &what)?,
        }],
    };
    let content = serde_json::to_vec(&envelope).map_err(|source| AttestError::Json { what: "an envelope", source })?;
    // Cosign looks for the annotation; the signature itself is in the envelope.
    let annotations = [(SIGNATURE.to_owned(), String::new()), predicate_type(statement)].into();
    store.remark(
        image,
        Companion::Attestations,
        &Remark { media_type: MEDIA_TYPE.to_owned(), content, annotations },
    )?;
    Ok(())
}

/// The newest statement of the kind `predicate_type` about the image `image` that `key` has signed.
pub fn verify_attestation(
    store: &Store,
    image: Sha256,
    predicate_type: &str,
    key: &PublicKey,
) -> Result<Vec<u8>, AttestError> {
    let remarks = store.remarks(image, Companion::Attestations)?;
    let what = format!("attestation of type `{predicate_type}`");
    if remarks.is_empty() {
        return Err(AttestError::Unsigned { image, what });
    }
    let mut problems = Vec::new();
    for remark in remarks.iter().rev() {
        match check(remark, image, predicate_type, key) {
            Ok(statement) => return Ok(statement),
            Err(problem) => problems.push(problem),
        }
    }
    problems.sort();
    problems.dedup();
    Err(AttestError::Untrusted { image, what, count: remarks.len(), problems: problems.join("; ") })
}

fn predicate_type(statement: &Statement) -> (String, String) {
    ("predicateType".to_owned(), statement.predicate_type.clone())
}

fn check(remark: &Remark, image: Sha256, predicate_type: &str, key: &PublicKey) -> Result<Vec<u8>, String> {
    let envelope: Envelope = serde_json::from_slice(&remark.content).map_err(|error| error.to_string())?;
    statement_of(&envelope, image, predicate_type, key)
}

/// The statement in an envelope by `key` about `image`, or what is wrong with it.
pub(super) fn statement_of(
    envelope: &Envelope,
    image: Sha256,
    predicate_type: &str,
    key: &PublicKey,
) -> Result<Vec<u8>, String> {
    let payload = STANDARD.decode(&envelope.payload).map_err(|error| error.to_string())?;
    let message = encoded(&envelope.payload_type, &payload);
    if !envelope.signatures.iter().any(|signature| key.has_signed(&message, &signature.sig)) {
        return Err("it is by another key, or was changed".to_owned());
    }
    if envelope.payload_type != PAYLOAD_TYPE {
        return Err(format!("it is a `{}`", envelope.payload_type));
    }
    let statement: Read = serde_json::from_slice(&payload).map_err(|error| error.to_string())?;
    if statement.predicate_type != predicate_type {
        return Err(format!("it is of type `{}`", statement.predicate_type));
    }
    if !statement.is_about(image) {
        return Err("it is about another image".to_owned());
    }
    Ok(payload)
}

/// What is signed (`PAE` of the protocol).
fn encoded(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}
