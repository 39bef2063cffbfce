//! The files of the embedded engine: unpacked layers, derived images, running containers.
//!
//! They are in a folder of their own for each way of mapping ids, since they belong to the users of a namespace.
//!
//! | below that folder | what |
//! |---|---|
//! | `layers/NAME` | a layer, unpacked, with the whiteouts of overlayfs; shared by all images |
//! | `derived/NAME/upper` | the changes of a derived image; `image.json` beside it tells what is below. Without that file, the image is removed and stays only for those above it |
//! | `containers/ID` | a container; `owner` is locked by Drydock while it runs, `helper` by the helper process |
//!
//! A layer and a derived image get their name when they are whole. NAME is the first part of a digest: the names of all
//! layers of an image must fit into one page of mount options.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, chown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use super::SandboxError;
use super::identity::Identity;
use super::task::Owner;
use crate::digest::Sha256;
use crate::removal;

#[derive(Clone, Debug)]
pub(super) struct Folders {
    root: PathBuf,
    /// Who is root in the containers.
    owner: Owner,
}

/// What an earlier version kept beside the folders of today.
const EARLIER: [&str; 3] = ["layers", "derived", "containers"];

/// What a derived image is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Derived {
    /// Manifest digest of the stored image at the bottom.
    pub(super) image: Sha256,
    /// Keys of the derived images between that one and this one, lowest first.
    pub(super) between: Vec<Sha256>,
    /// What its changes look like; None in what an earlier version has left.
    #[serde(default)]
    pub(super) listing: Option<Sha256>,
}

