//! Writes to the program's standard output and standard error: nothing else of Drydock does, but for a shell that the user
//! asked for. All text passes through [`printable`] here, and then loses its passwords: not before, since what is taken out
//! of it may have parted an address.
//!
//! A reader that has gone away, as `head` does, is no fault: nothing more is written. A full disk is one.

use std::io::{self, ErrorKind, IsTerminal, Write};

use rustix::fs::FileType;

use crate::address;
use crate::printable;

/// Characters of a line of status that are shown; what others wrote may have millions.
const LINE_LENGTH: usize = 4000;

/// Data could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write: {0}")]
pub struct WriteError(io::Error);

impl WriteError {
    /// What the user can do.
    pub fn hint(&self) -> Option<String> {
        Some(
            "what standard output leads to has only a part of the result: make room there and run the command again"
                .to_owned(),
        )
    }
}

/// Whether there is anybody to write to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// As far as can be known.
    There,
    /// It has closed its end.
    Gone,
}

/// What standard output leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// The user's eyes.
    Terminal,
    /// A file on a disk.
    File,
    /// Another program, or nothing.
    Other,
}

/// What standard output leads to.
pub fn destination() -> Destination {
    let stdout = io::stdout();
    let is_file = |stat: rustix::fs::Stat| FileType::from_raw_mode(stat.st_mode).is_file();
    match rustix::fs::fstat(&stdout) {
        _ if stdout.is_terminal() => Destination::Terminal,
        Ok(stat) if is_file(stat) => Destination::File,
        _ => Destination::Other,
    }
}

/// Writes lines of text to standard output.
pub fn data(text: &str) -> Result<Reader, WriteError> {
    bytes(without_passwords(&printable::text(text)).as_bytes())
}

/// Writes JSON documents, each with a line feed at its end, to standard output.
pub fn json(text: &str) -> Result<Reader, WriteError> {
    bytes(without_passwords(&printable::json(text)).as_bytes())
}

/// Writes to standard output what the user wants as it is.
pub fn bytes(bytes: &[u8]) -> Result<Reader, WriteError> {
    let mut stdout = io::stdout().lock();
    read_by(stdout.write_all(bytes).and_then(|()| stdout.flush()))
}

fn without_passwords(text: &str) -> String {
    text.split_inclusive('\n').map(address::in_text).collect()
}

fn read_by(written: io::Result<()>) -> Result<Reader, WriteError> {
    match written {
        Ok(()) => Ok(Reader::There),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Reader::Gone),
        Err(error) => Err(WriteError(error)),
    }
}

/// Writes lines for the user to standard error.
pub fn status(text: &str) {
    let lines: String = text.split('\n').map(|line| status_line(line) + "\n").collect();
    // Nobody is left to be told when standard error is closed.
    let _ = io::stderr().lock().write_all(lines.as_bytes());
}

/// One line for the user.
pub(super) fn status_line(line: &str) -> String {
    let line = printable::line(line.strip_suffix('\r').unwrap_or(line));
    address::in_text(&printable::shortened(&line, LINE_LENGTH)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_reader_that_left_is_no_fault() {
        assert_eq!(read_by(Ok(())).unwrap(), Reader::There);
        assert_eq!(read_by(Err(ErrorKind::BrokenPipe.into())).unwrap(), Reader::Gone);
        let full = read_by(Err(io::Error::from_raw_os_error(28))).unwrap_err();
        assert_eq!(full.to_string(), "cannot write: No space left on device (os error 28)");
    }

    #[test]
    fn a_line_of_status_is_clean_and_has_an_end() {
        assert_eq!(status_line("a\u{1b}[31mb\r"), "ab");
        assert_eq!(status_line("at https:/\u{1b}[0m/me:secret@host/x"), "at https://***@host/x");
        assert_eq!(without_passwords("http://a@b/c\nhttp://d@e/\n"), "http://***@b/c\nhttp://***@e/\n");
        assert_eq!(status_line(&"x".repeat(1 << 20)).chars().count(), LINE_LENGTH + 1);
    }
}
