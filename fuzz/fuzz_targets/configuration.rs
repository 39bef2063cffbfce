//! Files that users write or archives have: source indexes, pipelines.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    drydock::source::fuzzing::source_index(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        drydock::pipeline::fuzzing::pipeline(text);
    }
});
