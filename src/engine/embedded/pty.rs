//! A pseudo-terminal of the host: the program has one side of it, this process the other.

use std::io;
use std::os::fd::OwnedFd;
use std::pin::pin;

use nix::pty::{OpenptyResult, Winsize, openpty};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::SandboxError;
use crate::engine::TerminalSize;
use crate::engine::terminal::{Input, Terminal};

/// Our side, once for each direction.
pub(super) struct Pty {
    shown: File,
    typed: File,
}

impl Pty {
    /// A new one of this size; the second value is the program's side.
    pub(super) fn open(size: TerminalSize) -> Result<(Self, OwnedFd), SandboxError> {
        let size = Winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 };
        let opened = openpty(&size, None).map_err(|errno| SandboxError::Terminal(errno.into()))?;
        let OpenptyResult { master, slave } = opened;
        // Copies are closed in other programs that are started, which the original is not.
        let [shown, typed] = [master.try_clone(), master.try_clone()].map(|side| side.map_err(SandboxError::Terminal));
        let slave = slave.try_clone().map_err(SandboxError::Terminal)?;
        Ok((Self { shown: file(shown?), typed: file(typed?) }, slave))
    }

    /// Passes on what is typed and shown, until the program's side is closed everywhere.
    pub(super) async fn serve(mut self, terminal: &mut Terminal<'_>) -> io::Result<()> {
        let mut buffer = vec![0; 1 << 14];
        loop {
            let input = tokio::select! {
                count = read(&mut self.shown, &mut buffer) => match count? {
                    0 => return Ok(()),
                    count => {
                        (terminal.screen)(&buffer[..count]);
                        continue;
                    }
                },
                input = terminal.next() => input,
            };
            let keys = match input {
                Input::Keys(keys) => keys,
                Input::Size(size) => {
                    resize(&self.typed, size)?;
                    continue;
                }
            };
            let mut written = pin!(write(&mut self.typed, &keys));
            // The program may have to be read before it takes more, or both sides would wait.
            loop {
                tokio::select! {
                    written = &mut written => {
                        written?;
                        break;
                    }
                    count = read(&mut self.shown, &mut buffer) => match count? {
                        0 => return Ok(()),
                        count => (terminal.screen)(&buffer[..count]),
                    },
                }
            }
        }
    }
}

fn file(side: OwnedFd) -> File {
    File::from_std(side.into())
}

/// 0 when the program's side is closed. Nothing is lost when this future is dropped.
async fn read(shown: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    ended(shown.read(buffer).await)
}

/// All of `keys`; what a program that is gone does not read is no fault.
async fn write(typed: &mut File, keys: &[u8]) -> io::Result<()> {
    let written = async {
        typed.write_all(keys).await?;
        typed.flush().await?;
        Ok(0)
    };
    ended(written.await).map(|_| ())
}

/// Linux answers so once the program's side is closed.
fn ended(outcome: io::Result<usize>) -> io::Result<usize> {
    match outcome {
        Err(error) if error.raw_os_error() == Some(nix::errno::Errno::EIO as i32) => Ok(0),
        outcome => outcome,
    }
}

fn resize(side: &File, size: TerminalSize) -> io::Result<()> {
    let size = rustix::termios::Winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 };
    Ok(rustix::termios::tcsetwinsize(side, size)?)
}
