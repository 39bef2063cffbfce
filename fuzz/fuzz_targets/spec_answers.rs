//! What `rpmspec` says: the answers to specs, and expanded specs. U+001D parts the texts of one input.
#![no_main]

use drydock::spec::fuzzing::{self, Texts};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let mut parts = text.split('\u{1d}');
    let source = parts.next().unwrap_or_default();
    let binary = parts.next().unwrap_or_default();
    let parsed = parts.next().unwrap_or_default();
    fuzzing::answer(Texts { source, binary, checked: parts.next(), parsed });
    fuzzing::answers(text);
    fuzzing::expanded(if parsed.is_empty() { text } else { parsed });
});
