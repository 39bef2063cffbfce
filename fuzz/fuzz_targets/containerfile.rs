//! Containerfiles.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| drydock::toolchain::fuzzing::containerfile(text));
