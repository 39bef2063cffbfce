//! Images signed, verified, and passed off as others; documents in equal bytes.

use std::path::PathBuf;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;

use super::*;
use crate::digest::Sha256;
use crate::oci::{Artifact, Companion, ImageConfig, Remark, Store};
use crate::package::{Evr, Nevra};

/// A key and a signature that OpenSSL made.
const FOREIGN_KEY: &str = "-----BEGIN PUBLIC KEY-----\n\
    MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEDAY47WiRKw94jcjzisoDIAdylHX+\n\
    PVD2FCOK9PKawMp1tF2zNR3N8o+p3QCXOlEpXtGXsodPf0/5WjmyIlLHaQ==\n\
    -----END PUBLIC KEY-----\n";
const FOREIGN_SIGNATURE: &str =
    "MEQCIDiyPPSdF5aP02+tUCb2XFkR9hd4aZhhi5KANqqNAV1SAiBHBhzIiPZiYnTzB67MC9H+etkWU1cd1LA7emlU55dBNQ==";
const NAME: &str = "localhost:5000/team/tools";

fn signed_as(tag: Option<&str>) -> SignedAs {
    SignedAs { name: NAME.to_owned(), tag: tag.map(str::to_owned) }
}

struct Place {
    folder: TempDir,
    store: Store,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("oci")).unwrap();
        Self { folder, store }
    }

    fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn key(&self, name: &str) -> SigningKey {
        let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new()).unwrap();
        SigningKey::read(&self.file(name, &pem("PRIVATE KEY", der.as_ref()))).unwrap()
    }

    /// An image with one file of this content.
    fn image(&self, content: &str) -> Sha256 {
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        tar.append_data(&mut header, "usr/file", content.as_bytes()).unwrap();
        let path = self.folder.path().join("rootfs.tar");
        std::fs::write(&path, tar.into_inner().unwrap()).unwrap();
        self.store.from_rootfs_tar(&path, &ImageConfig::default()).unwrap().manifest
    }

    fn remarks(&self, image: Sha256, companion: Companion) -> Vec<Remark> {
        self.store.remarks(image, companion).unwrap()
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

fn problems(error: AttestError) -> String {
    match error {
        AttestError::Untrusted { problems, .. } => problems,
        other => panic!("{other}"),
    }
}

#[test]
fn a_signature_is_trusted_for_its_image_and_its_key_alone() {
    let place = Place::new();
    let [image, other] = ["one", "two"].map(|content| place.image(content));
    let (key, stranger) = (place.key("key.pem"), place.key("stranger.pem"));
    let verified = |image, key: &SigningKey| verify_signature(&place.store, image, None, &key.public().unwrap());
    assert!(matches!(verified(image, &key), Err(AttestError::Unsigned { .. })));
    sign(&place.store, image, &signed_as(None), &key).unwrap();
    assert_eq!(verified(image, &key).unwrap().as_deref(), Some(NAME));
    assert_eq!(problems(verified(image, &stranger).unwrap_err()), "it is by another key, or was changed");
    // A second signature is a second layer; the same one is not made again.
    sign(&place.store, image, &signed_as(None), &stranger).unwrap();
    sign(&place.store, image, &signed_as(None), &key).unwrap();
    assert_eq!(verified(image, &stranger).unwrap().as_deref(), Some(NAME));
    let remarks = place.remarks(image, Companion::Signatures);
    assert_eq!(remarks.len(), 2);
    let payload = String::from_utf8(remarks[0].content.clone()).unwrap().replace(&image.to_string(), "[DIGEST]");
    insta::assert_snapshot!(payload, @r#"{"critical":{"identity":{"docker-reference":"localhost:5000/team/tools"},"image":{"docker-manifest-digest":"sha256:[DIGEST]"},"type":"cosign container image signature"},"optional":null}"#);
    // What was said of one image is not taken for another.
    place.store.remark(other, Companion::Signatures, &remarks[0]).unwrap();
    let problem = problems(verified(other, &key).unwrap_err());
    assert_eq!(problem, format!("it is about the image `{}`", image.to_oci()));
    let mut changed = remarks[0].clone();
    changed.content =
        String::from_utf8(changed.content).unwrap().replace(&image.to_string(), &other.to_string()).into();
    place.store.remark(other, Companion::Signatures, &changed).unwrap();
    assert!(problems(verified(other, &key).unwrap_err()).contains("was changed"));
    assert_eq!(place.store.find(&format!("sha256-{image}.sig")).unwrap().map(|found| found == image), Some(false));
}

#[test]
fn a_signature_for_a_tag_is_good_for_no_other() {
    let place = Place::new();
    let (image, key) = (place.image("one"), place.key("key.pem"));
    sign(&place.store, image, &signed_as(Some("tools-1")), &key).unwrap();
    let verified = |tag| verify_signature(&place.store, image, tag, &key.public().unwrap());
    assert_eq!(verified(Some("tools-1")).unwrap().as_deref(), Some(NAME));
    assert_eq!(problems(verified(Some("tools-2")).unwrap_err()), "it is for the tag `tools-1`");
    assert!(verified(None).is_ok(), "whoever names the image by its digest means this one");
    // The same image may be meant by several tags.
    sign(&place.store, image, &signed_as(Some("tools-2")), &key).unwrap();
    assert!(verified(Some("tools-2")).is_ok());
}

/// An artifact of cosign 3.1.1 (`cosign sign --key`), its key, and the image that it signed.
const COSIGN_KEY: &str = "-----BEGIN PUBLIC KEY-----\n\
    MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE0Q9MsHdmv1Ue2zNmUpRF9hmvDLWJ\n\
    9TJGaoymXxC3ARJQ97AMTCaO4kEzF2MaMIobZQMwzN7BAlFK3kkNWLsWzA==\n\
    -----END PUBLIC KEY-----\n";
const COSIGN_BUNDLE: &str = r#"{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":"uLIJIf5Or+h7K7IUlSNRpT1/nGA0vZqDgqsgE0tLQpM="}},"dsseEnvelope":{"payload":"eyJfdHlwZSI6Imh0dHBzOi8vaW4tdG90by5pby9TdGF0ZW1lbnQvdjEiLCJzdWJqZWN0IjpbeyJkaWdlc3QiOnsic2hhMjU2IjoiMGZkODJkNzNkNGViMGE5ZTUwOWZhMTliYWMwNzdjMThkZWI2NWEwMjRmZTY1N2FjNjg5NDQ5NGZmOTAxMjI5NCJ9LCJhbm5vdGF0aW9ucyI6e319XSwicHJlZGljYXRlVHlwZSI6Imh0dHBzOi8vc2lnc3RvcmUuZGV2L2Nvc2lnbi9zaWduL3YxIiwicHJlZGljYXRlIjp7fX0=","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"MEQCICwYOyfJW+eTqeasP3R9jUDJkeSbZPMbBDe0TtEy6jXKAiACtesrXSODWBwjoZlkoUPPC3aZAzlZkXrS3gA8ydS1yg=="}]}}"#;
const COSIGN_IMAGE: &str = "sha256:0fd82d73d4eb0a9e509fa19bac077c18deb65a024fe657ac6894494ff9012294";

#[test]
fn a_bundle_of_cosign_is_a_signature_too() {
    let place = Place::new();
    let [image, other] = ["one", "two"].map(|content| place.image(content));
    let (key, stranger) = (place.key("key.pem"), place.key("stranger.pem"));
    let verified = |image, key: &SigningKey| verify_signature(&place.store, image, None, &key.public().unwrap());
    let attach = |image, content: &[u8]| {
        let (artifact_type, media_type) = (bundle::MEDIA_TYPE, bundle::MEDIA_TYPE);
        let artifact = Artifact { artifact_type, media_type, content, annotations: [].into() };
        place.store.attach(image, &artifact).unwrap()
    };
    // Bundles that say something else do not stand in the way of the one that counts.
    attach(image, b"{}");
    assert_eq!(problems(verified(image, &key).unwrap_err()), "its bundle has no signed statement");
    let bundled = |kind: &str| {
        let statement = Statement::new(NAME, image, kind, serde_json::json!({})).unwrap();
        attest(&place.store, image, &statement, &key).unwrap();
        let envelope = place.remarks(image, Companion::Attestations).pop().unwrap();
        format!(r#"{{"dsseEnvelope":{}}}"#, String::from_utf8(envelope.content).unwrap())
    };
    attach(image, bundled("https://example.org/t/v1").as_bytes());
    assert!(problems(verified(image, &key).unwrap_err()).contains("it is of type `https://example.org/t/v1`"));
    let signature = bundled("https://sigstore.dev/cosign/sign/v1");
    attach(image, signature.as_bytes());
    assert_eq!(verified(image, &key).unwrap(), None);
    assert!(problems(verified(image, &stranger).unwrap_err()).contains("it is by another key"));
    attach(other, signature.as_bytes());
    assert_eq!(problems(verified(other, &key).unwrap_err()), "it is about another image");

    let made = attach(image, COSIGN_BUNDLE.as_bytes());
    let key = PublicKey::read(&place.file("cosign.pub", COSIGN_KEY)).unwrap();
    let signed = |image| bundle::check(&place.store, made, image, &key);
    assert_eq!(signed(COSIGN_IMAGE.parse().unwrap()), Ok(()));
    assert_eq!(signed(image), Err("it is about another image".to_owned()));
}

#[test]
fn a_statement_is_signed_with_its_type() {
    let place = Place::new();
    let [image, other] = ["one", "two"].map(|content| place.image(content));
    let (key, stranger) = (place.key("key.pem"), place.key("stranger.pem"));
    let statement = Statement::new(NAME, image, "https://example.org/t/v1", serde_json::json!({"a": 1})).unwrap();
    let verified =
        |image, key: &SigningKey, kind| verify_attestation(&place.store, image, kind, &key.public().unwrap());
    let kind = "https://example.org/t/v1";
    assert!(matches!(verified(image, &key, kind), Err(AttestError::Unsigned { .. })));
    attest(&place.store, image, &statement, &key).unwrap();
    attest(&place.store, image, &statement, &key).unwrap();
    assert_eq!(verified(image, &key, kind).unwrap(), statement.content);
    let remarks = place.remarks(image, Companion::Attestations);
    assert_eq!((remarks.len(), remarks[0].annotations["predicateType"].as_str()), (1, kind));
    assert_eq!(problems(verified(image, &stranger, kind).unwrap_err()), "it is by another key, or was changed");
    assert_eq!(problems(verified(image, &key, "x").unwrap_err()), format!("it is of type `{kind}`"));
    place.store.remark(other, Companion::Attestations, &remarks[0]).unwrap();
    assert_eq!(problems(verified(other, &key, kind).unwrap_err()), "it is about another image");
    let mut envelope: serde_json::Value = serde_json::from_slice(&remarks[0].content).unwrap();
    envelope["payloadType"] = "text/plain".into();
    let changed = Remark { content: envelope.to_string().into(), ..remarks[0].clone() };
    place.store.remark(other, Companion::Attestations, &changed).unwrap();
    assert!(problems(verified(other, &key, kind).unwrap_err()).contains("was changed"));
}

#[test]
fn keys_and_signatures_of_other_programs_are_understood() {
    let place = Place::new();
    let key = PublicKey::read(&place.file("key.pub", FOREIGN_KEY)).unwrap();
    assert!(key.has_signed(b"signed by another program", FOREIGN_SIGNATURE));
    assert!(!key.has_signed(b"signed by another programme", FOREIGN_SIGNATURE));
    assert!(!key.has_signed(b"signed by another program", "no base64"));
}

#[test]
fn a_file_without_a_key_is_told_by_what_it_holds() {
    let place = Place::new();
    let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, &SystemRandom::new()).unwrap();
    let locked = "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\neyJ9\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n";
    for (content, problem) in [
        (locked.to_owned(), "it is locked by a password; a key without one is needed"),
        (FOREIGN_KEY.to_owned(), "it is a public key"),
        (pem("PRIVATE KEY", der.as_ref()), "it is no ECDSA P-256 key"),
        (pem("RSA PRIVATE KEY", b"x"), "it holds a `RSA PRIVATE KEY`"),
        ("-----BEGIN PRIVATE KEY-----\n?\n-----END PRIVATE KEY-----".to_owned(), "its base64 is broken"),
        (pem("CERTIFICATE", b"x"), "it is no PEM file with a key"),
    ] {
        let path = place.file("key.pem", &content);
        let fault = SigningKey::read(&path).err().unwrap();
        assert_eq!(fault.to_string(), format!("`{}` is no private key that can be used: {problem}", path.display()));
        assert!(fault.is_usage() && fault.hint().unwrap().contains("openssl ecparam"));
    }
    let path = place.file("key.pem", &pem("PRIVATE KEY", der.as_ref()));
    assert!(PublicKey::read(&path).err().unwrap().to_string().contains("it is a private key"));
    assert!(matches!(PublicKey::read(&place.folder.path().join("none")), Err(AttestError::ReadKey { .. })));
}

fn packages() -> Vec<SbomPackage> {
    let package = |name: &str, license: &str, source: Option<&str>| SbomPackage {
        nevra: Nevra {
            name: name.to_owned(),
            evr: Evr {
                epoch: (name == "libstdc++").then_some(1),
                version: "13.2.0".to_owned(),
                release: "7.azl3".to_owned(),
            },
            arch: "x86_64".to_owned(),
        },
        license: license.to_owned(),
        sha256: Some(Sha256::of_bytes(name.as_bytes())),
        source: source.map(str::to_owned),
    };
    vec![
        package("zlib", "Zlib", None),
        package("libstdc++", "GPLv3+ with exceptions", Some("gcc-13.2.0-7.azl3.src.rpm")),
    ]
}

#[test]
fn a_list_of_packages_is_the_same_in_whatever_order() {
    let mut given = packages();
    let first = sbom("toolchain", 1_700_000_000, "azl", &given).unwrap();
    given.reverse();
    given.push(given[0].clone());
    assert_eq!(sbom("toolchain", 1_700_000_000, "azl", &given).unwrap(), first);
    let document: serde_json::Value = serde_json::from_slice(&first).unwrap();
    let text = |pointer: &str| document.pointer(pointer).and_then(|value| value.as_str()).unwrap_or_default();
    for (pointer, expected) in [
        ("/spdxVersion", "SPDX-2.3"),
        ("/creationInfo/created", "2023-11-14T22:13:20Z"),
        ("/packages/0/licenseDeclared", "NOASSERTION"),
        ("/packages/0/licenseComments", "License of the RPM: GPLv3+ with exceptions"),
        ("/packages/0/sourceInfo", "built from gcc-13.2.0-7.azl3.src.rpm"),
        ("/packages/0/versionInfo", "1:13.2.0-7.azl3"),
        ("/packages/1/licenseDeclared", "Zlib"),
        ("/packages/1/SPDXID", text("/relationships/1/relatedSpdxElement")),
        ("/packages/1/checksums/0/checksumValue", &Sha256::of_bytes(b"zlib").to_string()),
        ("/packages/1/externalRefs/0/referenceLocator", "pkg:rpm/azl/zlib@13.2.0-7.azl3?arch=x86_64"),
    ] {
        assert_eq!(text(pointer), expected, "{pointer}");
    }
    // Of what a package manager installed no file is known.
    let unknown = SbomPackage { sha256: None, license: String::new(), ..given[0].clone() };
    let listed = String::from_utf8(sbom("toolchain", 0, "azl", &[unknown]).unwrap()).unwrap();
    assert!(!listed.contains("checksums") && listed.contains(r#""licenseDeclared":"NOASSERTION""#), "{listed}");
    let other = sbom("toolchain", 1_700_000_000, "azl", &given[..1]).unwrap();
    assert!(!String::from_utf8(other).unwrap().contains(text("/documentNamespace")));
    let purl = "pkg:rpm/azl/libstdc%2B%2B@13.2.0-7.azl3?arch=x86_64&epoch=1&upstream=gcc-13.2.0-7.azl3.src.rpm";
    assert_eq!(text("/packages/0/externalRefs/0/referenceLocator"), purl);
}

#[test]
fn provenance_says_who_made_an_image_of_what() {
    let build = Build {
        builder: "https://example.org/builder".to_owned(),
        build_type: "https://example.org/stage/v1".to_owned(),
        parameters: [("stage".to_owned(), "toolchain".to_owned())].into(),
        materials: vec![Material { uri: "pkg:rpm/azl/zlib@1-1".to_owned(), digest: Sha256::of_bytes(b"zlib") }],
    };
    let statement = provenance(NAME, Sha256::of_bytes(b"image"), &build).unwrap();
    insta::assert_snapshot!(String::from_utf8(statement.content).unwrap(), @r#"{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"localhost:5000/team/tools","digest":{"sha256":"6105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d"}}],"predicateType":"https://slsa.dev/provenance/v1","predicate":{"buildDefinition":{"buildType":"https://example.org/stage/v1","externalParameters":{"stage":"toolchain"},"resolvedDependencies":[{"uri":"pkg:rpm/azl/zlib@1-1","digest":{"sha256":"0ea55c28f8014d8886b6248fe3da5d588f55c0823847a6b4579f1131b051b5e2"}}]},"runDetails":{"builder":{"id":"https://example.org/builder"}}}}"#);
}

#[test]
fn documents_are_artifacts_of_their_image_and_no_images() {
    let place = Place::new();
    let [image, other] = ["one", "two"].map(|content| place.image(content));
    let images = place.store.images().unwrap();
    let document = sbom("toolchain", 0, "azl", &packages()).unwrap();
    let attached = attach_sbom(&place.store, image, &document).unwrap();
    assert_eq!(attach_sbom(&place.store, image, &document).unwrap(), attached);
    let statement = provenance(NAME, image, &Build::default()).unwrap();
    attach_provenance(&place.store, image, &statement).unwrap();
    let found = place.store.referrers(image).unwrap();
    assert_eq!(found.len(), 2);
    let of_type = |wanted: &str| found.iter().find(|one| one.artifact_type == wanted).unwrap();
    let content = |wanted: &str| place.store.artifact_content(of_type(wanted).manifest).unwrap();
    assert_eq!(content("application/spdx+json"), document);
    assert_eq!(content("application/vnd.in-toto+json"), statement.content);
    assert!(found.iter().all(|one| one.made_here));
    let manifest = std::fs::read_to_string(place.store.blob_path(of_type("application/vnd.in-toto+json").manifest));
    let kind = r#""in-toto.io/predicate-type":"https://slsa.dev/provenance/v1""#;
    assert!(manifest.unwrap().contains(kind), "other programs look for it");
    assert!(place.store.referrers(other).unwrap().is_empty());
    assert_eq!(place.store.images().unwrap(), images);
}
