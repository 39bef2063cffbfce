//! One engine under test, with an image, and short ways to run something in it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use drydock::digest::Sha256;
use drydock::engine::{
    Capabilities, Choice, Collect, ContainerSpec, Engine, EngineError, Exit, GuestPath, Home, HostPath, ImageId,
    Limits, Mount, Network, Outside, Places, Session, Stream, Transfer, User,
};
use drydock::oci::Store;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::daemon::{self, Daemon, Installation, Owner, open_to_all};
use crate::rootfs;
use crate::suites::Suite;
use crate::traces::Traces;

/// The engine and its surroundings; everything is below one temporary folder.
pub struct Bench {
    pub engine: Engine,
    pub image: ImageId,
    pub kind: Kind,
    /// None for the machine's own daemon, and for an engine without one.
    daemon: Option<Daemon>,
    folder: TempDir,
}

/// Which engine, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Docker,
    DockerByCopy,
    Podman,
    PodmanByCopy,
    PodmanRootless,
    /// Docker whose containers' root is an ordinary user of the machine.
    DockerByRemap,
    /// Docker of a later suite.
    DockerOf(Suite),
    /// The same with the containerd image store.
    DockerWithContainerd(Suite),
    /// Podman of a later suite.
    PodmanOf(Suite),
    Embedded,
    EmbeddedRootless,
}

/// How a program ended and what it wrote.
#[derive(Debug)]
pub struct Ran {
    pub exit: Exit,
    pub stdout: String,
    pub stderr: String,
}

impl Bench {
    /// Starts what `kind` needs and connects.
    pub async fn new(kind: Kind) -> Self {
        let folder = tempfile::Builder::new().prefix("drydock-contract-").tempdir_in("/tmp").unwrap();
        open_to_all(folder.path());
        let daemon_folder = folder.path().join("daemon");
        std::fs::create_dir(&daemon_folder).unwrap();
        let daemon = kind.daemon(&daemon_folder);
        let home = home(folder.path());
        let image = ImageId::Stored(rootfs::image(&home.store, folder.path()).manifest);
        let engine = connect(kind, &address(daemon.as_ref()), home).await;
        println!("{kind:?}: {}", engine.description().unwrap_or_default());
        let bench = Self { engine, image, kind, daemon, folder };
        // So that the image is there before anything is compared.
        assert_eq!(bench.run(&bench.program(&["true"])).await.exit, Exit::Code(0));
        bench
    }

