//! The helper process: one thread, one task, in namespaces of its own.
//!
//! `sandbox_main` must run before anything starts a thread. What happens here is told to Drydock as [`Reply`]s; a fault of
//! the socket itself means that Drydock is gone, and then the helper ends too.

mod changes;
mod container;
mod init;
mod kernel;
mod layer;
mod memory;
mod network;
mod program;
mod root;
mod user;

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;

use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};

use super::helper::ARGUMENT;
use super::task::{AtStep, Fault, GO, Job, Privilege, Reply, Step, Task};

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
    let job = receive(socket).at(Step::Job, "standard input")?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    enter_user_namespace(job.privilege, socket)?;
    match job.task {
        Task::Run(container) => return container::run(&container, socket),
        Task::Export { changes } => {
            send(socket, &Reply::Files).at(Step::Job, "standard input")?;
            return changes::send_layer(&changes, job.privilege, socket);
        }
        Task::Unpack { blob, diff_id, into } => {
            layer::unpack(&layer::Source { blob, diff_id }, &into, job.privilege)?;
        }
        Task::Remove { paths } => remove(&paths)?,
    }
    send(socket, &Reply::Done).at(Step::Job, "standard input")
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

/// Becomes root of a new user namespace, where that is needed, once Drydock has mapped the ids.
fn enter_user_namespace(privilege: Privilege, socket: &mut UnixStream) -> Result<(), Fault> {
    if privilege == Privilege::UserNamespace {
        unshare(CloneFlags::CLONE_NEWUSER).at(Step::UserNamespace, "user")?;
    }
    send(socket, &Reply::Unshared).at(Step::Job, "standard input")?;
    let mut answer = [0];
    socket.read_exact(&mut answer).at(Step::Job, "standard input")?;
    if answer != [GO] {
        return Err(Fault::new(Step::Job, "standard input", "an unknown word"));
    }
    if privilege == Privilege::UserNamespace {
        let (user, group) = (Uid::from_raw(0), Gid::from_raw(0));
        setresgid(group, group, group).at(Step::User, "root")?;
        setgroups(&[]).at(Step::User, "root")?;
        setresuid(user, user, user).at(Step::User, "root")?;
    }
    Ok(())
}

fn remove(paths: &[PathBuf]) -> Result<(), Fault> {
    for path in paths {
        match path.symlink_metadata() {
            Ok(metadata) if metadata.is_dir() => std::fs::remove_dir_all(path).at(Step::Remove, path.display())?,
            Ok(_) => std::fs::remove_file(path).at(Step::Remove, path.display())?,
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => {}
            Err(fault) => return Err(fault).at(Step::Remove, path.display()),
        }
    }
    Ok(())
}
