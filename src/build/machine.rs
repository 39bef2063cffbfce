//! How full the machine is, as it says itself. No policy: see [`crate::plan::shortage`].
//!
//! It is the machine that runs Drydock; one that a container engine runs on elsewhere is not looked at.

use std::fs;
use std::path::Path;

use crate::plan::{Reading, Room};

/// Reads memory, and the file system that `folder` is on, or will be. What this system does not tell is None.
pub(super) fn read(folder: &Path) -> Reading {
    let text = |path| fs::read_to_string(path).ok();
    Reading {
        memory: text("/proc/meminfo").as_deref().and_then(memory),
        stalled: text("/proc/pressure/memory").as_deref().and_then(stalled),
        disk: folder.ancestors().find_map(disk),
    }
}

/// `/proc/meminfo`.
fn memory(text: &str) -> Option<Room> {
    let kib = |name: &str| -> Option<u64> {
        let rest = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        rest.trim().strip_suffix(" kB")?.trim().parse().ok()
    };
    Some(Room { total: kib("MemTotal")? << 10, free: kib("MemAvailable")? << 10 })
}

/// `/proc/pressure/memory`: the share of the last ten seconds in which all programs waited.
fn stalled(text: &str) -> Option<f64> {
    let full = text.lines().find_map(|line| line.strip_prefix("full "))?;
    full.split_whitespace().find_map(|word| word.strip_prefix("avg10="))?.parse().ok()
}

fn disk(folder: &Path) -> Option<Room> {
    let facts = rustix::fs::statvfs(folder).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(facts.f_frsize);
    Some(Room { total: bytes(facts.f_blocks), free: bytes(facts.f_bavail) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_is_read() {
        let meminfo = "MemTotal:       24684340 kB\nMemFree:         8143620 kB\nMemAvailable:   23142400 kB\n";
        assert_eq!(memory(meminfo), Some(Room { total: 24_684_340 << 10, free: 23_142_400 << 10 }));
        assert_eq!(memory("MemTotal: 1 kB\n"), None);
        let pressure =
            "some avg10=5.10 avg60=0.00 avg300=0.00 total=4\nfull avg10=2.50 avg60=0.00 avg300=0.00 total=1\n";
        assert_eq!(stalled(pressure), Some(2.5));
        assert_eq!(stalled(""), None);
    }

    #[test]
    fn this_machine_has_room() {
        let folder = tempfile::tempdir().unwrap();
        let disk = read(folder.path()).disk.unwrap();
        assert!(disk.free <= disk.total && disk.total > 0, "{disk:?}");
        assert_eq!(read(&folder.path().join("none/yet")).disk.map(|disk| disk.total), Some(disk.total));
    }

    /// Runs itself again in namespaces of its own, where an ordinary user may mount.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test calls itself")]
    fn a_nearly_full_file_system_is_seen() {
        const PLACE: &str = "DRYDOCK_TEST_TMPFS";
        if let Ok(place) = std::env::var(PLACE) {
            let place = Path::new(&place);
            let before = read(place).disk.unwrap();
            assert_eq!(before.total, 8 << 20);
            fs::write(place.join("file"), vec![1; 7 << 20]).unwrap();
            let reading = Reading { disk: read(place).disk, ..Reading::default() };
            let reserve = crate::plan::Reserve { memory: None, disk: Some(2 << 20) };
            let short = crate::plan::shortage(&reading, &reserve).unwrap();
            assert_eq!(short, crate::plan::Shortage::Disk { free: 1 << 20, reserve: 2 << 20 });
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let namespaces = ["--user", "--map-root-user", "--mount"];
        let unshare = |script: &str| {
            let mut command = std::process::Command::new("unshare");
            command.args(namespaces).args(["sh", "-ec", script, "sh"]).arg(folder.path());
            command.arg(std::env::current_exe().unwrap()).env(PLACE, folder.path()).output()
        };
        let mount = "mount -t tmpfs -o size=8m tmpfs \"$1\"";
        if !unshare(mount).is_ok_and(|output| output.status.success()) {
            eprintln!("not tried: this machine permits no user namespaces");
            return;
        }
        let run = format!("{mount}; exec \"$2\" a_nearly_full_file_system_is_seen");
        let output = unshare(&run).unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
    }
}
