//! The lock of a project: one command at a time changes its files.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::fault::Fault;
use crate::layout::Layout;
use crate::scratch;

/// Held while a command changes the project's files.
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// The lock in the file `path` of the project of `layout`, which holds the number of the process that has it.
    pub(super) fn take(path: &Path, layout: &Layout) -> Result<Self, Fault> {
        let fault = |error| Fault::host(format!("cannot open the lock file `{}`: {error}", path.display()));
        let mut file = open(path).map_err(fault)?;
        if fs4::FileExt::try_lock(&file).is_err() {
            let mut owner = String::new();
            let _ = file.read_to_string(&mut owner);
            let text = format!("another drydock works in `{}` (process {})", layout.build().display(), owner.trim());
            return Err(Fault::usage(text).with_hint(Some("wait for it, or use another --build-dir".to_owned())));
        }
        file.set_len(0).and_then(|()| file.seek(SeekFrom::Start(0))).map_err(fault)?;
        write!(file, "{}", std::process::id()).map_err(fault)?;
        // In the way of nothing, if it fails.
        if let Err(fault) = scratch::sweep(&layout.scratch()) {
            tracing::warn!(%fault, "files of killed runs stay");
        }
        Ok(Self { _file: file })
    }
}

fn open(path: &Path) -> io::Result<File> {
    fs::create_dir_all(path.parent().unwrap_or(path))?;
    File::options().read(true).write(true).create(true).truncate(false).open(path)
}
