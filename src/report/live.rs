//! A terminal's view: whole lines above, and one rewritten line that tells what is going on now.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// The status line.
pub(super) struct Live {
    bar: ProgressBar,
}

impl Live {
    /// An empty view on stderr.
    pub(super) fn new() -> Self {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar }
    }

    /// Adds `lines` above the status line, which becomes `status`. Both are printable.
    pub(super) fn show(&self, lines: &[String], status: String) {
        for line in lines {
            self.bar.println(line);
        }
        self.bar.set_message(status);
    }
}

impl Drop for Live {
    /// Takes the status line away.
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
