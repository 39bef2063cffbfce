//! Long work on files beside the run, so that the user need not wait for it to stop.

use super::StageContext;
use super::error::ToolchainError;

/// What `work` for the stage `stage` gives. When the run is cancelled, it is left to itself: it ends with the program, and
/// what it has begun is removed as that of a killed run.
pub(super) async fn unless_cancelled<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
    stage: &str,
    context: &StageContext<'_>,
) -> Result<T, ToolchainError> {
    tokio::select! {
        done = tokio::task::spawn_blocking(work) => match done {
            Ok(done) => Ok(done),
            // A task that is not aborted can only end early by a panic, which goes on here.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        },
        () = context.cancel.cancelled() => Err(ToolchainError::Cancelled { stage: stage.to_owned() }),
    }
}
