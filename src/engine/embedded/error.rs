//! Why the embedded engine did not do what it was asked, and what the user can do about it.

use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::task::{Fault, Step};
use crate::digest::Sha256;
use crate::oci::OciError;

/// Why the embedded engine did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// A step inside of the helper process failed.
    #[error("{fault}")]
    Inside {
        /// The step, and on what.
        fault: Fault,
        /// What this host forbids, if that is the reason.
        hint: Option<String>,
    },
    /// The helper process cannot be started.
    #[error("cannot start the helper process `{}`", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The helper process ended without a word.
    #[error("the helper process ended with {status} in the middle of its work")]
    Died {
        /// Its status.
        status: String,
    },
    /// There is no terminal for the program.
    #[error("cannot make a terminal for the container")]
    Terminal(#[source] io::Error),
    /// The conversation with the helper process failed.
    #[error("cannot talk to the helper process")]
    Talk(#[source] io::Error),
    /// The user has no range of ids for user namespaces.
    #[error("`{file}` gives the user `{user}` no range of ids, which a container of an ordinary user needs")]
    NoIds {
        /// `/etc/subuid` or `/etc/subgid`.
        file: &'static str,
        /// Name of the user.
        user: String,
    },
    /// `newuidmap` or `newgidmap` cannot be run.
    #[error("cannot run `{tool}`, which maps the ids of a container of an ordinary user")]
    NoTool {
        /// Its name.
        tool: &'static str,
        /// Why.
        source: io::Error,
    },
    /// `newuidmap` or `newgidmap` refused.
    #[error("`{tool}` refused to map ids: {text}")]
    Mapping {
        /// Its name.
        tool: &'static str,
        /// What it said.
        text: String,
    },
    /// A file or folder of the engine cannot be read or written.
    #[error("cannot {action} `{}`", path.display())]
    File {
        /// `write` and the like.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The image cannot be read from the store.
    #[error("cannot read the image")]
    Image(#[from] OciError),
    /// There is no such derived image.
    #[error("there is no derived image `{key}`")]
    NoDerived {
        /// Key of its inputs.
        key: Sha256,
    },
}

impl SandboxError {
    /// What the user can do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Inside { hint, .. } => hint.clone(),
            Self::NoIds { user, .. } => Some(format!(
                "run `usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {user}` as root, or run Drydock as root"
            )),
            Self::NoTool { .. } => Some("install the package `uidmap` (Debian) or `shadow-utils` (Fedora)".to_owned()),
            Self::Mapping { .. } => Some(
                "`newuidmap` and `newgidmap` must be set-user-ID root, and the ranges of /etc/subuid and /etc/subgid must be the user's own"
                    .to_owned(),
            ),
            Self::Image(fault) => fault.hint(),
            _ => None,
        }
    }

    pub(super) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { action, path: path.to_owned(), source }
    }

    /// `fault` with what this host says about the reason.
    pub(super) fn inside(fault: Fault) -> Self {
        let hint = hint(&fault, &|path| std::fs::read_to_string(path).ok());
        Self::Inside { fault, hint }
    }
}

/// What a container must be started with for containers in it.
const INSIDE_A_CONTAINER: &str = "the process may not make namespaces or mounts. In a container of Docker, start that with \
    `--security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined`, in one of \
    Podman with `--security-opt seccomp=unconfined --security-opt unmask=ALL`, or with `--privileged`, and with a volume for \
    the build folder; no other capability is needed. Or give Drydock the socket of Docker or Podman";

/// Why the kernel refused, as far as its settings tell; `read` reads one of them.
fn hint(fault: &Fault, read: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let is = |path: &str, value: &str| read(path).is_some_and(|text| text.trim() == value);
    let refused = fault.errno == Some(Errno::EPERM as i32) || fault.errno == Some(Errno::EACCES as i32);
    let text = match fault.step {
        Step::UserNamespace | Step::Namespaces if is("/proc/sys/user/max_user_namespaces", "0") => {
            "this host allows no user namespaces: run `sysctl user.max_user_namespaces=10000` as root"
        }
        Step::UserNamespace if is("/proc/sys/kernel/unprivileged_userns_clone", "0") => {
            "this host allows user namespaces to root alone: run `sysctl kernel.unprivileged_userns_clone=1` as root, or run Drydock as root"
        }
        Step::UserNamespace | Step::Namespaces | Step::Mount | Step::Layers
            if refused && is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1") =>
        {
            "AppArmor keeps the programs of ordinary users from user namespaces. Permit them to this one: run `drydock doctor --apparmor-profile | sudo tee /etc/apparmor.d/drydock`, then `sudo apparmor_parser --replace /etc/apparmor.d/drydock`; or run Drydock as root"
        }
        Step::UserNamespace | Step::Namespaces | Step::Mount if refused => INSIDE_A_CONTAINER,
        Step::Gateway => {
            "install the package `passt` or `slirp4netns`, and see that you may use /dev/net/tun; or give `--network host`, with which commands that download something see this machine's own network"
        }
        Step::Layers if fault.errno == Some(Errno::EINVAL as i32) || refused => {
            "overlayfs needs a build folder on a local disk (ext4, xfs, btrfs, tmpfs), not on overlayfs (as the files of a container are: use a volume) or a network share, and Linux 5.12"
        }
        Step::Capability => "the host or the container that Drydock runs in does not have it to give",
        Step::Unpack if fault.errno == Some(Errno::EINVAL as i32) => {
            "a file of the image has an owner outside of the user's range in /etc/subuid; give the user 65536 ids"
        }
        _ => return None,
    };
    Some(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_told_by_the_setting_that_forbids_it() {
        let fault = |step, errno: Errno| Fault { errno: Some(errno as i32), ..Fault::new(step, "x", "y") };
        let with =
            |path: &'static str, value: &'static str| move |asked: &str| (asked == path).then(|| value.to_owned());
        let eperm = fault(Step::UserNamespace, Errno::EPERM);
        let told = |setting, value| hint(&eperm, &with(setting, value)).unwrap();
        assert!(told("/proc/sys/user/max_user_namespaces", "0\n").contains("max_user_namespaces=10000"));
        assert!(told("/proc/sys/kernel/unprivileged_userns_clone", "0\n").contains("userns_clone=1"));
        assert!(told("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n").contains("AppArmor"));
        assert!(told("/nothing", "").contains("systempaths=unconfined"));
        let gateway = Fault::new(Step::Gateway, "pasta", "it is not installed");
        assert!(hint(&gateway, &|_| None).unwrap().contains("--network host"));
        assert!(hint(&fault(Step::Program, Errno::ENOENT), &|_| None).is_none());
    }
}
