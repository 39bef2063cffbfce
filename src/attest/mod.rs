//! What an image says of itself, and who says so: the list of its packages (SPDX), how it was made (in-toto statements with
//! SLSA provenance), and signatures that cosign reads.
//!
//! Unsigned documents are artifacts that name the image as their subject ([`attach_sbom`], [`attach_provenance`]). Signed
//! ones are kept as cosign keeps them, in companions of the image: signatures over its digest ([`sign`]) under the tag
//! `sha256-<digest>.sig`, statements in DSSE envelopes ([`attest`]) under `sha256-<digest>.att`; every cosign reads them, and
//! the bundles that it writes itself since version 3 are read here. All of them are pushed along with the image. Equal documents give equal bytes; a signature has a random part, so that an image which the key has
//! signed already is not signed again.
//!
//! Keys are ECDSA P-256 in PEM files, as cosign's: `openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8
//! -nocrypt` makes a private one, `openssl pkey -pubout` its public one. No transparency log is asked: `cosign verify` needs
//! `--insecure-ignore-tlog`, and whoever trusts a signature trusts the key alone.

mod bundle;
mod dsse;
mod error;
mod key;
mod license;
mod provenance;
mod signature;
mod spdx;
#[cfg(test)]
mod tests;
mod trusted;

pub use dsse::{attest, verify_attestation};
pub use error::AttestError;
pub use key::{PublicKey, SigningKey};
pub use provenance::{Build, Material, Statement, attach_provenance, provenance};
pub use signature::{SignedAs, sign, verify_signature};
pub use spdx::{SbomPackage, attach_sbom, purl, sbom};
pub use trusted::{pull_trusted, sign_all};
