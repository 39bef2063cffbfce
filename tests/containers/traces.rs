//! What a run could leave behind, as a value that is compared before and after.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::unistd::Pid;

/// Mounts, processes and folders that have to do with a test's own folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traces(BTreeSet<String>);

impl Traces {
    /// Everything that names a path below `folder`, and the names in the folders `watched`, relative to it.
    pub fn of(folder: &Path, watched: &[&str]) -> Self {
        let mut traces = BTreeSet::new();
        // Podman's storage mounts itself on itself when it likes; that is nobody's container.
        let storage = folder.join("daemon/root/overlay").display().to_string();
        let mounts = mounts_below(folder).into_iter().filter(|point| *point != storage);
        traces.extend(mounts.map(|point| format!("mount {point}")));
        traces.extend(
            processes_below(folder).into_iter().map(|(process, command)| format!("process {process} {command}")),
        );
        for watched in watched {
            traces.extend(names(&folder.join(watched)).into_iter().map(|name| format!("file {watched}/{name}")));
        }
        Self(traces)
    }

    /// Waits until nothing is there that was not there before; daemons end their helpers a little later.
    pub fn settle(before: &Self, now: impl Fn() -> Self) {
        let begin = Instant::now();
        loop {
            let now = now();
            let left: Vec<_> = now.0.difference(&before.0).collect();
            if left.is_empty() {
                return;
            }
            assert!(begin.elapsed() < Duration::from_secs(15), "left behind: {left:#?}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// The mount points below `folder`, in the order in which they were mounted.
pub fn mounts_below(folder: &Path) -> Vec<String> {
    let name = folder.display().to_string();
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(4));
    points.filter(|point| point.starts_with(&name)).map(str::to_owned).collect()
}

/// The processes whose command line names a path below `folder`, with that command line.
pub fn processes_below(folder: &Path) -> Vec<(i32, String)> {
    let name = folder.display().to_string();
    let command = |process: &String| {
        let command = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&command).replace('\0', " ")
    };
    let processes = names(Path::new("/proc")).into_iter().map(|process| (command(&process), process));
    let below = processes.filter(|(command, _)| command.contains(&name));
    below.filter_map(|(command, process)| Some((process.parse().ok()?, command))).collect()
}

/// The processes that any thread of `process` has started.
pub fn children(process: Pid) -> Vec<Pid> {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let lists = threads.map(|thread| std::fs::read_to_string(thread.path().join("children")).unwrap_or_default());
    let numbers = lists.collect::<String>();
    numbers.split_whitespace().map(|number| Pid::from_raw(number.parse().unwrap())).collect()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}
