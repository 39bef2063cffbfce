//! The way to the reader of image configurations for `fuzz/`; there only with `--cfg fuzzing`.

use std::path::Path;

use super::{ImageConfig, of_value};
use crate::yaml;

/// Reads `text` as an image configuration in JSON and in YAML, and checks what it gives. No file that it names is there.
pub fn configuration(text: &str) {
    for path in ["/nonexistent/a.json", "/nonexistent/a.yaml"].map(Path::new) {
        let Ok(value) = yaml::parse::<serde_json::Value>(path, text) else { continue };
        match of_value(path, value) {
            Ok(config) => is_right(&config),
            Err(error) => {
                let shown = error.to_string();
                assert!(shown.contains("/nonexistent/a.") && shown.len() > 30, "{shown}");
            }
        }
    }
}

fn is_right(config: &ImageConfig) {
    assert!(config.name == "a" && !config.outputs.is_empty() && config.inputs.len() == 1);
    let Some(disk) = &config.disk else { return };
    let mut end = 0;
    for partition in &disk.partitions {
        assert!(partition.start.0 >= end && partition.end > partition.start, "{disk:?}");
        end = partition.end.0;
    }
}
