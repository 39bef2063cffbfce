//! `OpenPGP` signatures of repositories, packages and package archives.
//!
//! In: keys in armored files of the user, signatures and what they sign. A signature counts when one of the keys made
//! it, itself or by a subkey that may sign, over a digest of SHA-2. A key with a revocation in its file is refused. When
//! a key expires is not looked at, so that a build of last year can be made again.

use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use pgp::composed::{CleartextSignedMessage, Deserializable, DetachedSignature, SignedPublicKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Packet, PacketParser, Signature};
use pgp::types::{KeyDetails, PublicParams};
use rpm::IndexTag;

use crate::causes;
use crate::digest::Sha256;
use crate::package::header;
use crate::regular;

const BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";

/// The largest number of keys of one block; a damaged one may seem to have no end.
const MOST_KEYS: usize = 1000;

/// Keys of the user.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    keys: Vec<SignedPublicKey>,
    /// Keys of the files that cannot be used, as sentences.
    passed_over: Vec<String>,
}

/// A key file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the key file `{}` cannot be used: {wrong}", path.display())]
pub struct KeyError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub wrong: String,
}

/// Why a file does not count as signed; its text goes on after the file's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsigned {
    /// It has no signature at all.
    #[error("is not signed")]
    Missing,
    /// It has none by one of the keys.
    #[error("is signed by {}, and the keys at hand are {}", list(signers), list(known))]
    OtherKey {
        /// Key ids of its signatures.
        signers: Vec<String>,
        /// Key ids of the keys at hand.
        known: Vec<String>,
    },
    /// One of the keys is said to have signed it, and has not.
    #[error("has a wrong signature by {}: {reason}", list(signers))]
    Wrong {
        /// Key ids of its signatures.
        signers: Vec<String>,
        /// What does not agree.
        reason: String,
    },
    /// The file or its signature cannot be read.
    #[error("cannot be verified: {0}")]
    Broken(String),
}

fn list(ids: &[String]) -> String {
    if ids.is_empty() { "an unknown key".to_owned() } else { ids.join(", ") }
}

