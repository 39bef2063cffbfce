//! How long builds take, as far as earlier runs tell, and a guess for the others.

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

/// The measured `durations` by spec, and for each spec in `source_bytes` that has none a guess: large sources take long.
/// It decides which of two unknown packages starts first, and is too rough to be shown.
pub fn with_guesses(
    durations: &BTreeMap<String, Duration>,
    source_bytes: BTreeMap<String, u64>,
) -> BTreeMap<String, Duration> {
    let guess = |bytes: u64| Duration::from_secs(20) + Duration::from_micros(bytes.saturating_mul(4));
    let mut all: BTreeMap<_, _> = source_bytes.into_iter().map(|(spec, bytes)| (spec, guess(bytes))).collect();
    all.extend(durations.iter().map(|(spec, duration)| (spec.clone(), *duration)));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measurement_beats_a_guess_and_a_guess_follows_the_size() {
        let measured = BTreeMap::from([("headers".to_owned(), Duration::from_secs(30))]);
        let bytes = [("headers", 137_000_000), ("kernel", 137_000_000), ("release", 700)];
        let bytes = bytes.map(|(spec, bytes)| (spec.to_owned(), bytes)).into();
        let all = with_guesses(&measured, bytes);
        assert_eq!(all["headers"], Duration::from_secs(30));
        assert_eq!(all["kernel"], Duration::from_secs(568));
        assert!(all["release"] < Duration::from_secs(21), "{:?}", all["release"]);
    }
}
