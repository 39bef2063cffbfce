//! Images pulled once a key has signed them, and documents signed before they are pushed.

use super::bundle;
use super::dsse::attest;
use super::error::AttestError;
use super::key::{PublicKey, SigningKey};
use super::provenance::{self, Statement};
use super::signature::{SignedAs, sign, verify_signature};
use super::spdx;
use crate::digest::Sha256;
use crate::event::Event;
use crate::oci::registry::{self, Access, Pulled};
use crate::oci::{Companion, OciError, Store};

/// What a list of packages is as the predicate of a statement.
const SPDX_PREDICATE: &str = "https://spdx.dev/Document";

/// Documents about an image that are pulled with it.
const KINDS: [&str; 3] = [spdx::MEDIA_TYPE, provenance::MEDIA_TYPE, bundle::MEDIA_TYPE];

/// Pulls the image `digest` that `reference` names, and the documents about it, when `key` has signed it.
pub async fn pull_trusted(
    reference: &str,
    digest: Sha256,
    key: Option<&PublicKey>,
    (store, access): (&Store, &Access<'_>),
) -> Result<Pulled, AttestError> {
    let exact = registry::with_digest(reference, digest)?;
    if let Some(key) = key {
        registry::companion(&exact, store, Companion::Signatures, access).await?;
        registry::referrers(&exact, store, &[bundle::MEDIA_TYPE], access).await?;
        let name = verify_signature(store, digest, registry::tag_of(reference)?.as_deref(), key)?;
        let name = name.map(|name| format!(", as `{name}`")).unwrap_or_default();
        (access.report)(Event::Note { text: format!("`{exact}` is signed by the key{name}") });
    }
    let pulled = registry::pull(&exact, store, access).await?;
    registry::referrers(&exact, store, &KINDS, access).await?;
    Ok(pulled)
}

/// Signs the image and the documents about it that were made here, for `reference`; what others say of it was pulled with
/// it and is not signed, since whoever may write to a registry can attach anything. What the registry has is looked at
/// first, so that the same key signs once.
pub async fn sign_all(
    reference: &str,
    image: Sha256,
    key: &SigningKey,
    (store, access): (&Store, &Access<'_>),
) -> Result<(), AttestError> {
    let (exact, name) = (registry::with_digest(reference, image)?, registry::name_of(reference)?);
    for kind in [Companion::Signatures, Companion::Attestations] {
        registry::companion(&exact, store, kind, access).await?;
    }
    let signed_as = SignedAs { name: name.clone(), tag: registry::tag_of(reference)? };
    sign(store, image, &signed_as, key)?;
    for document in store.referrers(image)?.into_iter().filter(|document| document.made_here) {
        let content = store.artifact_content(document.manifest)?;
        let statement = match document.artifact_type.as_str() {
            spdx::MEDIA_TYPE => {
                let list: serde_json::Value = serde_json::from_slice(&content)
                    .map_err(|source| OciError::Json { what: "a list of packages".to_owned(), source })?;
                Statement::new(&name, image, SPDX_PREDICATE, list)?
            }
            provenance::MEDIA_TYPE => match provenance::read(content, image) {
                Some(statement) => statement,
                None => continue,
            },
            _ => continue,
        };
        attest(store, image, &statement, key)?;
    }
    Ok(())
}