impl Keys {
    /// The keys in the armored text of a file; a file may have several blocks. A key of an algorithm that is not known here,
    /// such as a post-quantum one beside the key that packages are signed by, is passed over.
    ///
    /// # Errors
    /// No key can be used, or one is revoked.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (mut keys, mut passed_over) = (Vec::new(), Vec::new());
        for block in text.match_indices(BEGIN).map(|(at, _)| &text[at..]) {
            let found = match SignedPublicKey::from_string_many(block) {
                Ok((found, _)) => found,
                Err(error) => {
                    passed_over.push(error.to_string());
                    continue;
                }
            };
            for key in found.take(MOST_KEYS) {
                match key.map_err(|error| error.to_string()) {
                    Ok(key) => match usable(key)? {
                        Ok(key) => keys.push(key),
                        Err(wrong) => passed_over.push(wrong),
                    },
                    Err(wrong) => passed_over.push(wrong),
                }
            }
        }
        match passed_over.first() {
            Some(wrong) if keys.is_empty() => Err(wrong.clone()),
            None if keys.is_empty() => {
                Err("it has no armored public key (`-----BEGIN PGP PUBLIC KEY BLOCK-----`)".to_owned())
            }
            _ => Ok(Self { keys, passed_over }),
        }
    }

    /// The keys of all `files`.
    pub fn read(files: &[PathBuf]) -> Result<Self, KeyError> {
        let mut all = Self::default();
        for path in files {
            let wrong = |wrong: String| KeyError { path: path.clone(), wrong };
            let text = regular::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
            let Self { keys, passed_over } = Self::parse(&text).map_err(wrong)?;
            all.keys.extend(keys);
            let told =
                |wrong: String| format!("a key in `{}` cannot be used and is passed over: {wrong}", path.display());
            all.passed_over.extend(passed_over.into_iter().map(told));
        }
        Ok(all)
    }

    /// The keys of the keyrings of this machine, armored or not; files that are not there and keys that cannot be used,
    /// revoked ones too, are passed over.
    pub fn of_keyrings(files: &[PathBuf]) -> Self {
        let mut all = Self::default();
        for content in files.iter().filter_map(|path| regular::read_text(path).ok()) {
            let text = std::str::from_utf8(&content).ok().filter(|text| text.contains(BEGIN));
            let found: Vec<SignedPublicKey> = match text {
                Some(text) => text
                    .match_indices(BEGIN)
                    .filter_map(|(at, _)| SignedPublicKey::from_string_many(&text[at..]).ok())
                    .flat_map(|(keys, _)| keys.take(MOST_KEYS).flatten())
                    .collect(),
                None => SignedPublicKey::from_bytes_many(&content[..])
                    .map(|keys| keys.take(MOST_KEYS).flatten().collect())
                    .unwrap_or_default(),
            };
            all.keys.extend(found.into_iter().filter_map(|key| usable(key).ok()?.ok()));
        }
        all
    }

    /// What the clear-signed `text` says, when one of the keys has signed it.
    pub fn verify_clear(&self, text: &str) -> Result<String, Unsigned> {
        let (message, _) =
            CleartextSignedMessage::from_string(text).map_err(|error| Unsigned::Broken(error.to_string()))?;
        let said = message.signed_text();
        self.verify_any(message.signatures(), said.as_bytes())?;
        Ok(said)
    }

    /// What of the files cannot be used, as sentences.
    pub fn passed_over(&self) -> &[String] {
        &self.passed_over
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Key ids, for people.
    fn ids(&self) -> Vec<String> {
        self.keys.iter().map(|key| key.legacy_key_id().to_string()).collect()
    }

    /// Whether the armored `signature` signs `content`.
    pub fn verify_detached(&self, content: &[u8], signature: &str) -> Result<(), Unsigned> {
        let (found, _) =
            DetachedSignature::from_string_many(signature).map_err(|error| Unsigned::Broken(error.to_string()))?;
        let signatures: Vec<Signature> = found.filter_map(|one| Some(one.ok()?.signature)).collect();
        self.verify_any(&signatures, content)
    }

    /// Whether the RPM in `path` is signed: its header by a key, its payload by the digest in the header.
    pub fn verify_rpm(&self, path: &Path) -> Result<(), Unsigned> {
        let broken = |error: &dyn std::fmt::Display| Unsigned::Broken(error.to_string());
        let mut reader = BufReader::new(regular::open(path).map_err(|error| broken(&error))?);
        let metadata = header::metadata(&mut reader).map_err(|error| broken(&causes::in_one_line(&error)))?;
        let raw = metadata.raw_signatures().map_err(|error| broken(&error))?;
        let signatures: Vec<Signature> = raw.iter().filter_map(|bytes| signature_packet(bytes)).collect();
        let header = metadata.header_bytes().map_err(|error| broken(&error))?;
        self.verify_any(&signatures, &header)?;
        let signers = || signatures.iter().flat_map(issuers).collect();
        let digests = metadata.header.get_entry_data_as_string_array(IndexTag::RPMTAG_PAYLOADSHA256);
        let expected: Option<Sha256> = digests.ok().and_then(|all| all.first()?.parse().ok());
        let (got, _) = Sha256::of_reader(&mut reader).map_err(|error| broken(&error))?;
        match expected {
            Some(expected) if expected == got => Ok(()),
            Some(_) => Err(Unsigned::Wrong { signers: signers(), reason: "its payload has another digest".into() }),
            None => {
                Err(Unsigned::Wrong { signers: signers(), reason: "its header has no digest of the payload".into() })
            }
        }
    }

    fn verify_any(&self, signatures: &[Signature], content: &[u8]) -> Result<(), Unsigned> {
        if signatures.is_empty() {
            return Err(Unsigned::Missing);
        }
        let mut reason = None;
        for signature in signatures {
            match self.verify_one(signature, content) {
                Some(Ok(())) => return Ok(()),
                Some(Err(error)) => reason = Some(error),
                None => {}
            }
        }
        let mut signers: Vec<String> = signatures.iter().flat_map(issuers).collect();
        signers.sort();
        signers.dedup();
        Err(match reason {
            Some(reason) => Unsigned::Wrong { signers, reason },
            None => Unsigned::OtherKey { signers, known: self.ids() },
        })
    }

    /// None when no key at hand is said to have made the signature.
    fn verify_one(&self, signature: &Signature, content: &[u8]) -> Option<Result<(), String>> {
        let is_named = |key: &dyn KeyDetails| {
            let prints = signature.issuer_fingerprint();
            if prints.is_empty() {
                signature.issuer_key_id().contains(&&key.legacy_key_id())
            } else {
                prints.contains(&&key.fingerprint())
            }
        };
        let sure = match signature.hash_alg() {
            Some(HashAlgorithm::Sha256 | HashAlgorithm::Sha384 | HashAlgorithm::Sha512 | HashAlgorithm::Sha224) => {
                Ok(())
            }
            other => Err(format!("a digest of kind {other:?} is not safe")),
        };
        for key in &self.keys {
            if is_named(&key.primary_key) {
                let of_key = key.details.direct_signatures.iter();
                let of_users = key.details.users.iter().flat_map(|user| &user.signatures);
                if !may_sign(of_key.chain(of_users)) {
                    return Some(Err("the key is not made for signing".to_owned()));
                }
                let verified = signature.verify(&key.primary_key, content).map_err(|error| error.to_string());
                return Some(sure.and(verified));
            }
            if let Some(subkey) = key.public_subkeys.iter().find(|subkey| is_named(&subkey.key)) {
                if !may_sign(subkey.signatures.iter()) {
                    return Some(Err("the subkey is not made for signing".to_owned()));
                }
                let verified = signature.verify(&subkey.key, content).map_err(|error| error.to_string());
                return Some(sure.and(verified));
            }
        }
        None
    }
}

