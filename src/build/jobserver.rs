//! One jobserver for the run: the builds share the processors beyond the first of each.
//!
//! Each build has a named pipe of its own, which its container sees read-only: a program can pass bytes through it, and
//! cannot change the file. GNU make >= 4.4 takes a byte for each process beyond its first and puts it back. Drydock moves
//! tokens between the pipes a few times a second, as [`turns`] says. So a hostile build can waste what it was lent, and
//! no more: bytes that it adds are dropped and reach nobody else, what it kept is counted as free when it has ended, and
//! every other build has its first process whatever happens.
//!
//! A build that does not take part (see `build.sh`) counts for the fixed number of processes that it was given.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::plan::{Pipe, Turn, turns};

/// How often tokens are moved.
const ROUND: Duration = Duration::from_millis(50);
/// What GNU make itself puts into its pipes.
const TOKEN: u8 = b'+';

/// Holds the pipes of all running builds.
pub(super) struct Jobserver {
    slots: usize,
    builds: Mutex<Builds>,
}

#[derive(Default)]
struct Builds {
    /// By a number that counts up.
    seats: BTreeMap<u64, Holder>,
    next: u64,
}

/// What one build has.
struct Holder {
    /// Both ends of its pipe, so that neither is ever closed; None without one.
    pipe: Option<File>,
    /// Processes that it runs while it does not take part.
    fixed: usize,
    takes_part: bool,
    lent: usize,
}

/// A running build's place; it and its pipe are given up with this value.
pub(super) struct Seat<'a> {
    jobserver: &'a Jobserver,
    number: u64,
}

impl Jobserver {
    /// A jobserver for `slots` processes.
    pub(super) fn new(slots: usize) -> Self {
        Self { slots, builds: Mutex::default() }
    }

    /// A place for a build that runs `fixed` processes as long as it does not take part; with `path`, a pipe of that name
    /// is made for it, in a new folder that nobody else on this machine can look into. An error is that of the file system.
    pub(super) fn seat(&self, fixed: usize, path: Option<&Path>) -> io::Result<Seat<'_>> {
        let pipe = path.map(make_pipe).transpose()?;
        let mut builds = self.builds.lock().unwrap_or_else(PoisonError::into_inner);
        let number = builds.next;
        builds.next += 1;
        builds.seats.insert(number, Holder { pipe, fixed, takes_part: false, lent: 0 });
        Ok(Seat { jobserver: self, number })
    }

    /// Moves tokens until it is dropped.
    pub(super) async fn serve(&self) -> Infallible {
        let mut rounds = interval(ROUND);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            rounds.tick().await;
            self.round();
        }
    }

    fn round(&self) {
        let mut builds = self.builds.lock().unwrap_or_else(PoisonError::into_inner);
        let apart: usize = builds.seats.values().filter(|holder| !holder.takes_part).map(|holder| holder.fixed).sum();
        let mut sharing: Vec<&mut Holder> = builds.seats.values_mut().filter(|holder| holder.takes_part).collect();
        let pipes: Vec<Pipe> = sharing.iter().map(|holder| holder.look()).collect();
        let turns = turns(self.slots.saturating_sub(apart), &pipes);
        // All is taken before anything is given.
        for (holder, turn) in sharing.iter_mut().zip(&turns) {
            holder.take(turn);
        }
        for (holder, turn) in sharing.iter_mut().zip(&turns) {
            holder.put(turn.put);
        }
    }
}

impl Holder {
    fn look(&self) -> Pipe {
        let idle = self.pipe.as_ref().and_then(|pipe| rustix::io::ioctl_fionread(pipe).ok()).unwrap_or_default();
        Pipe { lent: self.lent, idle: usize::try_from(idle).unwrap_or(usize::MAX) }
    }

