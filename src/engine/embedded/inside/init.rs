//! Process 1 of a container: finishes its making, starts the program, takes in orphans, and takes all others with it when
//! it ends, since the kernel ends a process namespace with its process 1.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid};

use super::super::task::{AtStep, Container, Fault, How, Step};
use super::report::Report;
use super::{kernel, memory, program, root, user};

/// What a new process 1 has of its parent.
pub(super) struct Pipes<'a> {
    /// Where reports go.
    pub(super) writer: OwnedFd,
    /// The parent's end.
    pub(super) reader: &'a File,
    /// The parent's socket.
    pub(super) socket: &'a UnixStream,
}

/// What process 1 does; never returns.
pub(super) fn main(container: &Container, trees: root::Trees, pipes: Pipes<'_>) -> ! {
    let mut writer = File::from(pipes.writer);
    // The parent's ends: with them open, nobody would see that the other side is gone.
    let _ = nix::unistd::close(std::os::fd::AsRawFd::as_raw_fd(pipes.reader));
    let _ = nix::unistd::close(std::os::fd::AsRawFd::as_raw_fd(pipes.socket));
    let report = match live(container, trees, &mut writer) {
        Ok(how) => Report::Ended(how),
        Err(fault) => Report::Failed(fault),
    };
    // When this fails, the parent is gone, and so is this process.
    let _ = tell(&mut writer, &report);
    kernel::exit(0)
}

/// Writes one line.
pub(super) fn tell(writer: &mut File, report: &Report) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(report)?;
    line.push(b'\n');
    writer.write_all(&line)
}

fn live(container: &Container, trees: root::Trees, writer: &mut File) -> Result<How, Fault> {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL)).at(Step::Job, "process 1")?;
    if parent_is_gone(writer)? {
        kernel::exit(1);
    }
    nix::unistd::sethostname("drydock").at(Step::Namespaces, "uts")?;
    let made = root::enter(container, trees)?;
    tell(writer, &Report::Mounted { made }).at(Step::Job, "pipe")?;
    let person = user::find(container.user.as_deref())?;
    let program = match kernel::fork().at(Step::Program, container.program())? {
        ForkResult::Child => become_program(container, &person, writer),
        ForkResult::Parent { child } => child,
    };
    // The program must not reach this process, whose memory and files are Drydock's.
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
        .at(Step::Job, "process 1")?;
    let how = reap(program)?;
    // What grew and ended between two looks of the helper.
    let was_over = container.watched_memory.is_some_and(memory::was_over);
    Ok(if was_over { How::Memory } else { how })
}

fn become_program(container: &Container, person: &user::Person, writer: &mut File) -> ! {
    let Err(fault) = program::start(container, person);
    // The helper reads this instead of an end.
    let _ = tell(writer, &Report::Failed(fault));
    kernel::exit(127)
}

/// The kernel tells of the parent's death from now on; it may be dead already.
fn parent_is_gone(writer: &File) -> Result<bool, Fault> {
    let mut polled = [PollFd::new(writer.as_fd(), PollFlags::POLLOUT)];
    poll(&mut polled, PollTimeout::ZERO).at(Step::Job, "pipe")?;
    Ok(polled[0].revents().is_some_and(|events| events.contains(PollFlags::POLLERR)))
}

/// Waits for the program, and for whatever else ends meanwhile.
fn reap(program: Pid) -> Result<How, Fault> {
    loop {
        match waitpid(None, None) {
            Ok(WaitStatus::Exited(pid, code)) if pid == program => return Ok(How::Code(code)),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == program => return Ok(How::Signal(signal as i32)),
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(errno).at(Step::Program, program),
        }
    }
}
