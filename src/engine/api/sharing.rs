//! Which files of this machine the engine sees at the same path.
//!
//! A daemon outside of the container that Drydock runs in has files of its own at many of our paths, and mounts them
//! without a word. So one container is made, and never started, with a folder that has a new name and random content:
//! only an engine that gives that content back sees the tree that the folder is in. What is elsewhere, or in another mount
//! of ours, is not proved by that, and is copied.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use bollard::models::{ContainerCreateBody, HostConfig, Mount as ApiMount, MountType};
use bollard::query_parameters::{CreateContainerOptionsBuilder, DownloadFromContainerOptionsBuilder};

use super::Api;
use super::error::ApiError;
use super::leftovers::{Leftover, Leftovers};
use super::pipe;
use crate::digest::Sha256;
use crate::removal;

/// Where the container has the folder.
const GUEST: &str = "/drydock-probe";
const WORD: &str = "word";

/// Which files the engine sees where we see them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sharing {
    /// All, as the user says.
    All,
    /// Those of these trees; none when it is empty.
    Trees(Vec<Tree>),
}

/// A folder with all that is below it in one mount of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tree {
    top: PathBuf,
    mount: PathBuf,
}

impl Tree {
    fn at(top: &Path) -> io::Result<Self> {
        let top = top.canonicalize()?;
        Ok(Self { mount: mount_of(&top, &mounts_here()), top })
    }

    fn has(&self, path: &Path, mounts: &[PathBuf]) -> bool {
        path.starts_with(&self.top) && mount_of(path, mounts) == self.mount
    }
}

impl Sharing {
    /// A test of paths: true for one that the engine sees as we do.
    pub(super) fn shown(&self) -> impl Fn(&Path) -> bool + '_ {
        let mounts = mounts_here();
        move |path| match self {
            Self::All => true,
            Self::Trees(trees) => {
                path.canonicalize().is_ok_and(|path| trees.iter().any(|tree| tree.has(&path, &mounts)))
            }
        }
    }
}

/// Tries it for each of the folders `tops`, by containers of `image`; in `own` below one of them, or in the folder itself.
pub(super) async fn find(api: &Api, image: &str, tops: &[PathBuf], own: &Path) -> Result<Sharing, ApiError> {
    let mut shared = Vec::new();
    for top in tops {
        let Ok(tree) = Tree::at(top) else { continue };
        let place = own.canonicalize().ok().filter(|own| tree.has(own, &mounts_here()));
        if is_shared(api, image, &place.unwrap_or_else(|| tree.top.clone())).await? {
            shared.push(tree);
        }
    }
    tracing::debug!(?tops, ?shared, "trees whose files the engine sees");
    Ok(Sharing::Trees(shared))
}

async fn is_shared(api: &Api, image: &str, folder: &Path) -> Result<bool, ApiError> {
    let token = api.token();
    let probe = Probe {
        folder: folder.join(format!("probe-{}", &token[..16])),
        word: Sha256::of_bytes(token.as_bytes()).to_string(),
    };
    probe.write().map_err(|source| ApiError::Folder { folder: folder.to_owned(), source })?;
    let mut leftovers = Leftovers::new(api.docker.clone());
    let seen = probe.seen(api, image, &mut leftovers).await;
    leftovers.remove().await;
    seen
}

/// A folder with one file that nobody else has.
struct Probe {
    folder: PathBuf,
    word: String,
}

impl Drop for Probe {
    fn drop(&mut self) {
        if let Err(fault) = removal::remove(&self.folder) {
            tracing::warn!(path = %self.folder.display(), %fault, "a probe stays");
        }
    }
}

