//! Work that may wait for files, away from the threads that wait for the network.

use super::OciError;

/// What `work` gives.
pub(super) async fn off_the_async_threads<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, OciError> + Send + 'static,
) -> Result<T, OciError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(fault) => Err(OciError::malformed("the layout's writer", fault.to_string())),
    }
}
