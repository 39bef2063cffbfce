//! What the commands of a stage write: all of it in a file, and the last lines for messages.

use std::path::Path;

use super::error::ToolchainError;

/// How many last lines of a failing command an error shows.
const EXCERPT_LINES: usize = 30;

pub(super) fn open_log(path: &Path) -> Result<std::fs::File, ToolchainError> {
    let open = || {
        std::fs::create_dir_all(path.parent().unwrap_or(path))?;
        std::fs::File::create(path)
    };
    open().map_err(|source| ToolchainError::File { operation: "write", path: path.to_owned(), source })
}

/// The last lines of an output.
#[derive(Default)]
pub(super) struct Tail {
    bytes: Vec<u8>,
}

impl Tail {
    const KEPT_BYTES: usize = 16 << 10;

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() > 2 * Self::KEPT_BYTES {
            self.bytes.drain(..self.bytes.len() - Self::KEPT_BYTES);
        }
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.bytes);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(EXCERPT_LINES)..].iter().map(|line| (*line).to_owned()).collect()
    }
}
