//! The talk with a machine over its serial console: wait for the prompt, log in, ask, power off.

use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::console::{Console, Wait};
use super::machine::QEMU;
use super::{BootError, BootOptions, Problem, Seen};

/// What the kernel or GRUB says when nothing more will come.
const DEAD_ENDS: &[&str] = &["Kernel panic - not syncing", "grub rescue>", "grub>", "No bootable device"];

/// How often a name is typed again when no password is asked for: some programs throw away what is typed too early.
const LOGIN_TRIES: usize = 3;
/// How much of what QEMU itself says is told.
const SAID_BYTES: u64 = 64 << 10;

/// Why the talk ended early.
enum Stop {
    Problem(Problem),
    Error(BootError),
}

type Talk = Console<ChildStdout, ChildStdin>;

/// Starts QEMU with `arguments` and talks to the machine; what was seen, and what was wrong.
pub(super) async fn talk(
    arguments: &[String],
    options: &BootOptions,
    transcript: &Path,
) -> Result<(Seen, Option<Problem>), BootError> {
    let log = File::create(transcript).map_err(|source| BootError::Write { path: transcript.to_owned(), source })?;
    tracing::debug!(program = QEMU, ?arguments, "start");
    let mut qemu = spawn(arguments)?;
    let (Some(output), Some(input)) = (qemu.stdout.take(), qemu.stdin.take()) else {
        return Err(BootError::Qemu { program: QEMU, source: io::Error::other("its console is not connected") });
    };
    let mut console = Console::new(output, input, log);
    let mut seen = Seen::default();
    let problem = match converse(&mut console, &mut qemu, options, &mut seen).await {
        Ok(()) => None,
        Err(Stop::Problem(problem)) => Some(problem),
        Err(Stop::Error(error)) => return Err(error),
    };
    if seen.powered_off {
        return Ok((seen, problem));
    }
    qemu.kill().await.map_err(|source| BootError::Qemu { program: QEMU, source })?;
    Ok((seen, problem))
}

fn spawn(arguments: &[String]) -> Result<Child, BootError> {
    let mut command = Command::new(QEMU);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    die_with_us(&mut command);
    command.spawn().map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => BootError::NoQemu { program: QEMU },
        _ => BootError::Qemu { program: QEMU, source },
    })
}

/// Lets the kernel end QEMU when Drydock is killed and cannot do it.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "the standard library has no other way to run code in the child before its program")]
fn die_with_us(command: &mut Command) {
    // SAFETY: the function makes one system call and neither allocates nor takes a lock.
    unsafe {
        command.pre_exec(|| nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL).map_err(io::Error::from));
    }
}

#[cfg(not(target_os = "linux"))]
fn die_with_us(_: &mut Command) {}

async fn converse(console: &mut Talk, qemu: &mut Child, options: &BootOptions, seen: &mut Seen) -> Result<(), Stop> {
    let started = Instant::now();
    wait_for_prompt(console, qemu, options.boot_limit).await?;
    seen.login_after = Some(started.elapsed());
    log_in(console, options).await?;
    seen.os_release = ask(console, "cat /etc/os-release", options.answer_limit).await?;
    let list = "cat /var/lib/rpmmanifest/container-manifest-2 || rpm -qa";
    let packages = ask(console, list, options.answer_limit).await?;
    seen.packages = packages.iter().map(|line| line.split('\t').take(2).collect::<Vec<_>>().join("-")).collect();
    check(seen)?;
    console.type_line("poweroff").await.map_err(lost)?;
    power_off(console, qemu, options.answer_limit).await?;
    seen.powered_off = true;
    Ok(())
}

fn check(seen: &Seen) -> Result<(), Stop> {
    let text = match () {
        () if seen.os_release_value("ID").is_none() => "`/etc/os-release` does not say which system this is",
        () if seen.packages.is_empty() => "no list of packages was found",
        () => return Ok(()),
    };
    Err(problem(text, ""))
}

