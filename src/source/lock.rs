//! A file that one process at a time owns, also when its owner renames or removes it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

/// How often a file that somebody else owns is looked at. Waiting in the kernel instead would hold a thread that cannot be
/// stopped when the run is.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Opens `path` for reading and writing and locks it, making it and its folder where they are missing; waits while another
/// process, or another task of this one, has the lock. The lock goes with the returned file.
pub(super) async fn lock(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    loop {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            // Between the opening and the lock, the owner may have renamed or removed the file.
            Ok(()) if is_at(&file, path) => return Ok(file),
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => tokio::time::sleep(LOOK_AGAIN).await,
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    let ours = file.metadata().map(|metadata| (metadata.dev(), metadata.ino()));
    let there = fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino()));
    matches!((ours, there), (Ok(ours), Ok(there)) if ours == there)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_gets_the_file_that_is_there_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.part");
        let first = lock(&path).await.unwrap();
        let waiting = tokio::spawn({
            let path = path.clone();
            async move { lock(&path).await }
        });
        tokio::task::yield_now().await;
        fs::write(&path, "content").unwrap();
        fs::rename(&path, folder.path().join("done")).unwrap();
        drop(first);
        let second = waiting.await.unwrap().unwrap();
        assert_eq!(second.metadata().unwrap().len(), 0);
        assert!(is_at(&second, &path));
    }
}
