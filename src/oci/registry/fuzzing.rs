//! The ways to readers of a registry's answers for `fuzz/`; there only with `--cfg fuzzing`.

use http_auth::parser::ChallengeParser;
use oci_spec::image::ImageIndex;

use super::fault::{Cause, refusal_of_answer};
use super::pull::blobs_of;
use super::request::{next_of, same_place};
use super::{OciError, Refusal};
use crate::digest::Sha256;
use crate::oci::artifact::artifact_of;
use crate::oci::document;

/// Reads `bytes` as each of the documents that a registry gives, and as what it says when it refuses.
pub fn answer(bytes: &[u8]) {
    let digest = Sha256::of_bytes(bytes);
    let by_digest = format!("`{digest}`");
    if let Some(blobs) = read(blobs_of(bytes, digest), &by_digest) {
        assert!(!blobs.is_empty() && blobs.len() * 64 <= bytes.len());
    }
    read(artifact_of(bytes, digest), &by_digest);
    let name = "the answer";
    read(document::media_type_of(bytes, name), name);
    if let Some(index) = read(document::parse::<ImageIndex>(bytes, name), name) {
        let image = document::for_this_machine(&index, name);
        read(image.and_then(|image| document::digest_of(image, name)), name);
    }
    if let Some(configuration) = read(document::configuration(bytes, digest), &by_digest) {
        read(document::diff_ids(&configuration, digest), &by_digest);
        read(document::image_config(bytes, digest), &by_digest);
    }
    for status in [400, 401, 404, 429, 500] {
        let refusal = refusal_of_answer(status, bytes);
        assert!(status == 400 || !matches!(refusal, Refusal::Answer), "{status}");
    }
    let _ = Cause::of_answer(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        header(text);
    }
}

/// Reads `text` as the headers that tell where the next page is and how to log in.
fn header(text: &str) {
    let url = "https://registry.example/v2/a/tags/list";
    if let Some(Ok(next)) = next_of(text).map(|link| same_place("it", url, &link)) {
        assert!(next.starts_with("https://registry.example/"), "{next}");
    }
    for challenge in ChallengeParser::new(text).filter_map(Result::ok) {
        let values: usize = challenge.params.iter().map(|(_, value)| value.to_unescaped().len()).sum();
        assert!(values <= text.len());
    }
}

/// What was read. What is wrong is told by the name of the document, and its place or what it is.
fn read<T>(result: Result<T, OciError>, document: &str) -> Option<T> {
    let error = match result {
        Ok(read) => return Some(read),
        Err(error) => error,
    };
    let shown = error.to_string();
    assert!(shown.contains(document), "{shown}");
    match error {
        OciError::Json { source, .. } => assert!(source.line() > 0, "{shown}: {source}"),
        OciError::Malformed { problem, .. } => assert!(!problem.is_empty(), "{shown}"),
        OciError::Platform { wanted, found, .. } => assert!(!wanted.is_empty() && !found.is_empty(), "{shown}"),
        other => panic!("{other}"),
    }
    None
}
