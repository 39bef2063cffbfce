//! Daemons of the tests' own: with their own folders, sockets and names, so that the machine's are not disturbed.

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User};

use crate::suites::Suite;
use crate::traces;

/// A running daemon; it ends with this value.
pub struct Daemon {
    child: Child,
    socket: PathBuf,
    /// Its folder is then the next daemon's, who is not to be disturbed.
    is_killed: bool,
}

/// Whose Podman.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The system's.
    Root,
    /// An ordinary user's.
    User,
}

/// Which programs a daemon is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Installation {
    /// The system's where there is none.
    pub suite: Option<Suite>,
    /// True for Docker's containerd image store.
    pub containerd_store: bool,
    /// True when root of Docker's containers is an ordinary user of the machine.
    pub is_remapped: bool,
    /// True when Docker's runtime is a program that starts nothing.
    pub is_broken: bool,
}

impl Installation {
    fn words(self) -> Vec<String> {
        self.suite.map(Suite::enter).unwrap_or_default()
    }
}

impl Daemon {
    /// A Docker whose files are all below `folder`.
    pub fn docker(folder: &Path, installation: Installation) -> Self {
        Self::docker_with(folder, installation, &[])
    }

    /// The same with more arguments.
    pub fn docker_with(folder: &Path, installation: Installation, more: &[String]) -> Self {
        let socket = folder.join("docker.sock");
        let at = |name: &str| folder.join(name).display().to_string();
        let namespace = format!("drydock-contract-{}", std::process::id());
        let mut words = installation.words();
        words.push("dockerd".to_owned());
        if installation.containerd_store {
            let settings = folder.join("daemon.json");
            std::fs::write(&settings, r#"{"features": {"containerd-snapshotter": true}}"#).unwrap();
            words.extend(["--config-file".to_owned(), settings.display().to_string()]);
        }
        if installation.is_remapped {
            words.push(format!("--userns-remap={}", ordinary_user().name));
        }
        if installation.is_broken {
            words.extend(["--add-runtime", "broken=/bin/false", "--default-runtime", "broken"].map(str::to_owned));
        }
        words.extend_from_slice(more);
        let mut command = parented(&words);
        command.args(["--host", &format!("unix://{}", socket.display())]);
        command.args(["--data-root", &at("data"), "--exec-root", &at("exec"), "--pidfile", &at("docker.pid")]);
        command.args([
            "--containerd-namespace",
            &namespace,
            "--bridge",
            "none",
            "--iptables=false",
            "--ip6tables=false",
            "--group",
            "root",
        ]);
        Self::started(command, folder, socket)
    }

    /// A Podman service whose files are all below `folder`.
    pub fn podman(folder: &Path, owner: Owner, installation: Installation) -> Self {
        let socket = folder.join("podman.sock");
        let at = |name: &str| folder.join(name).display().to_string();
        // crun does not know cgroup v1 beside v2.
        let runtime = if Path::new("/usr/sbin/runc").exists() { "runtime = \"runc\"\n" } else { "" };
        let settings = format!("[engine]\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\n{runtime}");
        std::fs::write(folder.join("containers.conf"), settings).unwrap();
        let mut words = installation.words();
        if owner == Owner::User && nix::unistd::geteuid().is_root() {
            let user = ordinary_user();
            nix::unistd::chown(folder, Some(user.uid), Some(user.gid)).unwrap();
            words.extend(["setpriv", "--init-groups", "--inh-caps=-all"].map(str::to_owned));
            words.extend([format!("--reuid={}", user.uid), format!("--regid={}", user.gid)]);
        }
        words.push("podman".to_owned());
        let mut command = parented(&words);
        let driver = if owner == Owner::User { "vfs" } else { "overlay" };
        command.args([
            "--root",
            &at("root"),
            "--runroot",
            &at("run"),
            "--tmpdir",
            &at("tmp"),
            "--storage-driver",
            driver,
        ]);
        command.args(["system", "service", "--time=0", &format!("unix://{}", socket.display())]);
        command.env("CONTAINERS_CONF", folder.join("containers.conf"));
        command.env("HOME", folder).env("XDG_RUNTIME_DIR", folder).env_remove("XDG_CONFIG_HOME");
        command.current_dir(folder);
        Self::started(command, folder, socket)
    }

    /// Its address.
    pub fn address(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// Its process.
    pub fn process(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }

    /// Kills it without a warning, and what belongs to it: a rootless Podman is two processes, and Docker's containerd is
    /// meant to die with it, but a new Docker that comes too early takes the old one for its own.
    pub fn kill(&mut self) {
        self.is_killed = true;
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let _ = std::fs::remove_file(self.folder().join("docker.pid"));
        while self.kill_processes(&["system service", "containerd.toml"]) {
            std::thread::sleep(Duration::from_millis(20));
        }
        // A dead containerd that nobody has waited for yet would count as running by its number.
        let _ = std::fs::remove_file(self.folder().join("exec/containerd/containerd.pid"));
    }

    /// Kills the processes whose command line has this daemon's folder and one of `words`; false when there is none.
    fn kill_processes(&self, words: &[&str]) -> bool {
        let processes = traces::processes_below(self.folder());
        let mut processes =
            processes.into_iter().filter(|(_, command)| words.iter().any(|word| command.contains(word)));
        processes.by_ref().filter(|(process, _)| kill(Pid::from_raw(*process), Signal::SIGKILL).is_ok()).count() > 0
    }

    fn folder(&self) -> &Path {
        self.socket.parent().unwrap()
    }

    fn started(mut command: Command, folder: &Path, socket: PathBuf) -> Self {
        let log = File::create(folder.join("daemon.log")).unwrap();
        command.stdin(std::process::Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let child = command.spawn().expect("the daemon is not installed");
        let mut daemon = Self { child, socket, is_killed: false };
        let begin = Instant::now();
        while !answers(&daemon.socket) {
            let ended = daemon.child.try_wait().unwrap();
            if ended.is_some() || begin.elapsed() > Duration::from_mins(1) {
                let log = std::fs::read_to_string(folder.join("daemon.log")).unwrap();
                panic!("{command:?} does not answer ({ended:?}):\n{log}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        daemon
    }
}

/// The folders of the containers of a daemon whose files are in `folder`.
pub fn containers(folder: &Path) -> Vec<PathBuf> {
    let folders = ["data/containers", "root/overlay-containers", "root/vfs-containers"];
    let entries = folders.iter().flat_map(|name| std::fs::read_dir(folder.join(name)));
    entries.flatten().flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

/// True when the daemon answers a request: its socket is there some time before that.
fn answers(socket: &Path) -> bool {
    use std::io::{Read, Write};
    let ask = || {
        let mut stream = std::os::unix::net::UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET /_ping HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).map(|()| answer.ends_with(b" 200"))
    };
    ask().unwrap_or(false)
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.is_killed {
            return;
        }
        // It ends its own helpers when it is asked, and not when it is killed.
        let _ = kill(self.process(), Signal::SIGTERM);
        let begin = Instant::now();
        while self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            if begin.elapsed() > Duration::from_secs(20) {
                let _ = self.child.kill();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        // What a daemon leaves when it ends: Podman the process that keeps its user namespace, both a mount of their storage.
        for pause in ["tmp/pause.pid", "libpod/tmp/pause.pid", "run/pause.pid"] {
            let process = std::fs::read_to_string(self.folder().join(pause)).ok();
            if let Some(process) = process.and_then(|text| text.trim().parse().ok()).filter(|&process| process > 1) {
                let _ = kill(Pid::from_raw(process), Signal::SIGKILL);
            }
        }
        self.kill_processes(&[""]);
        for point in traces::mounts_below(self.folder()).iter().rev() {
            let _ = nix::mount::umount2(Path::new(point), nix::mount::MntFlags::MNT_DETACH);
        }
    }
}

/// A command that ends with the test process, however that ends.
fn parented(words: &[String]) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM", "--"]).args(words);
    command
}

/// The user named by `DRYDOCK_CONTAINER_USER`, else the first one who has ranges of user numbers.
pub fn ordinary_user() -> User {
    let subordinate = std::fs::read_to_string("/etc/subuid").unwrap_or_default();
    let wanted = std::env::var("DRYDOCK_CONTAINER_USER").ok();
    let names = wanted.iter().map(String::as_str).chain(subordinate.lines().filter_map(|line| line.split(':').next()));
    let mut users = names.filter_map(|name| User::from_name(name).ok().flatten());
    users.find(|user| !user.uid.is_root()).expect(
        "no ordinary user with ranges in /etc/subuid: `useradd --create-home --add-subids-for-system NAME`, \
         then DRYDOCK_CONTAINER_USER=NAME",
    )
}

/// Lets everybody into the folder.
pub fn open_to_all(folder: &Path) {
    std::fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
}

/// Runs this very test, and nothing else, as an ordinary user, from copies of the programs where that user may go: the
/// checkout may be in a folder of root's.
pub fn rerun_as_user(test: &str) {
    let user = ordinary_user();
    let folder = tempfile::Builder::new().prefix("drydock-contract-").tempdir_in("/tmp").unwrap();
    open_to_all(folder.path());
    let place = |name: &str| folder.path().join(name);
    std::fs::copy(std::env::current_exe().unwrap(), place("test")).unwrap();
    std::fs::copy(env!("CARGO_BIN_EXE_drydock"), place("drydock")).unwrap();
    let status = Command::new("setpriv")
        .args(["--init-groups", "--inh-caps=-all"])
        .args([format!("--reuid={}", user.uid), format!("--regid={}", user.gid)])
        .arg(place("test"))
        .args(["--exact", test, "--nocapture"])
        .env("HOME", &user.dir)
        .env("DRYDOCK_CONTRACT_HELPER", place("drydock"))
        .current_dir("/tmp")
        .status()
        .unwrap();
    assert!(status.success(), "as {}: {status} {:?}", user.name, status.signal());
}
