//! How far the reading of specs is, told about once a second.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::event::{Event, Report};

/// What passes between two words at least.
const INTERVAL: Duration = Duration::from_secs(1);

/// Counts the specs of a reading.
pub(super) struct Progress<'a> {
    report: Report<'a>,
    all: usize,
    counted: Mutex<Counted>,
}

struct Counted {
    done: usize,
    told: Instant,
}

impl<'a> Progress<'a> {
    /// The reading of `all` specs begins.
    pub(super) fn new(report: Report<'a>, all: usize) -> Self {
        report(Event::SpecsRead { done: 0, all });
        Self { report, all, counted: Mutex::new(Counted { done: 0, told: Instant::now() }) }
    }

    /// One more is read.
    pub(super) fn advance(&self) {
        let Ok(mut counted) = self.counted.lock() else { return };
        counted.done = self.all.min(counted.done + 1);
        if counted.told.elapsed() >= INTERVAL || counted.done == self.all {
            counted.told = Instant::now();
            (self.report)(Event::SpecsRead { done: counted.done, all: self.all });
        }
    }

    /// So many have to be read again.
    pub(super) fn take_back(&self, specs: usize) {
        let Ok(mut counted) = self.counted.lock() else { return };
        counted.done = counted.done.saturating_sub(specs);
    }
}
