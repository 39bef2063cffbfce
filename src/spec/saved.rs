//! Specs that were read, as a JSON file: `{"format": 3, "packages": […], "failures": […]}`.
//!
//! By it `drydock plan` works on a machine without an engine, and tests start behind `rpmspec`.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{LoadedSpecs, SourcePackage, SpecError, SpecFailure};
use crate::json::JsonFault;
use crate::regular;
use crate::source::whole_file;

/// Counts up when a reader of the old format would misread the new one.
const FORMAT: u32 = 3;

#[derive(Serialize)]
struct Written<'a> {
    format: u32,
    packages: &'a [SourcePackage],
    failures: &'a [SpecFailure],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    #[serde(rename = "format")]
    _format: u32,
    packages: Vec<SourcePackage>,
    failures: Vec<SpecFailure>,
}

#[derive(Deserialize)]
struct Format {
    format: u32,
}

impl LoadedSpecs {
    /// Writes the file `path`.
    pub fn save(&self, path: &Path) -> Result<(), SpecError> {
        let written = Written { format: FORMAT, packages: &self.packages, failures: &self.failures };
        let text = serde_json::to_vec_pretty(&written).map_err(std::io::Error::from);
        let saved = text.and_then(|mut text| {
            text.push(b'\n');
            whole_file::replace(path, &text)
        });
        saved.map_err(|source| SpecError::State { path: path.to_owned(), source })
    }

    /// Reads a file that [`LoadedSpecs::save`] wrote.
    pub fn read(path: &Path) -> Result<Self, SpecError> {
        let text = regular::read(path).map_err(|source| SpecError::Read { path: path.to_owned(), source })?;
        let wrong = |reason: String| SpecError::Saved { path: path.to_owned(), reason };
        // The format first: all else may be different in another one.
        let Format { format } =
            serde_json::from_slice(&text).map_err(|error| wrong(JsonFault::from(&error).to_string()))?;
        if format != FORMAT {
            return Err(wrong(format!("it has format {format}, this Drydock reads format {FORMAT}")));
        }
        let read: Read = serde_json::from_slice(&text).map_err(|error| wrong(JsonFault::from(&error).to_string()))?;
        let (mut packages, failures) = (read.packages, read.failures);
        packages.sort_by(|a, b| a.spec.cmp(&b.spec));
        if let Some(pair) = packages.windows(2).find(|pair| pair[0].spec == pair[1].spec) {
            return Err(wrong(format!("the spec `{}` is there twice", pair[0].spec)));
        }
        Ok(Self { packages, failures, ..Self::default() })
    }
}
