//! Runs that the user stops, whose files change under them, or whose engine dies: what is said, and what is kept.
//! And what containerfiles may say. All in the root of [`rootfs`], so that nothing is downloaded.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::rootfs;

const PIPELINE: &str = "name: stopped\ntoolchain:\n  - stage: base\n    base: [{ archive: base.tar }]\n    \
    containerfile: base.containerfile\npackages: { toolchain: base, specs: [SPECS] }\n";
const SPEC: &str = "Name: slow\nVersion: 1\nRelease: 1\nSummary: Slow\nLicense: MIT\nBuildArch: noarch\n\
    %description\nSlow.\n%build\n@\n%files\n";

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    /// A project whose stage is made by `containerfile`.
    fn new(containerfile: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("drydock-stopped-").tempdir().unwrap();
        let place = Self { folder };
        rootfs::write_with_rpm(&place.path("base.tar"));
        std::fs::create_dir_all(place.path("SPECS/slow")).unwrap();
        std::fs::write(place.path("pipeline.yaml"), PIPELINE).unwrap();
        std::fs::write(place.path("base.containerfile"), containerfile).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_drydock"));
        command.current_dir(self.folder.path()).env("XDG_CACHE_HOME", self.path("cache"));
        command.args(["--pipeline", "pipeline.yaml", "--engine", "embedded"]).args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let Output { status, stderr, .. } = self.command(arguments).output().unwrap();
        (status.code(), String::from_utf8_lossy(&stderr).into_owned())
    }

    /// A run that has come to the program `sleep SECONDS` in a container, and that program.
    fn run_to(&self, arguments: &[&str], seconds: u32) -> (Child, Pid) {
        let mut child = self.command(arguments).stderr(Stdio::piped()).spawn().unwrap();
        loop {
            assert_eq!(child.try_wait().unwrap(), None, "it has ended before");
            if let Some(sleeper) = sleeper(seconds) {
                return (child, sleeper);
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    /// How the packages ended, as `build-state.json` has it.
    fn ended(&self) -> Vec<(String, String)> {
        let state = std::fs::read(self.path("build/build-state.json")).unwrap();
        let state: serde_json::Value = serde_json::from_slice(&state).unwrap();
        let text = |row: &serde_json::Value, key: &str| row[key].as_str().unwrap().to_owned();
        state["packages"].as_array().unwrap().iter().map(|row| (text(row, "spec"), text(row, "result"))).collect()
    }
}

/// The process that sleeps for so many seconds, which nobody else on the machine does.
fn sleeper(seconds: u32) -> Option<Pid> {
    let wanted = format!("sleep\0{seconds}\0");
    let processes =
        std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().into_string().ok());
    let mut numbers = processes.filter_map(|name| name.parse::<i32>().ok());
    let is_it = |number: &i32| {
        std::fs::read(format!("/proc/{number}/cmdline")).is_ok_and(|line| line.ends_with(wanted.as_bytes()))
    };
    numbers.find(is_it).map(Pid::from_raw)
}

fn parent(process: Pid) -> Pid {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap();
    Pid::from_raw(line.trim().parse().unwrap())
}

/// Stops the run; how it ended, and what it had to say.
fn stopped(mut child: Child) -> (Option<i32>, String) {
    kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    let mut told = String::new();
    child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    (child.wait().unwrap().code(), told)
}

fn is_asked_for() -> bool {
    let is_set = std::env::var_os("DRYDOCK_CONTAINER_TESTS").is_some();
    if !is_set {
        println!("skipped: set DRYDOCK_CONTAINER_TESTS=1");
    }
    is_set
}

#[test]
fn a_stage_that_is_stopped_says_so_and_goes_on_later() {
    if !is_asked_for() {
        return;
    }
    let place = Place::new("ARG BASE\nFROM ${BASE}\nRUN echo first\nRUN sleep 864001 || test -e /dev/null\n");
    let (child, sleeping) = place.run_to(&["toolchain", "build", "base"], 864_001);
    let (code, told) = stopped(child);
    assert_eq!(code, Some(130), "{told}");
    assert!(told.contains("interrupted: waiting until toolchain base is stopped; a second Ctrl-C ends"), "{told}");
    assert!(kill(sleeping, None).is_err(), "the command is gone");
    let (child, sleeping) = place.run_to(&["toolchain", "build", "base"], 864_001);
    kill(sleeping, Signal::SIGTERM).unwrap();
    assert!(child.wait_with_output().unwrap().status.success());
}

#[test]
fn a_build_that_is_stopped_is_written_down() {
    if !is_asked_for() {
        return;
    }
    let place = Place::new("ARG BASE\nFROM ${BASE}\nUSER builder\n");
    std::fs::write(place.path("SPECS/slow/slow.spec"), SPEC.replace('@', "sleep 864002")).unwrap();
    let (child, _) = place.run_to(&["build", "slow"], 864_002);
    let (code, told) = stopped(child);
    assert_eq!(code, Some(130), "{told}");
    assert!(told.contains("interrupted: waiting until slow-1-1 is stopped"), "{told}");
    assert_eq!(place.ended(), [("slow".to_owned(), "unfinished".to_owned())]);

    std::fs::write(place.path("SPECS/slow/slow.spec"), SPEC.replace('@', "false")).unwrap();
    let (code, told) = place.run(&["build", "slow"]);
    assert_eq!(code, Some(1), "{told}");
    assert_eq!(place.ended(), [("slow".to_owned(), "failed".to_owned())]);
    std::fs::write(place.path("SPECS/slow/slow.spec"), "no spec").unwrap();
    let (code, told) = place.run(&["build", "slow"]);
    assert_eq!(code, Some(2), "{told}");
    assert_eq!(place.ended(), [], "what an earlier run wrote is not of this one");
}

#[test]
fn an_engine_that_dies_ends_the_run_as_such() {
    if !is_asked_for() {
        return;
    }
    let place = Place::new("ARG BASE\nFROM ${BASE}\nUSER builder\n");
    std::fs::write(place.path("SPECS/slow/slow.spec"), SPEC.replace('@', "sleep 864003")).unwrap();
    let (child, mut process) = place.run_to(&["build", "slow"], 864_003);
    let own = Pid::from_raw(child.id().try_into().unwrap());
    // The sandbox's own process stands between the program and what runs in it.
    while parent(process) != own {
        process = parent(process);
    }
    kill(process, Signal::SIGKILL).unwrap();
    let ended = child.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(3), "{told}");
    assert_eq!(place.ended(), [("slow".to_owned(), "unfinished".to_owned())], "{told}");
}

