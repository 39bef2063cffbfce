//! A terminal's view: whole lines above, and one rewritten line that tells what is going on now.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::line::{self, Counter};
use crate::address;
use crate::event::Event;

/// How many running builds the status line names.
const NAMED_BUILDS: usize = 4;

/// The state behind the status line.
pub(super) struct Live {
    bar: ProgressBar,
    counter: Counter,
    running: BTreeMap<String, Instant>,
    queue: String,
    stage: String,
}

impl Live {
    /// An empty view on stderr.
    pub(super) fn new() -> Self {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, counter: Counter::default(), running: BTreeMap::new(), queue: String::new(), stage: String::new() }
    }

    /// Shows `event`.
    pub(super) fn tell(&mut self, event: &Event) {
        self.follow(event);
        // A started build is in the status line; its line appears when it ends.
        if !matches!(event, Event::BuildStarted { .. }) {
            for line in line::of(event, &mut self.counter) {
                self.bar.println(address::in_text(&line));
            }
        }
        self.bar.set_message(self.status());
    }

    /// Takes the status line away.
    pub(super) fn close(&self) {
        self.bar.finish_and_clear();
    }

    fn follow(&mut self, event: &Event) {
        match event {
            Event::StageStarted { stage } => self.stage.clone_from(stage),
            Event::StageFinished { .. } => {
                self.stage.clear();
                self.queue.clear();
            }
            Event::ImageStarted { image } => self.stage = format!("image {image}"),
            Event::BuildStarted { package, .. } => {
                self.running.insert(package.clone(), Instant::now());
            }
            Event::BuildFinished { package, .. } | Event::BuildPostponed { package, .. } => {
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

    fn status(&self) -> String {
        if self.running.is_empty() {
            return self.stage.clone();
        }
        let named = self.running.iter().take(NAMED_BUILDS);
        let named: Vec<String> =
            named.map(|(package, since)| format!("{package} {}", line::duration(since.elapsed()))).collect();
        format!("{} | {}", self.queue, named.join(", "))
    }
}
