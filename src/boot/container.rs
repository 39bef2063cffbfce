//! Tests an OCI image: a container is started from it, and says which system it is and what is installed.

use std::collections::BTreeMap;
use std::path::Path;

use tokio_util::sync::CancellationToken;

use super::{BootError, Problem, Seen};
use crate::engine::{
    Capabilities, ContainerSpec, Engine, Exit, GuestPath, ImageId, Limits, Network, RelativePath, Session, Stream, User,
};
use crate::oci::{ImageConfig, Store};

/// More than the list of the packages of a whole distribution has.
const MOST_BYTES: usize = 16 << 20;

/// What a container of the image prints.
const COMMAND: &str = "cat /etc/os-release && echo && cat /var/lib/rpmmanifest/container-manifest-2";

/// Runs the image in the archive `path`; `store` is the layout that `engine` takes images from.
pub async fn test(
    path: &Path,
    (engine, store): (&Engine, &Store),
    cancel: &CancellationToken,
) -> Result<(Seen, Option<Problem>), BootError> {
    let imported = tokio::task::spawn_blocking({
        let (store, path) = (store.clone(), path.to_owned());
        move || store.import_archive(&path, &ImageConfig::default())
    });
    let image =
        imported.await.map_err(BootError::Task)?.map_err(|source| BootError::Oci { path: path.to_owned(), source })?;
    let spec = spec(ImageId::Stored(image.manifest))?;
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let mut output = |stream: Stream, bytes: &[u8]| match stream {
        Stream::Stdout if stdout.len() < MOST_BYTES => stdout.extend_from_slice(bytes),
        Stream::Stderr if stderr.len() < MOST_BYTES => stderr.extend_from_slice(bytes),
        _ => {}
    };
    let exit = engine.run(&spec, Session { output: &mut output, collect: None, cancel }).await?;
    if exit == Exit::Cancelled {
        return Err(BootError::Cancelled);
    }
    let seen = seen(&String::from_utf8_lossy(&stdout));
    let console = String::from_utf8_lossy(&stderr).trim().to_owned();
    let problem = match () {
        () if !exit.is_success() => Some(format!("its shell ended with {exit}")),
        () if seen.os_release_value("ID").is_none() => {
            Some("`/etc/os-release` does not say which system it is".to_owned())
        }
        () if seen.packages.is_empty() => Some("it has no list of packages".to_owned()),
        () => None,
    };
    Ok((seen, problem.map(|text| Problem { text, console })))
}

fn seen(stdout: &str) -> Seen {
    let (os_release, packages) = stdout.split_once("\n\n").unwrap_or((stdout, ""));
    let package = |line: &str| line.split('\t').take(2).collect::<Vec<_>>().join("-");
    Seen {
        os_release: os_release.lines().map(str::to_owned).collect(),
        packages: packages.lines().map(package).collect(),
        ..Seen::default()
    }
}

fn spec(image: ImageId) -> Result<ContainerSpec, RelativePath> {
    Ok(ContainerSpec {
        image,
        argv: ["/bin/sh", "-c", COMMAND].map(str::to_owned).to_vec(),
        env: BTreeMap::new(),
        user: User::Root,
        workdir: GuestPath::new("/")?,
        mounts: Vec::new(),
        network: Network::None,
        capabilities: Capabilities::Default,
        limits: Limits::default(),
    })
}
