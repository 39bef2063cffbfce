//! The way to the reader of built RPMs for `fuzz/`; there only with `--cfg fuzzing`.

use rpm::PackageMetadata;

use super::BuiltRpm;
use super::content::content_digest;
use crate::digest::Sha256;
use crate::package::header;

/// What [`super::describe`] says of an RPM with these `bytes` and the name that they give it; None when they are none. Its
/// digests need not be right: whoever builds can make them so.
pub fn described(bytes: &[u8]) -> Option<(BuiltRpm, PackageMetadata)> {
    let mut payload = bytes;
    let metadata = header::metadata(&mut payload).ok()?;
    let header = header::of(&metadata).ok()?;
    let headers = bytes.len() - payload.len();
    let payload = Sha256::of_bytes(payload);
    if header::check_digests(&metadata, payload).is_ok() {
        let mut changed = bytes.to_vec();
        changed[headers - 1] ^= 1;
        let changed = header::metadata(&mut changed.as_slice());
        let is_taken = changed.is_ok_and(|changed| header::check_digests(&changed, payload).is_ok());
        assert!(!is_taken, "{header:?}");
    }
    let content = content_digest(&metadata, payload).ok()?;
    let (file, sha256, size) = (header.nevra.file_name(), Sha256::of_bytes(bytes), bytes.len() as u64);
    let build_time = metadata.get_build_time().unwrap_or(0);
    Some((BuiltRpm { file, sha256, bytes: size, content, build_time, header }, metadata))
}
