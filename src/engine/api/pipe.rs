//! Bridges between blocking archive code and the engine's streams, with a few pieces in flight at most.

use std::io::{self, Read, Write};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

const PIECES: usize = 8;
const PIECE_BYTES: usize = 256 << 10;

/// A stream of what `produce` writes, on a blocking thread, and the end of that thread. An error of `produce` breaks the
/// stream, so that the receiver cannot take half of it for the whole.
pub(super) fn written_by<E, F>(
    produce: F,
) -> (impl Stream<Item = io::Result<Bytes>> + Send + 'static, JoinHandle<Result<(), E>>)
where
    E: Send + 'static,
    F: FnOnce(&mut dyn Write) -> Result<(), E> + Send + 'static,
{
    let (sender, mut receiver) = mpsc::channel(PIECES);
    let produced = tokio::task::spawn_blocking(move || {
        let mut writer = io::BufWriter::with_capacity(PIECE_BYTES, ChannelWriter(sender.clone()));
        let outcome = produce(&mut writer);
        if outcome.is_err() || writer.flush().is_err() {
            // Nobody receives any more when this fails.
            let _ = sender.blocking_send(Err(io::Error::other("the archive could not be made")));
        }
        outcome
    });
    (futures_util::stream::poll_fn(move |context| receiver.poll_recv(context)), produced)
}

/// Lets `consume` read `stream` on a blocking thread; gives its result and the error of the stream, if it had one.
pub(super) async fn read_by<T, E, F>(
    mut stream: impl Stream<Item = Result<Bytes, E>> + Unpin,
    consume: F,
) -> io::Result<(T, Option<E>)>
where
    T: Send + 'static,
    F: FnOnce(&mut dyn Read) -> T + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(PIECES);
    let consumed = tokio::task::spawn_blocking(move || consume(&mut ChannelReader { receiver, current: Bytes::new() }));
    let mut fault = None;
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(|error| fault = Some(error)).map_err(|()| io::Error::other("the stream broke off"));
        let broken = piece.is_err();
        if sender.send(piece).await.is_err() || broken {
            break;
        }
    }
    drop(sender);
    Ok((consumed.await.map_err(io::Error::other)?, fault))
}

struct ChannelWriter(mpsc::Sender<io::Result<Bytes>>);

impl Write for ChannelWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let closed = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        self.0.blocking_send(Ok(Bytes::copy_from_slice(bytes))).map_err(closed)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct ChannelReader {
    receiver: mpsc::Receiver<io::Result<Bytes>>,
    current: Bytes,
}

impl Read for ChannelReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.receiver.blocking_recv() {
                Some(piece) => self.current = piece?,
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.current.len());
        buffer[..length].copy_from_slice(&self.current.split_to(length));
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bytes_go_through_both_bridges() {
        let (stream, produced) = written_by(|writer| (0..100_000_u32).try_for_each(|n| writeln!(writer, "{n}")));
        let (sum, fault) = read_by(Box::pin(stream), |reader| {
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            text.lines().map(|line| line.parse::<u64>().unwrap()).sum::<u64>()
        })
        .await
        .unwrap();
        produced.await.unwrap().unwrap();
        assert_eq!((sum, fault.is_none()), (4_999_950_000, true));
    }

    #[tokio::test]
    async fn an_archive_that_fails_breaks_the_stream() {
        let (stream, produced) = written_by(|writer| writer.write_all(b"half").and(Err(io::Error::other("disk"))));
        let (whole, fault) =
            read_by(Box::pin(stream), |reader| io::copy(reader, &mut io::sink()).is_ok()).await.unwrap();
        assert!(produced.await.unwrap().is_err());
        assert!(!whole && fault.is_some());
    }
}
