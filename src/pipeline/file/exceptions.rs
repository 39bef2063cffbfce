//! What a pipeline file allows to single packages: each exception has a reason and a last day.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use chrono::{DateTime, NaiveDate, Utc};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::plan::Exception;

/// One line of the list.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Allowance {
    /// Name of the spec file without `.spec`.
    pub spec: String,
    /// What it may do.
    pub allow: Exception,
    /// Why.
    pub reason: String,
    /// The last day on which it may, in UTC.
    #[serde(deserialize_with = "day")]
    pub until: NaiveDate,
}

fn day<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NaiveDate, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse()
        .map_err(|_| D::Error::custom(format!("`until` is {text:?}, and a day such as `2027-06-30` is expected")))
}

/// Faults of the list, as sentences.
pub(super) fn faults(list: &[Allowance]) -> Vec<String> {
    let mut faults = Vec::new();
    for (place, allowance) in list.iter().enumerate() {
        let Allowance { spec, allow, reason, .. } = allowance;
        if reason.trim().is_empty() {
            faults.push(format!("packages: exceptions: `{spec}` needs a reason for `{allow}`"));
        }
        if list[..place].iter().any(|before| before.spec == *spec && before.allow == *allow) {
            faults.push(format!("packages: exceptions: `{spec}` is allowed `{allow}` twice"));
        }
    }
    faults
}

/// What holds at the time `now`, and what does not any more.
pub(in crate::pipeline) fn on_day(
    list: &[Allowance],
    now: SystemTime,
) -> (BTreeMap<String, BTreeSet<Exception>>, Vec<&Allowance>) {
    let today = DateTime::<Utc>::from(now).date_naive();
    let (holding, ended): (Vec<_>, Vec<_>) = list.iter().partition(|allowance| today <= allowance.until);
    let mut by_spec: BTreeMap<String, BTreeSet<Exception>> = BTreeMap::new();
    for allowance in holding {
        by_spec.entry(allowance.spec.clone()).or_default().insert(allowance.allow);
    }
    (by_spec, ended)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn list() -> Vec<Allowance> {
        let allowance = |allow, reason: &str| Allowance {
            spec: "curl".into(),
            allow,
            reason: reason.into(),
            until: NaiveDate::from_ymd_opt(2026, 3, 1).unwrap(),
        };
        vec![
            allowance(Exception::NetworkInCheck, "asks a name server"),
            allowance(Exception::Root, " "),
            allowance(Exception::Root, "again"),
        ]
    }

    #[test]
    fn an_exception_holds_to_the_end_of_its_last_day() {
        // 2026-03-01T23:59:59Z
        let last = SystemTime::UNIX_EPOCH + Duration::from_secs(1_772_409_599);
        let list = &list()[..2];
        let both = BTreeSet::from([Exception::NetworkInCheck, Exception::Root]);
        assert_eq!(on_day(list, last), (BTreeMap::from([("curl".to_owned(), both)]), vec![]));
        let (holding, ended) = on_day(list, last + Duration::from_secs(1));
        assert_eq!((holding.len(), ended.len()), (0, 2));
    }

    #[test]
    fn an_exception_without_a_reason_and_one_given_twice_are_faults() {
        assert_eq!(
            faults(&list()),
            [
                "packages: exceptions: `curl` needs a reason for `root`",
                "packages: exceptions: `curl` is allowed `root` twice"
            ]
        );
    }
}
