//! What the processes of a container tell each other.

use serde::{Deserialize, Serialize};

use super::super::task::{Fault, How};

/// What process 1 of the container tells the helper, one JSON line each.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Report {
    /// Everything is mounted; these are the mount points that were not in the image.
    Mounted {
        made: Vec<String>,
    },
    /// The program ended.
    Ended(How),
    Failed(Fault),
}
