//! Reads all that Drydock keeps of one RPM file.

use std::fs::File;
use std::io::{BufReader, Seek};
use std::path::Path;

use rpm::PackageMetadata;

use super::file::reading;
use super::{BuiltRpm, CacheError, content_digest};
use crate::digest::Sha256;
use crate::package::header::{self, HeaderError};

/// Digests, size and header of the RPM in the file `path`.
pub fn describe(path: &Path) -> Result<BuiltRpm, CacheError> {
    let wrong = |source| CacheError::Rpm { path: path.to_owned(), source: Box::new(source) };
    let format = |source| wrong(HeaderError::Format(source));
    let mut reader = BufReader::with_capacity(1 << 16, File::open(path).map_err(reading(path))?);
    let header = header::read(&mut reader).map_err(wrong)?;
    reader.rewind().map_err(reading(path))?;
    let build_time = PackageMetadata::parse(&mut reader).map_err(format)?.get_build_time().unwrap_or(0);
    reader.rewind().map_err(reading(path))?;
    let content = content_digest(&mut reader).map_err(format)?;
    reader.rewind().map_err(reading(path))?;
    let (sha256, bytes) = Sha256::of_reader(&mut reader).map_err(reading(path))?;
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(BuiltRpm { file, sha256, bytes, content, build_time, header })
}
