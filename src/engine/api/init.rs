//! The first program of every container: it starts the wanted one, reaps orphans, and tells truly how it ended.
//!
//! Docker and Podman give the exit code of a container's process 1 alone, in which `exit 137` and a killing signal are
//! the same number; and the kernel keeps most signals from a process 1. So process 1 is a program of some 500 bytes, in
//! assembly since it must run in any image, with or without a C library, and be built by a plain `cargo build`. Its
//! arguments: a token of 32 characters, the environment, an empty string, the paths that are tried for the program, an
//! empty string, the program's own arguments. The environment replaces the engine's altogether, only an empty `HOME=`
//! in the first place takes the engine's value. At the end it writes a [record](super::record) to its standard error.
//!
//! It begins when a byte comes on its standard input. Podman says that somebody is attached before its monitor has
//! taken the connection, and what a program wrote until then would be lost; a byte passes only when it has.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::digest::Sha256;

/// Where a container sees it: below `/dev`, which is in memory, so that it leaves no trace in images.
pub(super) const INIT_GUEST: &str = "/dev/drydock-init";

/// The architecture of the program, as Docker names it.
#[cfg(target_arch = "x86_64")]
pub(super) const ARCHITECTURE: &str = "amd64";
#[cfg(target_arch = "aarch64")]
pub(super) const ARCHITECTURE: &str = "arm64";

/// Of ELF: `EM_X86_64`, `EM_AARCH64`.
#[cfg(target_arch = "x86_64")]
const MACHINE: u16 = 62;
#[cfg(target_arch = "aarch64")]
const MACHINE: u16 = 183;

/// Its exit code when nobody reads its output or writes to its input.
pub(in crate::engine) const UNATTENDED: i32 = 125;

const HEADER_BYTES: u64 = 64 + 56;
const ADDRESS: u64 = 0x40_0000;

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "the code is data here; it is never jumped to")]
mod code {
    std::arch::global_asm!(
        ".globl drydock_init_begin, drydock_init_end",
        ".globl _drydock_init_begin, _drydock_init_end",
        "drydock_init_begin:",
        "_drydock_init_begin:",
        include_str!("init/x86_64.s"),
        "drydock_init_end:",
        "_drydock_init_end:",
    );
}
#[cfg(target_arch = "aarch64")]
#[expect(unsafe_code, reason = "the code is data here; it is never jumped to")]
mod code {
    std::arch::global_asm!(
        ".globl drydock_init_begin, drydock_init_end",
        ".globl _drydock_init_begin, _drydock_init_end",
        "drydock_init_begin:",
        "_drydock_init_begin:",
        include_str!("init/aarch64.s"),
        "drydock_init_end:",
        "_drydock_init_end:",
    );
}

#[expect(unsafe_code, reason = "the linker alone knows where the assembled bytes are")]
fn machine_code() -> &'static [u8] {
    unsafe extern "C" {
        static drydock_init_begin: u8;
        static drydock_init_end: u8;
    }
    // SAFETY: both labels stand in one section around the code, which nothing writes to.
    unsafe {
        let (begin, end) = (&raw const drydock_init_begin, &raw const drydock_init_end);
        std::slice::from_raw_parts(begin, end.addr() - begin.addr())
    }
}

