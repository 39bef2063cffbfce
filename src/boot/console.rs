//! A serial console: everything it says goes into a transcript, and text is waited for in it.

use std::fs::File;
use std::io::{self, Write as _};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, timeout_at};

/// How much of what was said since the last match is kept at least: more than the longest answer to a question.
const KEPT_BYTES: usize = 4 << 20;

/// A console that is read and written.
pub(super) struct Console<R, W> {
    output: R,
    input: W,
    transcript: File,
    /// What was said since the last match, without control sequences.
    unread: String,
    /// A control sequence that has begun and not ended.
    control: Control,
}

/// Where in a control sequence the output is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Control {
    None,
    Escape,
    Sequence,
}

/// What waiting for text has led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// One of the texts came: its index, and what was said before it.
    Found(usize, String),
    /// The time is over; the end of what was said.
    TimeOver(String),
    /// The console was closed; the end of what was said.
    Closed(String),
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Console<R, W> {
    /// A console with its transcript.
    pub(super) fn new(output: R, input: W, transcript: File) -> Self {
        Self { output, input, transcript, unread: String::new(), control: Control::None }
    }

    /// Waits until one of `texts` is said. Whatever was said up to its end is never looked at again.
    pub(super) async fn wait_for(&mut self, texts: &[&str], limit: Duration) -> io::Result<Wait> {
        let end = Instant::now() + limit;
        let longest = texts.iter().map(|text| text.len()).max().unwrap_or_default();
        let mut buffer = [0; 4096];
        // Up to there, none of the texts begins.
        let mut searched = 0;
        loop {
            if let Some((at, index)) = first(&self.unread[searched..], texts) {
                let at = searched + at;
                let before = self.unread[..at].to_owned();
                self.unread.drain(..at + texts[index].len());
                return Ok(Wait::Found(index, before));
            }
            match timeout_at(end, self.output.read(&mut buffer)).await {
                Err(_) => return Ok(Wait::TimeOver(self.tail())),
                Ok(read) => match read? {
                    0 => return Ok(Wait::Closed(self.tail())),
                    count => {
                        let new = self.take(&buffer[..count])?;
                        let start = self.unread.len().saturating_sub(new + longest);
                        searched = self.unread.floor_char_boundary(start);
                    }
                },
            }
        }
    }

    /// Types `line` and the return key.
    pub(super) async fn type_line(&mut self, line: &str) -> io::Result<()> {
        self.input.write_all(format!("{line}\r").as_bytes()).await?;
        self.input.flush().await
    }

    /// Adds what was said; gives how much of it is text.
    fn take(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.transcript.write_all(bytes)?;
        let before = self.unread.len();
        for letter in String::from_utf8_lossy(bytes).chars() {
            self.control = match (self.control, letter) {
                (Control::None, '\x1b') => Control::Escape,
                (Control::Escape, '[') => Control::Sequence,
                (Control::Sequence, letter) if !('@'..='~').contains(&letter) => Control::Sequence,
                (Control::None, letter) => {
                    self.unread.extend((letter != '\r').then_some(letter));
                    Control::None
                }
                _ => Control::None,
            };
        }
        let new = self.unread.len() - before;
        if self.unread.len() > 2 * KEPT_BYTES {
            let start = self.unread.ceil_char_boundary(self.unread.len() - KEPT_BYTES);
            self.unread.drain(..start);
        }
        Ok(new)
    }

    /// The last lines that were said.
    fn tail(&self) -> String {
        let lines: Vec<&str> = self.unread.lines().filter(|line| !line.trim().is_empty()).collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }
}

/// The place and index of the text that comes first.
fn first(said: &str, texts: &[&str]) -> Option<(usize, usize)> {
    texts.iter().enumerate().filter_map(|(index, text)| Some((said.find(text)?, index))).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn console(said: &'static [u8]) -> Console<&'static [u8], tokio::io::Sink> {
        Console::new(said, tokio::io::sink(), tempfile::tempfile().unwrap())
    }

    #[tokio::test]
    async fn the_text_that_comes_first_counts_and_is_seen_once() {
        let mut console = console(b"\x1b[1;31mhost \x1b[0mlogin: \r\nagain login:");
        let second = Duration::from_secs(1);
        let found = console.wait_for(&["panic", "login:"], second).await.unwrap();
        assert_eq!(found, Wait::Found(1, "host ".to_owned()));
        assert_eq!(console.wait_for(&["login:"], second).await.unwrap(), Wait::Found(0, " \nagain ".to_owned()));
        assert_eq!(console.wait_for(&["login:"], second).await.unwrap(), Wait::Closed(String::new()));
    }

    #[tokio::test]
    async fn a_text_is_found_where_it_is_cut_and_after_noise_without_end() {
        let (mut guest, host) = tokio::io::duplex(1 << 20);
        let mut console = Console::new(host, tokio::io::sink(), tempfile::tempfile().unwrap());
        let said = async move {
            for _ in 0..3 * KEPT_BYTES / 4096 {
                guest.write_all(&[b'x'; 4096]).await.unwrap();
            }
            for part in ["ü log", "in", ": "] {
                guest.write_all(part.as_bytes()).await.unwrap();
                guest.flush().await.unwrap();
                tokio::task::yield_now().await;
            }
            guest
        };
        let (_guest, found) = tokio::join!(said, console.wait_for(&["login:"], Duration::from_mins(1)));
        let Wait::Found(0, before) = found.unwrap() else { panic!("not found") };
        assert!(before.ends_with("xü ") && before.len() <= 2 * KEPT_BYTES, "{}", before.len());
    }

    #[tokio::test]
    async fn waiting_ends_with_its_time() {
        let (_guest, host) = tokio::io::duplex(64);
        let mut console = Console::new(host, tokio::io::sink(), tempfile::tempfile().unwrap());
        let over = console.wait_for(&["login:"], Duration::from_millis(20)).await.unwrap();
        assert_eq!(over, Wait::TimeOver(String::new()));
    }
}
