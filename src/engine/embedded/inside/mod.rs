//! The helper process: one thread, one task, in namespaces of its own.
//!
//! `sandbox_main` must run before anything starts a thread. What happens here is told to Drydock as [`Reply`]s; a fault of
//! the socket itself means that Drydock is gone, and then the helper ends too.

mod changes;
mod container;
mod filter;
mod gateway;
mod init;
mod kernel;
mod layer;
mod memory;
mod network;
mod program;
mod report;
mod root;
mod space;
mod user;

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use space::Space;

use super::helper::ARGUMENT;
use super::listing;
use super::task::{AtStep, Fault, Job, Owner, Reply, Step, Task};
use crate::removal;

/// The attribute by which overlayfs marks, in a user namespace, a folder that hides the one below it.
const OPAQUE: &str = "user.overlay.opaque";

/// Does the task of a helper process when the arguments say that this is one; `None` when it is not. To be called first
/// thing in `main`, before any thread is started.
pub fn sandbox_main(mut arguments: impl Iterator<Item = std::ffi::OsString>) -> Option<ExitCode> {
    if arguments.nth(1)? != ARGUMENT {
        return None;
    }
    close_inherited_files();
    let Ok(mut socket) = io::stdin().as_fd().try_clone_to_owned().map(UnixStream::from) else {
        return Some(ExitCode::FAILURE);
    };
    let done = carry_out(&mut socket);
    Some(match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            // Nobody is there to read it when this fails.
            let _ = send(&mut socket, &Reply::Failed(fault));
            ExitCode::FAILURE
        }
    })
}

/// Closes what Drydock itself was started with and did not ask for: no container may have it.
fn close_inherited_files() {
    let names = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten().map(|entry| entry.file_name());
    let open: Vec<i32> = names.filter_map(|name| name.to_string_lossy().parse().ok()).collect();
    for file in open.into_iter().filter(|file| *file > 2) {
        // One of them was only open to list them.
        let _ = nix::unistd::close(file);
    }
}

fn carry_out(socket: &mut UnixStream) -> Result<(), Fault> {
    let Job { owner, task } = receive(socket).at(Step::Job, "standard input")?;
    kernel::join_new_keyring().at(Step::Keyring, "session")?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    match task {
        Task::Run(container) => return container::run(&container, owner, socket),
        Task::Export { changes } => {
            enter_at(&changes, owner, socket)?;
            send(socket, &Reply::Files).at(Step::Job, "standard input")?;
            return changes::send_layer(Path::new("."), socket);
        }
        Task::Unpack { blob, diff_id, folder, name } => {
            let source = layer::Source::open(blob, diff_id)?;
            enter_at(&folder, owner, socket)?;
            layer::unpack(source, Path::new(&name))?;
        }
        Task::Remove { paths } => {
            Space::make(owner, None, socket)?.enter(|_| Ok(()))?;
            remove(&paths)?;
        }
        Task::List { folders } => {
            Space::make(owner, None, socket)?.enter(|_| Ok(()))?;
            return send(socket, &Reply::Listed(listing::of(&folders))).at(Step::Job, "standard input");
        }
    }
    send(socket, &Reply::Done).at(Step::Job, "standard input")
}

/// Becomes root of a new user namespace in the folder `folder`, which that root may not be able to reach.
fn enter_at(folder: &Path, owner: Owner, socket: &mut UnixStream) -> Result<(), Fault> {
    nix::unistd::chdir(folder).at(Step::Read, folder.display())?;
    Space::make(owner, None, socket)?.enter(|_| Ok(()))
}

fn receive(socket: &mut UnixStream) -> io::Result<Job> {
    let mut length = [0; 4];
    socket.read_exact(&mut length)?;
    let mut json = vec![0; u32::from_le_bytes(length) as usize];
    socket.read_exact(&mut json)?;
    Ok(serde_json::from_slice(&json)?)
}

fn send(socket: &mut impl Write, reply: &Reply) -> io::Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    socket.write_all(&line)
}

/// Removes all that can be removed; the fault is the first one.
fn remove(paths: &[PathBuf]) -> Result<(), Fault> {
    let removed: Vec<_> = paths.iter().map(|path| removal::remove(path).at(Step::Remove, path.display())).collect();
    removed.into_iter().collect()
}
