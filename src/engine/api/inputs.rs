//! How a container gets to see files of this machine: by mounts where the engine shares our file system, else by a copy.
//!
//! A copy goes into a volume of this run alone, through a helper container that is never started; the container then sees
//! the volume's folders read-only by their path on the engine's machine, exactly as it would see the host's. Both ways
//! show the same files, modes and links; owners are the host's by mount, root by copy.

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bollard::Docker;
use bollard::models::{ContainerCreateBody, HostConfig, Mount as ApiMount, MountType, VolumeCreateRequest};
use bollard::query_parameters::{CreateContainerOptionsBuilder, UploadToContainerOptionsBuilder};
use tokio_util::sync::CancellationToken;

use super::error::ApiError;
use super::init::INIT_GUEST;
use super::leftovers::{Leftover, Leftovers, remove};
use super::pipe;
use super::sharing::Sharing;
use crate::engine::{ContainerSpec, Mount};

/// Where the helper container has the volume.
const VOLUME_GUEST: &str = "/drydock-inputs";

/// Something that a container sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    /// A path on the engine's machine.
    pub(super) source: String,
    /// Where the container sees it.
    pub(super) guest: String,
}

/// The files for one container.
pub(super) struct Inputs {
    files: Vec<(PathBuf, String)>,
}

/// What a copy needs.
pub(super) struct Helper<'a> {
    /// The engine.
    pub(super) docker: &'a Docker,
    /// Any image that it has.
    pub(super) image: &'a str,
    /// Name of the helper container and of the volume.
    pub(super) name: &'a str,
    /// Labels of both.
    pub(super) labels: HashMap<String, String>,
    /// Ends the copying early; the copy is then incomplete.
    pub(super) cancel: &'a CancellationToken,
}

impl Inputs {
    /// The files that `spec` names, and `init`.
    pub(super) fn of(spec: &ContainerSpec, init: &Path) -> Result<Self, ApiError> {
        let mut files = vec![(init.to_owned(), INIT_GUEST.to_owned())];
        for mount in &spec.mounts {
            if let Mount::ReadOnly { host, guest } = mount {
                let path = host.as_path();
                path.metadata().map_err(|source| ApiError::Input { path: path.to_owned(), source })?;
                files.push((path.to_owned(), guest.as_str().to_owned()));
            }
        }
        Ok(Self { files })
    }

    /// True when there is nothing to see.
    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Those that the engine sees where we see them, and the others.
    pub(super) fn split(self, sharing: &Sharing) -> (Self, Self) {
        let is_shown = sharing.shown();
        let (shared, others) = self.files.into_iter().partition(|(path, _)| is_shown(path));
        (Self { files: shared }, Self { files: others })
    }

    /// The host's own files.
    pub(super) fn mounted(&self) -> Vec<Shown> {
        let shown =
            |(path, guest): &(PathBuf, String)| Shown { source: path.display().to_string(), guest: guest.clone() };
        self.files.iter().map(shown).collect()
    }

    /// A copy of the files in a volume of the engine.
    pub(super) async fn copied(&self, helper: Helper<'_>, leftovers: &mut Leftovers) -> Result<Vec<Shown>, ApiError> {
        let volume = helper.make_volume(leftovers).await?;
        let container = Leftover::Container(helper.make_container(leftovers).await?);
        helper.upload(self.files.iter().map(|(path, _)| path.clone()).collect()).await?;
        remove(helper.docker, &container).await;
        let shown = |(at, (_, guest)): (usize, &(PathBuf, String))| Shown {
            source: format!("{volume}/{at}"),
            guest: guest.clone(),
        };
        Ok(self.files.iter().enumerate().map(shown).collect())
    }
}