impl Folders {
    pub(super) fn open(engine: &Path, identity: &Identity) -> Result<Self, SandboxError> {
        let folders = Self { root: engine.join(identity.folder_name()), owner: identity.owner() };
        fs::create_dir_all(engine).map_err(SandboxError::file("make the folder", engine))?;
        for path in [folders.root.clone(), folders.layers(), folders.all_derived(), folders.containers()] {
            match folders.make(&path) {
                // A killed run may have made it without giving it away.
                Err(SandboxError::File { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => {
                    folders.give(&path).map_err(SandboxError::file("change the owner of", &path))?;
                }
                made => made?,
            }
        }
        Ok(folders)
    }

    /// Makes a folder for the root of containers. Nobody else on this machine may run the set-user-ID programs of an image.
    pub(super) fn make(&self, path: &Path) -> Result<(), SandboxError> {
        let made = fs::DirBuilder::new().mode(0o700).create(path);
        made.and_then(|()| self.give(path)).map_err(SandboxError::file("make the folder", path))
    }

    fn give(&self, path: &Path) -> io::Result<()> {
        chown(path, Some(self.owner.uid), Some(self.owner.gid))
    }

    /// What an earlier version left.
    pub(super) fn earlier(&self) -> Vec<PathBuf> {
        let beside = EARLIER.iter().map(|name| self.root.with_file_name(name));
        beside.filter(|path| path.exists()).collect()
    }

    pub(super) fn layers(&self) -> PathBuf {
        self.root.join("layers")
    }

    pub(super) fn containers(&self) -> PathBuf {
        self.root.join("containers")
    }

    pub(super) fn layer(&self, diff_id: Sha256) -> PathBuf {
        self.layers().join(layer_name(diff_id))
    }

    /// The file that says what an unpacked layer looks like.
    pub(super) fn layer_listing(&self, diff_id: Sha256) -> PathBuf {
        self.layers().join(format!(".{}.listing", layer_name(diff_id)))
    }

    pub(super) fn derived(&self, key: Sha256) -> PathBuf {
        self.all_derived().join(layer_name(key))
    }

    pub(super) fn all_derived(&self) -> PathBuf {
        self.root.join("derived")
    }

    /// What the derived image is made of.
    pub(super) fn read_derived(&self, key: Sha256) -> Result<Derived, SandboxError> {
        let path = self.derived(key).join("image.json");
        match fs::read(&path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map_err(|fault| SandboxError::file("read", &path)(fault.into()))
            }
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => Err(SandboxError::NoDerived { key }),
            Err(source) => Err(SandboxError::File { action: "read", path, source }),
        }
    }

    /// Makes a container's changes the derived image `key`.
    pub(super) fn keep_derived(&self, key: Sha256, container: &Path, image: &Derived) -> Result<(), SandboxError> {
        let folder = self.derived(key);
        let json = serde_json::to_vec(image).map_err(|fault| SandboxError::Talk(fault.into()))?;
        let kept = container.join("kept");
        self.make(&kept)?;
        let path = kept.join("image.json");
        fs::write(&path, json).map_err(SandboxError::file("write", &path))?;
        if folder.is_dir() {
            // It was removed and is still below others: the same inputs, so its files will do.
            return fs::rename(&path, folder.join("image.json")).map_err(SandboxError::file("write", &folder));
        }
        let changes = container.join("upper");
        fs::rename(&changes, kept.join("upper")).map_err(SandboxError::file("move", &changes))?;
        fs::rename(&kept, &folder).map_err(SandboxError::file("make the folder", &folder))
    }

    /// Takes the name from a derived image.
    pub(super) fn forget_derived(&self, key: Sha256) -> Result<(), SandboxError> {
        let path = self.derived(key).join("image.json");
        match fs::remove_file(&path) {
            Err(fault) if fault.kind() != io::ErrorKind::NotFound => Err(SandboxError::file("remove", &path)(fault)),
            _ => Ok(()),
        }
    }

    /// Derived images without a name that are below no other one.
    pub(super) fn unused_derived(&self) -> Result<Vec<PathBuf>, SandboxError> {
        let derived = self.all_derived();
        let (mut nameless, mut used) = (Vec::new(), std::collections::BTreeSet::new());
        for entry in fs::read_dir(&derived).map_err(SandboxError::file("read", &derived))?.flatten() {
            match fs::read(entry.path().join("image.json")).map(|json| serde_json::from_slice::<Derived>(&json)) {
                Ok(Ok(image)) => used.extend(image.between.into_iter().map(|key| self.derived(key))),
                _ => nameless.push(entry.path()),
            }
        }
        nameless.retain(|folder| !used.contains(folder));
        Ok(nameless)
    }

    /// A new container's folder.
    pub(super) fn new_container(&self) -> Result<ContainerFolder, SandboxError> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        // Held while the folder has no lock of its own yet, so that no sweep takes it for a dead one.
        let _making = self.lock_containers(File::lock_shared)?;
        loop {
            let id = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
            let path = self.containers().join(&id);
            match self.make(&path) {
                Ok(()) => return ContainerFolder::lock(id, path),
                // A dead process had the same number.
                Err(SandboxError::File { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => {}
                Err(fault) => return Err(fault),
            }
        }
    }

    /// Folders of containers whose Drydock is gone. Waits for helpers that are still dying.
    pub(super) fn dead_containers(&self) -> Result<Vec<PathBuf>, SandboxError> {
        let _scanning = self.lock_containers(File::lock)?;
        let containers = self.containers();
        let mut dead = Vec::new();
        for entry in fs::read_dir(&containers).map_err(SandboxError::file("read", &containers))?.flatten() {
            let path = entry.path();
            if path.is_dir() && is_free(&path.join("owner"))? {
                let helper = path.join("helper");
                lock_file(&helper)?.lock().map_err(SandboxError::file("lock", &helper))?;
                dead.push(path);
            }
        }
        Ok(dead)
    }

    fn lock_containers(&self, lock: fn(&File) -> io::Result<()>) -> Result<File, SandboxError> {
        let path = self.containers().join(".lock");
        let file = lock_file(&path)?;
        lock(&file).map_err(SandboxError::file("lock", &path))?;
        Ok(file)
    }
}

/// The folder of a running container, locked while this value lives.
pub(super) struct ContainerFolder {
    pub(super) id: String,
    pub(super) path: PathBuf,
    /// None once the folder is removed, or somebody else's.
    owner: Option<File>,
}

impl ContainerFolder {
    fn lock(id: String, path: PathBuf) -> Result<Self, SandboxError> {
        let owner_path = path.join("owner");
        let owner = lock_file(&owner_path)?;
        owner.lock().map_err(SandboxError::file("lock", &owner_path))?;
        Ok(Self { id, path, owner: Some(owner) })
    }

    /// Removes what the helper has left, and the lock with it.
    pub(super) fn remove(&mut self) -> io::Result<()> {
        self.owner = None;
        removal::remove(&self.path)
    }

    pub(super) fn is_gone(&self) -> bool {
        self.owner.is_none()
    }

    /// The folder with its lock; this value is without one after it.
    pub(super) fn take(&mut self) -> Self {
        Self { id: self.id.clone(), path: self.path.clone(), owner: self.owner.take() }
    }
}

/// The folder name of a layer or derived image.
pub(super) fn layer_name(digest: Sha256) -> String {
    digest.to_string()[..24].to_owned()
}

/// Opens, and makes if need be, a file that is only there to be locked.
pub(super) fn lock_file(path: &Path) -> Result<File, SandboxError> {
    let open = File::options().write(true).create(true).truncate(false).open(path);
    open.map_err(SandboxError::file("open", path))
}

fn is_free(path: &Path) -> Result<bool, SandboxError> {
    match lock_file(path)?.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(source)) => Err(SandboxError::File { action: "lock", path: path.to_owned(), source }),
    }
}
