//! A Debian-like root by `mmdebstrap`, as a tar archive.
//!
//! The mirrors are the host's own (`/etc/apt`) unless the pipeline names one. They are needed again by `apt-get` in the
//! containerfile, and are shown to it by a read-only mount; no image remembers them.
//!
//! `mmdebstrap` is a program of the machine, and mounts, as root, below what it makes. It runs in the embedded engine's
//! sandbox whichever engine runs the rest: there it sees the machine's programs and nothing that it could change, and
//! whoever is killed in the middle, its mounts and files are gone.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use super::StageContext;
use super::stage::Debootstrap;
use crate::causes;
use crate::engine::{
    Capabilities, Collect, ContainerSpec, EngineError, Exit, GuestPath, HostPath, ImageId, Limits, Mount, Network,
    RelativePath, Session, Stream, User,
};
use crate::oci::{ImageConfig, Member, MemberKind, MemberWriter};
use crate::removal;
use crate::source::Archive;
use crate::tail::Tail;

const PROGRAM: &str = "mmdebstrap";
const FOLDERS: [&str; 3] = ["/usr/local/bin", "/usr/bin", "/bin"];
/// The archive that it leaves in `/out`.
const ROOT: &str = "root.tar";
/// What the program and those that it starts need of the machine.
const SEEN: [&str; 16] = [
    "/usr",
    "/etc/alternatives",
    "/etc/apt/keyrings",
    "/etc/apt/trusted.gpg",
    "/etc/apt/trusted.gpg.d",
    "/etc/ca-certificates.conf",
    "/etc/dpkg",
    "/etc/gai.conf",
    "/etc/group",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/perl",
    "/etc/ssl/certs",
];
/// Links into `/usr`, or folders on machines that have not merged them.
const TOP: [&str; 6] = ["bin", "lib", "lib32", "lib64", "libx32", "sbin"];
/// How many of its last lines a message has.
const SHOWN_LINES: usize = 5;

