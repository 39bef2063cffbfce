//! Sources that are brought when a package turns out to be built.
//!
//! What will be built for certain has its sources before the first build begins. What is built only when something that it
//! needs comes out another than before gets them when that is known, and so does a check that runs apart.

use futures_util::future::LocalBoxFuture;

use super::inputs::InputFile;
use super::one::One;
use super::{BuildError, Failure, Outcome};
use crate::spec::SourcePackage;

/// Brings the sources of single packages.
pub trait Supplier {
    /// Makes sure that the sources of `package` are where they were said to be; why they cannot be had, as sentences.
    fn supply<'a>(&'a self, package: &'a SourcePackage) -> LocalBoxFuture<'a, Result<Option<String>, BuildError>>;
}

impl One<'_> {
    /// How the package ends when not all of its `files` can be had.
    pub(super) async fn supply(&self, files: &[InputFile]) -> Result<Option<Outcome>, BuildError> {
        let is_away = |file: &InputFile| !file.path.is_file();
        let Some(supplier) = self.run.context.supplier.filter(|_| files.iter().any(is_away)) else { return Ok(None) };
        tokio::select! {
            () = self.run.cancel.cancelled() => Ok(Some(Outcome::Cancelled)),
            supplied = supplier.supply(self.package) => {
                Ok(supplied?.map(|why| Outcome::Failed(self.without_sources(&why))))
            }
        }
    }

    fn without_sources(&self, why: &str) -> Failure {
        Failure {
            phase: "sources".to_owned(),
            status: "they cannot be had".to_owned(),
            excerpt: why.lines().map(str::to_owned).collect(),
            log: self.log_path(),
        }
    }
}
