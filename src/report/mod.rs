//! Tells a run's events to the user: whole lines for a pipe, a live status line on a terminal, JSON lines for programs.
//!
//! In: [`Event`]s from any task. Out: lines on stderr; with [`Format::Json`] on stdout, since there they are the data.
//! A failure is told in full where it happens: package, phase, the lines that matter, the log's path.

mod line;
mod live;

use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;

use crate::address;
use crate::event::Event;
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
    writer: Writer,
}

enum Writer {
    Live(Mutex<Live>),
    Lines(Mutex<line::Counter>),
    Json,
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
            Format::Text if io::stderr().is_terminal() => Writer::Live(Mutex::new(Live::new())),
            Format::Text => Writer::Lines(Mutex::default()),
        };
        Self { writer }
    }

    /// Writes `event`.
    pub fn tell(&self, event: &Event) {
        let written = match &self.writer {
            Writer::Json => json_line(event),
            Writer::Lines(counter) => match counter.lock() {
                Ok(mut counter) => line::of(event, &mut counter).iter().try_for_each(|line| text_line(line)),
                Err(_) => Ok(()),
            },
            Writer::Live(live) => {
                if let Ok(mut live) = live.lock() {
                    live.tell(event);
                }
                Ok(())
            }
        };
        if let Err(error) = written {
            tracing::debug!(%error, "cannot write a status line");
        }
    }

    /// Takes the live status line away; lines that follow are the caller's.
    pub fn close(&self) {
        if let Writer::Live(live) = &self.writer
            && let Ok(live) = live.lock()
        {
            live.close();
        }
    }
}

fn json_line(event: &Event) -> io::Result<()> {
    let line = serde_json::to_string(&JsonLine { version: JSON_VERSION, what: event })?;
    writeln!(io::stdout().lock(), "{}", address::in_text(&line))
}

fn text_line(line: &str) -> io::Result<()> {
    writeln!(io::stderr().lock(), "{}", address::in_text(line))
}
