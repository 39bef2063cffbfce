//! What is going on now, as far as events tell. Pure, but for the clock that running builds are measured by.

use std::collections::BTreeMap;
use std::time::Instant;

use super::line;
use crate::event::Event;

/// How many running builds are named.
const NAMED_BUILDS: usize = 4;

/// What runs.
#[derive(Debug, Default)]
pub(super) struct Activity {
    running: BTreeMap<String, Instant>,
    queue: String,
    stage: String,
    /// How many specs are read, and of how many; None while none is.
    reading: Option<(usize, usize)>,
}

impl Activity {
    /// Takes note of `event`.
    pub(super) fn follow(&mut self, event: &Event) {
        match event {
            Event::StageStarted { stage } => self.stage.clone_from(stage),
            Event::StageFinished { .. } => {
                self.stage.clear();
                self.queue.clear();
            }
            Event::SpecsRead { done, all } => self.reading = (done < all).then_some((*done, *all)),
            Event::ImageStarted { image } => self.stage = format!("image {image}"),
            Event::BuildStarted { package, .. } => {
                self.running.insert(package.clone(), Instant::now());
            }
            Event::BuildFinished { package, .. }
            | Event::BuildPostponed { package, .. }
            | Event::BuildBlocked { package, .. } => {
                self.running.remove(package);
            }
            Event::Queue { running, ready, waiting, blocked, done, remaining } => {
                let left = remaining.map(|left| format!(", about {} left", line::duration(left))).unwrap_or_default();
                self.queue = format!(
                    "{running} running, {ready} ready, {waiting} waiting, {blocked} blocked, {done} done{left}"
                );
            }
            _ => {}
        }
    }

    /// One line that tells it.
    pub(super) fn status(&self) -> String {
        if self.running.is_empty() {
            let reading = self.reading.map(|(done, all)| format!("reading specs: {done} of {all}"));
            return reading.unwrap_or_else(|| self.stage.clone());
        }
        let named = self.running.iter().take(NAMED_BUILDS);
        let named: Vec<String> =
            named.map(|(package, since)| format!("{package} {}", line::duration(since.elapsed()))).collect();
        format!("{} | {}", self.queue, named.join(", "))
    }

    /// What has to end before the run can: the running builds, or else the reading of specs, or the stage; nothing when
    /// nothing is known.
    pub(super) fn unfinished(&self) -> Vec<String> {
        if self.running.is_empty() && self.reading.is_some() {
            return vec!["the reading of specs".to_owned()];
        }
        if self.running.is_empty() && !self.stage.is_empty() {
            return vec![self.stage.clone()];
        }
        self.running.keys().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_or_the_stage_are_what_has_to_end() {
        let mut activity = Activity::default();
        assert!(activity.unfinished().is_empty());
        activity.follow(&Event::StageStarted { stage: "packages".into() });
        assert_eq!(activity.unfinished(), ["packages"]);
        activity.follow(&Event::SpecsRead { done: 1, all: 2 });
        assert_eq!(activity.unfinished(), ["the reading of specs"]);
        activity.follow(&Event::SpecsRead { done: 2, all: 2 });
        assert_eq!(activity.unfinished(), ["packages"]);
        for package in ["b-1-1", "a-1-1"] {
            activity.follow(&Event::BuildStarted { package: package.into(), reason: "new".into() });
        }
        assert_eq!(activity.unfinished(), ["a-1-1", "b-1-1"]);
        activity.follow(&Event::BuildPostponed { package: "b-1-1".into(), needs: vec![], joined: 1 });
        assert_eq!(activity.unfinished(), ["a-1-1"]);
    }
}
