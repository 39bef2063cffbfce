//! What happens in the process of one run, in its own namespaces.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::inputs;
use super::oracle::{self, Findings, Results};
use super::plan::{Answer, Command, Engine, Fault, Input, Plan, Start, Victim};
use super::room::{self, Room};
use super::run::{Ended, Running, Way};
use super::server::Server;
use super::strike::{Scene, Struck};
use crate::traces::mounts_below;

/// What undisturbed runs of the project give.
#[derive(Serialize, Deserialize)]
pub(super) struct Reference {
    pub(super) results: Results,
    /// Events of a run from each start.
    pub(super) events: Vec<usize>,
    /// Files that any run leaves in its folders for work, relative to the room.
    pub(super) working: Vec<String>,
}

/// How a seed went.
#[derive(Serialize, Deserialize)]
pub(super) struct Verdict {
    pub(super) plan: String,
    pub(super) kind: String,
    /// What was hit; None when the fault came too late or found nothing.
    pub(super) hit: Option<String>,
    /// How the disturbed command ended: its exit code, or nothing when it was killed.
    pub(super) code: Option<i32>,
    /// What was wrong, in sentences.
    pub(super) wrong: Vec<String>,
    pub(super) seconds: f64,
}

/// The folders that the processes of a campaign share.
pub(super) struct Shared(pub(super) PathBuf);

impl Shared {
    pub(super) fn room(&self) -> PathBuf {
        self.0.join("room")
    }

    pub(super) fn prepared(&self) -> PathBuf {
        self.0.join("prepared")
    }

    pub(super) fn served(&self) -> PathBuf {
        self.prepared().join("served")
    }

    pub(super) fn reference(&self, input: Option<Input>) -> PathBuf {
        let name = input.map_or_else(|| "reference.json".to_owned(), |input| format!("{input:?}.json"));
        self.prepared().join(name)
    }

    pub(super) fn log(&self, seed: u64) -> PathBuf {
        self.0.join(format!("seed-{seed}.log"))
    }

    fn read(&self, input: Option<Input>) -> Reference {
        serde_json::from_slice(&fs::read(self.reference(input)).unwrap()).unwrap()
    }

    fn write(&self, input: Option<Input>, reference: &Reference) {
        fs::write(self.reference(input), serde_json::to_vec(reference).unwrap()).unwrap();
    }
}

const RUN: &[&str] = &["run", "pipeline.yaml"];

/// Runs a command that nothing disturbs.
fn undisturbed(room: &Room, way: &Way, arguments: &[&str]) -> Ended {
    let ended = Running::start(room, way, arguments).end();
    assert_eq!(ended.code(), Some(0), "{arguments:?}: {}", ended.show());
    ended
}

/// Makes what all seeds start from: the project in each state, the remote repository, the right results.
pub(super) fn prepare(shared: &Shared) {
    let (room, way) = (Room::enter(&shared.room()), Way::embedded());
    inputs::write(&room);
    inputs::write_served(&shared.served());
    let far = ["--pipeline", "remote.yaml", "--engine", "embedded", "--build-dir", "build-far", "--out-dir", "out-far"];
    undisturbed(&room, &Way::of(&far), &["run", "remote.yaml"]);
    fs::rename(room.project().join("out-far/RPMS"), room.path("repo")).unwrap();
    room::copy(&room.path("repo"), &shared.served().join("repo"));
    for folder in ["build-far", "out-far"] {
        fs::remove_dir_all(room.project().join(folder)).unwrap();
    }
    let _server = Server::start(shared.served());
    room.keep(&room::kept(&shared.prepared(), Start::Fresh));
    let first = undisturbed(&room, &way, RUN);
    let results = Results::of(&room);
    room.keep(&room::kept(&shared.prepared(), Start::Built));
    let last = undisturbed(&room, &way, RUN);
    assert!(last.did_nothing(), "{}", last.show());
    let working = oracle::working(&room);
    for folder in ["project/build", "project/out", "cache/drydock"] {
        fs::remove_dir_all(room.path(folder)).unwrap();
    }
    undisturbed(&room, &way, &["toolchain", "build"]);
    room.keep(&room::kept(&shared.prepared(), Start::Staged));
    let staged = undisturbed(&room, &way, RUN);
    let differences = Results::of(&room).differences(&results);
    assert!(differences.is_empty(), "two undisturbed runs differ: {differences:?}");
    let events = [first, staged, last].map(|ended| ended.events.len()).to_vec();
    shared.write(None, &Reference { results, events, working });
}

/// Finds out what is right once `input` has changed.
pub(super) fn prepare_changed(shared: &Shared, input: Input) {
    let (room, way) = (Room::enter(&shared.room()), Way::embedded());
    room.take(&room::kept(&shared.prepared(), Start::Fresh));
    let _server = Server::start(shared.served());
    input.change(&room);
    let ended = undisturbed(&room, &way, RUN);
    let (results, events) = (Results::of(&room), vec![ended.events.len()]);
    shared.write(Some(input), &Reference { results, events, working: oracle::working(&room) });
}

