//! Keys that images are signed with: ECDSA P-256, in PEM files (RFC 7468), private ones in PKCS #8 without a password.

use std::path::{Path, PathBuf};

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair, ParsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::error::AttestError;
use crate::regular;

/// A private key.
pub struct SigningKey {
    pair: EcdsaKeyPair,
    path: PathBuf,
}

/// A public key.
pub struct PublicKey {
    key: ParsedPublicKey,
}

impl SigningKey {
    /// Reads the PEM file `path`.
    pub fn read(path: &Path) -> Result<Self, AttestError> {
        let wrong = |problem: &str| AttestError::key(path, "private", problem);
        let (label, der) = read_pem(path, "private")?;
        let pair = match label.as_str() {
            "PRIVATE KEY" => EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &der).ok(),
            "EC PRIVATE KEY" => EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_ASN1_SIGNING, &der).ok(),
            "PUBLIC KEY" => return Err(wrong("it is a public key")),
            locked if locked.starts_with("ENCRYPTED") => {
                return Err(wrong("it is locked by a password; a key without one is needed"));
            }
            other => return Err(wrong(&format!("it holds a `{other}`"))),
        };
        let pair = pair.ok_or_else(|| wrong("it is no ECDSA P-256 key"))?;
        Ok(Self { pair, path: path.to_owned() })
    }

    /// Its public key.
    pub fn public(&self) -> Result<PublicKey, AttestError> {
        let wrong = || AttestError::key(&self.path, "private", "its public key cannot be made");
        let der: PublicKeyX509Der<'_> = self.pair.public_key().as_der().map_err(|_| wrong())?;
        let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, der.as_ref()).map_err(|_| wrong())?;
        Ok(PublicKey { key })
    }

    /// The signature of `message` in ASN.1, in base64; `what` is what is signed.
    pub(super) fn sign(&self, message: &[u8], what: &str) -> Result<String, AttestError> {
        let signature = self.pair.sign(&SystemRandom::new(), message);
        let signature = signature.map_err(|_| AttestError::Sign { what: what.to_owned() })?;
        Ok(STANDARD.encode(signature))
    }
}

impl PublicKey {
    /// Reads the PEM file `path`.
    pub fn read(path: &Path) -> Result<Self, AttestError> {
        let wrong = |problem: &str| AttestError::key(path, "public", problem);
        let (label, der) = read_pem(path, "public")?;
        if label.ends_with("PRIVATE KEY") {
            return Err(wrong("it is a private key"));
        }
        if label != "PUBLIC KEY" {
            return Err(wrong(&format!("it holds a `{label}`")));
        }
        let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, der);
        Ok(Self { key: key.map_err(|_| wrong("it is no ECDSA P-256 key"))? })
    }

    /// True when `signature`, in base64, is this key's signature of `message`.
    pub(super) fn has_signed(&self, message: &[u8], signature: &str) -> bool {
        STANDARD.decode(signature.trim()).is_ok_and(|signature| self.key.verify_sig(message, &signature).is_ok())
    }
}

/// The label and the content of the first block of a PEM file that holds a key.
fn read_pem(path: &Path, kind: &'static str) -> Result<(String, Vec<u8>), AttestError> {
    let text = regular::read_given(path).map_err(|source| AttestError::ReadKey { path: path.to_owned(), source })?;
    // `openssl ecparam -genkey` writes the curve's parameters before the key.
    let mut blocks = text.split("-----BEGIN ").skip(1).filter_map(|block| {
        let (label, rest) = block.split_once("-----")?;
        let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
        let body: String = body.split_whitespace().collect();
        Some((label.to_owned(), body))
    });
    let (label, body) = blocks
        .find(|(label, _)| label.ends_with("KEY"))
        .ok_or_else(|| AttestError::key(path, kind, "it is no PEM file with a key"))?;
    // A locked key has headers in its body, and is told by its label.
    let der = STANDARD.decode(body).or_else(|_| {
        if label.starts_with("ENCRYPTED") {
            Ok(Vec::new())
        } else {
            Err(AttestError::key(path, kind, "its base64 is broken"))
        }
    })?;
    Ok((label, der))
}
