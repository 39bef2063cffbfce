//! A container, seen from the helper process: makes it, waits for it, sends its files, cleans up.
//!
//! The helper has the mounts of the container, but not its process namespace: process 1 of that one is [`init`]. So when
//! the container is dead, its files can still be read as it saw them.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid};
use rustix::mount::{UnmountFlags, unmount};

use super::super::task::{AtStep, Changes, Container, Fault, GuestNetwork, How, KILL, Owner, Reply, Step};
use super::report::Report;
use super::space::Space;
use super::{changes, init, kernel, memory, network, root, send};
use crate::removal;

/// How often the memory is looked at, in milliseconds, when no control group does.
const MEMORY_INTERVAL: u16 = 50;

/// Runs `container` and tells Drydock how it ended.
pub(super) fn run(container: &Container, owner: Owner, socket: &mut UnixStream) -> Result<(), Fault> {
    let here = lock(&container.folder)?;
    nix::unistd::chdir(&container.layers).at(Step::Layers, container.layers.display())?;
    let outside = (container.network == GuestNetwork::Outside).then_some(container.folder.as_path());
    let inputs = Space::make(owner, outside, socket)?.enter(|namespace| root::take(container, namespace))?;
    let outcome = make(container, inputs).and_then(|(mut waiting, trees)| {
        let init = start(container, &mut waiting, (socket, trees))?;
        waiting.wait(init, socket, container.watched_memory)
    });
    // The container's folder, wherever the root is by now.
    nix::unistd::fchdir(&here).at(Step::Remove, container.folder.display())?;
    let ended = match outcome {
        Ok(ended) => ended,
        Err(fault) => return clean_up(Changes::Remove).and(Err(fault)),
    };
    if ended.how.is_none() {
        // Nobody else will.
        let name = container.folder.file_name().unwrap_or_default();
        let path = Path::new("..").join(name);
        return removal::remove(&path).at(Step::Remove, container.folder.display());
    }
    let told = tell(&ended, container, socket);
    let kept = if ended.how == Some(How::Code(0)) { container.changes } else { Changes::Remove };
    if kept == Changes::Keep {
        remove_mount_points(&ended.made);
    }
    nix::unistd::fchdir(&here).at(Step::Remove, container.folder.display())?;
    clean_up(kept).and(told)
}

/// How a container ended.
struct Ended {
    /// None when it was killed since Drydock is gone.
    how: Option<How>,
    made: Vec<String>,
}

/// What the helper needs to wait for process 1.
struct Waiting {
    reports: BufReader<File>,
    /// Process 1's end; closed in the helper once that one has it.
    writer: Option<OwnedFd>,
    /// True once `/proc` is the container's.
    mounted: bool,
    ended: Ended,
}

/// Locks the folder, so that no sweep removes it while the helper is alive, and keeps it open.
fn lock(folder: &Path) -> Result<File, Fault> {
    let path = folder.join("helper");
    let lock = File::create(&path).at(Step::Job, path.display())?;
    lock.lock().at(Step::Job, path.display())?;
    // Never closed: the lock is to live as long as the process.
    std::mem::forget(lock);
    File::open(folder).at(Step::Job, folder.display())
}

fn make(container: &Container, inputs: root::Inputs) -> Result<(Waiting, root::Trees), Fault> {
    let mut flags =
        CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWUTS;
    if container.network == GuestNetwork::Loopback {
        flags |= CloneFlags::CLONE_NEWNET;
    }
    unshare(flags).at(Step::Namespaces, "mount, pid, ipc, uts, net")?;
    if container.network != GuestNetwork::Host {
        network::bring_up_loopback().at(Step::Network, "lo")?;
    }
    let trees = root::prepare(container, inputs)?;
    let (reader, writer) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).at(Step::Job, "pipe")?;
    let ended = Ended { how: None, made: Vec::new() };
    Ok((Waiting { reports: BufReader::new(reader.into()), writer: Some(writer), mounted: false, ended }, trees))
}

fn start(
    container: &Container,
    waiting: &mut Waiting,
    (socket, trees): (&UnixStream, root::Trees),
) -> Result<Pid, Fault> {
    let writer = waiting.writer.take().ok_or_else(|| Fault::new(Step::Job, "pipe", "it is gone"))?;
    // Now: the new process changes the root of this one, too.
    let null = File::options().write(true).open("/dev/null").at(Step::Job, "/dev/null")?;
    match kernel::fork().at(Step::Namespaces, "pid")? {
        ForkResult::Parent { child } => {
            // The program's output must end with the program.
            nix::unistd::dup2_stdout(&null).at(Step::Job, "standard output")?;
            nix::unistd::dup2_stderr(&null).at(Step::Job, "standard error")?;
            Ok(child)
        }
        ForkResult::Child => {
            init::main(container, trees, init::Pipes { writer, reader: waiting.reports.get_ref(), socket })
        }
    }
}

