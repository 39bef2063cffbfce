//! Takes the body of an answer: hashed on its way into a part, neither larger nor slower than it may be.

use std::io::Write;
use std::path::Path;

use reqwest::Response;
use tokio::io::AsyncWriteExt;

use super::part::Part;
use super::transfer::{Fault, Patience, transport_fault};
use crate::digest::Sha256;
use crate::pace::Pace;

/// What was received; the lock of the part is held until this is dropped.
pub(super) struct Written {
    pub(super) digest: Sha256,
    pub(super) bytes: u64,
    pub(super) lock: std::fs::File,
}

/// Appends the body of `response` to `part`, which is at `path`, up to `limit` bytes altogether. What has arrived is kept
/// for the next attempt, whatever the end is.
pub(super) async fn receive(
    mut response: Response,
    part: Part,
    (path, limit, patience): (&Path, u64, Patience),
) -> Result<Written, Fault> {
    let disk = |source| Fault::Disk { path: path.to_owned(), source };
    let Part { file, mut hashing, mut bytes, .. } = part;
    if response.content_length().is_some_and(|more| bytes.saturating_add(more) > limit) {
        return Err(Fault::TooLarge { limit });
    }
    let mut file = tokio::fs::File::from_std(file);
    let mut pace = Pace::new(patience.stall, patience.least_rate);
    let ended = loop {
        match response.chunk().await {
            Ok(Some(chunk)) if bytes.saturating_add(chunk.len() as u64) > limit => {
                break Err(Fault::TooLarge { limit });
            }
            Ok(Some(chunk)) => {
                file.write_all(&chunk).await.map_err(disk)?;
                hashing.write_all(&chunk).map_err(disk)?;
                bytes += chunk.len() as u64;
                if let Err(slow) = pace.came(chunk.len()) {
                    break Err(Fault::Slow(slow));
                }
            }
            Ok(None) => break Ok(()),
            Err(error) => break Err(transport_fault(error)),
        }
    };
    file.flush().await.map_err(disk)?;
    ended?;
    file.sync_all().await.map_err(disk)?;
    Ok(Written { digest: hashing.finish().1, bytes, lock: file.into_std().await })
}
