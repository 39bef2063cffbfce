//! Where one run happens: a project on file systems in memory, in mount and network namespaces of its own.
//!
//! Whatever a fault does to file systems is gone with the process, and every run sees the same paths and the same port.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::mount::{MsFlags, mount};
use nix::sys::statvfs::statvfs;

use super::plan::{Place, Room as Short, Start};

/// The folders below the room that hold what Drydock writes, besides the project itself.
const FOLDERS: [&str; 3] = ["cache", "home", "tmp"];

/// A project, the user's cache and the user's home.
pub(super) struct Room {
    folder: PathBuf,
}

impl Room {
    /// An empty room in `folder`. This process must be in namespaces of its own.
    pub(super) fn enter(folder: &Path) -> Self {
        mount_memory(folder, "mode=755");
        run(Command::new("busybox").args(["ip", "link", "set", "lo", "up"]));
        let room = Self { folder: folder.to_owned() };
        fs::create_dir(room.project()).unwrap();
        for name in FOLDERS {
            fs::create_dir(room.path(name)).unwrap();
        }
        room
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(super) fn project(&self) -> PathBuf {
        self.path("project")
    }

    /// The folder that `name` means in a plan: of the project, or the cache.
    pub(super) fn named(&self, name: &str) -> PathBuf {
        if name == "cache" { self.path(name) } else { self.project().join(name) }
    }

    /// Puts what [`Room::keep`] has kept into the room.
    pub(super) fn take(&self, kept: &Path) {
        for name in ["project", "cache"] {
            copy(&kept.join(name), &self.path(name));
        }
    }

    /// Copies the project and the cache to `kept`.
    pub(super) fn keep(&self, kept: &Path) {
        fs::create_dir_all(kept).unwrap();
        for name in ["project", "cache"] {
            copy(&self.path(name), &kept.join(name));
        }
    }

    /// Removes all that is in the folder `name`, where it is.
    pub(super) fn empty(&self, name: &str) {
        let entries = fs::read_dir(self.path(name)).into_iter().flatten().map(|entry| entry.unwrap().path());
        entries.for_each(|path| run(Command::new("rm").arg("--recursive").arg(path)));
    }

    /// Gives `place` a file system of its own with this share of the room that it takes from here to the end.
    pub(super) fn limit(&self, place: Place, short: Short, permille: u64) {
        let folder = self.named(place.name());
        fs::create_dir_all(&folder).unwrap();
        let aside = self.path("aside");
        fs::rename(&folder, &aside).unwrap();
        fs::create_dir(&folder).unwrap();
        mount_memory(&folder, "mode=755");
        copy(&aside, &folder);
        fs::remove_dir_all(&aside).unwrap();
        let used = statvfs(&folder).unwrap();
        let (bytes, files) = place.most();
        let size = match short {
            Short::Bytes => {
                let now = (used.blocks() - used.blocks_free()) * used.fragment_size();
                format!("size={}", now + bytes.saturating_sub(now) * permille / 1000)
            }
            Short::Files => {
                let now = used.files() - used.files_free();
                format!("nr_inodes={}", now + files.saturating_sub(now) * permille / 1000)
            }
        };
        remount(&folder, &size);
    }

    /// Makes the file system of `place` large.
    pub(super) fn enlarge(&self, place: Place) {
        let folder = self.named(place.name());
        remount(&folder, "size=2G");
        remount(&folder, "nr_inodes=1000000");
    }

    /// Lets nobody write below the folder `name`.
    pub(super) fn make_read_only(&self, name: &str) {
        let folder = self.named(name);
        fs::create_dir_all(&folder).unwrap();
        mount(Some(&folder), &folder, None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
        remount_bind(&folder, MsFlags::MS_RDONLY);
    }

    /// Takes [`Room::make_read_only`] back.
    pub(super) fn make_writable(&self, name: &str) {
        remount_bind(&self.named(name), MsFlags::empty());
    }
}

impl Place {
    fn name(self) -> &'static str {
        match self {
            Self::Build => "build",
            Self::Out => "out",
            Self::Cache => "cache",
        }
    }

    /// A little more than the bytes and the files that a run ever has there.
    fn most(self) -> (u64, u64) {
        match self {
            Self::Build => (140 << 20, 1600),
            Self::Out => (300 << 10, 40),
            Self::Cache => (200 << 10, 25),
        }
    }
}

/// The kept state of a project.
pub(super) fn kept(prepared: &Path, start: Start) -> PathBuf {
    prepared.join(format!("{start:?}"))
}

fn mount_memory(folder: &Path, options: &str) {
    mount(Some("campaign"), folder, Some("tmpfs"), MsFlags::empty(), Some(options)).unwrap();
}

fn remount(folder: &Path, options: &str) {
    mount(None::<&str>, folder, None::<&str>, MsFlags::MS_REMOUNT, Some(options)).unwrap();
}

fn remount_bind(folder: &Path, flags: MsFlags) {
    mount(None::<&str>, folder, None::<&str>, MsFlags::MS_REMOUNT | MsFlags::MS_BIND | flags, None::<&str>).unwrap();
}

/// Copies all that is in `from`, with owners, links and attributes.
pub(super) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    run(Command::new("cp").args(["--archive", "--no-target-directory"]).arg(from).arg(to));
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
