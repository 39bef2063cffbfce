//! What carries a pipeline out: [`Runner`] has what all stages share, and each file beside it one thing that is done with it.
//! Data passes downwards in this list.

mod archives;
mod checks;
mod exceptions;
mod finished;
mod images;
mod made;
mod packages;
mod prepare;
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
mod stages;
mod statements;
mod verify;

pub use finished::finished_stages;
pub use made::{Made, MadeStages};
pub use prepare::Prepared;
pub use recipe::Recipes;
pub use runner::{Runner, host_archives, toolchain_of};
pub use shell::{InShell, ShellOutcome};
pub use srpms::{NoSrpm, SrpmSummary, SrpmWish};
pub use verify::Verified;
