//! Reading that is broken off once the user wants to stop: a file may be longer than anybody waits for.

use std::error::Error;
use std::io::{self, Read};

use tokio_util::sync::CancellationToken;

/// The user wants to stop.
#[derive(Debug, thiserror::Error)]
#[error("cancelled")]
struct Stopped;

/// A reader whose next block is an error once its token is cancelled.
pub struct Stoppable<'a, R> {
    inner: R,
    stop: &'a CancellationToken,
}

impl<'a, R> Stoppable<'a, R> {
    /// Reads `inner` until `stop` is cancelled.
    pub fn new(inner: R, stop: &'a CancellationToken) -> Self {
        Self { inner, stop }
    }
}

impl<R: Read> Read for Stoppable<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        check(self.stop)?;
        self.inner.read(buffer)
    }
}

/// Fails once `stop` is cancelled; to be asked between two pieces of long work.
pub fn check(stop: &CancellationToken) -> io::Result<()> {
    // Not `ErrorKind::Interrupted`, at which readers try again.
    if stop.is_cancelled() { Err(io::Error::other(Stopped)) } else { Ok(()) }
}

/// True for the error of work that was broken off by [`check`].
pub fn is_stopped(error: &io::Error) -> bool {
    error.get_ref().is_some_and(<dyn Error + Send + Sync>::is::<Stopped>)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives blocks without an end; the user wants to stop after some.
    struct Endless<'a>(&'a CancellationToken, usize);

    impl Read for Endless<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1 += 1;
            if self.1 == 3 {
                self.0.cancel();
            }
            buffer.fill(b'x');
            Ok(buffer.len())
        }
    }

    #[test]
    fn what_has_no_end_is_read_until_the_user_wants_to_stop() {
        let stop = CancellationToken::new();
        let mut endless = Stoppable::new(Endless(&stop, 0), &stop);
        let error = io::copy(&mut endless, &mut io::sink()).unwrap_err();
        assert!(is_stopped(&error), "{error}");
        assert_eq!(endless.inner.1, 3);
        assert!(!is_stopped(&io::Error::other("cancelled")));
    }
}
