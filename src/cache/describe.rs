//! Reads all that Drydock keeps of one RPM file.

use std::io::{BufReader, Seek};
use std::path::Path;

use super::content::content_digest;
use super::file::reading;
use super::{BuiltRpm, CacheError};
use crate::digest::Sha256;
use crate::package::header::{self, HeaderError};
use crate::regular;

/// Digests, size and header of the RPM in the file `path`, whose bytes have to be those that its digests say.
pub fn describe(path: &Path) -> Result<BuiltRpm, CacheError> {
    let wrong = |source| CacheError::Rpm { path: path.to_owned(), source: Box::new(source) };
    let mut reader = BufReader::with_capacity(1 << 16, regular::open(path).map_err(reading(path))?);
    let metadata = header::metadata(&mut reader).map_err(wrong)?;
    let header = header::of(&metadata).map_err(wrong)?;
    let (payload, _) = Sha256::of_reader(&mut reader).map_err(reading(path))?;
    header::check_digests(&metadata, payload).map_err(wrong)?;
    let content = content_digest(&metadata, payload).map_err(|source| wrong(HeaderError::Format(source)))?;
    reader.rewind().map_err(reading(path))?;
    let (sha256, bytes) = Sha256::of_reader(&mut reader).map_err(reading(path))?;
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let build_time = metadata.get_build_time().unwrap_or(0);
    Ok(BuiltRpm { file, sha256, bytes, content, build_time, header })
}
