//! The numbers that options take: each within bounds that nothing behind it overflows at.

use std::num::NonZeroUsize;

use clap::builder::RangedU64ValueParser;

/// A year: longer than any build, in seconds.
const LONGEST: u64 = 365 * 24 * 3600;

/// More than any machine has, in MiB: a pebibyte.
const MOST_MEMORY: u64 = 1 << 30;

/// The most processes that one jobserver serves, and the most builds at a time.
const MOST_AT_A_TIME: usize = 4096;

/// A time limit in seconds.
pub(super) fn time_limit() -> RangedU64ValueParser {
    RangedU64ValueParser::new().range(1..=LONGEST)
}

/// A limit of memory, in MiB.
pub(super) fn memory_limit() -> RangedU64ValueParser {
    RangedU64ValueParser::new().range(1..=MOST_MEMORY)
}

/// What is kept free, in MiB.
pub(super) fn reserve() -> RangedU64ValueParser {
    RangedU64ValueParser::new().range(0..=MOST_MEMORY)
}

/// How often something is tried again.
pub(super) fn retries() -> RangedU64ValueParser<u32> {
    RangedU64ValueParser::new().range(0..=1000)
}

/// How many there are at a time.
pub(super) fn at_a_time(text: &str) -> Result<NonZeroUsize, String> {
    let number = text.parse().ok().filter(|number: &NonZeroUsize| number.get() <= MOST_AT_A_TIME);
    number.ok_or_else(|| format!("a whole number from 1 to {MOST_AT_A_TIME} is expected"))
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
        ] {
            for text in good {
                assert_eq!(refusal(&[command, "--all", flag, text]), None, "{flag} {text}");
            }
            for text in bad {
                let told = refusal(&[command, "--all", flag, text]).unwrap_or_else(|| panic!("{flag} {text} is taken"));
                assert!(told.contains("invalid value") && told.contains(flag), "{told}");
            }
        }
        let told = refusal(&["build", "--cpus", "0"]).unwrap();
        assert_eq!(told, "error: invalid value '0' for '--cpus <N>': a whole number from 1 to 4096 is expected");
        let told = refusal(&["build", "--timeout", "0"]).unwrap();
        assert_eq!(told, "error: invalid value '0' for '--timeout <SECONDS>': 0 is not in 1..=31536000");
    }
}
