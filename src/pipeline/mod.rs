//! Pipelines: which stages run, and in which order. The only module that knows the order.
//!
//! In: a pipeline file (`file`) and what the user asks of the run (`options`). Out: toolchain images, packages and disk
//! images, each stage fed with what the one before it made (`run`).

mod blame;
mod error;
mod file;
#[cfg(fuzzing)]
pub mod fuzzing;
mod missing;
mod options;
mod run;

pub use blame::Blame;
pub use error::PipelineError;
pub use file::{
    Allowance, Images, PackageStage, Packages, Pipeline, PipelineFileError, RpmStage, Stage, StageRegistry,
    WantedArchive, distinct_images, parse_manifest, read,
};
pub use missing::MissingRpm;
pub use options::{CheckOptions, CheckedPackages, Obstacles, Options, RegistryOptions, RemoteOptions, Wishes};
pub use run::{
    InShell, Made, MadeStages, NoSrpm, Prepared, Recipes, Runner, ShellOutcome, SrpmSummary, SrpmWish, Verified,
    finished_stages, host_archives, toolchain_of,
};
