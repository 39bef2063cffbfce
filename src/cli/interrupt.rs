//! The user's wish to stop: the first Ctrl-C asks for an orderly end, the second one ends the program at once.
//!
//! A thread of its own listens, so that the answer comes at once whatever the program is busy with. What is left behind at
//! the second one, the next run removes; the embedded engine's containers end with the program.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::report::{self, Printer};

/// The exit code of a command that the user has stopped.
pub(super) const INTERRUPTED: u8 = 130;

/// How long the program waits for its own answer when it could end before.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);

/// Knows whether the user wants to stop.
#[derive(Clone, Default)]
pub(super) struct Interrupt {
    cancel: CancellationToken,
    /// Cancelled when the first signal is answered.
    answered: CancellationToken,
    /// Gives the answer.
    printer: Arc<Mutex<Weak<Printer>>>,
}

impl Interrupt {
    /// Listens to SIGINT and SIGTERM from now on.
    pub(super) fn listen() -> std::io::Result<Self> {
        let interrupt = Self::default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let signals = {
            let _inside = runtime.enter();
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
        };
        let asked = interrupt.clone();
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || runtime.block_on(asked.watch(signals)))?;
        Ok(interrupt)
    }

    /// Cancelled by the first signal.
    pub(super) fn token(&self) -> CancellationToken {
        self.cancel.clone()
    }

    /// True once the user wants to stop.
    pub(super) fn is_requested(&self) -> bool {
        self.cancel.is_cancelled()
    }

    /// Waits, not for long, until the user who wants to stop is answered.
    pub(super) async fn answered(&self) {
        // Nobody reads the answer when it takes longer.
        let _ = tokio::time::timeout(ANSWER_LIMIT, self.answered.cancelled()).await;
    }

    /// Lets `printer` give the answer from now on.
    pub(super) fn answer_by(&self, printer: &Arc<Printer>) {
        *self.printer.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(printer);
    }

    async fn watch(self, (mut interrupt, mut terminate): (Signal, Signal)) {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if self.cancel.is_cancelled() {
                std::process::exit(INTERRUPTED.into());
            }
            // Taken first: once cancelled, the command may end.
            let printer = self.printer.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
            self.cancel.cancel();
            let answered = self.answered.clone();
            // Whoever reads what we write may be stopped, too: the second signal does not wait for that.
            std::thread::spawn(move || {
                printer.map_or_else(|| report::status("interrupted"), |printer| printer.tell_interrupted());
                answered.cancel();
            });
        }
    }
}
