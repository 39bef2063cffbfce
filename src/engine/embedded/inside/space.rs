//! The user namespace of a container, and the step into it.
//!
//! A process of its own makes the namespace and keeps it until its ids are mapped; so this one still has the rights of
//! whoever started Drydock when it takes hold of what the container sees of the host. After the step it has nothing but what
//! the namespace's root may do.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Gid, Pid, Uid, fchown, geteuid, setgroups, setresgid, setresuid};
use rustix::fs::FileType;
use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::CapabilitySet;

use super::super::task::{AtStep, Fault, GO, Owner, Reply, Step};
use super::{gateway, kernel, send};

/// A user namespace whose ids are mapped.
pub(super) struct Space {
    namespace: File,
    /// A network that has a way to other machines.
    network: Option<File>,
    owner: Owner,
}

impl Space {
    /// Makes one; Drydock maps its ids when it is told by `socket`. With `outside`, which is a folder for files about that,
    /// it has a network with a way to other machines.
    pub(super) fn make(owner: Owner, outside: Option<&Path>, socket: &mut UnixStream) -> Result<Self, Fault> {
        let (theirs, ours) = UnixStream::pair().at(Step::UserNamespace, "socket")?;
        let holder = match kernel::fork().at(Step::UserNamespace, "process")? {
            ForkResult::Child => {
                drop(ours);
                hold(theirs, outside.is_some())
            }
            ForkResult::Parent { child } => child,
        };
        drop(theirs);
        let made = Self::of(holder, (owner, outside), (socket, &ours));
        // It ends when it sees that.
        drop(ours);
        waitpid(holder, None).at(Step::UserNamespace, "process")?;
        made
    }

    fn of(
        holder: Pid,
        (owner, outside): (Owner, Option<&Path>),
        (socket, holder_socket): (&mut UnixStream, &UnixStream),
    ) -> Result<Self, Fault> {
        let mut answer = [0; 4];
        (&*holder_socket).read_exact(&mut answer).at(Step::UserNamespace, "process")?;
        match i32::from_ne_bytes(answer) {
            0 => {}
            errno => return Err(nix::errno::Errno::from_raw(errno)).at(Step::UserNamespace, "user"),
        }
        tell_and_wait(socket, &Reply::Unshared { pid: holder.as_raw().unsigned_abs() })?;
        let namespace = |name| File::open(format!("/proc/{holder}/ns/{name}")).at(Step::UserNamespace, name);
        let mut made = Self { namespace: namespace("user")?, network: None, owner };
        if let Some(folder) = outside {
            gateway::open(holder, folder)?;
            made.network = Some(namespace("net")?);
        }
        // From here on, the container's limits count.
        tell_and_wait(socket, &Reply::Ready)?;
        Ok(made)
    }

    /// Becomes root of the namespace. `take` runs before that, in mounts of its own; it gets the namespace where it may
    /// show files with the namespace's owners.
    pub(super) fn enter<T>(self, take: impl FnOnce(Option<&File>) -> Result<T, Fault>) -> Result<T, Fault> {
        let held = rustix::thread::capabilities(None).at(Step::Capability, "any")?.effective;
        let may_mount = held.contains(CapabilitySet::SYS_ADMIN);
        own_streams(self.owner)?;
        let taken = if may_mount {
            own_mounts()?;
            let taken = take(Some(&self.namespace))?;
            self.join()?;
            taken
        } else {
            self.join()?;
            own_mounts()?;
            take(None)?
        };
        become_root()?;
        Ok(taken)
    }

    fn join(&self) -> Result<(), Fault> {
        setns(&self.namespace, CloneFlags::CLONE_NEWUSER).at(Step::UserNamespace, "user")?;
        let network = self.network.as_ref().map(|network| setns(network, CloneFlags::CLONE_NEWNET));
        network.unwrap_or(Ok(())).at(Step::Namespaces, "net")
    }
}

/// Tells Drydock something, and waits until it has done its part.
fn tell_and_wait(socket: &mut UnixStream, what: &Reply) -> Result<(), Fault> {
    send(socket, what).at(Step::Job, "standard input")?;
    let mut go = [0];
    socket.read_exact(&mut go).at(Step::Job, "standard input")?;
    if go == [GO] { Ok(()) } else { Err(Fault::new(Step::Job, "standard input", "an unknown word")) }
}

/// What the other process does: makes the namespaces, tells how that went, and stays until nobody needs it.
fn hold(mut socket: UnixStream, with_network: bool) -> ! {
    let network = if with_network { CloneFlags::CLONE_NEWNET } else { CloneFlags::empty() };
    let errno = unshare(CloneFlags::CLONE_NEWUSER | network).err().map_or(0, |errno| errno as i32);
    // Whatever happens to the other side, there is nothing left to do then.
    let _ = socket.write_all(&errno.to_ne_bytes());
    let _ = socket.read(&mut [0]);
    kernel::exit(0)
}

fn own_mounts() -> Result<(), Fault> {
    unshare(CloneFlags::CLONE_NEWNS).at(Step::Namespaces, "mount")?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).at(Step::Mount, "/")
}

/// The namespace's root may give its program what is its own only.
fn own_streams(owner: Owner) -> Result<(), Fault> {
    if owner.uid == geteuid().as_raw() {
        return Ok(());
    }
    let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
    for stream in [std::io::stdout().as_fd().try_clone_to_owned(), std::io::stderr().as_fd().try_clone_to_owned()] {
        let stream: OwnedFd = stream.at(Step::User, "root")?;
        let mode = rustix::fs::fstat(&stream).at(Step::User, "root")?.st_mode;
        // Anything else is `/dev/null`, and the machine's.
        let is_ours = FileType::from_raw_mode(mode) == FileType::Fifo || rustix::termios::isatty(&stream);
        if is_ours {
            fchown(stream, Some(uid), Some(gid)).at(Step::User, "root")?;
        }
    }
    Ok(())
}

fn become_root() -> Result<(), Fault> {
    let (user, group) = (Uid::from_raw(0), Gid::from_raw(0));
    setresgid(group, group, group).at(Step::User, "root")?;
    setgroups(&[]).at(Step::User, "root")?;
    setresuid(user, user, user).at(Step::User, "root")?;
    // A change of user takes a process its own files in /proc.
    set_dumpable_behavior(DumpableBehavior::Dumpable).at(Step::User, "root")
}
