//! A socket of this machine behind which the engine of another one answers, by the user's own `ssh`.
//!
//! Each connection becomes `ssh HOST docker system dial-stdio` (`podman` likewise), as Docker's own program does it: the
//! other machine needs nothing but the engine's program, and keys, proxies and names are those of the user's ssh
//! settings. The connections share one login.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::AsyncReadExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::process::Command;
use tokio::task::JoinHandle;

use super::address::Address;
use super::flavor::Flavor;
use crate::removal;

/// How much of what `ssh` says is kept.
const SAID_BYTES: usize = 4096;

/// The socket; gone with this value.
pub(super) struct Tunnel {
    folder: PathBuf,
    task: JoinHandle<()>,
    said: Arc<Mutex<String>>,
}

impl Tunnel {
    /// A tunnel to `address`, which is an `ssh://` one; `None` when it is none that can be read.
    pub(super) fn open(flavor: Flavor, address: &Address, temporary: &Path) -> io::Result<Option<Self>> {
        let Some(destination) = Destination::read(&address.url) else { return Ok(None) };
        let folder = temporary.join(format!("drydock-ssh-{}-{:x}", std::process::id(), super::random()));
        DirBuilder::new().mode(0o700).create(&folder)?;
        let listener = UnixListener::bind(folder.join("socket"))?;
        let arguments = destination.arguments(flavor, address.identity.as_deref(), &folder);
        let said = Arc::new(Mutex::new(String::new()));
        let task = tokio::spawn(serve(listener, arguments, Arc::clone(&said)));
        Ok(Some(Self { folder, task, said }))
    }

    /// Where the engine answers on this machine.
    pub(super) fn url(&self) -> String {
        format!("unix://{}", self.folder.join("socket").display())
    }

    /// What `ssh` said on its standard error, in one line.
    pub(super) fn said(&self) -> String {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.task.abort();
        if let Err(fault) = removal::remove(&self.folder) {
            tracing::warn!(path = %self.folder.display(), %fault, "the folder of an ssh connection stays");
        }
    }
}

async fn serve(listener: UnixListener, arguments: Vec<String>, said: Arc<Mutex<String>>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(connections.spawn(pass_on(stream, arguments.clone(), Arc::clone(&said)))),
            Err(fault) => return tracing::warn!(%fault, "no more connections by ssh"),
        }
        while connections.try_join_next().is_some() {}
    }
}

/// One connection, until both sides are closed.
async fn pass_on(stream: UnixStream, arguments: Vec<String>, said: Arc<Mutex<String>>) {
    let mut command = Command::new("ssh");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let say = |text: &str| {
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        let room = SAID_BYTES.saturating_sub(said.len());
        said.extend(text.chars().take(room));
    };
    // In a process group of its own, so that Ctrl-C reaches Drydock alone.
    let mut child = match command.process_group(0).kill_on_drop(true).spawn() {
        Ok(child) => child,
        Err(fault) => return say(&format!("cannot run `ssh`: {fault}")),
    };
    let (Some(mut stdin), Some(mut stdout), Some(mut stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return;
    };
    let (mut read, mut write) = stream.into_split();
    let up = async move { tokio::io::copy(&mut read, &mut stdin).await };
    let down = async move { tokio::io::copy(&mut stdout, &mut write).await };
    let words = async {
        let mut buffer = [0; 512];
        while let Ok(count @ 1..) = stderr.read(&mut buffer).await {
            say(&String::from_utf8_lossy(&buffer[..count]));
        }
    };
    tokio::select! {
        // The shared login may keep the standard error open for longer.
        _ = async { tokio::join!(up, down) } => {}
        _ = async { tokio::join!(words, std::future::pending::<()>()) } => {}
    }
}

/// `ssh://USER@HOST:PORT/PATH`.
#[derive(Debug, PartialEq, Eq)]
struct Destination {
    host: String,
    user: Option<String>,
    port: Option<u16>,
    /// The engine's socket there.
    socket: Option<String>,
}

impl Destination {
    fn read(url: &str) -> Option<Self> {
        let rest = url.strip_prefix("ssh://")?;
        let (place, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, place) = place.rsplit_once('@').map_or((None, place), |(user, place)| (Some(user), place));
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port.parse().ok()?)),
            _ => (place, None),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        // A host or user that begins with a dash would be an option.
        let is_word = |text: &str| !text.is_empty() && !text.starts_with('-') && !text.contains(char::is_whitespace);
        let socket = Some(format!("/{path}")).filter(|path| path != "/");
        let is_plain = |path: &String| path.chars().all(|c| c.is_ascii_alphanumeric() || "/._-@+".contains(c));
        let is_right = is_word(host) && user.is_none_or(is_word) && socket.as_ref().is_none_or(is_plain);
        is_right.then(|| Self { host: host.to_owned(), user: user.map(str::to_owned), port, socket })
    }

    fn arguments(&self, flavor: Flavor, identity: Option<&Path>, folder: &Path) -> Vec<String> {
        let mux = folder.join("login").display().to_string();
        let options = ["ConnectTimeout=30", "ControlMaster=auto", "ControlPersist=30", &format!("ControlPath={mux}")];
        let mut arguments = vec!["-T".to_owned()];
        let mut add = |flag: &str, value: String| arguments.extend([flag.to_owned(), value]);
        for option in options {
            add("-o", option.to_owned());
        }
        if let Some(identity) = identity {
            add("-i", identity.display().to_string());
        }
        if let Some(port) = self.port {
            add("-p", port.to_string());
        }
        if let Some(user) = &self.user {
            add("-l", user.clone());
        }
        let (program, flag) = match flavor {
            Flavor::Docker => ("docker", "--host"),
            Flavor::Podman => ("podman", "--url"),
        };
        let socket = self.socket.as_ref().map(|socket| format!(" {flag} unix://{socket}")).unwrap_or_default();
        arguments.extend(["--".to_owned(), self.host.clone(), format!("{program}{socket} system dial-stdio")]);
        arguments
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_becomes_the_arguments_of_ssh() {
        let words = |flavor, url| Destination::read(url).unwrap().arguments(flavor, None, Path::new("/t")).join(" ");
        let docker = words(Flavor::Docker, "ssh://me@far");
        assert!(docker.ends_with("-l me -- far docker system dial-stdio"), "{docker}");
        let podman = words(Flavor::Podman, "ssh://core@[::1]:2222/run/podman/podman.sock");
        let command = "podman --url unix:///run/podman/podman.sock system dial-stdio";
        assert!(podman.ends_with(&format!("-p 2222 -l core -- ::1 {command}")), "{podman}");
        for wrong in ["ssh://", "ssh://-oProxyCommand=x", "ssh://a b", "ssh://far/$(x)", "ssh://far:x", "tcp://far"] {
            assert_eq!(Destination::read(wrong), None, "{wrong}");
        }
    }
}