    /// A folder for the test's own files; also the engine's, below it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A new empty folder.
    pub fn empty_folder(&self, name: &str) -> PathBuf {
        let path = self.folder().join(name);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).unwrap();
        path
    }

    /// True when a container can reach other machines: a network of its own needs a device that not every user may make.
    pub fn has_outside(&self) -> bool {
        let device = || std::fs::OpenOptions::new().read(true).write(true).open("/dev/net/tun");
        self.kind.choice() != Choice::Embedded || device().is_ok()
    }

    /// Where the daemon is.
    pub fn address(&self) -> String {
        address(self.daemon.as_ref())
    }

    /// True when the daemon is the test's own, and may be killed.
    pub fn has_daemon(&self) -> bool {
        self.daemon.is_some()
    }

    /// Kills the daemon and starts it again after `between`.
    pub async fn restart_daemon(&mut self, between: impl FnOnce()) {
        self.daemon.as_mut().unwrap().kill();
        between();
        self.daemon = self.kind.daemon(&self.folder().join("daemon"));
        self.engine = connect(self.kind, &self.address(), home(self.folder())).await;
    }

    /// A shell script, run by `builder` in its home folder.
    pub fn shell(&self, script: &str) -> ContainerSpec {
        self.program(&["sh", "-c", script])
    }

    /// A program, run by `builder` in its home folder.
    pub fn program(&self, argv: &[&str]) -> ContainerSpec {
        program(self.image, argv)
    }

    /// Runs it to its end.
    pub async fn run(&self, spec: &ContainerSpec) -> Ran {
        self.try_run(spec, None).await.unwrap()
    }

    /// Runs it and takes `from` out into the new folder `into`.
    pub async fn run_and_collect(&self, spec: &ContainerSpec, from: &str, into: &Path) -> Result<Ran, EngineError> {
        self.try_run(spec, Some(Collect { from: guest(from), into: into.to_owned() })).await
    }

    /// Runs it.
    pub async fn try_run(&self, spec: &ContainerSpec, collect: Option<Collect>) -> Result<Ran, EngineError> {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let mut output = |stream: Stream, bytes: &[u8]| match stream {
            Stream::Stdout => stdout.extend_from_slice(bytes),
            Stream::Stderr => stderr.extend_from_slice(bytes),
        };
        let cancel = CancellationToken::new();
        let exit = self.engine.run(spec, Session { output: &mut output, collect, cancel: &cancel }).await?;
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ok(Ran { exit, stdout: text(stdout), stderr: text(stderr) })
    }

    /// Runs it to its end and keeps what it changed as the image `key`; gives what it wrote to stdout.
    pub async fn derive(&self, spec: &ContainerSpec, key: Sha256) -> (Exit, String) {
        let mut stdout = Vec::new();
        let mut output = |stream: Stream, bytes: &[u8]| match stream {
            Stream::Stdout => stdout.extend_from_slice(bytes),
            Stream::Stderr => eprint!("{}", String::from_utf8_lossy(bytes)),
        };
        let cancel = CancellationToken::new();
        let session = Session { output: &mut output, collect: None, cancel: &cancel };
        let exit = self.engine.derive(spec, key, session).await.unwrap();
        (exit, String::from_utf8(stdout).unwrap())
    }

    /// The names in the layer of a derived image, sorted.
    pub async fn changes(&self, key: Sha256) -> Vec<String> {
        let path = self.folder().join("changes.tar");
        self.engine.export_changes(key, &path).await.unwrap();
        let mut archive = tar::Archive::new(std::fs::File::open(&path).unwrap());
        let names = archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().to_str().unwrap().to_owned());
        let mut names: Vec<_> = names.collect();
        names.sort();
        std::fs::remove_file(path).unwrap();
        names
    }

    /// The folders of the daemon's containers.
    pub fn containers(&self) -> Vec<PathBuf> {
        daemon::containers(&self.folder().join("daemon"))
    }

    /// What is there now of mounts, processes and folders.
    pub fn traces(&self) -> Traces {
        let watched = [
            "daemon/data/containers",
            "daemon/data/overlay2",
            "daemon/data/volumes",
            "daemon/root/overlay-containers",
            "daemon/root/vfs-containers",
            "daemon/root/overlay",
            "daemon/root/volumes",
            "engine",
        ];
        // The embedded engine has a folder of its own for each way of mapping ids.
        let engines = std::fs::read_dir(self.folder().join("engine")).unwrap().flatten();
        let containers = engines.map(|entry| format!("engine/{}/containers", entry.file_name().display()));
        let containers: Vec<String> = containers.collect();
        let watched: Vec<&str> = watched.into_iter().chain(containers.iter().map(String::as_str)).collect();
        Traces::of(self.folder(), &watched)
    }
}

impl Kind {
    /// What a user would choose.
    pub fn choice(self) -> Choice {
        match self {
            Self::Docker
            | Self::DockerByCopy
            | Self::DockerByRemap
            | Self::DockerOf(_)
            | Self::DockerWithContainerd(_) => Choice::Docker,
            Self::Podman | Self::PodmanByCopy | Self::PodmanRootless | Self::PodmanOf(_) => Choice::Podman,
            Self::Embedded | Self::EmbeddedRootless => Choice::Embedded,
        }
    }

