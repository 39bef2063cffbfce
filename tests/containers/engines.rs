//! Every engine makes the same bytes: a stage with a `RUN`, two packages, and a disk image, of a checkout that only its
//! owner may read. All in the root of [`rootfs`], so that nothing is downloaded.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use drydock::digest::Sha256;
use drydock::engine::Choice;

use crate::bench::Kind;
use crate::daemon::{open_to_all, ordinary_user};
use crate::suites::Suite;
use crate::{engine_contract, rootfs};

const PIPELINE: &str = "name: engines\ntoolchain:\n  - stage: base\n    base: [{ archive: base.tar }]\n    \
    containerfile: base.containerfile\n    provides: [/bin/sh]\n\
    packages: { toolchain: base, specs: [SPECS], macros: { dist: .test, __os_install_post: '%{nil}' } }\n\
    images: { toolchain: base, version: '1.0', configs: [image.json] }\n";

/// What engines keep in different ways: replaced and removed folders and files, links, owners, modes, a file without bytes.
const CONTAINERFILE: &str = "ARG BASE\nFROM ${BASE}\nCOPY notes.txt /etc/notes\n\
    RUN mkdir -p /srv/a/b /srv/gone /srv/full && echo one >/srv/a/b/file && echo two >/srv/gone/file && \
    echo three >/srv/full/file && ln /srv/a/b/file /srv/hard && ln -s a/b /srv/soft && touch /srv/empty && \
    chown builder:builder /srv/a && chmod 1770 /srv/a && chmod 4755 /srv/hard\n\
    RUN rm -r /srv/a /srv/gone /srv/full/file && mkdir /srv/a && echo four >/srv/a/new && rm /bin/zcat && \
    chmod 700 /srv/full && mv /srv/hard /srv/moved\nUSER builder\nRUN test -r /etc/notes && id >/tmp/id\n";

const SPEC: &str = "Name: NAME\nVersion: 1\nRelease: 1%{?dist}\nSummary: Small\nLicense: MIT\nBuildArch: noarch\n\
    Source0: NAME.txt\nNEEDS\n%description\nSmall.\n%build\ncat %{SOURCE0} FROM >text\n%install\n\
    mkdir -p %{buildroot}/boot %{buildroot}/usr/share/NAME\ncp text %{buildroot}/usr/share/NAME/\n\
    cp text %{buildroot}/boot/vmlinuz-NAME\n%files\n/usr/share/NAME\n/boot/vmlinuz-NAME\n";

const IMAGE: &str = r#"{
    "Disks": [{
        "PartitionTableType": "gpt", "MaxSize": 32, "Artifacts": [{ "Name": "disk", "Type": "raw" }],
        "Partitions": [{ "ID": "root", "Start": 1, "End": 0, "FsType": "ext4" }]
    }],
    "SystemConfigs": [{
        "Name": "Small", "Packages": ["user"], "PartitionSettings": [{ "ID": "root", "MountPoint": "/" }],
        "KernelOptions": { "default": "used" }
    }]
}"#;

const EMBEDDED: [&str; 3] = ["embedded", "--network", "host"];

/// A project that is the same for every engine.
struct Project {
    folder: PathBuf,
}

impl Project {
    /// In the new folder `folder`, from the root in the file `base`.
    fn new(folder: PathBuf, base: &Path) -> Self {
        std::fs::create_dir(&folder).unwrap();
        let project = Self { folder };
        let write = |name: &str, text: &str| {
            let path = project.path(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        std::fs::copy(base, project.path("base.tar")).unwrap();
        write("pipeline.yaml", PIPELINE);
        write("base.containerfile", CONTAINERFILE);
        write("notes.txt", "Read by all.\n");
        write("image.json", IMAGE);
        for (name, needs, from) in
            [("used", "", ""), ("user", "BuildRequires: used\nRequires: used", "/usr/share/used/text")]
        {
            let spec = SPEC.replace("NAME", name).replace("NEEDS", needs).replace("FROM", from);
            write(&format!("SPECS/{name}/{name}.spec"), &spec);
            write(&format!("SPECS/{name}/{name}.txt"), name);
            let signatures = format!(r#"{{"Signatures": {{"{name}.txt": "{}"}}}}"#, Sha256::of_bytes(name.as_bytes()));
            write(&format!("SPECS/{name}/{name}.signatures.json"), &signatures);
        }
        project
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Lets nobody but the owner read it, as a checkout under the umask 077.
    fn close(&self) {
        close(&self.folder);
    }

    /// Makes everything by `command` with the words `engine` and gives the digests of what is made, by name.
    fn made(&self, command: &mut Command, engine: &[&str]) -> BTreeMap<String, String> {
        command.current_dir(&self.folder).env("XDG_CACHE_HOME", self.path("cache"));
        command.args(["--pipeline", "pipeline.yaml", "--engine"]).args(engine).args(["run", "pipeline.yaml"]);
        let ran = command.output().unwrap();
        assert_eq!(ran.status.code(), Some(0), "{engine:?}: {}", String::from_utf8_lossy(&ran.stderr));
        let told = String::from_utf8_lossy(&ran.stderr).into_owned();
        let stage = told.split("toolchain base: made, image ").nth(1).expect(&told).split_whitespace().next().unwrap();
        let mut found = BTreeMap::from([("the stage".to_owned(), stage.to_owned())]);
        digests(&self.path("out/RPMS"), &mut found);
        digests(&self.path("out/images"), &mut found);
        found
    }
}

fn close(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            close(&path);
        } else {
            std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).unwrap();
        }
    }
    std::fs::set_permissions(folder, PermissionsExt::from_mode(0o700)).unwrap();
}

/// The digests of RPMs and images below `folder`.
fn digests(folder: &Path, found: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            digests(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rpm" || extension == "raw") {
            found.insert(name, Sha256::of_file(&path).unwrap().to_string());
        }
    }
}

