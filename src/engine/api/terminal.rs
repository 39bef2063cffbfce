//! A container whose program has a terminal, which the engine makes.
//!
//! A terminal has one stream, and turns each line end in it into two characters: the record that [`init`](super::init)
//! writes at the end would not survive that. So how the program ended is what the engine says, in which an exit status
//! above 128 and a signal are the same number, and the record is kept from the screen.

use bollard::query_parameters::ResizeContainerTTYOptionsBuilder;
use futures_util::StreamExt;
use tokio::io::AsyncWriteExt;
use tokio_util::sync::CancellationToken;

use super::run::Run;
use crate::engine::terminal::{Input, Terminal};
use crate::engine::{EngineError, Exit, TerminalSize};

impl Run<'_> {
    /// Carries it out and cleans up.
    pub(super) async fn attach_terminal(
        mut self,
        mut terminal: Terminal<'_>,
        cancel: &CancellationToken,
    ) -> Result<Exit, EngineError> {
        let outcome = self.whole_terminal(&mut terminal, cancel).await;
        self.leftovers.remove().await;
        outcome
    }

    async fn whole_terminal(
        &mut self,
        terminal: &mut Terminal<'_>,
        cancel: &CancellationToken,
    ) -> Result<Exit, EngineError> {
        if self.made(cancel).await?.is_none() {
            return Ok(Exit::Cancelled);
        }
        let mut attached = self.attach().await?;
        self.start().await?;
        let size = *terminal.size.borrow_and_update();
        self.resize(size).await;
        let mut shown = Shown::new(&self.token);
        loop {
            let input = tokio::select! {
                // The container is killed when it is removed.
                () = cancel.cancelled() => return Ok(Exit::Cancelled),
                piece = attached.output.next() => match piece {
                    Some(Ok(piece)) => {
                        shown.pass(piece.as_ref(), terminal.screen);
                        continue;
                    }
                    _ => break,
                },
                input = terminal.next() => input,
            };
            match input {
                Input::Keys(keys) => {
                    let written = attached.input.write_all(&keys).await;
                    if written.is_err() || attached.input.flush().await.is_err() {
                        break;
                    }
                }
                Input::Size(size) => self.resize(size).await,
            }
        }
        shown.finish(terminal.screen);
        let code = i32::try_from(self.wait().await?).unwrap_or(1);
        Ok(if code > 128 { Exit::Signal(code - 128) } else { Exit::Code(code) })
    }

    async fn resize(&self, size: TerminalSize) {
        let options = ResizeContainerTTYOptionsBuilder::new().h(size.rows.into()).w(size.columns.into()).build();
        if let Err(error) = self.api.docker.resize_container_tty(&self.name, options).await {
            tracing::debug!(container = self.name, %error, "the terminal keeps its size");
        }
    }
}

/// Passes on what is to be seen: all before the record.
struct Shown {
    token: Vec<u8>,
    held: Vec<u8>,
    is_over: bool,
}

impl Shown {
    fn new(token: &str) -> Self {
        Self { token: token.as_bytes().to_vec(), held: Vec::new(), is_over: false }
    }

    fn pass(&mut self, bytes: &[u8], screen: &mut (dyn FnMut(&[u8]) + Send)) {
        if self.is_over {
            return;
        }
        self.held.extend_from_slice(bytes);
        let begins = |at: &usize| {
            let rest = &self.held[*at..];
            let length = rest.len().min(self.token.len());
            rest[..length] == self.token[..length]
        };
        let begin = (0..self.held.len()).find(begins).unwrap_or(self.held.len());
        self.is_over = self.held.len() - begin >= self.token.len();
        if begin > 0 {
            screen(&self.held[..begin]);
            self.held.drain(..begin);
        }
    }

    /// Passes on what looked like the begin of a record.
    fn finish(self, screen: &mut (dyn FnMut(&[u8]) + Send)) {
        if !self.is_over && !self.held.is_empty() {
            screen(&self.held);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_is_kept_from_the_screen() {
        for size in 1..20 {
            let (mut shown, mut seen) = (Shown::new("token"), Vec::new());
            b"tell to\r\ntokentail of it".chunks(size).for_each(|piece| {
                shown.pass(piece, &mut |bytes| seen.extend_from_slice(bytes));
            });
            shown.finish(&mut |bytes| seen.extend_from_slice(bytes));
            assert_eq!(seen, b"tell to\r\n", "size {size}");
        }
        let (mut shown, mut seen) = (Shown::new("token"), Vec::new());
        shown.pass(b"end to", &mut |bytes| seen.extend_from_slice(bytes));
        shown.finish(&mut |bytes| seen.extend_from_slice(bytes));
        assert_eq!(seen, b"end to");
    }
}
