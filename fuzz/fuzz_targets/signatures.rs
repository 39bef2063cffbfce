//! `<spec>.signatures.json`: reading, and writing what was read.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| drydock::source::fuzzing::signatures(text));
