//! How fast an answer comes: one that brings a byte a second never ends.

use std::time::Duration;

use tokio::time::Instant;

/// Bytes a second that an answer brings at least, on the average of a window.
pub const LEAST_RATE: u64 = 1000;

/// Looks once in each window at what has come.
pub struct Pace {
    since: Instant,
    bytes: u64,
    window: Duration,
    least_rate: u64,
}

/// The server is so slow that the transfer would not end.
#[derive(Debug, thiserror::Error)]
#[error("it brought {bytes} bytes in {} s, which is less than {least_rate} a second", time.as_secs_f32())]
pub struct TooSlow {
    bytes: u64,
    time: Duration,
    least_rate: u64,
}

impl Pace {
    /// Begins now.
    pub fn new(window: Duration, least_rate: u64) -> Self {
        Self { since: Instant::now(), bytes: 0, window, least_rate }
    }

    /// So many bytes have come.
    pub fn came(&mut self, bytes: usize) -> Result<(), TooSlow> {
        self.bytes += bytes as u64;
        let time = self.since.elapsed();
        if time < self.window {
            return Ok(());
        }
        let (bytes, least_rate) = (self.bytes, self.least_rate);
        (self.since, self.bytes) = (Instant::now(), 0);
        // Of a duration only whole milliseconds count: a window is long.
        let needed = u128::from(least_rate) * time.as_millis() / 1000;
        if u128::from(bytes) < needed { Err(TooSlow { bytes, time, least_rate }) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_trickle_is_noticed_and_a_pause_is_not() {
        let second = Duration::from_secs(1);
        let mut pace = Pace::new(60 * second, LEAST_RATE);
        for _ in 0..59 {
            tokio::time::advance(second).await;
            pace.came(1).unwrap();
        }
        pace.came(100_000).unwrap();
        tokio::time::advance(second).await;
        pace.came(1).unwrap();
        for _ in 0..59 {
            tokio::time::advance(second).await;
            pace.came(999).unwrap();
        }
        tokio::time::advance(second).await;
        let told = pace.came(999).unwrap_err().to_string();
        assert_eq!(told, "it brought 59940 bytes in 60 s, which is less than 1000 a second");
    }
}
