//! Who Drydock is on this machine, and which of the machine's ids its containers have.
//!
//! Every container has a user namespace of its own. Root's containers have a range of ids that no convention gives to
//! anybody (systemd's `UIDS-GIDS`), or, where Drydock is root of a namespace itself and has no such ids, those of that
//! namespace. An ordinary user is root of his containers; ids from 1 up come from his ranges in `/etc/subuid` and
//! `/etc/subgid`, by `newuidmap` and `newgidmap` (subuid(5), newuidmap(1)).

use std::fs;

use nix::unistd::{Uid, User, geteuid, getgid, getuid};
use tokio::process::Command;

use super::SandboxError;
use super::task::Owner;
use crate::digest::KeyBuilder;

/// Ids that an ordinary user's containers can have besides 0.
const WANTED: u32 = 65_535;
/// The range of root's containers.
const UNUSED: Range = Range { first: 0x7000_0000, count: 0x0FFE_0000 };

/// Who runs Drydock, and how ids are mapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    is_root: bool,
    uids: Vec<Extent>,
    gids: Vec<Extent>,
}

/// Ids of a user namespace and those that they are outside (`user_namespaces(7)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Extent {
    inside: u32,
    outside: u32,
    count: u32,
}

/// A range of the machine's ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    first: u32,
    count: u32,
}

impl Identity {
    /// Who this process is.
    pub(super) fn of_this_process() -> Result<Self, SandboxError> {
        if geteuid().is_root() {
            let of = |file: &str| for_root(&fs::read_to_string(file).unwrap_or_default());
            return Ok(Self { is_root: true, uids: of("/proc/self/uid_map"), gids: of("/proc/self/gid_map") });
        }
        let uids = for_user(getuid().as_raw(), own_range("/etc/subuid", getuid())?);
        let gids = for_user(getgid().as_raw(), own_range("/etc/subgid", getuid())?);
        Ok(Self { is_root: false, uids, gids })
    }

    pub(super) fn is_root(&self) -> bool {
        self.is_root
    }

    /// Whom the files of a container's root belong to on this machine.
    pub(super) fn owner(&self) -> Owner {
        Owner { uid: outside(&self.uids), gid: outside(&self.gids) }
    }

    /// The folder for files that have these owners.
    pub(super) fn folder_name(&self) -> String {
        let text = format!("{:?}", (&self.uids, &self.gids));
        let key = KeyBuilder::new("owners of the embedded engine").field("ids", text).finish();
        format!("ids-{}", &key.to_string()[..12])
    }

    /// Maps the ids of the process `pid`, which has a new user namespace.
    pub(super) async fn map(&self, pid: u32) -> Result<(), SandboxError> {
        if self.is_root {
            return write(pid, "uid_map", &self.uids).and_then(|()| write(pid, "gid_map", &self.gids));
        }
        let (user, group) = tokio::join!(run("newuidmap", pid, &self.uids), run("newgidmap", pid, &self.gids));
        user.and(group)
    }
}

/// What 0 is outside.
fn outside(map: &[Extent]) -> u32 {
    map.iter().find(|extent| extent.inside == 0).map_or(0, |extent| extent.outside)
}

/// The map of root's containers, on a machine or in a namespace whose own map is `text`.
fn for_root(text: &str) -> Vec<Extent> {
    let own: Vec<Extent> = text.lines().filter_map(extent).collect();
    let has_unused = |own: &Extent| {
        own.inside <= UNUSED.first
            && UNUSED.first - own.inside < own.count
            && own.count - (UNUSED.first - own.inside) >= UNUSED.count
    };
    if own.iter().any(has_unused) {
        return vec![Extent { inside: 0, outside: UNUSED.first, count: UNUSED.count }];
    }
    own.into_iter().map(|own| Extent { outside: own.inside, ..own }).collect()
}

/// A line of `uid_map`.
fn extent(line: &str) -> Option<Extent> {
    let mut numbers = line.split_whitespace().map(|number| number.parse().ok());
    Some(Extent { inside: numbers.next()??, outside: numbers.next()??, count: numbers.next()?? })
}

fn for_user(own: u32, range: Range) -> Vec<Extent> {
    let others = Extent { inside: 1, outside: range.first, count: range.count.min(WANTED) };
    vec![Extent { inside: 0, outside: own, count: 1 }, others]
}

fn write(pid: u32, file: &str, map: &[Extent]) -> Result<(), SandboxError> {
    let path = std::path::Path::new("/proc").join(pid.to_string()).join(file);
    let line = |Extent { inside, outside, count }: &Extent| format!("{inside} {outside} {count}\n");
    // The kernel takes it whole or not at all.
    fs::write(&path, map.iter().map(line).collect::<String>()).map_err(SandboxError::file("write", &path))
}

async fn run(tool: &'static str, pid: u32, map: &[Extent]) -> Result<(), SandboxError> {
    let numbers = map.iter().flat_map(|extent| [extent.inside, extent.outside, extent.count]);
    let words = std::iter::once(pid).chain(numbers).map(|number| number.to_string());
    let output = Command::new(tool).args(words).kill_on_drop(true).output().await;
    let output = output.map_err(|source| SandboxError::NoTool { tool, source })?;
    if output.status.success() {
        return Ok(());
    }
    Err(SandboxError::Mapping { tool, text: String::from_utf8_lossy(&output.stderr).trim().to_owned() })
}

fn own_range(file: &'static str, uid: Uid) -> Result<Range, SandboxError> {
    let name = User::from_uid(uid).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name);
    let text = fs::read_to_string(file).unwrap_or_default();
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

    #[test]
    fn root_of_the_machine_gives_containers_ids_that_nobody_has() {
        let map = for_root("         0          0 4294967295\n");
        assert_eq!(map, [Extent { inside: 0, outside: 0x7000_0000, count: 0x0FFE_0000 }]);
        assert_eq!(outside(&map), 0x7000_0000);
    }

    #[test]
    fn root_of_a_namespace_gives_containers_what_it_has() {
        let map = for_root("0 1000 1\n1 100000 65536\n");
        let expected = [(0, 1), (1, 65_536)].map(|(inside, count)| Extent { inside, outside: inside, count });
        assert_eq!(map, expected);
        // Nearly all ids, but not the whole range.
        assert_eq!(for_root("0 0 2147352575\n")[0].outside, 0);
        assert_eq!(for_root("0 0 2147352576\n")[0].outside, 0x7000_0000);
    }
}
