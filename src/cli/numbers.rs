//! The numbers that options take: each within bounds that nothing behind it overflows at.

use std::num::NonZeroUsize;
use std::ops::RangeInclusive;

/// A year: longer than any build, in seconds.
const LONGEST: u64 = 365 * 24 * 3600;

/// More than any machine has, in MiB: a pebibyte.
const MOST_MEMORY: u64 = 1 << 30;

/// The most processes that one jobserver serves, and the most builds at a time.
const MOST_AT_A_TIME: u64 = 4096;

/// The longest that one spec may be read: a day, in seconds.
const LONGEST_READING: u64 = 24 * 3600;

/// A time limit in seconds.
pub(super) fn time_limit(text: &str) -> Result<u64, String> {
    within(text, 1..=LONGEST)
}

/// A time limit for reading one spec, in seconds.
pub(super) fn reading_limit(text: &str) -> Result<u64, String> {
    within(text, 1..=LONGEST_READING)
}

/// A limit of memory, in MiB.
pub(super) fn memory_limit(text: &str) -> Result<u64, String> {
    within(text, 1..=MOST_MEMORY)
}

/// What is kept free, in MiB.
pub(super) fn reserve(text: &str) -> Result<u64, String> {
    within(text, 0..=MOST_MEMORY)
}

/// How often something is tried again.
pub(super) fn retries(text: &str) -> Result<u32, String> {
    within(text, 0..=1000)
}

/// How many processes a container may have.
pub(super) fn processes(text: &str) -> Result<u32, String> {
    within(text, 1..=u32::MAX.into())
}

/// How many steps in a graph.
pub(super) fn steps<T: TryFrom<u64>>(text: &str) -> Result<T, String> {
    within(text, 0..=u32::MAX.into())
}

/// How many there are at a time.
pub(super) fn at_a_time(text: &str) -> Result<NonZeroUsize, String> {
    let number: usize = within(text, 1..=MOST_AT_A_TIME)?;
    Ok(NonZeroUsize::MIN.saturating_add(number.saturating_sub(1)))
}

fn within<T: TryFrom<u64>>(text: &str, range: RangeInclusive<u64>) -> Result<T, String> {
    let number = text.parse().ok().filter(|number| range.contains(number)).and_then(|number| T::try_from(number).ok());
    number.ok_or_else(|| format!("a whole number from {} to {} is expected", range.start(), range.end()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::Cli;

    #[test]
    fn numbers_that_nothing_can_work_with_are_refused() {
        let refusal = |words: &[&str]| {
            let error = Cli::try_parse_from(["drydock"].iter().chain(words)).err();
            error.map(|error| error.to_string().lines().next().unwrap_or_default().to_owned())
        };
        let max = u64::MAX.to_string();
        for (command, flag, good, bad) in [
            ("build", "--timeout", &["1", "31536000"][..], &["0", "31536001", "9223372036854775807", &max][..]),
            ("build", "--cpus", &["1", "4096"], &["0", "4097", &max]),
            ("build", "--jobs", &["1", "4096"], &["0", "4097", &max]),
            ("build", "--memory", &["1", "1073741824"], &["0", "1073741825", &max]),
            ("build", "--reserve-memory", &["0", "1073741824"], &["1073741825", &max]),
            ("build", "--reserve-disk", &["0", "1073741824"], &["1073741825", &max]),
            ("build", "--retries", &["0", "1000"], &["1001", "4294967295"]),
            ("plan", "--jobs", &["1,4096"], &["2,0", &max]),
            ("boot-test", "--limit", &["1"], &["0", &max]),
            ("build", "--pids", &["1", "4294967295"], &["0", "4294967296"]),
            ("build", "--spec-timeout", &["1", "86400"], &["0", "86401"]),
            ("build", "--cascade", &["0"], &["4294967296"]),
            ("build", "--extra-layers", &["0"], &["4294967296"]),
        ] {
            for text in good {
                assert_eq!(refusal(&[command, "--all", flag, text]), None, "{flag} {text}");
            }
            for text in bad.iter().copied().chain(["x", "1.5"]) {
                let told = refusal(&[command, "--all", flag, text]).unwrap_or_else(|| panic!("{flag} {text} is taken"));
                assert!(told.contains(flag) && told.contains(": a whole number from "), "{told}");
            }
        }
        assert!(
            refusal(&["graph", "--depth", "x"]).unwrap().ends_with("a whole number from 0 to 4294967295 is expected")
        );
        let told = refusal(&["build", "--cpus", "0"]).unwrap();
        assert_eq!(told, "error: invalid value '0' for '--cpus <N>': a whole number from 1 to 4096 is expected");
        let told = refusal(&["build", "--timeout", "0"]).unwrap();
        assert_eq!(
            told,
            "error: invalid value '0' for '--timeout <SECONDS>': a whole number from 1 to 31536000 is expected"
        );
    }
}
