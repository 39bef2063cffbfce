//! Files that Drydock keeps, and ways to damage one of them.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::plan::{How, Kept};
use super::room::Room;

impl Kept {
    /// Where such files are.
    fn folders(self) -> &'static [&'static str] {
        match self {
            Self::Store => &["project/build/store"],
            Self::Images => &["project/build/oci"],
            Self::Layers => &["project/build/embedded"],
            Self::State => &["project/build/state"],
            Self::Report => &["project/build"],
            Self::Rpms => &["project/out/RPMS/noarch", "project/out/RPMS/src"],
            Self::Repodata => &["project/out/RPMS/repodata"],
            Self::DiskImages => &["project/out/images"],
            Self::Sources => &["cache/drydock/sources"],
            Self::Remote => &["cache/drydock/remote"],
        }
    }

    /// Damages one of the files; tells which, or nothing when there is none.
    pub(super) fn damage(self, room: &Room, pick: u64, how: How) -> Option<String> {
        let mut files = Vec::new();
        for folder in self.folders().iter().map(|name| room.path(name)) {
            find(&folder, self != Self::Report, &mut files);
        }
        // A lock has no content, and what a container leaves in its folder may have any.
        files.retain(|path| fs::metadata(path).is_ok_and(|about| about.len() > 0));
        files.sort();
        let place = usize::try_from(pick % u64::try_from(files.len()).unwrap().max(1)).unwrap();
        let path = files.get(place)?;
        damage(path, how);
        Some(path.strip_prefix(room.path("")).unwrap().display().to_string())
    }
}

fn find(folder: &Path, deep: bool, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() && deep {
            find(&entry.path(), deep, found);
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
}

/// Writes into the file that is there, as a failing disk or a careless program does: other names of it change, too.
fn damage(path: &Path, how: How) {
    let open = || OpenOptions::new().read(true).write(true).open(path).unwrap();
    let at = |file: &File, permille: u64| file.metadata().unwrap().len() * permille / 1000;
    match how {
        How::Removed => fs::remove_file(path).unwrap(),
        How::Longer => OpenOptions::new().append(true).open(path).unwrap().write_all(b"\0more\n").unwrap(),
        How::Truncated { permille } => {
            let file = open();
            file.set_len(at(&file, permille)).unwrap();
        }
        How::Flipped { permille } => {
            let file = open();
            let (place, mut byte) = (at(&file, permille), [0]);
            file.read_exact_at(&mut byte, place).unwrap();
            file.write_all_at(&[byte[0] ^ 0x20], place).unwrap();
        }
    }
}
