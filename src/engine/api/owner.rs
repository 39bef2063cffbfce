//! Whose container it is, so that what a killed run left behind is found and nobody else's container is touched.
//!
//! Every container and volume carries the project (digest of its folder) and its owner: machine, boot, PID namespace,
//! process and the time when that process began. What cannot be judged from here is left alone.

use std::collections::HashMap;
use std::path::Path;

use crate::digest::Sha256;

/// Label: digest of the project's folder.
pub(super) const PROJECT: &str = "drydock.project";
/// Label: the process that made the container.
pub(super) const OWNER: &str = "drydock.owner";

/// The process that this is, as far as the machine can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    machine: String,
    boot: String,
    namespace: String,
    process: i32,
    began: String,
}

impl Owner {
    /// This process.
    pub(super) fn this_process() -> Self {
        let text = |path: &str| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
        let machine = nix::unistd::gethostname().unwrap_or_default().to_string_lossy().into_owned();
        let namespace = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default().display().to_string();
        let process = nix::unistd::getpid().as_raw();
        Self { machine, boot: text("/proc/sys/kernel/random/boot_id"), namespace, process, began: began(process) }
    }

    /// True when the process of the label `owner` is known to be gone; `self` is the one that asks.
    pub(super) fn knows_to_be_gone(&self, owner: &str) -> bool {
        let Some(owner) = Self::read(owner) else { return false };
        if owner.machine != self.machine {
            return false;
        }
        owner.boot != self.boot || (owner.namespace == self.namespace && !owner.is_alive())
    }

    fn is_alive(&self) -> bool {
        let there = nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.process), None);
        there != Err(nix::errno::Errno::ESRCH) && began(self.process) == self.began
    }

    /// The label.
    pub(super) fn label(&self) -> String {
        format!("{}|{}|{}|{}|{}", self.process, self.began, self.namespace, self.boot, self.machine)
    }

    fn read(label: &str) -> Option<Self> {
        let mut parts = label.splitn(5, '|');
        let process = parts.next()?.parse().ok()?;
        let mut text = || parts.next().map(str::to_owned);
        let (began, namespace, boot, machine) = (text()?, text()?, text()?, text()?);
        Some(Self { machine, boot, namespace, process, began })
    }
}

/// The labels of everything that this process makes for the project in `folder`.
pub(super) fn labels(folder: &Path, owner: &Owner) -> HashMap<String, String> {
    HashMap::from([(PROJECT.to_owned(), project(folder)), (OWNER.to_owned(), owner.label())])
}

/// The name of the project in `folder`.
pub(super) fn project(folder: &Path) -> String {
    Sha256::of_bytes(folder.as_os_str().as_encoded_bytes()).short()
}

/// When the process began, in clock ticks since boot; empty where there is no `/proc`. Field 22 of `proc_pid_stat(5)`.
fn began(process: i32) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    after_name.split_whitespace().nth(19).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_process_that_is_gone_for_sure_counts_as_gone() {
        let me = Owner::this_process();
        assert_eq!(Owner::read(&me.label()), Some(me.clone()));
        assert!(!me.knows_to_be_gone(&me.label()));
        let mut child = std::process::Command::new("/bin/true").spawn().unwrap();
        let gone = Owner { process: i32::try_from(child.id()).unwrap(), ..me.clone() };
        child.wait().unwrap();
        assert!(me.knows_to_be_gone(&gone.label()));
        assert!(me.knows_to_be_gone(&Owner { boot: "earlier".to_owned(), ..me.clone() }.label()));
        assert!(
            me.knows_to_be_gone(&Owner { began: "1".to_owned(), ..me.clone() }.label()),
            "the number was used again"
        );
        assert!(!me.knows_to_be_gone(&Owner { machine: "elsewhere".to_owned(), ..gone.clone() }.label()));
        assert!(!me.knows_to_be_gone(&Owner { namespace: "pid:[1]".to_owned(), ..gone }.label()));
        assert!(!me.knows_to_be_gone("somebody"));
    }
}
