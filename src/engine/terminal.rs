//! A terminal for a container's program, in place of its streams.
//!
//! The engine knows no terminal of the user: it gets what is typed and gives what is to be shown.

use tokio::sync::{mpsc, watch};

/// What a program with a terminal is connected to.
pub struct Terminal<'a> {
    /// What is typed; when it ends, nothing more is.
    pub keys: mpsc::Receiver<Vec<u8>>,
    /// Gets what the program writes, with the terminal's control codes.
    pub screen: &'a mut (dyn FnMut(&[u8]) + Send),
    /// Its size, as it changes.
    pub size: watch::Receiver<TerminalSize>,
}

/// How much a terminal shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TerminalSize {
    /// Lines.
    pub rows: u16,
    /// Characters of a line.
    pub columns: u16,
}

impl Terminal<'_> {
    /// What happens next on the user's side; waits forever when nothing can any more.
    pub(super) async fn next(&mut self) -> Input {
        loop {
            tokio::select! {
                Some(keys) = self.keys.recv() => return Input::Keys(keys),
                Ok(()) = self.size.changed() => return Input::Size(*self.size.borrow_and_update()),
                else => std::future::pending::<()>().await,
            }
        }
    }
}

/// What the user did.
pub(super) enum Input {
    /// Typed something.
    Keys(Vec<u8>),
    /// Changed the terminal's size.
    Size(TerminalSize),
}
