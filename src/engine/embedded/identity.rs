//! Who Drydock is on this machine, and which ids its containers have.
//!
//! Root's containers have the machine's own ids. An ordinary user is root in a user namespace; ids from 1 up come from the
//! user's ranges in `/etc/subuid` and `/etc/subgid`, by `newuidmap` and `newgidmap` (subuid(5), newuidmap(1)).

use nix::unistd::{Uid, User, geteuid, getgid, getuid};
use tokio::process::Command;

use super::SandboxError;
use super::task::Privilege;

/// Ids that a container can have besides 0.
const WANTED: u32 = 65_535;

/// Who runs Drydock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    Root,
    User { uids: Range, gids: Range },
}

/// A range of the machine's ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    first: u32,
    count: u32,
}

impl Identity {
    /// Who this process is.
    pub(super) fn of_this_process() -> Result<Self, SandboxError> {
        if geteuid().is_root() {
            return Ok(Self::Root);
        }
        Ok(Self::User { uids: own_range("/etc/subuid", getuid())?, gids: own_range("/etc/subgid", getuid())? })
    }

    pub(super) fn privilege(&self) -> Privilege {
        match self {
            Self::Root => Privilege::Root,
            Self::User { .. } => Privilege::UserNamespace,
        }
    }

    /// Maps the ids of the process `pid`, which has a user namespace of its own.
    pub(super) async fn map(&self, pid: u32) -> Result<(), SandboxError> {
        let Self::User { uids, gids } = self else { return Ok(()) };
        let (user, group) = tokio::join!(
            run("newuidmap", pid, getuid().as_raw(), *uids),
            run("newgidmap", pid, getgid().as_raw(), *gids)
        );
        user.and(group)
    }
}

async fn run(tool: &'static str, pid: u32, own: u32, range: Range) -> Result<(), SandboxError> {
    let numbers = [pid, 0, own, 1, 1, range.first, range.count.min(WANTED)];
    let output = Command::new(tool).args(numbers.map(|number| number.to_string())).kill_on_drop(true).output().await;
    let output = output.map_err(|source| SandboxError::NoTool { tool, source })?;
    if output.status.success() {
        return Ok(());
    }
    Err(SandboxError::Mapping { tool, text: String::from_utf8_lossy(&output.stderr).trim().to_owned() })
}

fn own_range(file: &'static str, uid: Uid) -> Result<Range, SandboxError> {
    let name = User::from_uid(uid).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name);
    let text = std::fs::read_to_string(file).unwrap_or_default();
    range(&text, &[&name, &uid.to_string()]).ok_or(SandboxError::NoIds { file, user: name })
}

/// The largest range that one of `names` has.
fn range(text: &str, names: &[&str]) -> Option<Range> {
    let ranges = text.lines().filter_map(|line| {
        let mut fields = line.trim().split(':');
        let is_owner = names.contains(&fields.next()?);
        let range = Range { first: fields.next()?.parse().ok()?, count: fields.next()?.parse().ok()? };
        (is_owner && range.count > 0).then_some(range)
    });
    ranges.max_by_key(|range| range.count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_range_of_the_user_counts() {
        let text = "root:1:10\nann:100000:65536\n# x\n1000:300000:70000\nann:broken\n";
        assert_eq!(range(text, &["ann", "1000"]), Some(Range { first: 300_000, count: 70_000 }));
        assert_eq!(range(text, &["bob", "1001"]), None);
    }
}
