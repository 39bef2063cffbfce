//! Epoch, version and release, ordered as RPM orders them.

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};

/// An epoch, a version and a release; the release is empty where a bound names none.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Evr {
    /// None when none was written; RPM compares that as 0, but writes a 0 that a spec has.
    pub epoch: Option<u32>,
    /// Never empty for a package.
    pub version: String,
    /// Empty for a bound such as `>= 1.2`.
    pub release: String,
}

impl Evr {
    /// Reads `[epoch:]version[-release]`; an epoch that is not a number counts as 0, as in RPM. White space around the
    /// version and the release is no part of them.
    pub fn parse(text: &str) -> Self {
        let (epoch, rest) = match text.split_once(':') {
            Some((epoch, rest)) => (Some(epoch.parse().unwrap_or(0)), rest),
            None => (None, text),
        };
        let (version, release) = rest.rsplit_once('-').unwrap_or((rest, ""));
        Self { epoch, version: version.trim().into(), release: release.trim().into() }
    }

    /// Compares as a dependency does: the release counts only when both sides name one.
    pub fn compare_as_bound(&self, bound: &Self) -> Ordering {
        if self.release.is_empty() || bound.release.is_empty() {
            return compare((self.epoch, &self.version, ""), (bound.epoch, &bound.version, ""));
        }
        compare((self.epoch, &self.version, &self.release), (bound.epoch, &bound.version, &bound.release))
    }
}

fn compare(a: (Option<u32>, &str, &str), b: (Option<u32>, &str, &str)) -> Ordering {
    let evr = |(epoch, version, release): (Option<u32>, &str, &str)| {
        rpm_version::Evr::new(epoch.unwrap_or(0).to_string(), version.to_owned(), release.to_owned())
    };
    evr(a).cmp(&evr(b))
}

impl Ord for Evr {
    fn cmp(&self, other: &Self) -> Ordering {
        let rank = compare((self.epoch, &self.version, &self.release), (other.epoch, &other.version, &other.release));
        // RPM holds `1.0` and `1.00` for equal; a total order that agrees with `Eq` tells them apart last.
        let text = |evr: &Self| (evr.version.clone(), evr.release.clone(), evr.epoch);
        rank.then_with(|| text(self).cmp(&text(other)))
    }
}

impl PartialOrd for Evr {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Evr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(epoch) = self.epoch {
            write!(f, "{epoch}:")?;
        }
        // Without its `-`, a version that has one itself would be read as a version and a release.
        let needs_end = self.version.is_empty() || self.version.contains('-');
        f.write_str(&self.version)?;
        if self.release.is_empty() && !needs_end { Ok(()) } else { write!(f, "-{}", self.release) }
    }
}

impl From<String> for Evr {
    fn from(text: String) -> Self {
        Self::parse(&text)
    }
}

impl From<Evr> for String {
    fn from(evr: Evr) -> Self {
        evr.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_as_rpm_orders_them() {
        for (low, high) in
            [("1.0~rc1-1", "1.0-1"), ("1.9-1", "1.10-1"), ("9-1", "1:1-1"), ("1.0-1", "1.0^git1-1"), ("1-2", "1-10")]
        {
            assert!(Evr::parse(low) < Evr::parse(high), "{low} < {high}");
        }
    }

    #[test]
    fn a_bound_without_release_takes_any_release() {
        assert_eq!(Evr::parse("1.2-7").compare_as_bound(&Evr::parse("1.2")), Ordering::Equal);
        assert_eq!(Evr::parse("1.2-7").compare_as_bound(&Evr::parse("1.2-8")), Ordering::Less);
        assert_eq!(Evr::parse("0:1.2-7").compare_as_bound(&Evr::parse("1.02-7")), Ordering::Equal);
    }

    #[test]
    fn text_is_kept() {
        for text in ["1.2-3.dd1", "2:1.2-3", "1.2", "0:1.2-3", "1-2-", "-", "-1"] {
            assert_eq!(Evr::parse(text).to_string(), text);
        }
    }
}
