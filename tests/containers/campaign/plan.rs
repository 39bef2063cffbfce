//! What a seed does: a pure function from the number to the fault, the project that it strikes, and the moment.

use std::fmt;

use super::random::Random;

/// One run of the campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) engine: Engine,
    pub(super) start: Start,
    pub(super) command: Command,
    pub(super) fault: Fault,
    pub(super) moment: Moment,
}

/// What runs the containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Engine {
    Embedded,
    /// A daemon of the run's own.
    Docker,
}

/// What was done before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// Nothing.
    Fresh,
    /// The toolchain is made.
    Staged,
    /// All is made.
    Built,
}

/// What is run while the fault strikes, and again after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// The pipeline.
    Run,
    /// The packages that need others, whose results are used for it.
    Rebuild,
    /// Every package, to compare it with what is there.
    Verify,
}

/// When it strikes: after this share of the events of an undisturbed run, and a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) permille: u64,
    pub(super) pause_ms: u64,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// kill -9, in so many runs after each other.
    Kill { victim: Victim, rounds: u64 },
    /// The user, or a service manager, asks Drydock to end.
    Ask(Asking),
    /// A file system has room for this share of what the run writes.
    Full { place: Place, room: Room, permille: u64 },
    /// Nothing can be written there.
    ReadOnly(&'static str),
    /// A kept file is not what it was, and a folder that can be made again is gone.
    Damage { kept: Kept, pick: u64, how: How, gone: Option<&'static str> },
    /// The server fails so many times.
    Server { path: &'static str, how: Answer, times: usize },
    /// The clock is wrong by so many days, from the start or from the moment on.
    Clock { days: i64, from_start: bool },
    /// Somebody starts this command in the same project.
    Twice(&'static [&'static str]),
    /// An input changes, and perhaps changes back.
    Edit { input: Input, back_after_ms: Option<u64> },
    /// The engine's daemon is killed.
    Daemon,
}

/// Whom a kill meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Victim {
    Drydock,
    /// The process that makes a container.
    Helper,
    /// The container's first process.
    First,
    /// What the container is there for.
    Program,
    /// All of them at once, as when a machine loses power.
    All,
}

/// A polite end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asking {
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-C, and again.
    Twice,
    Terminate,
}

/// A file system of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Build,
    Out,
    Cache,
}

/// What a file system can run out of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    Bytes,
    Files,
}

/// Files that Drydock keeps, by what they are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    Store,
    Images,
    Layers,
    State,
    Report,
    Rpms,
    Repodata,
    DiskImages,
    Sources,
    Remote,
}

/// How a file is damaged; shares are of its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    Truncated { permille: u64 },
    Flipped { permille: u64 },
    Longer,
    Removed,
}

/// What a server does instead of answering well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Status(u16),
    /// The connection ends in the middle of the body.
    Cut,
    /// Nothing comes for a while, in the middle of the body.
    Stall,
    /// One byte is another.
    Changed,
}

/// A file of the user that results are made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    Copied,
    Containerfile,
    Spec,
    Source,
    MacroFile,
    Image,
}

impl Input {
    pub(super) const ALL: [Self; 6] =
        [Self::Copied, Self::Containerfile, Self::Spec, Self::Source, Self::MacroFile, Self::Image];
}

const READ_ONLY: [&str; 9] =
    ["build", "out", "cache", "build/store", "build/oci", "build/state", "build/embedded", "out/RPMS", "build/logs"];

const KEPT: [Kept; 10] = [
    Kept::Store,
    Kept::Images,
    Kept::Layers,
    Kept::State,
    Kept::Report,
    Kept::Rpms,
    Kept::Repodata,
    Kept::DiskImages,
    Kept::Sources,
    Kept::Remote,
];

/// Folders that are made again from the others.
const GONE: [&str; 6] = [
    "project/build/embedded",
    "project/build/store",
    "project/build/state",
    "project/build/oci",
    "project/out",
    "cache",
];

const SERVED: [&str; 4] = ["/sources/story.txt", "repomd.xml", "primary", "planks"];

const OTHERS: [&[&str]; 5] =
    [&["run", "pipeline.yaml"], &["build", "story"], &["plan"], &["clean"], &["toolchain", "list"]];

/// So many seeds in a row have every kind of fault.
pub(super) const ROUND: u64 = 25;

impl Plan {
    /// The plan of a seed. The kind goes round, so that few seeds have all kinds; the rest is drawn.
    pub(super) fn of(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let kind = seed % ROUND;
        let engine = if kind == ROUND - 1 { Engine::Docker } else { Engine::Embedded };
        let fault = fault(kind, &mut random);
        let (start, command) = before(fault, &mut random);
        let moment = Moment { permille: random.permille(), pause_ms: random.below(80) };
        Self { seed, engine, start, command, fault, moment }
    }

    /// How often the fault strikes, each time in a run of its own.
    pub(super) fn rounds(&self) -> u64 {
        if let Fault::Kill { rounds, .. } = self.fault { rounds } else { 1 }
    }

