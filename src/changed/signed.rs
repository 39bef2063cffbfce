//! Signatures on both sides of a change: which of them say something else of a spec's sources.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{ChangedError, FileChange, Range};
use crate::source::signatures::{self, Signatures};
use crate::spec::SourcePackage;

/// Changed signatures files with what they said and say; None for one that cannot be read.
#[derive(Default)]
pub(super) struct Signed(BTreeMap<PathBuf, (Option<Signatures>, Option<Signatures>)>);

impl Signed {
    /// Adds those among `files`, which differ in `range`.
    pub(super) async fn add(&mut self, range: &Range, files: &[FileChange]) -> Result<(), ChangedError> {
        let paths = files.iter().flat_map(FileChange::paths);
        for path in paths.filter(|path| path.to_string_lossy().ends_with(".signatures.json")) {
            let (before, after) = range.both(path).await?;
            let parsed = |text: Option<String>| match text {
                Some(text) => signatures::parse(path, &text).ok(),
                None => Some(Signatures::new()),
            };
            self.0.insert(path.to_owned(), (parsed(before), parsed(after)));
        }
        Ok(())
    }

    /// True when the signatures in `path` say something else of the sources of `source` than before, or may do so.
    pub(super) fn differ(&self, path: &Path, source: &SourcePackage) -> bool {
        match self.0.get(path) {
            Some((Some(before), Some(after))) => {
                source.sources.iter().any(|file| before.get(&file.name) != after.get(&file.name))
            }
            _ => true,
        }
    }
}
