//! Unpacks metadata: plain, gzip, xz or zstd, told apart by their first bytes, and never more than a bound.

use std::io::{self, Read};

/// The largest unpacked document that is read, whatever a repository says.
pub(super) const MOST_BYTES: u64 = 2 << 30;
/// What xz may take for its dictionary.
const XZ_MEMORY: u64 = 512 << 20;

/// The content of `packed`, at most `most` bytes.
///
/// # Errors
/// It is damaged, or larger than that.
pub fn unpack(packed: &[u8], most: u64) -> io::Result<Vec<u8>> {
    let reader: Box<dyn Read + '_> = match packed {
        [0x1f, 0x8b, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(packed)),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
            let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY, liblzma::stream::CONCATENATED);
            Box::new(liblzma::bufread::XzDecoder::new_stream(packed, stream.map_err(io::Error::other)?))
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(zstd::Decoder::with_buffer(packed)?),
        [b'B', b'Z', b'h', ..] => return Err(io::Error::other("it is packed by bzip2, which is not supported")),
        _ => Box::new(packed),
    };
    let most = most.min(MOST_BYTES);
    let mut unpacked = Vec::new();
    reader.take(most.saturating_add(1)).read_to_end(&mut unpacked)?;
    if unpacked.len() as u64 > most {
        return Err(io::Error::other(format!("it unpacks to more than {most} bytes")));
    }
    Ok(unpacked)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn every_form_is_unpacked_up_to_the_bound() {
        let text = b"<metadata/>".repeat(100);
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gz.write_all(&text).unwrap();
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 6);
        xz.write_all(&text).unwrap();
        let zst = zstd::encode_all(text.as_slice(), 3).unwrap();
        for packed in [text.clone(), gz.finish().unwrap(), xz.finish().unwrap(), zst] {
            assert_eq!(unpack(&packed, text.len() as u64).unwrap(), text);
            assert!(unpack(&packed, text.len() as u64 - 1).unwrap_err().to_string().contains("more than 1099 bytes"));
            if packed != text {
                assert!(unpack(&packed[..packed.len() - 6], 1 << 20).is_err(), "cut");
            }
        }
        assert!(unpack(b"BZh91AY", 10).unwrap_err().to_string().contains("bzip2"));
    }
}
