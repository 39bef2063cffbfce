//! The memory of all processes of a container, for hosts on which no control group can be made.
//!
//! The helper sees the container's `/proc`, which has the container's processes and no others (proc(5)). Shared pages are
//! counted once, by their proportional share; that is slow, so the plain sum is tried first.

use std::fs;
use std::path::{Path, PathBuf};

/// True when the container uses more than `limit` bytes.
pub(super) fn is_over(limit: u64) -> bool {
    let processes = processes();
    let page = rustix::param::page_size() as u64;
    let resident: u64 = processes.iter().filter_map(|process| resident_pages(process)).sum::<u64>() * page;
    resident > limit && processes.iter().filter_map(|process| proportional_bytes(process)).sum::<u64>() > limit
}

/// True when one of the processes that this one has waited for, itself or through them, used more than `limit` bytes.
pub(super) fn was_over(limit: u64) -> bool {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_CHILDREN);
    usage.is_ok_and(|usage| u64::try_from(usage.max_rss()).unwrap_or(0) * 1024 > limit)
}

fn processes() -> Vec<PathBuf> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbered = entries.filter(|entry| entry.file_name().to_string_lossy().parse::<u32>().is_ok());
    numbered.map(|entry| entry.path()).collect()
}

/// None when the process is gone meanwhile.
fn resident_pages(process: &Path) -> Option<u64> {
    fs::read_to_string(process.join("statm")).ok()?.split(' ').nth(1)?.parse().ok()
}

fn proportional_bytes(process: &Path) -> Option<u64> {
    let text = fs::read_to_string(process.join("smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}
