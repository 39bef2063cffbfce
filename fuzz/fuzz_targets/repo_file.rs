//! `.repo` files, as dnf has them.
#![no_main]

use drydock::remote::{Variables, parse_repo_file};

libfuzzer_sys::fuzz_target!(|text: &str| repo_file(text));

fn repo_file(text: &str) {
    let lines = text.lines().count();
    match parse_repo_file(text, Variables { arch: "x86_64", release: Some("3.0") }) {
        Ok(sections) => {
            assert!(sections.len() <= lines);
            for (at, section) in sections.iter().enumerate() {
                assert!((1..=lines).contains(&section.line) && !section.id.is_empty());
                assert!(!section.enabled || !section.urls.is_empty());
                assert!(sections[..at].iter().all(|other| other.id != section.id));
            }
        }
        Err(error) => assert!((1..=lines).contains(&error.line) && !error.wrong.is_empty(), "{error}"),
    }
}