/// The one-line entries of `sources.list` for `wanted`; empty when the host knows no archive with the suite.
pub(super) fn apt_lines(wanted: &Debootstrap, host: &[Archive]) -> Vec<String> {
    if let Some(mirror) = &wanted.mirror {
        return vec![format!("deb {mirror} {} main", wanted.suite)];
    }
    let belongs = |archive: &&Archive| {
        archive.suite.strip_prefix(wanted.suite.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    };
    let line =
        |archive: &Archive| format!("deb {} {} {}", archive.base_url, archive.suite, archive.components.join(" "));
    host.iter().filter(belongs).map(line).collect()
}

/// Makes a root of the suite, and gives the tar archive with it, which is below the new folder `work`.
pub(super) async fn make(
    wanted: &Debootstrap,
    apt_lines: &[String],
    (work, context): (&Path, &StageContext<'_>),
) -> Result<PathBuf, String> {
    if apt_lines.is_empty() {
        return Err(format!(
            "the host's apt configuration has no archive with suite `{}`, and no `mirror` is given",
            wanted.suite
        ));
    }
    if !FOLDERS.iter().any(|folder| Path::new(folder).join(PROGRAM).exists()) {
        return Err(format!("`{PROGRAM}` is not installed (Debian package `{PROGRAM}`)"));
    }
    let out = work.join("out");
    let prepared = removal::remove(work).and_then(|()| std::fs::create_dir_all(&out));
    prepared.map_err(|error| format!("cannot make `{}`: {error}", out.display()))?;
    let (image, mounts) = tokio::task::block_in_place(|| machine(work, context))?;
    let spec = container(wanted, apt_lines, (image, mounts)).map_err(|error| error.to_string())?;
    let mut tail = Tail::default();
    let mut output = |_: Stream, bytes: &[u8]| tail.push(bytes);
    let from = GuestPath::new("/out").map_err(|error| error.to_string())?;
    let collect = Some(Collect { from, into: out.clone() });
    let session = Session { output: &mut output, collect, cancel: context.cancel };
    let exit = context.engine.of_this_machine().run(&spec, session).await;
    match exit.map_err(|fault| with_hint(&fault))? {
        exit if exit.is_success() => Ok(out.join(ROOT)),
        Exit::Cancelled => Err("cancelled".to_owned()),
        exit => {
            let lines = tail.lines();
            let last = lines[lines.len().saturating_sub(SHOWN_LINES)..].join("; ");
            Err(format!("`{PROGRAM}` ended with {exit}: {last}"))
        }
    }
}

fn with_hint(fault: &EngineError) -> String {
    let text = format!("the sandbox of the embedded engine, in which `{PROGRAM}` runs: {}", causes::in_one_line(fault));
    fault.hint().map_or_else(|| text.clone(), |hint| format!("{text} ({hint})"))
}

/// An image with the links at the top of this machine's file system, and the mounts that show its programs in it.
fn machine(work: &Path, context: &StageContext<'_>) -> Result<(ImageId, Vec<Mount>), String> {
    let archive = work.join("machine.tar");
    let mut shown: Vec<PathBuf> = SEEN.iter().map(PathBuf::from).filter(|path| path.exists()).collect();
    let written = write_image(&archive, &mut shown);
    written.map_err(|error| format!("cannot write `{}`: {error}", archive.display()))?;
    let image = context.store.from_rootfs_tar(&archive, &ImageConfig::default());
    let image = image.map_err(|error| causes::in_one_line(&error))?;
    let mount = |path: PathBuf| {
        let guest = GuestPath::new(path.to_string_lossy())?;
        Ok(Mount::ReadOnly { host: HostPath::new(path)?, guest })
    };
    let mounts: Result<_, RelativePath> = shown.into_iter().map(mount).collect();
    Ok((ImageId::Stored(image.manifest), mounts.map_err(|error| error.to_string())?))
}

fn write_image(archive: &Path, shown: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let mut writer = MemberWriter::new(std::fs::File::create(archive)?);
    let mut add = |path: &str, mode: u32, kind: MemberKind| {
        let path = path.as_bytes().to_vec();
        let member = Member { path, kind, mode, uid: 0, gid: 0, size: 0, mtime: 0, xattrs: BTreeMap::new() };
        writer.append(&member, &mut std::io::empty())
    };
    for (folder, mode) in [("tmp", 0o1777), ("var", 0o755), ("var/tmp", 0o1777), ("out", 0o755)] {
        add(folder, mode, MemberKind::Folder)?;
    }
    for name in TOP {
        let path = Path::new("/").join(name);
        match std::fs::read_link(&path) {
            Ok(target) => add(name, 0o777, MemberKind::Symlink(target.into_os_string().into_vec()))?,
            Err(_) if path.is_dir() => shown.push(path),
            Err(_) => {}
        }
    }
    writer.finish().map(drop)
}

/// Root may mount there, which `mmdebstrap` does below the root that it makes; the mounts end with the container.
fn container(
    wanted: &Debootstrap,
    apt_lines: &[String],
    (image, mounts): (ImageId, Vec<Mount>),
) -> Result<ContainerSpec, RelativePath> {
    let mut argv: Vec<String> =
        [PROGRAM, "--mode=root", "--variant=minbase", "--format=tar", "--quiet"].map(str::to_owned).into();
    argv.extend(["/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*"].map(without));
    argv.push(
        "--customize-hook=rm -f \"$1\"/etc/apt/sources.list \"$1\"/etc/apt/sources.list.d/* \"$1\"/etc/resolv.conf"
            .to_owned(),
    );
    argv.extend([wanted.suite.clone(), format!("/out/{ROOT}")]);
    argv.extend(apt_lines.iter().cloned());
    Ok(ContainerSpec {
        image,
        argv,
        env: BTreeMap::from([
            ("SOURCE_DATE_EPOCH".to_owned(), "0".to_owned()),
            ("LC_ALL".to_owned(), "C.UTF-8".to_owned()),
        ]),
        user: User::Root,
        workdir: GuestPath::new("/")?,
        mounts,
        network: Network::Outside,
        capabilities: Capabilities::DefaultAnd(vec!["SYS_ADMIN".to_owned()]),
        limits: Limits::default(),
    })
}

fn without(glob: &str) -> String {
    format!("--dpkgopt=path-exclude={glob}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_archives_of_the_suite_are_used() {
        let archive = |suite: &str| Archive {
            base_url: "http://mirror.example/debian".into(),
            suite: suite.into(),
            components: vec!["main".into(), "contrib".into()],
            trust: crate::source::Trust::Anyone,
        };
        let host = [archive("bookworm"), archive("bookworm-updates"), archive("trixie"), archive("bookworms")];
        let mut wanted = Debootstrap { suite: "bookworm".into(), mirror: None };
        assert_eq!(
            apt_lines(&wanted, &host),
            [
                "deb http://mirror.example/debian bookworm main contrib",
                "deb http://mirror.example/debian bookworm-updates main contrib"
            ]
        );
        wanted.mirror = Some("http://other.example".into());
        assert_eq!(apt_lines(&wanted, &host), ["deb http://other.example bookworm main"]);
    }
}
