//! Finished results by build key, and what is remembered of each spec's builds.
//!
//! | folder | what | written by |
//! |---|---|---|
//! | `store/<key>/` | [`StoredResult`]: `inputs.json`, `result.json`, `rpms/`, `log` | [`Store::add`] |
//! | `state/last/<spec>.json` | [`LastBuild`]: inputs and times of the newest result | [`History::set_last`] |
//! | `state/failed/<spec>.json` | [`FailedBuild`]: why the newest build gave no result | [`History::set_failed`] |
//! | `state/generated/<key>.json` | what `%generate_buildrequires` asked for in the build of that key | [`History::set_generated`] |
//! | `state/asked/<spec>.json` | [`Asked`]: the same of the newest build of a spec | [`History::set_asked`] |
//!
//! The invariant is that a key of the store is there whole or not at all: a result is written into a folder of another
//! name, synced, and renamed. Everything in `state/` only saves work or tells the user why; all of it may be deleted.

mod content;
mod describe;
mod error;
pub mod file;
#[cfg(fuzzing)]
pub mod fuzzing;
mod history;
mod result;
mod store;
#[cfg(test)]
mod tests;

pub use describe::describe;
pub use error::CacheError;
pub(crate) use error::full_disk_hint;
pub use history::{Asked, FailedBuild, History, LastBuild};
pub use result::{BuildTimes, BuiltRpm, CheckOutcome, StoredResult};
pub use store::{Lookup, NewResult, Store};
