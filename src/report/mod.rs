//! Tells a run's events to the user: whole lines for a pipe, a live status line on a terminal, JSON lines for programs.
//!
//! In: [`Event`]s from any task, and the data of commands. Out: lines on stderr; with [`Format::Json`] on stdout, since
//! there they are the data. A failure is told in full where it happens: package, phase, the lines that matter, the log's
//! path. What others wrote is made printable here, and nowhere else.

mod activity;
mod line;
mod live;
mod output;

use std::io::{self, IsTerminal};
use std::sync::{Mutex, PoisonError};

pub use output::{Destination, Reader, WriteError, bytes, data, destination, json, status};

use crate::event::Event;
use activity::Activity;
use line::Counter;
use live::Live;

/// How events are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Text for people.
    Text,
    /// One JSON object a line, with the version of the format.
    Json,
}

/// Writes events.
pub struct Printer {
    told: Mutex<Told>,
}

/// What was told up to now, and how it goes on.
struct Told {
    writer: Writer,
    counter: Counter,
    activity: Activity,
    /// The first event that could not be written.
    failed: Option<WriteError>,
}

enum Writer {
    Live(Live),
    Lines,
    Json,
    #[cfg(test)]
    Silent,
}

/// Version of the JSON lines; counts up when a field changes its meaning.
const JSON_VERSION: u32 = 1;

#[derive(serde::Serialize)]
struct JsonLine<'a> {
    version: u32,
    #[serde(rename = "of")]
    what: &'a Event,
}

impl Printer {
    /// A printer for `format`; text is live when stderr is a terminal.
    pub fn new(format: Format) -> Self {
        let writer = match format {
            Format::Json => Writer::Json,
            Format::Text if io::stderr().is_terminal() => Writer::Live(Live::new()),
            Format::Text => Writer::Lines,
        };
        let (counter, activity) = (Counter::default(), Activity::default());
        Self { told: Mutex::new(Told { writer, counter, activity, failed: None }) }
    }

    /// A printer that writes nothing, for tests of what is not written.
    #[cfg(test)]
    pub(crate) fn silent() -> Self {
        let printer = Self::new(Format::Text);
        printer.told.lock().unwrap_or_else(PoisonError::into_inner).writer = Writer::Silent;
        printer
    }

    /// Writes `event`.
    pub fn tell(&self, event: &Event) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).tell(event);
    }

    /// Tells that the user wants to stop, and what is waited for. From now on there is no live line: the program may end
    /// without another word.
    pub fn tell_interrupted(&self) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.calm();
        let event = Event::Interrupted { waits_for: told.activity.unfinished() };
        if matches!(told.writer, Writer::Json) {
            // Whoever pressed the keys looks at stderr.
            write_lines(&line::of(&event, &mut told.counter));
        }
        told.tell(&event);
    }

    /// Takes the live status line away; lines that follow are the caller's.
    pub fn close(&self) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).calm();
    }

    /// Ends the events.
    ///
    /// # Errors
    /// Some of them are data, and could not be written.
    pub fn finish(&self) -> Result<(), WriteError> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.calm();
        told.failed.take().map_or(Ok(()), Err)
    }
}

impl Told {
    fn tell(&mut self, event: &Event) {
        self.activity.follow(event);
        match &self.writer {
            Writer::Json => {
                if let Err(error) = json_line(event) {
                    self.failed.get_or_insert(error);
                }
            }
            #[cfg(test)]
            Writer::Silent => {}
            Writer::Lines => write_lines(&line::of(event, &mut self.counter)),
            Writer::Live(live) => {
                let lines = line::of(event, &mut self.counter);
                // What is in the status line; the line of a build appears when it ends.
                let is_there = matches!(event, Event::BuildStarted { .. } | Event::SpecsRead { .. });
                let lines = if is_there { Vec::new() } else { lines };
                live.show(&lines, output::status_line(&self.activity.status()));
            }
        }
    }

    /// Goes on with whole lines.
    fn calm(&mut self) {
        if matches!(self.writer, Writer::Live(_)) {
            self.writer = Writer::Lines;
        }
    }
}

fn write_lines(lines: &[String]) {
    for line in lines {
        status(line);
    }
}

fn json_line(event: &Event) -> Result<(), WriteError> {
    // An event is made of texts and numbers, which always can be JSON.
    let Ok(line) = serde_json::to_string(&JsonLine { version: JSON_VERSION, what: event }) else { return Ok(()) };
    json(&(line + "\n")).map(|_| ())
}
