//! A campaign: random faults with a seed over real runs of a small project. `make campaign SEED=1 RUNS=1000`.
//!
//! A seed stands for a fault, the state of the project that it strikes, and the moment (`plan`); the same seed strikes
//! the same way, as well as the machine's own timing lets it. After the fault the same command runs again, undisturbed, and
//! then an oracle looks (`oracle`): the results are those of a run without the fault, byte for byte; a last run finds nothing
//! to do; no process, mount, control group or temporary file is left; each command ended with the right exit code, and a
//! failing one told the reason.
//!
//! Each seed has a process of its own in mount and network namespaces of its own (`room`, `child`): file systems run full and
//! the server is at a fixed port there, and nothing of it reaches the machine. That needs root.
//!
//! | module | what |
//! |---|---|
//! | `random`, `plan` | from a seed to a fault: pure |
//! | `inputs` | the project, and how its inputs change |
//! | `room`, `server` | file systems, and a server of sources and packages |
//! | `run`, `strike`, `victims`, `damage` | a command of Drydock, and what goes wrong with it |
//! | `oracle`, `child` | what must hold, and one seed from its start to its verdict |

mod child;
mod damage;
mod inputs;
mod oracle;
mod plan;
mod random;
mod room;
mod run;
mod server;
mod strike;
mod victims;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use child::{Shared, Verdict};
use plan::{Engine, Fault, Plan};

/// What one process of the campaign does.
#[derive(Clone, Copy)]
enum Job {
    Prepare,
    Changed(u64),
    Seed(u64),
}

#[test]
fn random_faults_lose_nothing_and_leave_nothing() {
    if std::env::var_os("DRYDOCK_CONTAINER_TESTS").is_none() {
        println!("skipped: set DRYDOCK_CONTAINER_TESTS=1");
        return;
    }
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: only root has file systems that run full");
        return;
    }
    let number = |name: &str, default| std::env::var(name).map_or(default, |text| text.parse().expect(name));
    let (seed, runs) = (number("DRYDOCK_CAMPAIGN_SEED", 1), number("DRYDOCK_CAMPAIGN_RUNS", plan::ROUND));
    let folder = tempfile::Builder::new().prefix("campaign-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let shared = Shared(folder.path().to_owned());
    for name in [shared.room(), shared.prepared()] {
        std::fs::create_dir(name).unwrap();
    }
    start(&shared, Job::Prepare);
    let (mut verdicts, mut left_out) = (Vec::new(), BTreeMap::<&str, usize>::new());
    for seed in seed..seed + runs {
        let plan = Plan::of(seed);
        assert_eq!(plan, Plan::of(seed));
        match why_not(&plan) {
            Some(reason) => *left_out.entry(reason).or_default() += 1,
            None => verdicts.push(run(&shared, &plan)),
        }
    }
    summary(&verdicts, &left_out);
    let failed: Vec<&Verdict> = verdicts.iter().filter(|verdict| !verdict.wrong.is_empty()).collect();
    if !failed.is_empty() {
        // The logs stay; a seed makes the rest again.
        std::fs::remove_dir_all(shared.prepared()).unwrap();
        let shown: Vec<String> = failed.iter().map(|it| format!("{}\n  {}", it.plan, it.wrong.join("\n  "))).collect();
        panic!(
            "{} of {} runs went wrong; logs are in {}\n{}",
            failed.len(),
            verdicts.len(),
            folder.keep().display(),
            shown.join("\n")
        );
    }
}

/// Why this machine cannot have the fault.
fn why_not(plan: &Plan) -> Option<&'static str> {
    let has = |program: &str| {
        ["/usr/bin", "/usr/sbin", "/usr/local/bin"].iter().any(|it| Path::new(it).join(program).exists())
    };
    match plan.fault {
        _ if plan.engine == Engine::Docker && !has("dockerd") => Some("there is no dockerd"),
        Fault::Clock { .. } if strike::faketime().is_none() => Some("there is no libfaketime"),
        _ => None,
    }
}

fn run(shared: &Shared, plan: &Plan) -> Verdict {
    if let Fault::Edit { input, back_after_ms: None } = plan.fault
        && !shared.reference(Some(input)).exists()
    {
        start(shared, Job::Changed(plan.seed));
    }
    println!("{plan}");
    let text = start(shared, Job::Seed(plan.seed));
    let line = text.lines().find_map(|line| line.strip_prefix("verdict: "));
    let verdict: Verdict = match line {
        Some(line) => serde_json::from_str(line).unwrap(),
        None => Verdict {
            plan: plan.to_string(),
            kind: plan.kind(),
            hit: None,
            code: None,
            wrong: vec![format!("the campaign itself failed: {text}")],
            seconds: 0.0,
        },
    };
    let hit = verdict.hit.as_deref().unwrap_or("nothing");
    println!("  hit {hit}, exit code {:?}, {:.1} s", verdict.code, verdict.seconds);
    for wrong in &verdict.wrong {
        println!("  WRONG: {wrong}");
    }
    verdict
}

/// Starts this test again as the process of `job`, in namespaces of its own; gives what it says.
fn start(shared: &Shared, job: Job) -> String {
    let (name, seed) = match job {
        Job::Prepare => ("prepare", 0),
        Job::Changed(seed) => ("changed", seed),
        Job::Seed(seed) => ("seed", seed),
    };
    let output = Command::new("unshare")
        .args(["--mount", "--net", "--"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "campaign::process", "--nocapture"])
        .env("DRYDOCK_CAMPAIGN", &shared.0)
        .env("DRYDOCK_CAMPAIGN_JOB", name)
        .env("DRYDOCK_CAMPAIGN_SEED", seed.to_string())
        .output()
        .expect("unshare is missing: apt-get install util-linux");
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success() || matches!(job, Job::Seed(_)), "{name}: {text}");
    text
}

/// The process of one job; a test only by its form.
#[test]
fn process() {
    let Some(shared) = child::shared() else { return };
    let plan = Plan::of(std::env::var("DRYDOCK_CAMPAIGN_SEED").unwrap().parse().unwrap());
    match (std::env::var("DRYDOCK_CAMPAIGN_JOB").unwrap().as_str(), plan.fault) {
        ("prepare", _) => child::prepare(&shared),
        ("changed", Fault::Edit { input, .. }) => child::prepare_changed(&shared, input),
        _ => println!("\nverdict: {}", serde_json::to_string(&child::carry_out(&shared, &plan)).unwrap()),
    }
}

/// Faults by kind: how often each was tried, hit, and went wrong.
fn summary(verdicts: &[Verdict], left_out: &BTreeMap<&str, usize>) {
    let mut kinds = BTreeMap::<&str, [usize; 3]>::new();
    for verdict in verdicts {
        let counts = kinds.entry(&verdict.kind).or_default();
        counts[0] += 1;
        counts[1] += usize::from(verdict.hit.is_some());
        counts[2] += usize::from(!verdict.wrong.is_empty());
    }
    println!("{:<20} {:>5} {:>5} {:>5}", "fault", "runs", "hit", "wrong");
    for (kind, [runs, hit, wrong]) in kinds {
        println!("{kind:<20} {runs:>5} {hit:>5} {wrong:>5}");
    }
    for (reason, runs) in left_out {
        println!("left out, {reason}: {runs}");
    }
}
