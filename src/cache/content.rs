//! The digest of what an RPM provides to a build.
//!
//! In: an RPM's header and the digest of its payload. Out: a digest of both without what differs between two builds of the same thing:
//! when, where and from which bytes of source it was built, and who signed it. A rebuilt package with an equal content
//! digest rebuilds nothing after it. Tags are those of RPM's format version 4
//! (<https://rpm-software-management.github.io/rpm/manual/tags.html>).

use std::fmt::Write as _;

use rpm::{IndexData, IndexTag, PackageMetadata};

use crate::digest::{KeyBuilder, Sha256};

/// Tags that say when, where and by which program a package was built. `SOURCESIGMD5`, `SOURCEPKGID` in RPM's own words,
/// is a digest of the source package: it changes with every comment in a source.
const LEFT_OUT: [IndexTag; 5] = [
    IndexTag::RPMTAG_BUILDTIME,
    IndexTag::RPMTAG_BUILDHOST,
    IndexTag::RPMTAG_COOKIE,
    IndexTag::RPMTAG_RPMVERSION,
    IndexTag::RPMTAG_SOURCESIGMD5,
];

/// Tags up to here belong to signatures and to header regions, which hold offsets of the other tags.
const LAST_SIGNATURE_TAG: u32 = 999;

/// The content digest of the RPM with the header `metadata` and a payload with the digest `payload`.
pub(super) fn content_digest(metadata: &PackageMetadata, payload: Sha256) -> Result<Sha256, rpm::Error> {
    let mut key = KeyBuilder::new("rpm-content");
    for (tag, value) in metadata.header.get_all_entries()? {
        let left_out = tag <= LAST_SIGNATURE_TAG || LEFT_OUT.iter().any(|left_out| *left_out as u32 == tag);
        if !left_out {
            key = key.field(&tag.to_string(), bytes(&value));
        }
    }
    Ok(key.field("payload", payload.as_bytes()).finish())
}

/// A header value as bytes; its type and the ends of its parts are in them.
fn bytes(value: &IndexData) -> Vec<u8> {
    fn numbers<T: std::fmt::Display>(kind: &str, numbers: &[T]) -> Vec<u8> {
        let mut text = kind.to_owned();
        for number in numbers {
            // Writing to a String cannot fail.
            let _ = write!(text, " {number}");
        }
        text.into_bytes()
    }
    fn texts(kind: &str, texts: &[String]) -> Vec<u8> {
        let mut text = kind.to_owned();
        for part in texts {
            let _ = write!(text, " {}:{part}", part.len());
        }
        text.into_bytes()
    }
    match value {
        IndexData::Null => b"null".to_vec(),
        IndexData::Char(bytes) | IndexData::Int8(bytes) | IndexData::Bin(bytes) => {
            [b"bytes ", bytes.as_slice()].concat()
        }
        IndexData::Int16(values) => numbers("i16", values),
        IndexData::Int32(values) => numbers("i32", values),
        IndexData::Int64(values) => numbers("i64", values),
        IndexData::StringTag(text) => texts("text", std::slice::from_ref(text)),
        IndexData::StringArray(all) => texts("texts", all),
        IndexData::I18NString(all) => texts("i18n", all),
    }
}
