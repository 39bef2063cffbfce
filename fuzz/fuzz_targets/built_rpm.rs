//! RPMs that a build left: what they say of themselves, whether the spec says so too, and the index that is made of them.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| drydock::build::fuzzing::built_rpm(bytes));