    /// When it strikes in the run `round`, counted from 0.
    pub(super) fn moment(&self, round: u64) -> Moment {
        Moment { permille: (self.moment.permille + 377 * round) % 1000, ..self.moment }
    }

    /// What is counted together.
    pub(super) fn kind(&self) -> String {
        let fault = match self.fault {
            Fault::Kill { victim: Victim::Drydock, .. } => "kill drydock",
            Fault::Kill { victim: Victim::Helper, .. } => "kill helper",
            Fault::Kill { victim: Victim::First, .. } => "kill first process",
            Fault::Kill { victim: Victim::Program, .. } => "kill program",
            Fault::Kill { victim: Victim::All, .. } => "kill all",
            Fault::Ask(_) => "signal",
            Fault::Full { .. } => "full",
            Fault::ReadOnly(_) => "read-only",
            Fault::Damage { .. } => "damage",
            Fault::Server { .. } => "server",
            Fault::Clock { .. } => "clock",
            Fault::Twice(_) => "twice",
            Fault::Edit { .. } => "edit",
            Fault::Daemon => "kill daemon",
        };
        match self.engine {
            Engine::Embedded => fault.to_owned(),
            Engine::Docker => format!("{fault}, Docker"),
        }
    }
}

fn fault(kind: u64, random: &mut Random) -> Fault {
    match kind {
        0..=5 => {
            let victims =
                [Victim::Drydock, Victim::Drydock, Victim::Helper, Victim::First, Victim::Program, Victim::All];
            Fault::Kill { victim: victims[usize::try_from(kind).unwrap()], rounds: random.one_of(&[1, 1, 2, 3]) }
        }
        6 => Fault::Ask(random.one_of(&[Asking::Interrupt, Asking::Twice, Asking::Terminate])),
        7..=9 => Fault::Full {
            place: [Place::Build, Place::Out, Place::Cache][usize::try_from(kind - 7).unwrap()],
            room: random.one_of(&[Room::Bytes, Room::Bytes, Room::Files]),
            permille: random.permille(),
        },
        10 => Fault::ReadOnly(random.one_of(&READ_ONLY)),
        11..=16 => Fault::Damage {
            kept: random.one_of(&KEPT),
            pick: random.number(),
            how: how(random),
            gone: random.one_of(&[None, None, None, Some(()), Some(()), Some(())]).map(|()| random.one_of(&GONE)),
        },
        17..=19 => Fault::Server {
            path: random.one_of(&SERVED),
            how: random.one_of(&[
                Answer::Status(429),
                Answer::Status(503),
                Answer::Status(500),
                Answer::Status(404),
                Answer::Cut,
                Answer::Stall,
                Answer::Changed,
            ]),
            times: random.one_of(&[1, 2, usize::MAX]),
        },
        20 => {
            Fault::Clock { days: random.one_of(&[-20_000, -400, -1, 1, 400, 4000]), from_start: random.below(2) == 0 }
        }
        21 => Fault::Twice(random.one_of(&OTHERS)),
        22 | 23 => Fault::Edit {
            input: random.one_of(&Input::ALL),
            back_after_ms: random.one_of(&[None, Some(()), Some(())]).map(|()| random.below(400)),
        },
        _ => random.one_of(&[
            Fault::Daemon,
            Fault::Daemon,
            Fault::Kill { victim: Victim::Drydock, rounds: 1 },
            Fault::Ask(Asking::Interrupt),
        ]),
    }
}

fn how(random: &mut Random) -> How {
    match random.below(4) {
        0 => How::Truncated { permille: random.permille() },
        1 => How::Longer,
        2 => How::Removed,
        _ => How::Flipped { permille: random.permille() },
    }
}

/// Where a fault finds something to strike at.
fn before(fault: Fault, random: &mut Random) -> (Start, Command) {
    let starts: &[Start] = match fault {
        Fault::Damage { kept: Kept::Images | Kept::Layers | Kept::State, .. } => &[Start::Staged, Start::Built],
        Fault::Damage { .. } => &[Start::Built],
        Fault::Server { .. } | Fault::Edit { .. } | Fault::Twice(_) => &[Start::Fresh, Start::Staged],
        Fault::Daemon => &[Start::Fresh],
        _ => &[Start::Fresh, Start::Fresh, Start::Staged, Start::Staged, Start::Built],
    };
    let start = random.one_of(starts);
    let commands: &[Command] = match (start, fault) {
        (Start::Built, Fault::Damage { .. }) => &[Command::Run, Command::Rebuild, Command::Verify],
        (Start::Built, _) => &[Command::Run, Command::Rebuild],
        _ => &[Command::Run],
    };
    (start, random.one_of(commands))
}

impl Command {
    pub(super) fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Run => &["run", "pipeline.yaml"],
            Self::Rebuild => &["build", "--all", "--rebuild", "story", "--rebuild", "shelf"],
            Self::Verify => &["verify", "words", "story", "shelf"],
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, engine, start, command, fault, moment } = self;
        let Moment { permille, pause_ms } = moment;
        write!(
            f,
            "seed {seed}, {engine:?}: {fault:?} in {command:?} from {start:?}, after {permille}/1000 of the events and {pause_ms} ms"
        )
    }
}
