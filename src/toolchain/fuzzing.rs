//! The way to the reader of containerfiles for `fuzz/`; there only with `--cfg fuzzing`.

use std::path::Path;

use super::containerfile::{self, Instruction};

/// Reads `text` as a containerfile, and checks what it gives.
pub fn containerfile(text: &str) {
    let lines = text.lines().count();
    match containerfile::parse(Path::new("a.containerfile"), text) {
        Ok(file) => {
            assert!(file.steps.len() <= lines);
            for (line, step) in &file.steps {
                assert!((1..=lines).contains(line), "{line}");
                if let Instruction::Copy { from, to } = step {
                    assert!(!from.is_empty() && to.starts_with('/'), "{step:?}");
                    assert!(from.iter().all(|path| path.split('/').all(|part| part != "..")), "{step:?}");
                }
            }
        }
        Err(error) => assert!((1..=lines.max(1)).contains(&error.line) && !error.wrong.is_empty(), "{error}"),
    }
}
