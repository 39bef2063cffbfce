//! How long the builds of a plan last with so many at a time.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::graph::BuildGraph;

use super::{BuildQueue, Plan, State};

/// How long the builds of a plan last.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Estimate {
    /// Builds at a time; at least 1.
    pub jobs: usize,
    /// From the first start to the last end, in the order in which a run starts builds.
    pub seconds: f64,
    /// No order is shorter: the critical path, or all builds evenly spread, whichever lasts longer.
    pub at_least_seconds: f64,
}

impl Plan {
    /// How long the builds last with so many `jobs` at a time, as if each lasted as long as before and what may have to
    /// be built were built. Builds do not slow each other down here, so `jobs` are as good as machines.
    pub fn estimate(&self, jobs: usize) -> Estimate {
        let jobs = jobs.max(1);
        let built = || self.packages.iter().filter(|package| package.state != State::UpToDate);
        let needs = built().map(|package| (package.spec.clone(), package.waits_for.clone())).collect();
        let durations: BTreeMap<String, Duration> =
            built().map(|package| (package.spec.clone(), Duration::from_secs_f64(package.seconds))).collect();
        let queue = BuildQueue::new(&BuildGraph { needs, ..BuildGraph::default() }, &durations);
        #[expect(clippy::cast_precision_loss, reason = "nobody has 2^52 machines")]
        let spread = self.total_seconds / jobs as f64;
        Estimate {
            jobs,
            seconds: queue.remaining_estimate(jobs).as_secs_f64(),
            at_least_seconds: self.critical_seconds.max(spread),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::plan::Reason;

    #[test]
    fn the_longest_path_starts_first_and_bounds_the_rest() {
        // a chain of 3 + 3 s beside four packages of 2 s each, and one that is up to date
        let texts = [("a", ""), ("b", "a"), ("c", ""), ("d", ""), ("e", ""), ("f", ""), ("done", "")];
        let needs = |text: &str| text.split_whitespace().map(str::to_owned).collect::<BTreeSet<_>>();
        let graph = BuildGraph {
            needs: texts.iter().map(|(spec, text)| ((*spec).to_owned(), needs(text))).collect(),
            ..BuildGraph::default()
        };
        let reasons = texts.iter().filter(|(spec, _)| *spec != "done");
        let reasons = reasons.map(|(spec, _)| ((*spec).to_owned(), vec![Reason::Forced])).collect();
        let seconds = |spec: &str| if spec < "c" { 3 } else { 2 };
        let durations =
            texts.iter().map(|(spec, _)| ((*spec).to_owned(), Duration::from_secs(seconds(spec)))).collect();
        let plan = Plan::new(&graph, reasons, &durations);
        let estimate = |jobs| {
            let Estimate { seconds, at_least_seconds, .. } = plan.estimate(jobs);
            format!("{seconds} of {at_least_seconds}")
        };
        assert_eq!([1, 2, 3, 1024].map(estimate), ["14 of 14", "8 of 7", "6 of 6", "6 of 6"]);
        assert_eq!(estimate(0), "14 of 14", "nothing is built by nobody");
    }
}