impl Probe {
    fn write(&self) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        fs::write(self.folder.join(WORD), &self.word)
    }

    /// True when the engine gives the file's content back. Whatever else it says, its files are not ours.
    async fn seen(&self, api: &Api, image: &str, leftovers: &mut Leftovers) -> Result<bool, ApiError> {
        let name = format!("drydock-probe-{}", &self.word[..16]);
        let mount = ApiMount {
            typ: Some(MountType::BIND),
            source: Some(self.folder.display().to_string()),
            target: Some(GUEST.to_owned()),
            read_only: Some(true),
            ..ApiMount::default()
        };
        let host_config =
            HostConfig { network_mode: Some("none".to_owned()), mounts: Some(vec![mount]), ..HostConfig::default() };
        let body = ContainerCreateBody {
            image: Some(image.to_owned()),
            cmd: Some(vec!["never-started".to_owned()]),
            labels: Some(api.labels()),
            host_config: Some(host_config),
            ..ContainerCreateBody::default()
        };
        leftovers.note(Leftover::Container(name.clone()));
        let options = CreateContainerOptionsBuilder::default().name(&name).build();
        if let Err(fault) = api.docker.create_container(Some(options), body).await {
            tracing::debug!(%fault, "the engine does not see the probe");
            return Ok(false);
        }
        let path = format!("{GUEST}/{WORD}");
        let options = DownloadFromContainerOptionsBuilder::default().path(&path).build();
        let archive = Box::pin(api.docker.download_from_container(&name, Some(options)));
        let request = |source| ApiError::Request { operation: "copy files out of", thing: name.clone(), source };
        let read = pipe::read_by(archive, |archive| first_file(archive)).await;
        let (word, _) = read.map_err(|error| request(error.into()))?;
        Ok(word.is_ok_and(|word| word == self.word.as_bytes()))
    }
}

/// The content of the first file of an archive.
fn first_file(archive: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    for entry in tar::Archive::new(archive).entries()? {
        let entry = entry?;
        if entry.header().entry_type().is_file() {
            entry.take(1 << 10).read_to_end(&mut content)?;
            break;
        }
    }
    Ok(content)
}

/// The mounts of this process; the root alone where there is no `/proc`.
fn mounts_here() -> Vec<PathBuf> {
    mount_points(&fs::read_to_string("/proc/self/mountinfo").unwrap_or_default())
}

/// Field 5 of each line of `mountinfo`; see `proc_pid_mountinfo(5)`.
fn mount_points(mountinfo: &str) -> Vec<PathBuf> {
    let unescaped = |text: &str| {
        [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
            .iter()
            .fold(text.to_owned(), |text, (escape, plain)| text.replace(escape, plain))
    };
    let points = mountinfo.lines().filter_map(|line| line.split(' ').nth(4));
    points.map(|point| PathBuf::from(unescaped(point))).collect()
}

/// The innermost of `mounts` that `path` is in.
fn mount_of(path: &Path, mounts: &[PathBuf]) -> PathBuf {
    let around = mounts.iter().filter(|mount| path.starts_with(mount));
    around.max_by_key(|mount| mount.components().count()).cloned().unwrap_or_else(|| PathBuf::from("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_belongs_to_the_innermost_mount() {
        let text = "1 0 8:1 / / rw - ext4 x rw\n2 1 8:1 /x /etc/resolv.conf rw - ext4 x rw\n3 1 8:2 / /my\\040home rw - xfs x rw\n";
        let mounts = mount_points(text);
        let of = |path: &str| mount_of(Path::new(path), &mounts).display().to_string();
        assert_eq!(of("/etc/resolv.conf"), "/etc/resolv.conf");
        assert_eq!(of("/etc/resolv.conf.bak"), "/");
        assert_eq!(of("/my home/me/project"), "/my home");
        assert_eq!(mount_of(Path::new("/x"), &[]), Path::new("/"));
    }

    #[test]
    fn what_is_elsewhere_or_in_another_mount_is_not_shared() {
        let folder = tempfile::tempdir().unwrap();
        let (inside, outside) = (folder.path().join("file"), tempfile::NamedTempFile::new().unwrap());
        fs::write(&inside, "").unwrap();
        let tree = Tree::at(folder.path()).unwrap();
        let elsewhere = Tree { mount: "/proc".into(), ..tree.clone() };
        let sharing = Sharing::Trees(vec![tree]);
        assert!(sharing.shown()(&inside) && !sharing.shown()(outside.path()));
        assert!(!Sharing::Trees(vec![elsewhere]).shown()(&inside));
        assert!(Sharing::All.shown()(outside.path()) && !Sharing::Trees(Vec::new()).shown()(&inside));
    }
}
