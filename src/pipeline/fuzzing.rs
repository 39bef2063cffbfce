//! The way to the reader of pipeline files for `fuzz/`; there only with `--cfg fuzzing`.

use std::path::Path;

use super::file;

/// Reads `text` as a pipeline file, and checks that what is wrong is told.
pub fn pipeline(text: &str) {
    match file::parse(Path::new("p.yaml"), Path::new("/nonexistent"), text) {
        Ok(pipeline) => assert!(!pipeline.stages.is_empty()),
        Err(error) => {
            let shown = error.to_string();
            assert!(shown.starts_with("`p.yaml` is not right") && shown.len() > 25, "{shown}");
        }
    }
}
