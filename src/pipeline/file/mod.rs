//! Pipeline files: what one may say, and how it is read and checked.
//!
//! The raw types mirror the file and refuse unknown keys; [`read`] gives a [`Pipeline`] whose stages exist, stand in
//! order, and name each other rightly. Relative paths count from the project's folder.

mod check;
mod config;
mod exceptions;
mod images;
mod manifest;
mod packages;
mod raw;
mod read;
mod stage;
mod stages;

pub use config::{Images, Pipeline, PipelineFileError, StageRegistry};
pub use exceptions::Allowance;
pub use images::distinct_images;
pub use manifest::parse as parse_manifest;
pub use packages::{Packages, WantedArchive};
pub use read::read;
pub use stage::{PackageStage, RpmStage, Stage};

pub(super) use exceptions::on_day;
#[cfg(fuzzing)]
pub(super) use read::parse;
