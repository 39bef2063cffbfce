//! Pipelines: which stages run, and in which order. The only module that knows the order.
//!
//! In: a pipeline file. Out: toolchain images, packages and disk images, each stage fed with what the one before it made.

mod archives;
mod blame;
mod checks;
mod config;
mod error;
mod exceptions;
#[cfg(fuzzing)]
pub mod fuzzing;
mod images;
mod made;
mod manifest;
mod packages;
mod prepare;
mod raw;
mod recipe;
mod registry;
mod remote;
mod replan;
mod rivals;
mod root;
mod rpms;
mod runner;
mod selection;
mod shell;
mod sources;
mod srpms;
mod stage;
mod stages;
mod statements;
mod verify;

pub use archives::WantedArchive;
pub use blame::Blame;
pub use checks::{CheckOptions, CheckedPackages};
pub use config::{Images, Packages, Pipeline, PipelineFileError, read};
pub use error::PipelineError;
pub use exceptions::Allowance;
pub use images::distinct_images;
pub use made::{Made, MadeStages, finished_stages};
pub use manifest::parse as parse_manifest;
pub use prepare::Prepared;
pub use recipe::Recipes;
pub use registry::{RegistryOptions, StageRegistry};
pub use remote::RemoteOptions;
pub use rpms::MissingRpm;
pub use runner::{Obstacles, Options, Runner, host_archives, toolchain_of};
pub use selection::Wishes;
pub use shell::{InShell, ShellOutcome};
pub use srpms::{NoSrpm, SrpmSummary, SrpmWish};
pub use stage::{PackageStage, RpmStage, Stage};
pub use verify::Verified;
