//! What must hold after a fault.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use drydock::digest::Sha256;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::room::Room;
use super::run::Ended;
use crate::traces::{children, mounts_below};

/// How long a container whose Drydock is gone may take to end.
const DYING: Duration = Duration::from_secs(15);

/// The results of a run: digests by path below `out`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Results(BTreeMap<String, String>);

impl Results {
    /// What readers of `out` find: files of repodata that `repomd.xml` no longer names are nobody's.
    pub(super) fn of(room: &Room) -> Self {
        let out = room.project().join("out");
        let mut found = BTreeMap::new();
        digests(&out, &out, &mut found);
        let repomd = fs::read_to_string(out.join("RPMS/repodata/repomd.xml")).unwrap_or_default();
        found.retain(|path, _| {
            let name = path.strip_prefix("RPMS/repodata/");
            name.is_none_or(|name| name == "repomd.xml" || repomd.contains(name))
        });
        Self(found)
    }

    /// RPMs that are there and have other bytes than in `right`.
    pub(super) fn damaged_rpms(&self, right: &Self) -> Vec<&String> {
        let is_damaged = |(name, digest): &(&String, &String)| {
            name.starts_with("RPMS/")
                && !name.starts_with("RPMS/repodata/")
                && right.0.get(*name).is_some_and(|right| right != *digest)
        };
        self.0.iter().filter(is_damaged).map(|(name, _)| name).collect()
    }

    /// How these results differ from `right`, a line a file.
    pub(super) fn differences(&self, right: &Self) -> Vec<String> {
        let names = self.0.keys().chain(right.0.keys().filter(|name| !self.0.contains_key(*name)));
        let say = |name: &String| match (self.0.get(name), right.0.get(name)) {
            (Some(ours), Some(right)) if ours == right => None,
            (Some(_), Some(_)) => Some(format!("out/{name} has other bytes than without the fault")),
            (Some(_), None) => Some(format!("out/{name} is there, and without the fault it is not")),
            (None, _) => Some(format!("out/{name} is missing")),
        };
        names.filter_map(say).collect()
    }
}

fn digests(folder: &Path, top: &Path, found: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        let name = path.strip_prefix(top).unwrap().display().to_string();
        if kind.is_dir() {
            digests(&path, top, found);
        } else if kind.is_file() {
            found.insert(
                name,
                Sha256::of_file(&path).map_or_else(|fault| fault.to_string(), |digest| digest.to_string()),
            );
        } else {
            found.insert(name, format!("{kind:?}"));
        }
    }
}

/// What was wrong with a run, in sentences; empty when nothing was.
#[derive(Default)]
pub(super) struct Findings(pub(super) Vec<String>);

impl Findings {
    pub(super) fn when(&mut self, is_wrong: bool, what: impl Into<String>) {
        if is_wrong {
            self.0.push(what.into());
        }
    }

    /// How `ended` ended: one of `codes`, with words when it is not 0, one of which is among `words` when there are any.
    pub(super) fn end(&mut self, name: &str, ended: &Ended, codes: &[i32], words: &[&str]) {
        let told = ended.show();
        self.when(ended.hung, format!("{name} did not end"));
        self.when(told.contains("panicked at"), format!("{name} panicked"));
        let Some(code) = ended.code() else {
            self.when(!ended.hung, format!("{name} was ended by signal {:?}", ended.signal()));
            return;
        };
        self.when(!codes.contains(&code), format!("{name} ended with {code} instead of one of {codes:?}"));
        // Who has asked for an end, and twice, need not be told why it came.
        if ![0, 130].contains(&code) {
            self.when(!told.contains("error: "), format!("{name} ended with {code} and no error"));
            let fits = words.is_empty() || words.iter().any(|word| told.contains(word));
            self.when(!fits, format!("{name} does not tell the reason: none of {words:?}"));
        }
    }

    /// No process of the runs is left, or it comes to its end soon.
    pub(super) fn processes(&mut self, when: &str) {
        let begin = Instant::now();
        while running_children() && begin.elapsed() < DYING {
            std::thread::sleep(Duration::from_millis(10));
        }
        let left: Vec<String> = children(nix::unistd::getpid()).into_iter().map(name).collect();
        self.when(!left.is_empty(), format!("{when}, processes are left: {left:?}"));
    }

    /// Nothing of the runs is left: no process, mount, or control group.
    pub(super) fn left_behind(&mut self, room: &Room, mounts: &[String], commands: &[Pid]) {
        self.processes("at the end");
        let more: Vec<String> =
            mounts_below(&room.path("")).into_iter().filter(|point| !mounts.contains(point)).collect();
        self.when(!more.is_empty(), format!("mounts are left: {more:?}"));
        let groups = groups(commands);
        self.when(!groups.is_empty(), format!("control groups are left: {groups:?}"));
    }
}

/// Files in folders that are for work in progress, relative to the room.
pub(super) fn working(room: &Room) -> Vec<String> {
    let mut found = Vec::new();
    for folder in ["tmp", "home", "project/build/work", "project/build/oci/temporary"] {
        files(&room.path(folder), &mut found);
    }
    // The embedded engine has a folder for each way of mapping ids.
    for ids in fs::read_dir(room.path("project/build/embedded")).into_iter().flatten().flatten() {
        files(&ids.path().join("containers"), &mut found);
    }
    let top = room.path("");
    found.iter().map(|path| path.strip_prefix(&top).unwrap().display().to_string()).collect()
}

/// Waits for children that have ended; true when others are there.
fn running_children() -> bool {
    loop {
        match waitpid(None::<Pid>, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => return true,
            Ok(_) => {}
            Err(_) => return false,
        }
    }
}

fn name(process: Pid) -> String {
    let command = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    format!("{process} {}", String::from_utf8_lossy(&command).replace('\0', " "))
}

/// Control groups named after one of `commands`.
fn groups(commands: &[Pid]) -> Vec<String> {
    let is_ours = |name: &str| {
        let process = name.strip_prefix("drydock-").and_then(|rest| rest.split('-').next()?.parse().ok());
        process.is_some_and(|process| commands.contains(&Pid::from_raw(process)))
    };
    let mut found = Vec::new();
    folders(Path::new("/sys/fs/cgroup"), &mut found);
    found.retain(|path| path.rsplit('/').next().is_some_and(is_ours));
    found
}

fn folders(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.push(entry.path().display().to_string());
            folders(&entry.path(), found);
        }
    }
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            files(&entry.path(), found);
        } else {
            found.push(entry.path());
        }
    }
}