async fn wait_for_prompt(console: &mut Talk, qemu: &mut Child, limit: Duration) -> Result<(), Stop> {
    let mut texts = vec!["login:"];
    texts.extend(DEAD_ENDS);
    match console.wait_for(&texts, limit).await.map_err(lost)? {
        Wait::Found(0, _) => Ok(()),
        Wait::Found(index, before) => {
            let lines: Vec<&str> = before.lines().filter(|line| !line.trim().is_empty()).collect();
            let last = lines[lines.len().saturating_sub(10)..].join("\n");
            Err(problem(format!("it stopped at `{}`", texts[index]), &last))
        }
        Wait::TimeOver(tail) => Err(problem(format!("no login prompt within {} s", limit.as_secs()), &tail)),
        Wait::Closed(tail) => Err(ended(qemu, &tail).await),
    }
}

/// QEMU has ended by itself: it could not start the machine, or the machine has switched itself off.
async fn ended(qemu: &mut Child, tail: &str) -> Stop {
    let mut said = String::new();
    if let Some(stderr) = qemu.stderr.take() {
        // Whatever can be had of it; the end itself is the news.
        let _ = stderr.take(SAID_BYTES).read_to_string(&mut said).await;
    }
    let failed = |status: io::Result<ExitStatus>| status.is_ok_and(|status| !status.success());
    if tail.is_empty() && failed(qemu.wait().await) {
        return Stop::Error(BootError::Refused { program: QEMU, said: said.trim().to_owned() });
    }
    problem("the machine ended before a login prompt came", &format!("{tail}\n{}", said.trim()))
}

async fn log_in(console: &mut Talk, options: &BootOptions) -> Result<(), Stop> {
    let limit = options.answer_limit;
    let mut asked = false;
    for _ in 0..LOGIN_TRIES {
        console.type_line(&options.login.user).await.map_err(lost)?;
        let share = limit / u32::try_from(LOGIN_TRIES).unwrap_or(1);
        if let Wait::Found(..) = console.wait_for(&["assword:"], share).await.map_err(lost)? {
            asked = true;
            break;
        }
    }
    if !asked {
        return Err(problem("no password was asked for after the user's name was typed", ""));
    }
    console.type_line(&options.login.password).await.map_err(lost)?;
    match console.wait_for(&["# ", "$ ", "ncorrect"], limit).await.map_err(lost)? {
        Wait::Found(2, _) => Err(problem(format!("the password of `{}` was refused", options.login.user), "")),
        Wait::Found(..) => Ok(()),
        Wait::TimeOver(tail) | Wait::Closed(tail) => Err(problem("no shell came after the login", &tail)),
    }
}

/// The lines that `command` prints. Marks that the shell computes tell its output from the echo of what is typed.
async fn ask(console: &mut Talk, command: &str, limit: Duration) -> Result<Vec<String>, Stop> {
    let line = format!("echo drydock-$((6*7))-begin; {command}; echo drydock-$((6*7))-end");
    console.type_line(&line).await.map_err(lost)?;
    for (mark, is_last) in [("drydock-42-begin\n", false), ("drydock-42-end", true)] {
        match console.wait_for(&[mark], limit).await.map_err(lost)? {
            Wait::Found(_, said) if is_last => {
                return Ok(said.lines().map(str::to_owned).filter(|line| !line.trim().is_empty()).collect());
            }
            Wait::Found(..) => {}
            Wait::TimeOver(tail) | Wait::Closed(tail) => {
                return Err(problem(format!("`{command}` did not end within {} s", limit.as_secs()), &tail));
            }
        }
    }
    Ok(Vec::new())
}

/// Waits until the machine is off, reading on so that it can say goodbye.
async fn power_off(console: &mut Talk, qemu: &mut Child, limit: Duration) -> Result<(), Stop> {
    // No text is waited for: the console closes when the machine is off.
    let waited = console.wait_for(&[], limit).await.map_err(lost)?;
    let is_off = matches!(waited, Wait::Closed(_)) && timeout(limit, qemu.wait()).await.is_ok();
    let seconds = limit.as_secs();
    if is_off { Ok(()) } else { Err(problem(format!("it did not power off within {seconds} s"), "")) }
}

fn problem(text: impl Into<String>, console: &str) -> Stop {
    Stop::Problem(Problem { text: text.into(), console: console.trim().to_owned() })
}

fn lost(source: io::Error) -> Stop {
    Stop::Error(BootError::Qemu { program: QEMU, source })
}
