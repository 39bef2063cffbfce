//! Every system call, asked in a container of the embedded engine and in one of Docker: see `probe.c`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use drydock::engine::{Exit, User};

use crate::bench::{Bench, Kind, read_only};
use crate::daemon::rerun_as_user;
use crate::engine_contract::wanted;

/// The table of differences: what is refused, by number, while some Docker allows it.
const DOCUMENTATION: &str = include_str!("../../docs/sandbox.md");
/// What the filter lets through.
const CALLS: &str = include_str!("../../src/engine/embedded/inside/calls.txt");
/// The place of this processor's numbers in a line of it.
const COLUMN: usize = if cfg!(target_arch = "aarch64") { 3 } else { 1 };

/// `uretprobe` and `uprobe`, which the kernel itself puts into programs that somebody outside looks at: no filter sees them,
/// and nobody else gets through (Linux, kernel/seccomp.c).
const UNFILTERED: [u32; 2] = [335, 336];

/// `allowed` or `refused` by a call's number and argument.
type Answers = BTreeMap<String, String>;

/// The answers to the users `root` and `builder`, in this order.
async fn ask(bench: &Bench) -> [Answers; 2] {
    let probe = compile(bench.folder());
    let mut answers = Vec::new();
    for user in [User::Root, User::Named("builder".to_owned())] {
        let mut spec = bench.program(&["/probe"]);
        (spec.user, spec.mounts) = (user, vec![read_only(&probe, "/probe")]);
        let ran = bench.run(&spec).await;
        assert_eq!(ran.exit, Exit::Code(0), "{}", ran.stderr);
        let answer = |line: &str| line.rsplit_once(' ').map(|(call, answer)| (call.to_owned(), answer.to_owned()));
        answers.push(ran.stdout.lines().filter_map(answer).collect::<Answers>());
    }
    answers.try_into().unwrap()
}

fn compile(folder: &Path) -> PathBuf {
    let probe = folder.join("probe");
    let mut compiler = Command::new("cc");
    compiler.args(["-static", "-O1", "-o"]).arg(&probe).arg(folder.join("probe.c"));
    std::fs::write(folder.join("probe.c"), include_str!("probe.c")).unwrap();
    assert!(compiler.status().unwrap().success());
    probe
}

fn number(call: &str) -> u32 {
    call.split(' ').next().unwrap().parse().unwrap()
}

fn allowed(answers: &Answers) -> impl Iterator<Item = &str> {
    answers.iter().filter(|(_, answer)| *answer == "allowed").map(|(call, _)| call.as_str())
}

/// The numbers in the second column of the table.
fn documented() -> BTreeSet<u32> {
    let cells = DOCUMENTATION.lines().filter(|line| line.starts_with("| `")).filter_map(|line| line.split('|').nth(2));
    let ranges = cells.flat_map(|cell| cell.split(',')).filter_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(first.trim().parse().ok()?..=last.trim().parse().ok()?)
    });
    ranges.flatten().collect()
}

/// What is let through is in the table of the filter.
fn assert_filtered(answers: &[Answers; 2]) {
    let listed = CALLS.lines().filter_map(|line| line.split(' ').nth(COLUMN)?.parse().ok());
    let listed: BTreeSet<u32> = listed.chain(UNFILTERED).collect();
    for answers in answers {
        assert!(answers.len() > 500, "{answers:?}");
        let more: Vec<_> = allowed(answers).filter(|call| !listed.contains(&number(call))).collect();
        assert!(more.is_empty(), "let through without being listed: {more:?}");
        let families: Vec<_> =
            allowed(answers).filter(|call| call.ends_with("0x26") || call.ends_with("0x28")).collect();
        assert!(families.is_empty(), "AF_ALG and AF_VSOCK are refused: {families:?}");
    }
}

#[test]
fn no_call_is_let_through_that_docker_refuses() {
    if !wanted() {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (ours, dockers) = runtime
        .block_on(async { (ask(&Bench::new(Kind::Embedded).await).await, ask(&Bench::new(Kind::Docker).await).await) });
    assert_filtered(&ours);
    let documented = documented();
    for (ours, dockers) in ours.iter().zip(&dockers) {
        let more: Vec<_> = allowed(ours).filter(|call| dockers[*call] == "refused").collect();
        assert!(more.is_empty(), "the embedded engine lets through what Docker refuses: {more:?}");
        let less = allowed(dockers).filter(|call| ours[*call] == "refused");
        let untold: Vec<_> = less.filter(|call| !documented.contains(&number(call))).collect();
        assert!(untold.is_empty(), "docs/sandbox.md does not say that these are refused: {untold:?}");
    }
}

#[test]
fn no_call_is_let_through_to_an_ordinary_user() {
    if nix::unistd::geteuid().is_root() && wanted() {
        rerun_as_user("calls::no_call_is_let_through_to_an_ordinary_user");
    } else if wanted() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        assert_filtered(&runtime.block_on(async { ask(&Bench::new(Kind::EmbeddedRootless).await).await }));
    }
}
