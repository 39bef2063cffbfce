//! The file that has all that the commands of a stage write.

use std::path::Path;

use super::error::ToolchainError;

pub(super) fn open_log(path: &Path) -> Result<std::fs::File, ToolchainError> {
    let open = || {
        std::fs::create_dir_all(path.parent().unwrap_or(path))?;
        std::fs::File::create(path)
    };
    open().map_err(|source| ToolchainError::File { operation: "write", path: path.to_owned(), source })
}
