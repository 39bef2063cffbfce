//! Limits by the kernel's control groups, where this process may make one: version 1 (a hierarchy a controller) and
//! version 2 (cgroups(7)). A group is a child of the group that Drydock itself is in, or of one above it.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::Limits;

/// The control groups of one container; they are gone when this value is dropped.
#[derive(Debug, Default)]
pub(super) struct Cgroup {
    folders: Vec<PathBuf>,
    /// Counts the processes that the kernel killed at the memory limit.
    memory: Option<PathBuf>,
    pids: bool,
}

/// Where a controller's groups are.
struct Hierarchy {
    /// The groups that could be the parent of a container's, the best one first.
    parents: Vec<PathBuf>,
    version: Version,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

impl Cgroup {
    /// Groups named after `id` with those of `limits` that the kernel can enforce here.
    pub(super) fn new(id: &str, limits: &Limits) -> Self {
        let mut cgroup = Self::default();
        if let Some(bytes) = limits.memory_bytes {
            cgroup.limit(id, "memory", &bytes.to_string());
        }
        if let Some(pids) = limits.pids {
            cgroup.limit(id, "pids", &pids.to_string());
        }
        cgroup
    }

    /// True when the kernel watches the memory.
    pub(super) fn limits_memory(&self) -> bool {
        self.memory.is_some()
    }

    /// True when the kernel counts the processes.
    pub(super) fn limits_pids(&self) -> bool {
        self.pids
    }

    /// Puts the process into the groups.
    pub(super) fn add(&self, pid: u32) -> std::io::Result<()> {
        self.folders.iter().try_for_each(|folder| fs::write(folder.join("cgroup.procs"), pid.to_string()))
    }

    /// True when the kernel killed a process at the memory limit.
    pub(super) fn reached_memory_limit(&self) -> bool {
        let Some(path) = &self.memory else { return false };
        let text = fs::read_to_string(path).unwrap_or_default();
        let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        count.is_some_and(|count| count.trim() != "0")
    }

    /// Removes the groups, in which no process is left.
    pub(super) fn remove(&mut self) {
        for folder in self.folders.drain(..) {
            if let Err(fault) = fs::remove_dir(&folder) {
                tracing::debug!(path = %folder.display(), %fault, "a control group stays until the next sweep");
            }
        }
    }

    fn limit(&mut self, id: &str, controller: &str, value: &str) {
        let Some(hierarchy) = Hierarchy::of_this_process(controller) else { return };
        for parent in &hierarchy.parents {
            let folder = parent.join(name(id));
            let known = self.folders.contains(&folder);
            if (known || make(&folder)) && set(&folder, (controller, hierarchy.version), value) {
                self.pids |= controller == "pids";
                if controller == "memory" {
                    let events = if hierarchy.version == Version::One { "memory.oom_control" } else { "memory.events" };
                    self.memory = Some(folder.join(events));
                }
                if !known {
                    self.folders.push(folder);
                }
                return;
            }
            if !known {
                // Made, perhaps, but of no use: the controller is not on here.
                let _ = fs::remove_dir(&folder);
            }
        }
        tracing::debug!(controller, "no control group can be made here");
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Removes the groups of containers whose Drydock is gone; one with processes in it cannot be removed.
pub(super) fn sweep() {
    for parent in ["memory", "pids"].into_iter().filter_map(Hierarchy::of_this_process).flat_map(|it| it.parents) {
        for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let owner = name.strip_prefix("drydock-").and_then(|id| id.split('-').next());
            if owner.is_some_and(|pid| pid.parse::<u32>().is_ok() && !Path::new("/proc").join(pid).exists()) {
                // Another sweep may be faster.
                let _ = fs::remove_dir(entry.path());
            }
        }
    }
}

fn name(id: &str) -> String {
    format!("drydock-{id}")
}

fn make(folder: &Path) -> bool {
    // A dead process may have had the same number, and its group is empty then.
    let _ = fs::remove_dir(folder);
    fs::create_dir(folder).is_ok()
}

fn set(folder: &Path, (controller, version): (&str, Version), value: &str) -> bool {
    let write = |file: &str, value: &str| fs::write(folder.join(file), value).is_ok();
    match (controller, version) {
        ("memory", Version::One) => {
            let set = write("memory.limit_in_bytes", value);
            // Both exist only where the kernel counts swap.
            let _ = write("memory.memsw.limit_in_bytes", value);
            set
        }
        ("memory", Version::Two) => {
            let set = write("memory.max", value);
            let _ = write("memory.swap.max", "0");
            let _ = write("memory.oom.group", "1");
            set
        }
        _ => write("pids.max", value),
    }
}

impl Hierarchy {
    fn of_this_process(controller: &str) -> Option<Self> {
        let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        find(controller, &groups, &mounts)
    }
}

/// Finds the hierarchy of `controller` in the texts of `/proc/self/cgroup` and `/proc/self/mountinfo`.
fn find(controller: &str, groups: &str, mounts: &str) -> Option<Hierarchy> {
    let group_of = |named: &str| {
        groups.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            let controllers = fields.next()?;
            let is_it =
                if named.is_empty() { controllers.is_empty() } else { controllers.split(',').any(|it| it == named) };
            is_it.then(|| fields.next()).flatten()
        })
    };
    let mount_of = |kind: &str, option: &str| {
        mounts.lines().find_map(|line| {
            let (place, file_system) = line.split_once(" - ")?;
            let mut place = place.split(' ').skip(3);
            let mut file_system = file_system.split(' ');
            let is_it = file_system.next()? == kind
                && file_system.nth(1)?.split(',').any(|it| it == option || option.is_empty());
            is_it.then(|| Some((place.next()?, place.next()?))).flatten()
        })
    };
    let one = group_of(controller).zip(mount_of("cgroup", controller)).map(|found| (found, Version::One));
    let two = || group_of("").zip(mount_of("cgroup2", "")).map(|found| (found, Version::Two));
    let ((group, (root, mounted)), version) = one.or_else(two)?;
    let below = Path::new(group).strip_prefix(root).unwrap_or(Path::new(""));
    let mounted = Path::new(mounted);
    let parents = below.ancestors().map(|group| mounted.join(group)).collect();
    Some(Hierarchy { parents, version })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "31 30 0:27 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
32 30 0:28 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw";

    #[test]
    fn version_one_goes_before_version_two() {
        let groups = "4:memory:/a/b\n8:pids:/\n0::/user.slice/x.scope\n";
        let memory = find("memory", groups, MOUNTS).unwrap();
        assert!(memory.version == Version::One);
        let root = Path::new("/sys/fs/cgroup/memory");
        assert_eq!(memory.parents, [root.join("a/b"), root.join("a"), root.join("")]);
        let pids = find("pids", groups, MOUNTS).unwrap();
        assert!(pids.version == Version::Two);
        assert_eq!(pids.parents[0], Path::new("/sys/fs/cgroup/unified/user.slice/x.scope"));
        assert!(find("memory", "", "").is_none());
    }
}
