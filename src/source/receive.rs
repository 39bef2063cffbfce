//! Takes the body of an answer: hashed on its way into a part, neither larger nor slower than it may be.

use std::io::Write;
use std::path::Path;

use reqwest::Response;
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use super::download::{Fault, Patience, transport_fault};
use super::part::Part;
use crate::digest::Sha256;

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
    let mut pace = Pace { since: Instant::now(), bytes: 0, patience };
    let ended = loop {
        match response.chunk().await {
            Ok(Some(chunk)) if bytes.saturating_add(chunk.len() as u64) > limit => {
                break Err(Fault::TooLarge { limit });
            }
            Ok(Some(chunk)) => {
                file.write_all(&chunk).await.map_err(disk)?;
                hashing.write_all(&chunk).map_err(disk)?;
                bytes += chunk.len() as u64;
                if let Err(slow) = pace.came(chunk.len() as u64) {
                    break Err(slow);
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

/// How fast an answer comes, looked at once in the time that a server may be silent.
struct Pace {
    since: Instant,
    bytes: u64,
    patience: Patience,
}

impl Pace {
    fn came(&mut self, bytes: u64) -> Result<(), Fault> {
        self.bytes += bytes;
        let time = self.since.elapsed();
        if time < self.patience.stall {
            return Ok(());
        }
        let (came, least) = (self.bytes, self.patience.least_rate);
        (self.since, self.bytes) = (Instant::now(), 0);
        // Of a duration only whole milliseconds count: a window is long.
        let needed = u128::from(least) * time.as_millis() / 1000;
        if u128::from(came) < needed { Err(Fault::Slow { bytes: came, time, least }) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_trickle_is_noticed_and_a_pause_is_not() {
        let patience = Patience::default();
        let mut pace = Pace { since: Instant::now(), bytes: 0, patience };
        for _ in 0..59 {
            tokio::time::advance(Duration::from_secs(1)).await;
            pace.came(1).unwrap();
        }
        pace.came(100_000).unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
        pace.came(1).unwrap();
        for _ in 0..59 {
            tokio::time::advance(Duration::from_secs(1)).await;
            pace.came(999).unwrap();
        }
        tokio::time::advance(Duration::from_secs(1)).await;
        let told = pace.came(999).unwrap_err().to_string();
        assert_eq!(told, "it brought 59940 bytes in 60 s, which is less than 1000 a second");
    }
}