/// Carries out a plan, and judges.
pub(super) fn carry_out(shared: &Shared, plan: &Plan) -> Verdict {
    let begin = Instant::now();
    nix::sys::prctl::set_child_subreaper(true).unwrap();
    let room = Room::enter(&shared.room());
    room.take(&room::kept(&shared.prepared(), plan.start));
    let server = Server::start(shared.served());
    let reference = shared.read(None);
    let mut scene = Scene::new(plan, &room, &server, reference.events[plan.start as usize]);
    let (mut findings, mut log, mut commands) = (Findings::default(), vec![plan.to_string()], Vec::new());
    let (mut hit, mut code) = (None, None);
    for round in 0..plan.rounds() {
        let struck = scene.strike(round);
        judge_struck(plan, &struck, &mut findings);
        log.push(format!("--- disturbed, hit {:?}\n{}", struck.hit, struck.ended.show()));
        log.extend(struck.other.iter().map(|other| format!("--- the other command\n{}", other.show())));
        commands.push(struck.ended.process);
        // Mostly the next command comes at once; now and then nobody comes who could tidy up.
        if plan.engine == Engine::Embedded && plan.seed.is_multiple_of(3) {
            findings.processes("after the disturbed command");
        }
        code = struck.ended.code();
        hit = struck.hit.or(hit);
    }
    let mounts = mounts_below(&room.path(""));
    if (plan.command, code) == (Command::Verify, Some(0)) {
        let found = Results::of(&room);
        let damaged = found.damaged_rpms(&reference.results);
        findings.when(!damaged.is_empty(), format!("verify calls these RPMs identical: {damaged:?}"));
    }
    let way = scene.way.clone();
    let mut again = |arguments: &[&str], name: &str, findings: &mut Findings| {
        let ended = Running::start(&room, &way, arguments).end();
        findings.end(name, &ended, &[0], &[]);
        log.push(format!("--- {name}\n{}", ended.show()));
        commands.push(ended.process);
        ended
    };
    if plan.command == Command::Rebuild {
        again(plan.command.arguments(), "the same command", &mut findings);
    }
    again(RUN, "the run after it", &mut findings);
    let right = match plan.fault {
        Fault::Edit { input, back_after_ms: None } if hit.is_some() => shared.read(Some(input)).results,
        _ => reference.results,
    };
    findings.0.extend(Results::of(&room).differences(&right));
    let last = again(RUN, "the last run", &mut findings);
    findings.when(!last.did_nothing(), "the last run found something to do");
    findings.when(!Results::of(&room).differences(&right).is_empty(), "the last run changed results");
    let containers = scene.leave();
    findings.when(!containers.is_empty(), format!("containers are left: {containers:?}"));
    findings.left_behind(&room, &mounts, &commands);
    let more: Vec<String> =
        oracle::working(&room).into_iter().filter(|name| !reference.working.contains(name)).collect();
    findings.when(!more.is_empty(), format!("files are left: {more:?}"));
    log.push(format!("--- wrong\n{}\n", findings.0.join("\n")));
    fs::write(shared.log(plan.seed), log.join("\n")).unwrap();
    Verdict {
        plan: plan.to_string(),
        kind: plan.kind(),
        hit,
        code,
        wrong: findings.0,
        seconds: begin.elapsed().as_secs_f64(),
    }
}

/// How a disturbed command may end, and which words then tell the reason.
fn judge_struck(plan: &Plan, struck: &Struck, findings: &mut Findings) {
    let ended = &struck.ended;
    if struck.hit.is_none() {
        return findings.end("the undisturbed command", ended, &[0], &[]);
    }
    let name = "the disturbed command";
    match plan.fault {
        Fault::Kill { victim: Victim::Drydock | Victim::All, .. } => {}
        Fault::Kill { .. } => findings.end(name, ended, &[0, 1, 3], &[]),
        // So early that nothing was begun.
        Fault::Ask(_) if ended.signal().is_some() && ended.events.len() < 2 => {}
        Fault::Ask(_) => findings.end(name, ended, &[0, 130], &[]),
        Fault::Full { .. } => findings.end(name, ended, &[0, 1, 3], &["No space left"]),
        Fault::ReadOnly(_) => findings.end(name, ended, &[0, 3], &["Read-only", "cross-device"]),
        Fault::Damage { .. } => findings.end(name, ended, &[0, 1, 2, 3], &[]),
        Fault::Server { how: Answer::Status(404) | Answer::Changed, path, .. } => {
            findings.end(name, ended, &[0, 2, 3], &[path]);
        }
        Fault::Server { times: usize::MAX, path, how } if how != Answer::Stall => {
            findings.end(name, ended, &[0, 2, 3], &[path]);
        }
        Fault::Server { .. } | Fault::Clock { .. } => findings.end(name, ended, &[0], &[]),
        Fault::Twice(_) => {
            findings.end(name, ended, &[0, 2], &["another drydock works"]);
            if let Some(other) = &struck.other {
                findings.end("the other command", other, &[0, 2], &["another drydock works", "is not made"]);
            }
        }
        Fault::Edit { .. } => findings.end(name, ended, &[0, 1, 2], &[]),
        Fault::Daemon => findings.end(name, ended, &[0, 3], &[]),
    }
}

/// The folder of a campaign, from its environment.
pub(super) fn shared() -> Option<Shared> {
    std::env::var_os("DRYDOCK_CAMPAIGN").map(|folder| Shared(Path::new(&folder).to_owned()))
}
