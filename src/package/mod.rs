//! The vocabulary of RPM: versions, package names, capabilities, requirements and package headers. Pure.
//!
//! Everything here is a value; only [`header::read`] takes a reader, and no function opens a file.

mod evr;
pub mod header;
mod header_bytes;
mod nevra;
mod provides;
mod requirement;
#[cfg(test)]
mod tests;

pub use evr::Evr;
pub use header::RpmHeader;
pub use nevra::Nevra;
pub use provides::Provides;
pub use requirement::{Capability, Comparison, Dependency, ParseRequirementError, Requirement};
