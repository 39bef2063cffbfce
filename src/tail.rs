//! The end of an output: what the user is shown of it. Whatever its length, only so much of it is held in memory.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use crate::printable;

/// How many lines a user is shown at most.
const SHOWN_LINES: usize = 30;
/// How much of a file's end is read.
const FILE_BYTES: u64 = 4 << 20;

/// The last lines of an output that is written now.
#[derive(Debug, Default)]
pub struct Tail {
    bytes: Vec<u8>,
}

impl Tail {
    const KEPT_BYTES: usize = 16 << 10;

    /// Adds what was written.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(&bytes[bytes.len().saturating_sub(Self::KEPT_BYTES)..]);
        if self.bytes.len() > 2 * Self::KEPT_BYTES {
            self.bytes.drain(..self.bytes.len() - Self::KEPT_BYTES);
        }
    }

    /// Its last lines.
    pub fn lines(&self) -> Vec<String> {
        last_lines(&String::from_utf8_lossy(&self.bytes))
    }
}

/// The end of the file `path`, as text.
pub fn of_file(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(file.metadata()?.len().saturating_sub(FILE_BYTES)))?;
    // It may be written to while it is read.
    file.take(FILE_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The last lines of `text` that say something, each as it looks in the end.
pub fn last_lines(text: &str) -> Vec<String> {
    let lines = text.lines().rev().map(printable::last_written).filter(|line| !line.is_empty());
    let mut last: Vec<String> = lines.take(SHOWN_LINES).map(str::to_owned).collect();
    last.reverse();
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_without_end_takes_little_memory() {
        let mut tail = Tail::default();
        for _ in 0..100 {
            tail.push(&vec![b'x'; 70_000]);
            assert!(tail.bytes.capacity() <= 128 << 10, "{}", tail.bytes.capacity());
        }
        tail.push(b"\na\r\n\n10%\r100%\nend");
        assert_eq!(tail.lines()[1..], ["a", "100%", "end"]);
        assert_eq!(last_lines(&"x\n".repeat(100)).len(), SHOWN_LINES);
    }

    #[test]
    fn only_the_end_of_a_file_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        std::fs::write(&path, "short").unwrap();
        assert_eq!(of_file(&path).unwrap(), "short");
        // Sparse, and larger than the memory.
        File::options().write(true).open(&path).unwrap().set_len(1 << 42).unwrap();
        assert_eq!(of_file(&path).unwrap().len(), usize::try_from(FILE_BYTES).unwrap());
        assert!(of_file(&folder.path().join("none")).is_err());
    }
}