/// The programs of this test where every user may run them.
fn program(folder: &Path) -> PathBuf {
    let program = folder.join("drydock");
    std::fs::copy(env!("CARGO_BIN_EXE_drydock"), &program).unwrap();
    program
}

/// A folder as short as a socket's path must be, where the roots of later suites see it, too.
fn place() -> tempfile::TempDir {
    let place = tempfile::Builder::new().prefix("drydock-engines-").tempdir_in("/tmp").unwrap();
    open_to_all(place.path());
    place
}

/// What the engine of `kind` makes.
fn made_by(kind: Kind, base: &Path) -> BTreeMap<String, String> {
    let place = place();
    let daemon_folder = place.path().join("daemon");
    std::fs::create_dir(&daemon_folder).unwrap();
    let daemon = kind.daemon(&daemon_folder);
    let project = Project::new(place.path().join("project"), base);
    project.close();
    let mut command = Command::new("sh");
    command.args(["-c", "umask 077; exec \"$@\"", "sh"]);
    match kind {
        Kind::EmbeddedRootless => {
            let user = ordinary_user();
            let status = Command::new("chown").arg("-R").arg(user.uid.to_string()).arg(&project.folder).status();
            assert!(status.unwrap().success());
            command.args(["setpriv", "--init-groups", "--inh-caps=-all"]).env("HOME", &user.dir);
            command.args([format!("--reuid={}", user.uid), format!("--regid={}", user.gid)]).arg(program(place.path()));
        }
        _ => drop(command.arg(env!("CARGO_BIN_EXE_drydock"))),
    }
    let engine: &[&str] = match (kind, kind.choice()) {
        // It has no host's network to give; the others' daemons have no network of their own.
        (Kind::DockerByRemap, _) => &["docker"],
        (_, Choice::Docker) => &["docker", "--network", "host"],
        (_, Choice::Podman) => &["podman", "--network", "host"],
        (_, Choice::Embedded | Choice::Auto) => &EMBEDDED,
    };
    if let Some(daemon) = &daemon {
        command.env("DOCKER_HOST", daemon.address()).env("CONTAINER_HOST", daemon.address());
    }
    project.made(&mut command, engine)
}

#[test]
fn equal_bytes() {
    if !engine_contract::wanted() {
        return;
    }
    assert!(nix::unistd::geteuid().is_root(), "this test starts daemons");
    let place = place();
    let base = place.path().join("base.tar");
    rootfs::write_with_rpm(&base);
    let begin = std::time::Instant::now();
    let project = Project::new(place.path().join("project"), &base);
    let right = project.made(&mut Command::new(env!("CARGO_BIN_EXE_drydock")), &EMBEDDED);
    println!("embedded: {:.1} s {right:#?}", begin.elapsed().as_secs_f64());
    assert_eq!(right.len(), 6, "a stage, two packages and their sources, a disk: {right:#?}");
    let mut kinds = vec![Kind::EmbeddedRootless, Kind::Docker, Kind::DockerByRemap, Kind::Podman, Kind::PodmanRootless];
    for suite in Suite::ALL.into_iter().filter(|suite| suite.root().is_some()) {
        kinds.extend([Kind::DockerOf(suite), Kind::PodmanOf(suite)]);
        kinds.extend((suite == Suite::Sid).then_some(Kind::DockerWithContainerd(suite)));
    }
    let only = std::env::var("DRYDOCK_CONTRACT_ONLY").unwrap_or_default();
    kinds.retain(|kind| format!("{kind:?}").contains(&only));
    let mut differing = Vec::new();
    for kind in kinds {
        let begin = std::time::Instant::now();
        let made = std::panic::catch_unwind(|| made_by(kind, &base));
        let is_equal = made.as_ref().is_ok_and(|made| *made == right);
        println!(
            "{kind:?}: {} ({:.1} s)",
            if is_equal { "the same bytes" } else { "OTHERS" },
            begin.elapsed().as_secs_f64()
        );
        if !is_equal {
            differing.push((kind, made.ok()));
        }
    }
    assert!(differing.is_empty(), "the embedded engine makes {right:#?}, others make {differing:#?}");
}