/// The program as an ELF executable.
pub(in crate::engine) fn executable() -> Vec<u8> {
    let code = machine_code();
    let size = HEADER_BYTES + code.len() as u64;
    let mut elf = Vec::from(*b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    let half = |elf: &mut Vec<u8>, values: &[u16]| values.iter().for_each(|value| elf.extend(value.to_le_bytes()));
    let word = |elf: &mut Vec<u8>, values: &[u32]| values.iter().for_each(|value| elf.extend(value.to_le_bytes()));
    let long = |elf: &mut Vec<u8>, values: &[u64]| values.iter().for_each(|value| elf.extend(value.to_le_bytes()));
    half(&mut elf, &[2, MACHINE]); // ET_EXEC
    word(&mut elf, &[1]);
    long(&mut elf, &[ADDRESS + HEADER_BYTES, 64, 0]); // entry, program headers, no sections
    word(&mut elf, &[0]);
    half(&mut elf, &[64, 56, 1, 64, 0, 0]);
    word(&mut elf, &[1, 5]); // PT_LOAD, readable and executable
    long(&mut elf, &[0, ADDRESS, ADDRESS, size, size, 0x1_0000]);
    elf.extend(code);
    elf
}

/// Writes the program into `folder`, under a name that tells its content, and returns its path.
pub(super) fn write_into(folder: &Path) -> io::Result<PathBuf> {
    let bytes = executable();
    let path = folder.join(format!("init-{}", Sha256::of_bytes(&bytes).short()));
    if std::fs::read(&path).is_ok_and(|present| present == bytes) {
        return Ok(path);
    }
    std::fs::create_dir_all(folder)?;
    let partial = folder.join(format!(".init-{}", std::process::id()));
    let mut file = std::fs::File::create(&partial)?;
    file.write_all(&bytes)?;
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o555))?;
    file.sync_all()?;
    std::fs::rename(&partial, &path)?;
    Ok(path)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::process::{Command, Output, Stdio};

    use super::super::record::{End, Record, TOKEN_BYTES};
    use super::*;

    /// A copy made by another process: a child that another test forks at this moment may still have our file open for
    /// writing, and the kernel starts no program that somebody can write to.
    #[expect(clippy::unwrap_used, reason = "test code")]
    fn copy_in(folder: &Path) -> PathBuf {
        let path = folder.join("copy");
        assert!(Command::new("cp").arg(write_into(folder).unwrap()).arg(&path).status().unwrap().success());
        path
    }

    #[expect(clippy::unwrap_used, reason = "test code")]
    fn run(environment: &[&str], candidates: &[&str], argv: &[&str]) -> (Output, End) {
        let folder = tempfile::tempdir().unwrap();
        let token = "t".repeat(TOKEN_BYTES);
        let mut command = Command::new(copy_in(folder.path()));
        command.env_clear().env("HOME", "/of/the/engine").env("LEAK", "1").arg(&token);
        command.args(environment).arg("").args(candidates).arg("").args(argv);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(b"\n").unwrap();
        let mut output = child.wait_with_output().unwrap();
        let at = output.stderr.len() - Record::BYTES;
        let record = Record::read(&output.stderr.split_off(at), token.as_bytes()).unwrap();
        (output, record.end)
    }

    fn shell(script: &str) -> (Output, End) {
        run(&["HOME=", "PATH=/usr/bin:/bin", "A=b"], &["/nowhere/sh", "/bin/sh"], &["sh", "-c", script, "", "last"])
    }

    #[test]
    fn a_status_and_a_signal_of_the_same_number_are_told_apart() {
        let (by_status, record) = shell("exit 137");
        assert_eq!((by_status.status.code(), record), (Some(137), End::Code(137)));
        let (by_signal, record) = shell("kill -KILL $$");
        assert_eq!((by_signal.status.code(), record), (Some(137), End::Signal(9)));
    }

    #[test]
    fn nothing_starts_when_nobody_reads_the_output() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(copy_in(folder.path()));
        command.arg("t".repeat(TOKEN_BYTES)).args(["HOME=", "", "/bin/sh", "", "sh", "-c", "echo began"]);
        let output = command.stdin(Stdio::null()).output().unwrap();
        assert_eq!((output.status.code(), output.stdout), (Some(125), Vec::new()));
    }

    #[test]
    fn the_program_has_no_input() {
        assert_eq!(shell("cat; echo ended; readlink /proc/self/fd/0").0.stdout, b"ended\n/dev/null\n");
    }

    #[test]
    fn the_environment_is_the_given_one_with_the_engines_home() {
        let (output, record) = shell("env; echo $#:$1");
        assert_eq!(record, End::Code(0));
        let text = String::from_utf8(output.stdout).unwrap();
        let mut lines: Vec<_> =
            text.lines().filter(|line| !line.starts_with("PWD=") && !line.starts_with('_')).collect();
        lines.sort_unstable();
        lines.retain(|line| !line.starts_with("SHLVL="));
        assert_eq!(lines, ["1:last", "A=b", "HOME=/of/the/engine", "PATH=/usr/bin:/bin"]);
        let (output, _) = run(&["HOME=/own"], &["/bin/sh"], &["sh", "-c", "echo $HOME"]);
        assert_eq!(output.stdout, b"/own\n");
    }

    #[test]
    fn a_program_that_cannot_start_is_told_by_its_error_number() {
        assert_eq!(run(&["HOME="], &["/nowhere/a", "/etc"], &["a"]).1, End::NotStarted(13));
        assert_eq!(run(&["HOME="], &["/nowhere/a"], &["a"]).1, End::NotStarted(2));
        assert_eq!(run(&["HOME="], &[], &["a"]).1, End::NotStarted(2));
    }
}
