//! Whether a spec asks RPM's database itself, while it is read or built.
//!
//! What such a spec says may depend on each line of what the toolchain's stage provides; of all others only on what they
//! require. Its text and the small files beside it tell. Known hole: what macros of the image and programs inside archives
//! ask.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::reach::reads_far;

/// Larger files beside a spec are no scripts.
const MOST_BYTES: u64 = 1 << 18;

/// True when `text` has a command that asks the database.
pub fn asks_database(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    let has_command = text.split("rpm").skip(1).any(|rest| {
        let after = rest.trim_start_matches([' ', '\t', '}', '"', '\'', ')']);
        let between = &rest[..rest.len() - after.len()];
        after.starts_with('-') && between.contains([' ', '\t'])
    });
    has_command || ["rpmquery", "rpmdb", "whatprovides", "TransactionSet"].iter().any(|word| text.contains(word))
}

/// What the files beside a spec do.
#[derive(Clone, Copy, Default)]
pub(super) struct Beside {
    pub(super) asks_database: bool,
    pub(super) reads_far: bool,
}

/// The folders of specs that were looked through.
#[derive(Default)]
pub(super) struct Folders(BTreeMap<PathBuf, Beside>);

impl Folders {
    /// What files beside the spec `path` do.
    pub(super) fn beside(&mut self, path: &Path) -> Beside {
        let folder = path.parent().unwrap_or(path);
        if let Some(known) = self.0.get(folder) {
            return *known;
        }
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let others = entries.filter(|path| path.extension().is_none_or(|end| end != "spec"));
        let mut beside = Beside::default();
        for path in others {
            let is_small = path.metadata().is_ok_and(|file| file.is_file() && file.len() <= MOST_BYTES);
            if let Some(text) = is_small.then(|| std::fs::read(&path).ok()).flatten() {
                beside.asks_database |= asks_database(&text);
                beside.reads_far |= reads_far(&text);
            }
        }
        self.0.insert(folder.to_owned(), beside);
        beside
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_that_ask_are_known() {
        for text in [
            "%global v %(rpm -q --qf '%%{VERSION}' gcc)",
            "%{__rpm} -qa",
            "/bin/rpm  --query x",
            "\"$(RPM_rpm)\" -q",
            "rpmquery x",
            "python3 -c 'rpm.TransactionSet()'",
        ] {
            assert!(asks_database(text.as_bytes()), "{text}");
        }
        for text in ["BuildRequires: rpm-devel >= 4", "%{_rpmdir} x", "librpm.so", "rpm and others"] {
            assert!(!asks_database(text.as_bytes()), "{text}");
        }
    }
}
