//! How long builds take, as far as earlier runs tell.

use std::collections::BTreeMap;
use std::time::Duration;

/// What a build is taken to last while nothing was ever built.
const UNKNOWN: Duration = Duration::from_mins(1);

/// The duration of a build that was never measured: the median of those that were.
pub(super) fn typical(durations: &BTreeMap<String, Duration>) -> Duration {
    let mut all: Vec<Duration> = durations.values().copied().collect();
    all.sort_unstable();
    all.get(all.len() / 2).copied().unwrap_or(UNKNOWN)
}
