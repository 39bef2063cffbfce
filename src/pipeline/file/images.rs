//! The image configurations that a pipeline names.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::PathBuf;

use crate::pipeline::error::PipelineError;

/// Fails when two of `configs`, image configurations, make images of one name: the second would take the first one's place.
pub fn distinct_images(configs: &[PathBuf]) -> Result<(), PipelineError> {
    let mut by_name: BTreeMap<&OsStr, &PathBuf> = BTreeMap::new();
    for config in configs {
        let Some(name) = config.file_stem() else { continue };
        let first = *by_name.entry(name).or_insert(config);
        if first != config {
            let name = name.to_string_lossy().into_owned();
            return Err(PipelineError::SameImage { name, first: first.clone(), second: config.clone() });
        }
    }
    Ok(())
}