    /// The kind with this debug form.
    pub fn read(name: &str) -> Self {
        let daemons = [
            Self::Docker,
            Self::DockerByCopy,
            Self::DockerByRemap,
            Self::Podman,
            Self::PodmanByCopy,
            Self::PodmanRootless,
        ];
        let later =
            Suite::ALL.map(|suite| [Self::DockerOf(suite), Self::DockerWithContainerd(suite), Self::PodmanOf(suite)]);
        let all = daemons.into_iter().chain([Self::Embedded, Self::EmbeddedRootless]).chain(later.concat());
        all.into_iter().find(|kind| format!("{kind:?}") == name).unwrap()
    }

    /// True when files are copied to the engine.
    pub fn copies(self) -> bool {
        matches!(self, Self::DockerByCopy | Self::PodmanByCopy)
    }

    /// The later suite whose programs it is made of.
    pub fn suite(self) -> Option<Suite> {
        match self {
            Self::DockerOf(suite) | Self::DockerWithContainerd(suite) | Self::PodmanOf(suite) => Some(suite),
            _ => None,
        }
    }

    /// Starts its daemon, with all files below `folder`; none for an engine without one.
    pub fn daemon(self, folder: &Path) -> Option<Daemon> {
        let containerd_store = matches!(self, Self::DockerWithContainerd(_));
        let is_remapped = self == Self::DockerByRemap;
        let installation = Installation { suite: self.suite(), containerd_store, is_remapped, is_broken: false };
        match self {
            Self::Docker | Self::DockerByCopy if !nix::unistd::geteuid().is_root() => None,
            Self::Docker
            | Self::DockerByCopy
            | Self::DockerByRemap
            | Self::DockerOf(_)
            | Self::DockerWithContainerd(_) => Some(Daemon::docker(folder, installation)),
            Self::Podman | Self::PodmanByCopy | Self::PodmanOf(_) => {
                Some(Daemon::podman(folder, Owner::Root, installation))
            }
            Self::PodmanRootless => Some(Daemon::podman(folder, Owner::User, installation)),
            Self::Embedded | Self::EmbeddedRootless => None,
        }
    }
}

/// The address of `daemon`, or of the machine's Docker.
fn address(daemon: Option<&Daemon>) -> String {
    let given = std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned());
    daemon.map_or(given, Daemon::address)
}

/// Connects to the daemon at `address`.
pub async fn connect(kind: Kind, address: &str, home: Home) -> Engine {
    let mut places = Places::default();
    match kind.choice() {
        Choice::Podman => places.container_host = Some(address.to_owned()),
        _ => places.docker_host = Some(address.to_owned()),
    }
    if kind.copies() {
        places.transfer = Transfer::Copy;
    }
    // The daemons have no bridge.
    if kind.choice() != Choice::Embedded {
        places.outside = Outside::Host;
    }
    Engine::connect(kind.choice(), &places, home).await.unwrap()
}

/// A program in `image`, run by `builder` in its home folder.
pub fn program(image: ImageId, argv: &[&str]) -> ContainerSpec {
    ContainerSpec {
        image,
        argv: argv.iter().map(|&word| word.to_owned()).collect(),
        env: BTreeMap::new(),
        user: User::Named("builder".to_owned()),
        workdir: guest("/home/builder"),
        mounts: Vec::new(),
        network: Network::None,
        capabilities: Capabilities::Default,
        limits: Limits { memory_bytes: Some(512 << 20), pids: Some(256), timeout: Some(Duration::from_mins(2)) },
    }
}

/// The engine's files below the folder of a bench.
pub fn home(folder: &Path) -> Home {
    let engine = folder.join("engine");
    std::fs::create_dir_all(&engine).unwrap();
    Home {
        store: Store::open(folder.join("oci")).unwrap(),
        folder: engine,
        trees: vec![folder.to_owned()],
        helper: std::env::var_os("DRYDOCK_CONTRACT_HELPER").map_or(env!("CARGO_BIN_EXE_drydock").into(), Into::into),
    }
}

/// A path in the container.
pub fn guest(path: &str) -> GuestPath {
    GuestPath::new(path).unwrap()
}

/// A read-only mount.
pub fn read_only(host: &Path, at: &str) -> Mount {
    Mount::ReadOnly { host: HostPath::new(host).unwrap(), guest: guest(at) }
}
