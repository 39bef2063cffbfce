//! The way to the reader of containerfiles for `fuzz/`; there only with `--cfg fuzzing`.

use std::path::Path;

use super::containerfile::{self, Instruction};
use crate::oci::ImageConfig;

/// Reads `text` as a containerfile, and checks what it gives.
pub fn containerfile(text: &str) {
    let lines = text.lines().count();
    let base = ImageConfig { env: vec!["PATH=/bin".to_owned()], ..ImageConfig::default() };
    let read = |base| containerfile::parse(Path::new("a.containerfile"), text, base);
    // What is right on a base is right before it is known.
    assert!(read(Some(&base)).is_err() || read(None).is_ok());
    match read(Some(&base)) {
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
