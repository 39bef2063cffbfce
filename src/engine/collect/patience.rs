//! How long the files of a container may be taken.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::engine::Exit;

/// For the files of a container that ended just at its time limit.
const GRACE: Duration = Duration::from_secs(10);

/// How long files may be taken: within the container's time limit, but for a short time at least, and until the run is
/// cancelled.
pub(in crate::engine) struct Patience<'a> {
    cancel: &'a CancellationToken,
    limit: Option<Instant>,
}

impl<'a> Patience<'a> {
    /// For a container whose time is over at `limit` and that ends now.
    pub(in crate::engine) fn new(cancel: &'a CancellationToken, limit: Option<Instant>) -> Self {
        Self { cancel, limit: limit.map(|limit| limit.max(Instant::now() + GRACE)) }
    }

    /// Waits until there is none left; says how the run ends then.
    pub(in crate::engine) async fn over(&self) -> Exit {
        let late = async {
            match self.limit {
                Some(limit) => tokio::time::sleep_until(limit).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Exit::Cancelled,
            () = late => Exit::TimedOut,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn files_are_taken_until_the_run_is_cancelled_or_its_time_is_over() {
        let cancel = CancellationToken::new();
        let begin = Instant::now();
        let ended_early = Patience::new(&cancel, Some(begin + Duration::from_mins(1)));
        assert_eq!((ended_early.over().await, begin.elapsed()), (Exit::TimedOut, Duration::from_mins(1)));
        let ended_late = Patience::new(&cancel, Some(begin));
        assert_eq!((ended_late.over().await, begin.elapsed()), (Exit::TimedOut, Duration::from_mins(1) + GRACE));
        cancel.cancel();
        assert_eq!(Patience::new(&cancel, None).over().await, Exit::Cancelled);
    }
}