/// `key` when it is one that this crate can verify with; otherwise why not.
///
/// # Errors
/// It is revoked.
fn usable(mut key: SignedPublicKey) -> Result<Result<SignedPublicKey, String>, String> {
    keep_own_certifications(&mut key);
    let id = key.legacy_key_id().to_string();
    if !key.details.revocation_signatures.is_empty() {
        return Err(format!("the key {id} is revoked"));
    }
    if matches!(key.primary_key.public_params(), PublicParams::Unknown { .. }) {
        return Ok(Err(format!("the key {id} is of an algorithm that is not known here")));
    }
    let bound = key.verify_bindings().map_err(|error| format!("the key {id}: {error}"));
    Ok(bound.map(|()| key))
}

/// Takes out of a key what others say of its owner: their keys are not at hand.
fn keep_own_certifications(key: &mut SignedPublicKey) {
    let (id, print) = (key.legacy_key_id(), key.fingerprint());
    let is_own = |signature: &Signature| {
        let (ids, prints) = (signature.issuer_key_id(), signature.issuer_fingerprint());
        ids.is_empty() && prints.is_empty() || ids.contains(&&id) || prints.contains(&&print)
    };
    for user in &mut key.details.users {
        user.signatures.retain(is_own);
    }
    key.details.users.retain(|user| !user.signatures.is_empty());
    key.details.direct_signatures.retain(is_own);
}

/// Whether signatures over a key say that it may sign data; a key of which none says anything may.
fn may_sign<'a>(over_key: impl Iterator<Item = &'a Signature>) -> bool {
    let mut said = false;
    for signature in over_key {
        let flags = signature.key_flags();
        if flags.sign() {
            return true;
        }
        said |= flags.certify() || flags.encrypt_comms() || flags.encrypt_storage() || flags.authentication();
    }
    !said
}

fn issuers(signature: &Signature) -> Vec<String> {
    let ids = signature.issuer_key_id();
    if ids.is_empty() {
        return signature.issuer_fingerprint().iter().map(ToString::to_string).collect();
    }
    ids.iter().map(ToString::to_string).collect()
}

fn signature_packet(bytes: &[u8]) -> Option<Signature> {
    PacketParser::new(bytes.take(u64::MAX)).find_map(|packet| match packet {
        Ok(Packet::Signature(signature)) => Some(signature),
        _ => None,
    })
}
