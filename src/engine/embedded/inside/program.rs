//! The last steps before the program runs: its folder, limits, capabilities and user.
//!
//! Capabilities are Docker's default set and those that were asked for. With `no_new_privs` no set-user-ID program and no
//! file capability gives more. A user other than root has none at all. Which system calls there are left is said by the
//! [`filter`].

use std::convert::Infallible;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{Gid, Uid, fchown, setgroups, setresgid, setresuid, setsid};
use rustix::thread::{CapabilitySet, CapabilitySets};

use super::super::task::{AtStep, Container, Fault, Step};
use super::user::Person;
use super::{filter, kernel};

/// Docker's default set.
const DEFAULT_CAPABILITIES: [CapabilitySet; 14] = [
    CapabilitySet::AUDIT_WRITE,
    CapabilitySet::CHOWN,
    CapabilitySet::DAC_OVERRIDE,
    CapabilitySet::FOWNER,
    CapabilitySet::FSETID,
    CapabilitySet::KILL,
    CapabilitySet::MKNOD,
    CapabilitySet::NET_BIND_SERVICE,
    CapabilitySet::NET_RAW,
    CapabilitySet::SETFCAP,
    CapabilitySet::SETGID,
    CapabilitySet::SETPCAP,
    CapabilitySet::SETUID,
    CapabilitySet::SYS_CHROOT,
];
/// Open files: programs that close all of them at their start are slow with more.
const OPEN_FILES: (u64, u64) = (1024, 1 << 20);
/// The kernel ends the program before Drydock when the machine has no memory left.
const OUT_OF_MEMORY_SCORE: &str = "500";

/// Turns this process into the container's program.
pub(super) fn start(container: &Container, person: &Person) -> Result<Infallible, Fault> {
    enter_workdir(&container.workdir)?;
    setsid().at(Step::Program, container.program())?;
    if container.has_terminal {
        rustix::process::ioctl_tiocsctty(io::stdout()).at(Step::Program, container.program())?;
    }
    set_limits(container)?;
    let wanted = wanted_capabilities(container)?;
    rustix::thread::set_no_new_privs(true).at(Step::Capability, "none")?;
    let held = if person.uid == 0 { wanted } else { CapabilitySet::empty() };
    bound(held)?;
    own_streams(container, person)?;
    become_person(person)?;
    if !held.is_empty() {
        let sets = CapabilitySets { effective: held, permitted: held, inheritable: CapabilitySet::empty() };
        rustix::thread::set_capabilities(None, sets).at(Step::Capability, "the default set")?;
    }
    let command = container.argv.split_first().map(|argv| command(container, argv, person)).transpose()?;
    // Last: what comes before it may need more than the program may have.
    kernel::install_filter(&filter::program(held)).at(Step::Filter, container.program())?;
    match command {
        Some(mut command) => Err(command.exec()).at(Step::Program, container.program()),
        // All that was wanted to know is whether one could be started.
        None => kernel::exit(0),
    }
}

fn enter_workdir(workdir: &str) -> Result<(), Fault> {
    fs::create_dir_all(workdir).at(Step::Workdir, workdir)?;
    nix::unistd::chdir(workdir).at(Step::Workdir, workdir)
}

fn set_limits(container: &Container) -> Result<(), Fault> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).at(Step::Limits, "open files")?;
    let hard = hard.min(OPEN_FILES.1);
    setrlimit(Resource::RLIMIT_NOFILE, OPEN_FILES.0.min(hard), hard).at(Step::Limits, "open files")?;
    if let Some(pids) = container.own_pids {
        let pids = getrlimit(Resource::RLIMIT_NPROC).at(Step::Limits, "processes")?.1.min(pids.into());
        setrlimit(Resource::RLIMIT_NPROC, pids, pids).at(Step::Limits, "processes")?;
    }
    setrlimit(Resource::RLIMIT_CORE, 0, 0).at(Step::Limits, "core files")?;
    fs::write("/proc/self/oom_score_adj", OUT_OF_MEMORY_SCORE).at(Step::Limits, "oom_score_adj")
}

fn wanted_capabilities(container: &Container) -> Result<CapabilitySet, Fault> {
    let mut wanted: CapabilitySet = DEFAULT_CAPABILITIES.into_iter().collect();
    let held = rustix::thread::capabilities(None).at(Step::Capability, "any")?.permitted;
    for name in &container.capabilities {
        let known = CapabilitySet::from_name(name);
        let capability = known.ok_or_else(|| Fault::new(Step::Capability, name, "there is none of this name"))?;
        if !held.contains(capability) {
            return Err(Fault::new(Step::Capability, name, "it is not there to give"));
        }
        wanted |= capability;
    }
    // Of the default set, what this host can give.
    Ok(wanted & held)
}

/// Takes all others away for good.
fn bound(wanted: CapabilitySet) -> Result<(), Fault> {
    rustix::thread::clear_ambient_capability_set().at(Step::Capability, "none")?;
    for bit in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << bit);
        // An error means that the kernel knows no capability of this number.
        let there = rustix::thread::capability_is_in_bounding_set(capability).unwrap_or(false);
        if there && !wanted.contains(capability) {
            rustix::thread::remove_capability_from_bounding_set(capability).at(Step::Capability, bit)?;
        }
    }
    Ok(())
}

/// So that the user can open /dev/stdout, which is a pipe of Drydock's user.
fn own_streams(container: &Container, person: &Person) -> Result<(), Fault> {
    let (uid, gid) = (Uid::from_raw(person.uid), Gid::from_raw(person.gid));
    if container.has_terminal {
        // A terminal has a group that a user namespace may not know; /dev/tty can be opened all the same.
        let _ = fchown(io::stdout(), Some(uid), None);
        return Ok(());
    }
    fchown(io::stdout(), Some(uid), Some(gid)).at(Step::User, &person.name)?;
    fchown(io::stderr(), Some(uid), Some(gid)).at(Step::User, &person.name)
}

fn become_person(person: &Person) -> Result<(), Fault> {
    let (uid, gid) = (Uid::from_raw(person.uid), Gid::from_raw(person.gid));
    let groups: Vec<Gid> = person.groups.iter().copied().map(Gid::from_raw).collect();
    setgroups(&groups).at(Step::User, &person.name)?;
    setresgid(gid, gid, gid).at(Step::User, &person.name)?;
    setresuid(uid, uid, uid).at(Step::User, &person.name)
}

fn command(container: &Container, argv: (&String, &[String]), person: &Person) -> Result<Command, Fault> {
    let (name, arguments) = argv;
    let path = container.env.iter().find(|(key, _)| key == "PATH").map_or("", |(_, path)| path);
    let program = find(name, path)?;
    File::open("/dev/null").at(Step::Program, name)?;
    let stdin = if container.has_terminal {
        Stdio::from(io::stdout().as_fd().try_clone_to_owned().at(Step::Program, name)?)
    } else {
        Stdio::null()
    };
    let mut command = Command::new(program);
    command.arg0(name).args(arguments).env_clear().env("HOME", &person.home).stdin(stdin);
    command.envs(container.env.iter().map(|(key, value)| (key, value)));
    Ok(command)
}

/// The file of the program `name`.
pub(super) fn find(name: &str, path: &str) -> Result<PathBuf, Fault> {
    if name.contains('/') {
        return Ok(name.into());
    }
    let is_program = |file: &PathBuf| {
        fs::metadata(file).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    };
    let found = path.split(':').map(|folder| Path::new(folder).join(name)).find(is_program);
    found.ok_or_else(|| Fault::new(Step::Program, name, format!("there is no such program in `{path}`")))
}
