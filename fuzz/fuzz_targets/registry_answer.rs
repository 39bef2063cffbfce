//! What a registry answers: manifests, indexes, configurations, refusals, and the headers of pages and logins.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| drydock::oci::registry::fuzzing::answer(bytes));
