//! What the program writes: text of others gives no orders, a full disk is told, a reader that leaves is not.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::{Output, Stdio};

use nix::pty::openpty;

use super::support::Project;

const PIPELINE: &str = "name: p\ntoolchain:\n  - stage: base\n    base: [{ archive: none.tar }]\n";
const LOG: &str = "\u{1b}[31mred\u{1b}[0m\u{1b}]0;title\u{7} \u{9b}2K\n10%\r100%\n::error::x\n##[error]y\n";
/// What people are shown of it.
const SHOWN: &str = "red \\u{9b}2K\n100%\n\\::error::x\n##\\[error]y\n";

fn project() -> Project {
    Project::new().file("p.yaml", PIPELINE).file("build/logs/pkggen/rpmbuilding/a-1-1.src.rpm.log", LOG)
}

/// Commands that write data, and need no engine for it.
const WITH_DATA: [&[&str]; 6] =
    [&["toolchain", "list"], &["make", "--list"], &["logs", "a"], &["--help"], &["build", "--help"], &["--version"]];

fn run(project: &Project, arguments: &[&str], stdout: impl Into<Stdio>) -> Output {
    project.command(&["--pipeline", "p.yaml"]).args(arguments).stdout(stdout).output().unwrap()
}

#[test]
fn a_full_disk_is_told() {
    let project = project();
    for arguments in WITH_DATA {
        let ran = run(&project, arguments, File::options().write(true).open("/dev/full").unwrap());
        let told = String::from_utf8(ran.stderr).unwrap();
        assert_eq!(ran.status.code(), Some(3), "{arguments:?}: {told}");
        assert!(told.starts_with("error: cannot write: No space left on device"), "{arguments:?}: {told}");
    }
}

#[test]
fn a_full_disk_is_told_when_events_are_the_data() {
    let project = project();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let ran = run(&project, &["--format", "json", "clean"], full);
    let told = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(ran.status.code(), Some(3), "{told}");
    assert!(told.starts_with("error: cannot write: No space left on device"), "{told}");
}

#[test]
fn a_reader_that_leaves_is_no_fault() {
    let project = project();
    for arguments in WITH_DATA {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ran = run(&project, arguments, writer);
        assert_eq!((ran.status.code(), ran.stderr.as_slice()), (Some(0), b"".as_slice()), "{arguments:?}");
    }
}

/// What a terminal gets of a command.
fn on_a_terminal(project: &Project, arguments: &[&str]) -> String {
    let pty = openpty(None, None).unwrap();
    let mut child = project.command(arguments).stdout::<OwnedFd>(pty.slave).spawn().unwrap();
    let mut shown = Vec::new();
    // The terminal's end is an error, once nobody has its other side.
    let _ = File::from(pty.master).read_to_end(&mut shown);
    assert!(child.wait().unwrap().success());
    String::from_utf8(shown).unwrap().replace("\r\n", "\n")
}

#[test]
fn a_log_is_shown_to_people_and_handed_on_to_programs() {
    let project = project();
    assert_eq!(on_a_terminal(&project, &["logs", "a"]), SHOWN);
    let raw = |mut command: std::process::Command| String::from_utf8(command.output().unwrap().stdout).unwrap();
    assert_eq!(raw(project.command(&["logs", "a"])), LOG);
    let in_ci = |arguments: &[&str]| {
        let mut command = project.command(arguments);
        command.env("GITHUB_ACTIONS", "true");
        command
    };
    assert_eq!(raw(in_ci(&["logs", "a"])), SHOWN);
    assert_eq!(raw(in_ci(&["logs", "a", "--raw"])), LOG);
    let path = project.path().join("copy");
    assert!(in_ci(&["logs", "a"]).stdout(File::create(&path).unwrap()).status().unwrap().success());
    assert_eq!(std::fs::read_to_string(path).unwrap(), LOG);
}

#[test]
fn the_names_and_files_of_others_give_no_orders() {
    let project = Project::new()
        .file("p.yaml", "\"k\\e]52;c;eA==\\a\": 1\n")
        .file("build/logs/pkggen/rpmbuilding/x\u{1b}[2J-1-1.src.rpm.log", "");
    let ran = project.run(&["--pipeline", "p.yaml", "toolchain", "list"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains('k') && !ran.stderr.contains(['\u{1b}', '\u{7}']), "{:?}", ran.stderr);
    let ran = project.run(&["logs", "none"]);
    assert!(ran.stderr.contains("there are logs of: x\n"), "{:?}", ran.stderr);
    let ran = project.run(&["logs", "a\n::error::b\u{202e}"]);
    assert!(ran.stderr.starts_with("error: there is no log of `a\n\\::error::b\\u{202e}`"), "{:?}", ran.stderr);
}

#[test]
fn a_project_folder_without_a_utf_8_name_is_refused() {
    use std::os::unix::ffi::OsStrExt;
    let project = Project::new();
    let folder = project.path().join(std::ffi::OsStr::from_bytes(b"caf\xe9"));
    std::fs::create_dir(&folder).unwrap();
    let output = project.command(&["plan"]).current_dir(&folder).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.code() == Some(2) && told.contains("is not UTF-8") && told.contains("give it another name"),
        "{told}"
    );
}
