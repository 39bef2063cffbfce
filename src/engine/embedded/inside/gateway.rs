//! The way from a container to other machines: pasta(1) or slirp4netns(1), a process in the machine's network that passes
//! on what the container's sends, and asks the machine's name servers for it.
//!
//! Nothing of the machine itself can be reached: no local address, no port and no abstract socket. The process ends with
//! the helper.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{ForkResult, Pid, geteuid, getpid, getppid};

use super::super::task::{AtStep, Fault, Step};
use super::{kernel, program};

/// Where the programs are looked for: the helper has no environment.
const FOLDERS: &str = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin";
/// How long one may take to be ready, in milliseconds.
const PATIENCE: u16 = 20_000;

struct Program {
    name: &'static str,
    /// Where the container finds the name server.
    resolver: &'static str,
    /// What it is told; the process whose namespaces it serves comes last. It says that it is ready on its standard output.
    arguments: fn(Pid) -> Vec<String>,
}

const PROGRAMS: [Program; 2] = [
    Program { name: "pasta", resolver: "169.254.1.1", arguments: pasta },
    Program { name: "slirp4netns", resolver: "10.0.2.3", arguments: slirp4netns },
];

fn pasta(process: Pid) -> Vec<String> {
    let mut words = vec!["--foreground", "--quiet", "--config-net", "--pid", "/dev/stdout"];
    words.extend(["--tcp-ports", "none", "--udp-ports", "none", "--tcp-ns", "none", "--udp-ns", "none"]);
    words.extend(["--no-map-gw", "--dns-forward", "169.254.1.1"]);
    if geteuid().is_root() {
        // It would become a user who may not enter the namespace.
        words.extend(["--runas", "0:0"]);
    }
    words.into_iter().map(str::to_owned).chain([process.to_string()]).collect()
}

fn slirp4netns(process: Pid) -> Vec<String> {
    let user = format!("--userns-path=/proc/{process}/ns/user");
    let words = ["--configure", "--mtu=65520", "--disable-host-loopback", "--ready-fd=1", "--netns-type=path", &user];
    let network = format!("/proc/{process}/ns/net");
    words.into_iter().map(str::to_owned).chain([network, "tap0".to_owned()]).collect()
}

/// Connects the network namespace of `process`, and writes `resolv.conf` and `hosts` for it into `folder`. A machine that
/// has no way to others has none to share: then the container has its loopback interface alone, and is no fault.
pub(super) fn open(process: Pid, folder: &Path) -> Result<(), Fault> {
    let host = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    if !has_default_route() {
        return write(folder, &host);
    }
    let there = PROGRAMS.iter().find_map(|program| Some((program, program::find(program.name, FOLDERS).ok()?)));
    let missing = || Fault::new(Step::Gateway, "pasta", "it is not installed, and neither is `slirp4netns`");
    let (program, path) = there.ok_or_else(missing)?;
    start(program, &path, (process, &folder.join("network.log")))?;
    write(folder, &resolver(&host, program.resolver))
}

fn write(folder: &Path, resolver: &str) -> Result<(), Fault> {
    let hosts = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n127.0.0.1 drydock\n";
    for (name, text) in [("resolv.conf", resolver), ("hosts", hosts)] {
        let path = folder.join(name);
        fs::write(&path, text).at(Step::Gateway, path.display())?;
    }
    Ok(())
}

/// Whether packets to anywhere leave this machine (`proc_pid_net(5)`); where that cannot be read, it may be so.
fn has_default_route() -> bool {
    let tables = ["/proc/net/route", "/proc/net/ipv6_route"].map(fs::read_to_string);
    match tables {
        [Err(_), Err(_)] => true,
        [v4, v6] => leads_out(&v4.unwrap_or_default(), &v6.unwrap_or_default()),
    }
}

/// Whether one of the two tables has a route to all addresses that does not end at the loopback interface.
fn leads_out(v4: &str, v6: &str) -> bool {
    let mut v4 = v4.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mut v6 = v6.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let nowhere = "0".repeat(32);
    v4.any(|fields| fields.len() > 7 && fields[1] == "00000000" && fields[7] == "00000000")
        || v6.any(|fields| fields.len() > 9 && fields[0] == nowhere && fields[1] == "00" && fields[9] != "lo")
}

/// The host's configuration (resolv.conf(5)) with another name server.
fn resolver(host: &str, server: &str) -> String {
    let is_kept = |line: &&str| ["search", "domain", "options"].iter().any(|word| line.starts_with(word));
    let kept = host.lines().filter(is_kept).flat_map(|line| [line, "\n"]);
    kept.chain(["nameserver ", server, "\n"]).collect()
}

fn start(program: &Program, path: &Path, (process, log): (Pid, &Path)) -> Result<(), Fault> {
    let (ready, theirs) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).at(Step::Gateway, program.name)?;
    let said = File::create(log).at(Step::Gateway, log.display())?;
    let mut command = Command::new(path);
    command.args((program.arguments)(process)).stdin(Stdio::null()).stdout(theirs).stderr(said);
    let helper = getpid();
    if matches!(kernel::fork().at(Step::Gateway, program.name)?, ForkResult::Child) {
        end_with(helper);
        // The log stays empty then, and the status tells.
        let _ = command.exec();
        kernel::exit(127)
    }
    // The other end is in the new process alone.
    drop(command);
    if is_ready(&ready).at(Step::Gateway, program.name)? {
        // It may still say something there.
        std::mem::forget(ready);
        return Ok(());
    }
    let said = fs::read_to_string(log).unwrap_or_default();
    let is_told = |line: &&str| !line.is_empty() && !line.contains("to syslog");
    let last = said.lines().map(str::trim).rfind(is_told);
    Err(Fault::new(Step::Gateway, program.name, last.unwrap_or("it ended without a word")))
}

fn end_with(helper: Pid) {
    let signal = Some(rustix::process::Signal::KILL);
    if rustix::process::set_parent_process_death_signal(signal).is_err() || getppid() != helper {
        kernel::exit(1);
    }
}

/// False when it has ended, or takes too long.
fn is_ready(ready: &OwnedFd) -> std::io::Result<bool> {
    let mut polled = [PollFd::new(ready.as_fd(), PollFlags::POLLIN)];
    while let Err(errno) = poll(&mut polled, PollTimeout::from(PATIENCE)) {
        if errno != nix::errno::Errno::EINTR {
            return Err(errno.into());
        }
    }
    let mut word = [0; 16];
    let has_said = polled[0].any().unwrap_or(false);
    Ok(has_said && File::from(ready.try_clone()?).read(&mut word)? > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_route_to_all_addresses_leads_out() {
        let head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";
        let near = "eth0\t0002A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
        let far = "eth0\t00000000\t0102A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n";
        let six = |device: &str| {
            let zeros = "0".repeat(32);
            format!("{zeros} 00 {zeros} 00 {zeros} ffffffff 00000001 00000000 00200200 {device}\n")
        };
        assert!(!leads_out(&format!("{head}{near}"), &six("lo")));
        assert!(leads_out(&format!("{head}{near}{far}"), ""));
        assert!(leads_out("", &six("eth0")));
    }

    #[test]
    fn names_are_asked_of_the_gateway_as_the_host_would() {
        let host = "# x\nnameserver 127.0.0.53\nsearch a.example b.example\noptions edns0\nnameserver 192.0.2.1\n";
        assert_eq!(resolver(host, "192.0.2.9"), "search a.example b.example\noptions edns0\nnameserver 192.0.2.9\n");
    }
}
