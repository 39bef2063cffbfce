//! Whether the machine has room for another build.
//!
//! In: a reading of memory and disk, and what is kept free of each. Out: what is short, if anything. When a build is held
//! back, and when that is a fault, is decided by whoever runs builds: with nothing running there is nothing to wait for.

use std::fmt;

/// Stalls above this share of the last ten seconds hold builds back, in percent.
const MOST_STALLED: f64 = 10.0;
/// The share of all memory that is kept free unless the user says how much: a tenth.
const MEMORY_SHARE: u64 = 10;
/// The share of the disk that is kept free unless the user says how much: 5 %, but at most [`MOST_DISK`].
const DISK_SHARE: u64 = 20;
const MOST_DISK: u64 = 2 << 30;

/// How full the machine is. What cannot be read is None, and is not short.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reading {
    /// Main memory.
    pub memory: Option<Room>,
    /// In how much of the last ten seconds no program got on for want of memory, in percent.
    pub stalled: Option<f64>,
    /// The file system of the build folder.
    pub disk: Option<Room>,
}

/// How much there is of something, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// All of it.
    pub total: u64,
    /// What a new program could have.
    pub free: u64,
}

/// What is kept free, in bytes. None for Drydock's own choice; 0 watches nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reserve {
    /// Of main memory: a tenth of all when not given.
    pub memory: Option<u64>,
    /// Of the build folder's file system: 5 %, at most 2 GiB, when not given.
    pub disk: Option<u64>,
}

/// What is short.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shortage {
    /// Less memory is free than is kept free.
    Memory {
        /// What a new program could have, in bytes.
        free: u64,
        /// What is kept free, in bytes.
        reserve: u64,
    },
    /// Programs wait for memory.
    Stalls {
        /// In how much of the last ten seconds, in percent.
        percent: f64,
    },
    /// Less of the disk is free than is kept free.
    Disk {
        /// What can be written, in bytes.
        free: u64,
        /// What is kept free, in bytes.
        reserve: u64,
    },
}

/// What is too short for another build; None when there is room. The disk goes first, since waiting for memory helps
/// nobody when the disk is full.
pub fn shortage(reading: &Reading, reserve: &Reserve) -> Option<Shortage> {
    let short = |room: Option<Room>, reserve: u64| room.filter(|room| room.free < reserve).map(|room| room.free);
    let share = |room: Option<Room>, part: u64| room.map_or(0, |room| room.total / part);
    let disk = reserve.disk.unwrap_or_else(|| share(reading.disk, DISK_SHARE).min(MOST_DISK));
    if let Some(free) = short(reading.disk, disk) {
        return Some(Shortage::Disk { free, reserve: disk });
    }
    let memory = reserve.memory.unwrap_or_else(|| share(reading.memory, MEMORY_SHARE));
    if let Some(free) = short(reading.memory, memory) {
        return Some(Shortage::Memory { free, reserve: memory });
    }
    let is_watched = reserve.memory != Some(0);
    let stalled = reading.stalled.filter(|percent| is_watched && *percent > MOST_STALLED);
    stalled.map(|percent| Shortage::Stalls { percent })
}

impl Shortage {
    /// `memory` or `disk`.
    pub fn of(&self) -> &'static str {
        match self {
            Self::Memory { .. } | Self::Stalls { .. } => "memory",
            Self::Disk { .. } => "disk",
        }
    }
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: u64| bytes >> 20;
        match *self {
            Self::Memory { free, reserve } => {
                write!(f, "{} MiB of memory are free, and {} MiB are kept free", mib(free), mib(reserve))
            }
            Self::Stalls { percent } => write!(f, "programs waited for memory {percent:.0} % of the last 10 s"),
            Self::Disk { free, reserve } => {
                write!(f, "{} MiB of the disk are free, and {} MiB are kept free", mib(free), mib(reserve))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[expect(clippy::unnecessary_wraps, reason = "as the fields of a reading want it")]
    fn room(total: u64, free: u64) -> Option<Room> {
        Some(Room { total, free })
    }

    #[test]
    fn a_tenth_of_the_memory_is_kept_free() {
        let reading = |free| Reading { memory: room(20 * GIB, free), ..Reading::default() };
        assert_eq!(shortage(&reading(2 * GIB), &Reserve::default()), None);
        let short = shortage(&reading(2 * GIB - 1), &Reserve::default()).unwrap();
        assert_eq!(short, Shortage::Memory { free: 2 * GIB - 1, reserve: 2 * GIB });
        assert_eq!(short.to_string(), "2047 MiB of memory are free, and 2048 MiB are kept free");
        let wanted = Reserve { memory: Some(GIB), disk: None };
        assert_eq!(shortage(&reading(GIB), &wanted), None);
        assert!(shortage(&reading(GIB - 1), &wanted).is_some());
    }

    #[test]
    fn stalls_count_however_much_is_free() {
        let reading = Reading { memory: room(20 * GIB, 10 * GIB), stalled: Some(12.5), disk: None };
        assert_eq!(shortage(&reading, &Reserve::default()).map(|short| short.of()), Some("memory"));
        assert_eq!(shortage(&Reading { stalled: Some(10.0), ..reading }, &Reserve::default()), None);
    }

    #[test]
    fn the_reserve_of_a_disk_is_bounded_and_goes_first() {
        let reading = |total, free| Reading { memory: room(GIB, 0), stalled: None, disk: room(total, free) };
        let of = |total, free| shortage(&reading(total, free), &Reserve::default()).map(|short| short.of());
        assert_eq!(of(10 * GIB, GIB / 2), Some("memory"));
        assert_eq!(of(10 * GIB, GIB / 2 - 1), Some("disk"));
        assert_eq!(of(10_000 * GIB, 2 * GIB), Some("memory"));
        assert_eq!(of(10_000 * GIB, 2 * GIB - 1), Some("disk"));
    }

    #[test]
    fn what_is_not_watched_or_not_known_is_never_short() {
        let none = Reserve { memory: Some(0), disk: Some(0) };
        let full = Reading { memory: room(GIB, 0), stalled: Some(99.0), disk: room(GIB, 0) };
        assert_eq!(shortage(&full, &none), None);
        let all = Reserve { memory: Some(u64::MAX), disk: Some(u64::MAX) };
        assert_eq!(shortage(&Reading::default(), &all), None);
    }
}
