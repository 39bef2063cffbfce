//! Image configurations, in JSON and in YAML.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| drydock::image::config::fuzzing::configuration(text));