impl Waiting {
    /// Waits until process 1, and with it everything in the container, is gone.
    fn wait(mut self, init: Pid, socket: &mut UnixStream, watched_memory: Option<u64>) -> Result<Ended, Fault> {
        let mut listening = true;
        let mut out_of_memory = false;
        loop {
            let (reports, orders) = self.ready(socket, listening)?;
            if reports {
                let Some(report) = self.next_report()? else { break };
                match report {
                    Report::Mounted { made } => (self.mounted, self.ended.made) = (true, made),
                    Report::Ended(how) => self.ended.how = Some(how),
                    Report::Failed(fault) => {
                        waitpid(init, None).at(Step::Job, "process 1")?;
                        return Err(fault);
                    }
                }
            } else if orders {
                listening = obey(init, socket)?;
            } else if let Some(limit) = watched_memory.filter(|_| !out_of_memory && self.mounted)
                && memory::is_over(limit)
            {
                out_of_memory = true;
                kill(init, Signal::SIGKILL).at(Step::Job, "process 1")?;
            }
        }
        waitpid(init, None).at(Step::Job, "process 1")?;
        if out_of_memory {
            self.ended.how = Some(How::Memory);
        } else if self.ended.how.is_none() && listening {
            self.ended.how = Some(How::Signal(Signal::SIGKILL as i32));
        }
        Ok(self.ended)
    }

    /// Whether there is a report to read, and whether there is an order to read.
    fn ready(&self, socket: &UnixStream, listening: bool) -> Result<(bool, bool), Fault> {
        if !self.reports.buffer().is_empty() {
            return Ok((true, false));
        }
        let mut polled = vec![PollFd::new(self.reports.get_ref().as_fd(), PollFlags::POLLIN)];
        if listening {
            polled.push(PollFd::new(socket.as_fd(), PollFlags::POLLIN));
        }
        match poll(&mut polled, PollTimeout::from(MEMORY_INTERVAL)) {
            Err(nix::errno::Errno::EINTR) => return Ok((false, false)),
            polled => polled.at(Step::Job, "poll")?,
        };
        let is_ready = |at: usize| polled.get(at).and_then(PollFd::any).unwrap_or(false);
        Ok((is_ready(0), is_ready(1)))
    }

    fn next_report(&mut self) -> Result<Option<Report>, Fault> {
        let mut line = String::new();
        self.reports.read_line(&mut line).at(Step::Job, "pipe")?;
        if line.is_empty() {
            return Ok(None);
        }
        serde_json::from_str(&line).map(Some).at(Step::Job, "pipe")
    }
}

/// Kills the container, on an order or since Drydock is gone; false in the second case.
fn obey(init: Pid, socket: &mut UnixStream) -> Result<bool, Fault> {
    let mut order = [0];
    let drydock_lives = matches!(socket.read(&mut order), Ok(1));
    if !drydock_lives || order == [KILL] {
        kill(init, Signal::SIGKILL).at(Step::Job, "process 1")?;
    }
    Ok(drydock_lives)
}

/// Tells Drydock how the container ended, and sends the files of its output folder.
fn tell(ended: &Ended, container: &Container, socket: &mut UnixStream) -> Result<(), Fault> {
    let Some(how) = ended.how else { return Ok(()) };
    let folder = container.collect.as_deref().map(Path::new).filter(|folder| folder.symlink_metadata().is_ok());
    send(socket, &Reply::Ended { how, files: folder.is_some() }).at(Step::Job, "standard input")?;
    if let Some(folder) = folder {
        changes::send_folder(folder, socket)?;
    }
    socket.shutdown(std::net::Shutdown::Write).at(Step::Job, "standard input")
}

/// Removes the mount points that are not in the image; one that has got files stays.
fn remove_mount_points(made: &[String]) {
    for point in made.iter().rev() {
        // Not all of them are mount points: some are the folders above; and on some something is mounted twice.
        while unmount(point.as_str(), UnmountFlags::DETACH).is_ok() {}
        let path = Path::new(point);
        let _ = match path.symlink_metadata() {
            Ok(metadata) if metadata.is_dir() => std::fs::remove_dir(path),
            Ok(metadata) if metadata.is_file() && metadata.len() == 0 => std::fs::remove_file(path),
            _ => Ok(()),
        };
    }
}

/// Removes what the helper made in the container's folder, which is the current one.
fn clean_up(changes: Changes) -> Result<(), Fault> {
    let kept = if changes == Changes::Keep { "" } else { "upper" };
    for name in ["work", kept, "root"].into_iter().filter(|name| !name.is_empty()) {
        // What stays is Drydock's to remove: what the container has made is there all the same.
        let _ = removal::remove(Path::new(name));
    }
    if changes == Changes::Keep {
        let upper = File::open("upper").at(Step::Read, "upper")?;
        rustix::fs::syncfs(upper).at(Step::Read, "upper")?;
    }
    Ok(())
}
