//! What a stage of RPMs cannot have.

use crate::source::Tried;

/// An RPM of the manifest that cannot be had.
#[derive(Debug)]
pub struct MissingRpm {
    /// Its file name.
    pub file: String,
    /// Where it was looked for, and why it was not taken.
    pub tried: Vec<Tried>,
}
