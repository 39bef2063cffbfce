//! A Debian-like root by `mmdebstrap`, as a tar archive.
//!
//! The mirrors are the host's own (`/etc/apt`) unless the pipeline names one. They are needed again by `apt-get` in the
//! containerfile, and are shown to it by a read-only mount; no image remembers them.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use super::stage::Debootstrap;
use crate::address;
use crate::source::Archive;

/// How long `mmdebstrap` may take to remove what it has begun.
const LAST_WISHES: Duration = Duration::from_secs(30);

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

/// Writes a root of the suite to the tar archive `into`.
pub(super) async fn make(
    wanted: &Debootstrap,
    apt_lines: &[String],
    into: &Path,
    cancel: &CancellationToken,
) -> Result<(), String> {
    if apt_lines.is_empty() {
        return Err(format!(
            "the host's apt configuration has no archive with suite `{}`, and no `mirror` is given",
            wanted.suite
        ));
    }
    let mut command = Command::new("mmdebstrap");
    command
        .args(["--variant=minbase", "--format=tar", "--quiet"])
        .args(["/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*"].map(without))
        .arg(
            "--customize-hook=rm -f \"$1\"/etc/apt/sources.list \"$1\"/etc/apt/sources.list.d/* \"$1\"/etc/resolv.conf",
        )
        .arg(&wanted.suite)
        .arg(into)
        .args(apt_lines)
        .env("SOURCE_DATE_EPOCH", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => "`mmdebstrap` is not installed (Debian package `mmdebstrap`)".to_owned(),
        _ => format!("cannot start `mmdebstrap`: {error}"),
    })?;
    let stderr = child.stderr.take();
    let said = tokio::spawn(async move {
        let mut said = Vec::new();
        if let Some(mut stderr) = stderr {
            // What cannot be read is missing in the message.
            let _ = stderr.read_to_end(&mut said).await;
        }
        said
    });
    let status = tokio::select! {
        status = child.wait() => status.map_err(|error| format!("cannot wait for `mmdebstrap`: {error}"))?,
        () = cancel.cancelled() => {
            stop(&mut child).await;
            return Err("cancelled".to_owned());
        }
    };
    if status.success() {
        return Ok(());
    }
    let said = said.await.unwrap_or_default();
    let text = String::from_utf8_lossy(&said);
    let last: Vec<&str> = text.lines().rev().take(5).collect();
    let last: Vec<&str> = last.into_iter().rev().collect();
    Err(format!("`mmdebstrap` ended with {status}: {}", address::in_text(&last.join("; "))))
}

/// Ends `mmdebstrap` and all that it has started; it removes its root itself when it is asked to end.
async fn stop(child: &mut Child) {
    let group = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        if let Some(group) = group
            && let Err(error) = killpg(group, signal)
        {
            tracing::debug!(%error, "mmdebstrap is gone");
        }
        if tokio::time::timeout(LAST_WISHES, child.wait()).await.is_ok() {
            return;
        }
    }
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