    /// A build may be faster and take its token; then less comes back.
    fn take(&mut self, turn: &Turn) {
        let mut bytes = vec![0; turn.drop + turn.back];
        let taken = self.pipe.as_mut().map_or(0, |pipe| pipe.read(&mut bytes).unwrap_or_default());
        self.lent -= taken.saturating_sub(turn.drop).min(self.lent);
    }

    fn put(&mut self, tokens: usize) {
        if tokens > 0 {
            self.lent += self.pipe.as_mut().map_or(0, |pipe| pipe.write(&vec![TOKEN; tokens]).unwrap_or_default());
        }
    }
}

impl Seat<'_> {
    /// The build takes its tokens from its pipe from now on.
    pub(super) fn take_part(&self) {
        let mut builds = self.jobserver.builds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(holder) = builds.seats.get_mut(&self.number) {
            holder.takes_part = holder.pipe.is_some();
        }
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.jobserver.builds.lock().unwrap_or_else(PoisonError::into_inner).seats.remove(&self.number);
    }
}

fn make_pipe(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        DirBuilder::new().mode(0o700).create(folder)?;
    }
    nix::unistd::mkfifo(path, nix::sys::stat::Mode::from_bits_truncate(0o600))?;
    // The container's user is nobody that this machine knows. Only the pipe itself is mounted for it: the folder around it
    // is closed to all other users.
    std::fs::set_permissions(path, Permissions::from_mode(0o666))?;
    OpenOptions::new().read(true).write(true).custom_flags(nix::libc::O_NONBLOCK).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A build's end of the pipe.
    fn client(path: &Path) -> File {
        OpenOptions::new().read(true).write(true).custom_flags(nix::libc::O_NONBLOCK).open(path).unwrap()
    }

    /// Takes as many tokens as there are.
    fn take_all(file: &mut File) -> usize {
        file.read(&mut [0; 4096]).unwrap_or_default()
    }

    #[test]
    fn tokens_go_to_who_takes_them_and_come_back_from_the_dead() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a/pipe"), folder.path().join("b/pipe"));
        let jobserver = Jobserver::new(8);
        let seat = jobserver.seat(4, Some(&a)).unwrap();
        jobserver.round();
        let mut build = client(&a);
        assert_eq!(take_all(&mut build), 0, "it has not said that it takes part");
        seat.take_part();
        jobserver.round();
        assert_eq!(take_all(&mut build), 1);
        jobserver.round();
        assert_eq!(take_all(&mut build), 6);

        let second = jobserver.seat(4, Some(&b)).unwrap();
        second.take_part();
        jobserver.round();
        let mut other = client(&b);
        assert_eq!(take_all(&mut other), 0, "the first one has all");
        drop(seat);
        jobserver.round();
        assert_eq!(take_all(&mut other), 1, "what a dead build held is free");
        jobserver.round();
        assert_eq!(take_all(&mut other), 6);
    }

    #[test]
    fn other_users_of_the_machine_cannot_reach_a_pipe() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let path = folder.path().join("a/pipe");
        let jobserver = Jobserver::new(2);
        let _seat = jobserver.seat(1, Some(&path)).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(path.parent().unwrap()), mode(&path)), (0o700, 0o666));
    }

    #[test]
    fn added_tokens_are_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/pipe");
        let jobserver = Jobserver::new(3);
        let seat = jobserver.seat(1, Some(&path)).unwrap();
        seat.take_part();
        let mut build = client(&path);
        build.write_all(&[b'x'; 1000]).unwrap();
        jobserver.round();
        jobserver.round();
        assert!(take_all(&mut build) <= 2);
    }

    #[test]
    fn a_build_that_does_not_take_part_counts_for_its_share() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/pipe");
        let jobserver = Jobserver::new(8);
        let (_apart, seat) = (jobserver.seat(4, None).unwrap(), jobserver.seat(4, Some(&path)).unwrap());
        seat.take_part();
        let mut build = client(&path);
        jobserver.round();
        let first = take_all(&mut build);
        jobserver.round();
        assert_eq!(first + take_all(&mut build), 3);
    }
}
