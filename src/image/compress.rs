//! Compressed files, without times or threads in them: equal content gives equal bytes.

use std::io::{self, Write};

use flate2::GzBuilder;
use flate2::write::GzEncoder;
use liblzma::write::XzEncoder;

use super::config::Compression;

/// Compresses what is written to it.
pub enum Encoder<W: Write> {
    /// Passes it on as it is.
    None(W),
    /// Gzip, level 6.
    Gz(GzEncoder<W>),
    /// XZ, level 6.
    Xz(XzEncoder<W>),
    /// Zstandard, level 9.
    Zst(zstd::Encoder<'static, W>),
}

impl<W: Write> Encoder<W> {
    /// An encoder into `inner`.
    pub fn new(compression: Compression, inner: W) -> io::Result<Self> {
        Ok(match compression {
            Compression::None => Self::None(inner),
            Compression::Gz => Self::Gz(GzBuilder::new().mtime(0).write(inner, flate2::Compression::new(6))),
            Compression::Xz => Self::Xz(XzEncoder::new(inner, 6)),
            Compression::Zst => {
                let mut encoder = zstd::Encoder::new(inner, 9)?;
                encoder.include_checksum(true)?;
                Self::Zst(encoder)
            }
        })
    }

    /// Ends the compressed stream.
    pub fn finish(self) -> io::Result<W> {
        match self {
            Self::None(inner) => Ok(inner),
            Self::Gz(encoder) => encoder.finish(),
            Self::Xz(encoder) => encoder.finish(),
            Self::Zst(encoder) => encoder.finish(),
        }
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::None(inner) => inner.write(bytes),
            Self::Gz(encoder) => encoder.write(bytes),
            Self::Xz(encoder) => encoder.write(bytes),
            Self::Zst(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::None(inner) => inner.flush(),
            Self::Gz(encoder) => encoder.flush(),
            Self::Xz(encoder) => encoder.flush(),
            Self::Zst(encoder) => encoder.flush(),
        }
    }
}
