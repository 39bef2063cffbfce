//! A log, or a part of it, as a user wants to see it: piece by piece, however long it or one of its lines is.

use std::io::{self, BufRead, Read};

use super::phase::{Part, Phase};
use crate::printable;

/// How much of a line is held in memory; what is longer comes in pieces.
const PIECE_BYTES: u64 = 64 << 10;
/// How much is handed out at a time.
const OUTPUT_BYTES: usize = 64 << 10;

/// How the lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As they are.
    Raw,
    /// As a terminal may show them.
    Printable,
}

/// Follows a log from its start.
#[derive(Debug)]
pub struct Excerpt {
    part: Option<Part>,
    form: Form,
    piece: Vec<u8>,
    /// True when the next piece begins a line.
    at_line_start: bool,
    /// True when the line that the last piece belongs to is shown.
    is_shown: bool,
    is_empty: bool,
}

impl Excerpt {
    /// The lines of `phase`, or all of them, in the form `form`.
    pub fn new(phase: Option<Phase>, form: Form) -> Self {
        let part = phase.map(Part::new);
        Self { part, form, piece: Vec::new(), at_line_start: true, is_shown: true, is_empty: true }
    }

    /// True when nothing was shown up to now.
    pub fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// The next lines of `log`; None at its end, for now.
    pub fn next(&mut self, log: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
        let mut lines = Vec::new();
        while lines.len() < OUTPUT_BYTES {
            self.piece.clear();
            if log.take(PIECE_BYTES).read_until(b'\n', &mut self.piece)? == 0 {
                break;
            }
            if self.at_line_start {
                let part = self.part.as_mut();
                self.is_shown = part.is_none_or(|part| part.has_line(&String::from_utf8_lossy(&self.piece)));
            }
            self.at_line_start = self.piece.ends_with(b"\n");
            if self.is_shown {
                self.add_piece(&mut lines);
            }
        }
        self.is_empty &= lines.is_empty();
        Ok((!lines.is_empty()).then_some(lines))
    }

    fn add_piece(&self, lines: &mut Vec<u8>) {
        match self.form {
            Form::Raw => lines.extend_from_slice(&self.piece),
            Form::Printable => {
                let text = String::from_utf8_lossy(&self.piece);
                lines.extend_from_slice(printable::line(printable::last_written(&text)).as_bytes());
                lines.extend(self.at_line_start.then_some(b'\n'));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(phase: Option<Phase>, form: Form, log: &[u8]) -> (Vec<u8>, usize) {
        let (mut excerpt, mut log) = (Excerpt::new(phase, form), log);
        let (mut found, mut most) = (Vec::new(), 0);
        while let Some(lines) = excerpt.next(&mut log).unwrap() {
            most = most.max(lines.len() + excerpt.piece.capacity());
            found.extend(lines);
        }
        assert_eq!(excerpt.is_empty(), found.is_empty());
        (found, most)
    }

    const LOG: &str = "installing\nExecuting(%prep): a\nunpack\nExecuting(%generate_buildrequires): a\nasks\n\
        Executing(%conf): a\nconfigure\nExecuting(%build): a\ncc\nExecuting(%install): a\ncp\n\
        Executing(%check): a\ntest\nProcessing files: a-1-1\nProvides: a\nExecuting(%clean): a\nrm\nRPM build errors:\n";

    #[test]
    fn a_log_is_cut_at_its_sections() {
        for (phase, expected) in [
            (Some(Phase::Prep), "Executing(%prep): a\nunpack\n"),
            (Some(Phase::Build), "Executing(%conf): a\nconfigure\nExecuting(%build): a\ncc\n"),
            (Some(Phase::Install), "Executing(%install): a\ncp\n"),
            (Some(Phase::Check), "Executing(%check): a\ntest\n"),
            (Some(Phase::Files), "Processing files: a-1-1\nProvides: a\nRPM build errors:\n"),
            (None, LOG),
        ] {
            assert_eq!(all(phase, Form::Raw, LOG.as_bytes()).0, expected.as_bytes(), "{phase:?}");
        }
        assert!(all(Some(Phase::Build), Form::Raw, b"Executing(%prep): a\nboom").0.is_empty());
    }

    #[test]
    fn only_people_are_shown_another_text() {
        let log = b"\x1b[31mred\x1b[0m \xff\x07\r\n10%\r100%\n::error::x\nend";
        assert_eq!(all(None, Form::Raw, log).0, log);
        let shown = all(None, Form::Printable, log).0;
        assert_eq!(String::from_utf8(shown).unwrap(), "red \u{fffd}\\u{7}\n100%\n\\::error::x\nend");
    }

    #[test]
    fn a_line_without_end_takes_little_memory() {
        let mut log = b"Executing(%build): a\n".to_vec();
        log.resize(8 << 20, b'x');
        let (found, most) = all(Some(Phase::Build), Form::Raw, &log);
        assert_eq!(found.len(), log.len());
        assert!(most < 1 << 19, "{most}");
        // Its pieces do not begin anything.
        let mut log = b"Executing(%build): a\n".to_vec();
        log.resize(log.len() + usize::try_from(PIECE_BYTES).unwrap(), b'x');
        log.extend_from_slice(b"Executing(%check): a\nend");
        assert_eq!(all(Some(Phase::Build), Form::Raw, &log).0.len(), log.len());
    }
}
