//! What `drydock doctor` says of real engines, and what `drydock clean` leaves in them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::daemon::{Daemon, Installation, Owner, open_to_all};
use crate::{daemon, engine_contract, rootfs};

const PIPELINE: &str = "name: small\ntoolchain:\n  - stage: base\n    base: [{ archive: base.tar }]\n    \
    containerfile: base.containerfile\n    provides: [/bin/sh]\npackages: { toolchain: base, specs: [SPECS] }\n";

const SPEC: &str = "Name: small\nVersion: 1\nRelease: 1\nSummary: Small\nLicense: MIT\n%description\nSmall.\n%files\n";

/// A Docker and a Podman, and room for projects.
struct Place {
    docker: Daemon,
    podman: Daemon,
    folder: tempfile::TempDir,
}

impl Place {
    fn new(installation: Installation) -> Self {
        let folder = tempfile::Builder::new().prefix("drydock-doctor-").tempdir_in("/tmp").unwrap();
        open_to_all(folder.path());
        let own = |name: &str| {
            std::fs::create_dir(folder.path().join(name)).unwrap();
            folder.path().join(name)
        };
        let docker = Daemon::docker(&own("docker"), installation);
        Self { docker, podman: Daemon::podman(&own("podman"), Owner::Root, Installation::default()), folder }
    }

    fn project(&self, name: &str) -> PathBuf {
        let project = self.folder.path().join(name);
        std::fs::create_dir_all(&project).unwrap();
        project
    }

    fn command(&self, project: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_drydock"));
        command.current_dir(project).env("XDG_CACHE_HOME", self.folder.path().join("cache"));
        command.env("DOCKER_HOST", self.docker.address()).env("CONTAINER_HOST", self.podman.address());
        command.args(arguments);
        command
    }

    fn run(&self, project: &Path, arguments: &[&str]) -> (Option<i32>, String) {
        let ran = self.command(project, arguments).output().unwrap();
        (ran.status.code(), String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned())
    }

    /// What an engine's own API says of all its images or containers, as text.
    fn listed(daemon: &Daemon, what: &str) -> String {
        use std::io::{Read, Write};
        let mut stream =
            std::os::unix::net::UnixStream::connect(daemon.address().trim_start_matches("unix://")).unwrap();
        write!(stream, "GET /v1.40/{what}/json?all=1 HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains(" 200 "), "{answer}");
        answer.split_once("\r\n\r\n").unwrap().1.trim().to_owned()
    }

    /// True when neither engine has an image or a container.
    fn is_empty(&self) -> bool {
        [&self.docker, &self.podman]
            .iter()
            .all(|daemon| ["images", "containers"].iter().all(|what| Self::listed(daemon, what) == "[]"))
    }
}

#[test]
fn an_engine_counts_when_it_runs_a_container() {
    if !engine_contract::wanted() {
        return;
    }
    let place = Place::new(Installation { is_broken: true, ..Installation::default() });
    let project = place.project("project");
    let (code, told) = place.run(&project, &["doctor"]);
    assert_eq!(code, Some(0), "the others can be used: {told}");
    let line =
        |start: &str| told.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{start}: {told}"));
    assert!(
        line("no      Docker 20.").contains("answers, and cannot run a container: cannot start the container"),
        "{told}"
    );
    assert!(told.contains("OCI runtime create failed") && told.contains("hint: mend it until"), "{told}");
    assert!(line("ok      Podman 4.").ends_with(": it runs containers"), "{told}");
    assert!(line("ok      embedded").ends_with(": it runs containers"), "{told}");
    assert!(place.is_empty(), "{}", Place::listed(&place.podman, "images"));

    let mut child = place.command(&project, &["doctor"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while daemon::containers(&place.folder.path().join("podman")).is_empty() {
        assert_eq!(child.try_wait().unwrap(), None, "it has ended before");
        std::thread::yield_now();
    }
    // So that it does not end before the user stops it.
    kill(place.podman.process(), Signal::SIGSTOP).unwrap();
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGINT).unwrap();
    kill(place.podman.process(), Signal::SIGCONT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(place.is_empty(), "{}", Place::listed(&place.podman, "images"));
    assert!(
        !project.join("build/work").exists() || std::fs::read_dir(project.join("build/work")).unwrap().count() == 0
    );
}

#[test]
fn clean_removes_the_images_of_its_project_alone() {
    if !engine_contract::wanted() {
        return;
    }
    let place = Place::new(Installation::default());
    let base = place.folder.path().join("base.tar");
    rootfs::write_with_rpm(&base);
    let projects = ["one", "two"].map(|name| {
        let project = place.project(name);
        std::fs::hard_link(&base, project.join("base.tar")).unwrap();
        std::fs::write(project.join("pipeline.yaml"), PIPELINE).unwrap();
        // The same image, so that both projects have a name for it.
        std::fs::write(project.join("base.containerfile"), "ARG BASE\nFROM ${BASE}\nRUN echo x >/etc/x\n").unwrap();
        std::fs::create_dir_all(project.join("SPECS/small")).unwrap();
        std::fs::write(project.join("SPECS/small/small.spec"), SPEC).unwrap();
        let does = |engine: &str, arguments: &[&str]| {
            let flags = ["--pipeline", "pipeline.yaml", "--network", "host", "--engine", engine];
            let (code, told) = place.run(&project, &[&flags[..], arguments].concat());
            assert_eq!(code, Some(0), "{told}");
        };
        does("docker", &["toolchain", "build"]);
        does("docker", &["specs"]);
        does("podman", &["specs", "--arch", "aarch64"]);
        project
    });
    let ours = |daemon: &Daemon| {
        let images: serde_json::Value = serde_json::from_str(&Place::listed(daemon, "images")).unwrap();
        let names = images
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|image| image["RepoTags"].as_array().cloned().unwrap_or_default());
        names.filter(|name| name.as_str().unwrap().starts_with("localhost/drydock:")).count()
    };
    let before = [&place.docker, &place.podman].map(ours);
    assert!(before.iter().all(|count| *count >= 2), "{before:?}");
    for (gone, project) in projects.iter().enumerate() {
        let (code, told) = place.run(project, &["clean", "--results"]);
        assert_eq!(code, Some(0), "{told}");
        assert!(told.contains("removed the image localhost/drydock:") && told.contains("of Docker 20."), "{told}");
        assert!(told.contains("of Podman 4."), "{told}");
        let left = [&place.docker, &place.podman].map(ours);
        let expected = before.map(|count| if gone == 0 { count / 2 } else { 0 });
        assert_eq!(left, expected, "of {before:?}");
    }
    assert!(place.is_empty(), "{}", Place::listed(&place.docker, "images"));
    // Where no engine is, there is nothing to remove.
    let mut command = place.command(&projects[0], &["clean", "--results"]);
    command.env("DOCKER_HOST", "unix:///nowhere/docker.sock").env("CONTAINER_HOST", "unix:///nowhere/podman.sock");
    assert_eq!(command.output().unwrap().status.code(), Some(0));
}
