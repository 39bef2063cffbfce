//! The headers of RPM files.
#![no_main]

use drydock::package::header;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut reader = bytes;
    if let Ok(header) = header::read(&mut reader) {
        let entries = header.provides.len() + header.requires.len() + header.conflicts.len() + header.obsoletes.len();
        assert!(entries + header.files.len() <= bytes.len());
        assert!(reader.len() + 128 <= bytes.len(), "the lead and the headers are read, and no more");
    }
    let mut reader = bytes;
    if let Ok(metadata) = header::metadata(&mut reader) {
        let _ = (metadata.raw_signatures(), metadata.header_bytes(), metadata.get_build_time());
        let _ = metadata.header.get_all_entries();
    }
});
