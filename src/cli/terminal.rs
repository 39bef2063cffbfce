//! The user's own terminal, as a program in a container has it: raw, key by key.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::os::fd::AsFd;

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};

use crate::engine::{Terminal, TerminalSize};

/// Pieces of typed text that may wait.
const PIECES: usize = 64;

/// Puts the terminal back into its mode when it is dropped.
pub(super) struct RawMode {
    before: Termios,
}

/// True when standard input and output are a terminal.
pub(super) fn is_there() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

impl RawMode {
    /// Nothing is edited, echoed or turned into a signal any more: the program's own terminal does that.
    pub(super) fn enter() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Drain, &raw)?;
        Ok(Self { before })
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // The terminal is gone when this fails.
        let _ = tcsetattr(io::stdin(), OptionalActions::Drain, &self.before);
    }
}

/// What is typed from now on and the terminal's size, for a program that writes to `screen`.
pub(super) fn connect(screen: &mut (dyn FnMut(&[u8]) + Send)) -> Terminal<'_> {
    let (keys, typed) = mpsc::channel(PIECES);
    // Reading a terminal cannot be called off: a thread that nobody waits for does it.
    std::thread::spawn(move || pass_keys(&keys));
    let (told, size) = watch::channel(current_size());
    tokio::spawn(pass_sizes(told));
    Terminal { keys: typed, screen, size }
}

fn pass_keys(keys: &mpsc::Sender<Vec<u8>>) {
    // Not `io::stdin()`, whose buffer would keep what it reads too much.
    let Ok(mut terminal) = io::stdin().as_fd().try_clone_to_owned().map(File::from) else { return };
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = terminal.read(&mut buffer) {
        if keys.blocking_send(buffer[..count].to_vec()).is_err() {
            return;
        }
    }
}

async fn pass_sizes(told: watch::Sender<TerminalSize>) {
    let Ok(mut changed) = signal(SignalKind::window_change()) else { return };
    while changed.recv().await.is_some() {
        if told.send(current_size()).is_err() {
            return;
        }
    }
}

fn current_size() -> TerminalSize {
    let found = tcgetwinsize(io::stdout()).ok().filter(|size| size.ws_row > 0 && size.ws_col > 0);
    found
        .map_or(TerminalSize { rows: 24, columns: 80 }, |size| TerminalSize { rows: size.ws_row, columns: size.ws_col })
}