impl Helper<'_> {
    /// Returns the volume's path on the engine's machine.
    async fn make_volume(&self, leftovers: &mut Leftovers) -> Result<String, ApiError> {
        leftovers.note(Leftover::Volume(self.name.to_owned()));
        let request = VolumeCreateRequest {
            name: Some(self.name.to_owned()),
            labels: Some(self.labels.clone()),
            ..VolumeCreateRequest::default()
        };
        let fault = ApiError::request("create the volume", self.name);
        Ok(self.docker.create_volume(request).await.map_err(fault)?.mountpoint)
    }

    async fn make_container(&self, leftovers: &mut Leftovers) -> Result<String, ApiError> {
        let name = format!("{}-inputs", self.name);
        leftovers.note(Leftover::Container(name.clone()));
        let volume = ApiMount {
            typ: Some(MountType::VOLUME),
            source: Some(self.name.to_owned()),
            target: Some(VOLUME_GUEST.to_owned()),
            ..ApiMount::default()
        };
        let body = ContainerCreateBody {
            image: Some(self.image.to_owned()),
            cmd: Some(vec!["never-started".to_owned()]),
            labels: Some(self.labels.clone()),
            host_config: Some(HostConfig {
                network_mode: Some("none".to_owned()),
                mounts: Some(vec![volume]),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        let options = CreateContainerOptionsBuilder::default().name(&name).build();
        let fault = ApiError::request("create the container", &name);
        self.docker.create_container(Some(options), body).await.map_err(fault)?;
        Ok(name)
    }

    async fn upload(&self, files: Vec<PathBuf>) -> Result<(), ApiError> {
        let container = format!("{}-inputs", self.name);
        let (archive, produced) = pipe::written_by(move |writer| archive(&files, writer));
        let options = UploadToContainerOptionsBuilder::default().path(VOLUME_GUEST).build();
        let body = bollard::body_try_stream(archive);
        let uploaded = tokio::select! {
            biased;
            () = self.cancel.cancelled() => return Ok(()),
            uploaded = self.docker.upload_to_container(&container, Some(options), body) => uploaded,
        };
        match produced.await {
            Ok(Err((path, source))) if source.kind() != io::ErrorKind::BrokenPipe => {
                Err(ApiError::Input { path, source })
            }
            _ => uploaded.map_err(ApiError::request("copy files into", &container)),
        }
    }
}

/// Writes each of `files` as `0`, `1`, …; an error comes with the file that it is about.
fn archive(files: &[PathBuf], writer: &mut dyn Write) -> Result<(), (PathBuf, io::Error)> {
    let mut builder = tar::Builder::new(writer);
    builder.follow_symlinks(false);
    let outcome = files.iter().enumerate().try_for_each(|(at, path)| {
        // The path itself may be a link, as it may in a mount.
        let real = path.canonicalize().map_err(|error| (path.clone(), error))?;
        append(&mut builder, &real, Path::new(&at.to_string()))
    });
    outcome?;
    builder.finish().map_err(|error| (PathBuf::new(), error))
}

fn append(builder: &mut tar::Builder<&mut dyn Write>, path: &Path, name: &Path) -> Result<(), (PathBuf, io::Error)> {
    let fault = |error| (path.to_owned(), error);
    let metadata = path.symlink_metadata().map_err(fault)?;
    let mut header = tar::Header::new_gnu();
    header.set_metadata_in_mode(&metadata, tar::HeaderMode::Complete);
    header.set_uid(0);
    header.set_gid(0);
    if metadata.is_dir() {
        builder.append_data(&mut header, name, io::empty()).map_err(fault)?;
        let mut entries = std::fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>).map_err(fault)?;
        entries.sort_unstable_by_key(std::fs::DirEntry::file_name);
        return entries.iter().try_for_each(|entry| append(builder, &entry.path(), &name.join(entry.file_name())));
    }
    if metadata.is_symlink() {
        header.set_size(0);
        let target = std::fs::read_link(path).map_err(fault)?;
        return builder.append_link(&mut header, name, target).map_err(fault);
    }
    if !metadata.is_file() {
        return Err(fault(io::Error::other("neither a file, nor a folder, nor a link")));
    }
    let mut file = std::fs::File::open(path).map_err(fault)?;
    builder.append_data(&mut header, name, &mut file).map_err(fault)
}
