//! One blob on its way into the store: a temporary file that grows, hashed as it grows; a broken transfer goes on where it
//! broke, and only the whole blob with the right digest gets into the layout.

use std::io::{self, Write as _};
use std::mem;
use std::path::Path;

use futures_util::StreamExt;
use oci_client::client::BlobResponse;
use oci_client::errors::OciDistributionError;
use oci_client::manifest::OciDescriptor;
use tokio::io::{AsyncSeekExt, AsyncWriteExt};

use super::aside::off_the_async_threads;
use super::fault::RegistryFault;
use super::remote::Remote;
use super::{OciError, Refusal, Store};
use crate::digest::{HashingWriter, Sha256};

/// A blob on its way.
struct Download<'a> {
    remote: &'a Remote<'a>,
    what: String,
    digest: Sha256,
    size: u64,
    /// The file's, for messages.
    path: &'a Path,
    file: tokio::fs::File,
    hashing: HashingWriter<io::Sink>,
    /// Bytes that are in the file.
    received: u64,
    /// Bytes that came over the network.
    moved: u64,
}

/// Gets the blob `digest` of `size` bytes into `store`; gives the bytes that came.
pub(super) async fn download(remote: &Remote<'_>, store: &Store, digest: Sha256, size: u64) -> Result<u64, OciError> {
    let temporary = store.temporary()?;
    let file = temporary.file.try_clone().map_err(OciError::write(&temporary.path))?;
    let moved = into_file(remote, &temporary.path, (digest, size), file).await?;
    let store = store.clone();
    off_the_async_threads(move || store.keep(&temporary, digest)).await?;
    Ok(moved)
}

/// Gets a blob into `file`, which is told by `path`.
pub(super) async fn into_file(
    remote: &Remote<'_>,
    path: &Path,
    (digest, size): (Sha256, u64),
    file: std::fs::File,
) -> Result<u64, OciError> {
    let mut download = Download {
        remote,
        what: format!("the blob `{}`", digest.to_oci()),
        digest,
        size,
        path,
        file: tokio::fs::File::from_std(file),
        hashing: HashingWriter::new(io::sink()),
        received: 0,
        moved: 0,
    };
    remote.patiently(async || download.attempt().await).await?;
    Ok(download.moved)
}

impl Download<'_> {
    /// Asks for what is not there yet.
    async fn attempt(&mut self) -> Result<(), Box<RegistryFault>> {
        let resumed = self.received > 0;
        let (client, reference) = (self.remote.client().await?, &self.remote.reference);
        let descriptor = OciDescriptor { digest: self.digest.to_oci(), ..OciDescriptor::default() };
        let received = self.received;
        let response = async {
            Ok(if resumed {
                client.pull_blob_stream_partial(reference, &descriptor, received, None).await
            } else {
                client.pull_blob_stream(reference, &descriptor).await.map(BlobResponse::Full)
            })
        };
        let response = self.remote.unless_it_stalls(&self.what, None, response).await?;
        if matches!(response, Err(OciDistributionError::ServerError { code: 416, .. })) {
            // The registry has fewer bytes than the manifest says.
            return self.finish(false).await;
        }
        let mut stream = match response.map_err(|error| self.remote.fault(&self.what, &error))? {
            BlobResponse::Partial(stream) => stream,
            BlobResponse::Full(stream) => {
                self.start_again().await.map_err(|error| self.disk(&error))?;
                stream
            }
        };
        let mut pace = self.remote.pace();
        while self.received < self.size
            && let Some(bytes) = stream.next().await
        {
            match bytes {
                Ok(bytes) => {
                    self.take(&bytes).await?;
                    pace.came(bytes.len())
                        .or_else(|slow| self.broken(io::Error::new(io::ErrorKind::TimedOut, slow)))?;
                }
                // The blob's own end and digest are looked at below.
                Err(error) => return self.broken(error),
            }
        }
        if self.received < self.size {
            return self.broken(io::Error::new(io::ErrorKind::UnexpectedEof, "the answer ends early"));
        }
        self.finish(resumed).await
    }

    async fn take(&mut self, bytes: &[u8]) -> Result<(), Box<RegistryFault>> {
        if self.received + bytes.len() as u64 > self.size {
            let refusal = Refusal::OtherBytes { expected: self.digest, actual: None };
            return Err(self.remote.refused(&self.what, refusal));
        }
        self.file.write_all(bytes).await.map_err(|error| self.disk(&error))?;
        self.hashing.write_all(bytes).map_err(|error| self.disk(&error))?;
        self.received += bytes.len() as u64;
        self.moved += bytes.len() as u64;
        Ok(())
    }

    /// Looks at the digest of the whole.
    async fn finish(&mut self, resumed: bool) -> Result<(), Box<RegistryFault>> {
        self.file.flush().await.map_err(|error| self.disk(&error))?;
        let actual = mem::replace(&mut self.hashing, HashingWriter::new(io::sink())).finish().1;
        if actual == self.digest {
            return Ok(());
        }
        self.start_again().await.map_err(|error| self.disk(&error))?;
        if resumed {
            // Two answers may not have belonged together.
            return self.broken(io::Error::other("the parts of several answers do not fit"));
        }
        let refusal = Refusal::OtherBytes { expected: self.digest, actual: Some(actual) };
        Err(self.remote.refused(&self.what, refusal))
    }

    async fn start_again(&mut self) -> io::Result<()> {
        if self.received > 0 {
            self.file.flush().await?;
            self.file.set_len(0).await?;
            self.file.rewind().await?;
        }
        self.hashing = HashingWriter::new(io::sink());
        self.received = 0;
        Ok(())
    }

    fn broken(&self, error: io::Error) -> Result<(), Box<RegistryFault>> {
        Err(self.remote.fault(&self.what, &OciDistributionError::IoError(error)))
    }

    fn disk(&self, error: &io::Error) -> Box<RegistryFault> {
        self.remote.refused(&self.what, Refusal::Disk).because(format!("`{}`: {error}", self.path.display()))
    }
}