#[test]
fn a_stage_has_the_files_that_its_key_names_or_is_none() {
    if !is_asked_for() {
        return;
    }
    let place = Place::new("ARG BASE\nFROM ${BASE}\nRUN sleep 864004 || true\nCOPY file /file\n");
    std::fs::write(place.path("file"), "one").unwrap();
    let (child, sleeping) = place.run_to(&["toolchain", "build", "base"], 864_004);
    std::fs::write(place.path("file"), "two").unwrap();
    kill(sleeping, Signal::SIGTERM).unwrap();
    let ended = child.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(2), "{told}");
    assert!(told.contains("file` was changed while stage `base` was made"), "{told}");
    // Neither content has an image.
    for content in ["one", "two"] {
        std::fs::write(place.path("file"), content).unwrap();
        let listed = place.command(&["toolchain", "list"]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&listed.stdout), "base\tnot made\n");
    }
    let (code, told) = place.run(&["toolchain", "build", "base"]);
    assert_eq!(code, Some(0), "the command before the copy is done: {told}");
}

#[test]
fn texts_in_a_containerfile_are_those_of_docker_build() {
    if !is_asked_for() {
        return;
    }
    let text = "\u{feff}ARG BASE\nFROM ${BASE}\nENV A=value\nRUN <<EOF\n# a comment that belongs to the command\n\
        mkdir /made\necho \"$A\" > /made/by-shell\nEOF\nRUN <<-'EOF'\n\t#!/bin/sh -e\n\techo \"$0 $A\" > /made/by-script\n\tEOF\n\
        RUN cat <<ONE > /made/by-both && cat <<TWO >> /made/by-both\n1 $A\nONE\n2\nTWO\n\
        COPY <<plain <<'raw' /files/\nA=$A\nplain\nA=$A\nraw\n\
        RUN cd /made && test \"$(cat by-shell)\" = value && test \"$(cat by-script)\" = \"/mnt/script value\" \
        && test \"$(echo $(cat by-both))\" = '1 value 2' && test -z \"$(ls /mnt)\"\n\
        RUN cd /files && test \"$(cat plain)\" = 'A=value' && test \"$(cat raw)\" = 'A=$A' && test \"$(stat -c %a:%u raw)\" = 644:0\n";
    let place = Place::new(&text.replace('\n', "\r\n"));
    let (code, told) = place.run(&["toolchain", "build", "base"]);
    assert_eq!(code, Some(0), "{told}");
}

#[test]
fn what_is_damaged_of_an_image_is_made_again_by_the_same_command() {
    if !is_asked_for() {
        return;
    }
    let place = Place::new("ARG BASE\nFROM ${BASE}\nRUN echo one > /one\nRUN echo two > /two\n");
    std::fs::write(place.path("SPECS/slow/slow.spec"), SPEC.replace('@', "true")).unwrap();
    let stage = || {
        let listed = place.command(&["toolchain", "list"]).output().unwrap().stdout;
        String::from_utf8(listed).unwrap().trim().rsplit_once('\t').unwrap().1.to_owned()
    };
    let (code, told) = place.run(&["run", "pipeline.yaml"]);
    assert_eq!(code, Some(0), "{told}");
    let before = stage();
    let store = drydock::oci::Store::open(place.path("build/oci")).unwrap();
    let image = store.image(before.parse().unwrap()).unwrap();
    let blobs = image.layers.iter().map(|layer| layer.digest).chain([image.config, image.manifest]);
    for blob in blobs {
        let path = store.blob_path(blob);
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x20;
        std::fs::write(&path, bytes).unwrap();
        let (code, told) = place.run(&["run", "pipeline.yaml"]);
        assert_eq!(code, Some(0), "{blob}: {told}");
        assert!(told.contains("1 up to date"), "{blob}: {told}");
        assert_eq!(stage(), before);
        assert_eq!(drydock::digest::Sha256::of_file(&path).unwrap(), blob, "it is whole again");
    }
}
