//! The ways to readers of this module for `fuzz/`; there only with `--cfg fuzzing`.

use std::path::Path;

use super::index::{Lookup, released};
use super::signatures::{self, Signatures, SignaturesError};
use crate::digest::Sha256;
use crate::printable;

/// Reads `text` as `signatures.json`; what is read reads back from what is written, in the indentation of any file.
pub fn signatures(text: &str) {
    let path = Path::new("/s/a.signatures.json");
    match signatures::parse(path, text) {
        Ok(entries) => {
            assert!(entries.len() * 64 <= text.len());
            reads_back(path, &entries, Some(text));
            reads_back(path, &entries, None);
        }
        Err(SignaturesError::Content { line, reason, .. }) => {
            assert!(line <= text.matches('\n').count() + 1 && !reason.is_empty(), "{line}: {reason}");
        }
        Err(other) => panic!("{other}"),
    }
    if !printable::is_file_name(text) {
        return;
    }
    let entries =
        Signatures::from([(text.to_owned(), Sha256::of_bytes(b"")), ("b".to_owned(), Sha256::of_bytes(b"b"))]);
    reads_back(path, &entries, Some(text));
}

fn reads_back(path: &Path, entries: &Signatures, old: Option<&str>) {
    let written = signatures::format(entries, old);
    assert_eq!(&signatures::parse(path, &written).unwrap_or_else(|error| panic!("{error}: {written:?}")), entries);
    assert_eq!(signatures::format(entries, Some(&written)), written, "written twice it is the same");
}

/// Reads `bytes` as the source index of a package archive, as what is kept of one, and as a `Release` file.
pub fn source_index(bytes: &[u8]) {
    if let Ok(lookup) = Lookup::read_index(bytes, Sha256::of_bytes(bytes)) {
        assert!(lookup.files.len() * 64 <= bytes.len());
        assert_eq!(Lookup::from_text(&lookup.to_text()), Some(lookup));
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Some(lookup) = Lookup::from_text(text) {
        assert_eq!(Lookup::from_text(&lookup.to_text()), Some(lookup));
    }
    assert!(released(text, "").is_none());
    let _ = released(text, "main/source/Sources.xz");
}
