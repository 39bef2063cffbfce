//! Tests of keys, reasons, the queue and the plan.

mod property;
mod queue;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{BuildInputs, Plan, Reason, State, reasons};
use crate::digest::Sha256;
use crate::graph::BuildGraph;

/// A graph from `a: b c; b:`.
fn graph(text: &str) -> BuildGraph {
    let words = |all: &str| all.split_whitespace().map(str::to_owned).collect();
    let needs: BTreeMap<String, BTreeSet<String>> = text
        .split(';')
        .map(|one| one.split_once(':').unwrap())
        .map(|(spec, needs)| (spec.trim().to_owned(), words(needs)))
        .collect();
    BuildGraph { needs, ..BuildGraph::default() }
}

fn seconds(all: &[(&str, u64)]) -> BTreeMap<String, Duration> {
    all.iter().map(|&(spec, seconds)| (spec.to_owned(), Duration::from_secs(seconds))).collect()
}

fn digest(text: &str) -> Sha256 {
    Sha256::of_bytes(text.as_bytes())
}

fn inputs() -> BuildInputs {
    let map = |name: &str, text: &str| BTreeMap::from([(name.to_owned(), digest(text))]);
    BuildInputs {
        key_version: 1,
        spec: "kmod".to_owned(),
        spec_digest: digest("spec"),
        sources: map("kmod-31.tar.xz", "source"),
        macros: BTreeMap::from([("dist".to_owned(), ".dd1".to_owned())]),
        macro_files: BTreeMap::new(),
        image: digest("image"),
        given: BTreeSet::new(),
        arch: "x86_64".to_owned(),
        buildroot: map("zlib-devel-1.3-1.dd1.x86_64", "zlib"),
        check: false,
        exceptions: BTreeSet::new(),
    }
}

/// Each change of one input, with what it says.
fn changes() -> Vec<(BuildInputs, &'static str)> {
    let change = |change: &dyn Fn(&mut BuildInputs), says| {
        let mut changed = inputs();
        change(&mut changed);
        (changed, says)
    };
    let (spec, other) = (digest("spec").short(), digest("x").short());
    let says = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
    vec![
        change(&|new| new.key_version = 2, "this version of drydock builds in another way (key version 1 → 2)"),
        change(&|new| new.spec_digest = digest("x"), says(format!("its spec file changed ({spec} → {other})"))),
        change(&|new| _ = new.sources.insert("fix.patch".into(), digest("x")), "its source `fix.patch` is new"),
        change(&|new| new.sources.clear(), "its source `kmod-31.tar.xz` is not used any more"),
        change(
            &|new| _ = new.macros.insert("dist".into(), ".dd2".into()),
            "the macro `%dist` changed (`.dd1` → `.dd2`)",
        ),
        change(&|new| _ = new.macros.insert("with_x".into(), "1".into()), "the macro `%with_x` is new (`1`)"),
        change(&|new| _ = new.macro_files.insert("00-macros".into(), digest("m")), "the macro file `00-macros` is new"),
        change(&|new| new.macros.clear(), "the macro `%dist` is not set any more (it was `.dd1`)"),
        change(&|new| new.arch = "aarch64".into(), "it is built for another architecture (x86_64 → aarch64)"),
        change(&|new| new.check = true, "its %check runs now"),
        change(
            &|new| new.buildroot = BTreeMap::from([("zlib-devel-1.4-1.dd1.x86_64".into(), digest("zlib"))]),
            "`zlib-devel-1.4-1.dd1.x86_64` is in its buildroot instead of `zlib-devel-1.3-1.dd1.x86_64`",
        ),
        change(
            &|new| _ = new.buildroot.insert("xz-5-1.x86_64".into(), digest("xz")),
            "`xz-5-1.x86_64` is in its buildroot and was not",
        ),
        change(&|new| new.buildroot.clear(), "`zlib-devel-1.3-1.dd1.x86_64` is not in its buildroot any more"),
        change(
            &|new| _ = new.buildroot.insert("zlib-devel-1.3-1.dd1.x86_64".into(), digest("x")),
            says(format!(
                "`zlib-devel-1.3-1.dd1.x86_64` in its buildroot has other content ({} → {other})",
                digest("zlib").short()
            )),
        ),
        change(
            &|new| new.image = digest("x"),
            says(format!("the toolchain image changed ({} → {other})", digest("image").short())),
        ),
    ]
}

#[test]
fn every_input_changes_the_key_and_is_told() {
    assert_eq!(reasons(Some(&inputs()), &inputs()), []);
    assert_eq!(reasons(None, &inputs()), [Reason::NeverBuilt]);
    let mut keys = BTreeSet::from([inputs().key()]);
    for (changed, says) in changes() {
        let told: Vec<String> = reasons(Some(&inputs()), &changed).iter().map(ToString::to_string).collect();
        assert_eq!(told, [says]);
        assert!(keys.insert(changed.key()), "{says}");
    }
    let renamed = BuildInputs { spec: "kmod2".to_owned(), ..inputs() };
    assert!(keys.insert(renamed.key()));
}

#[test]
fn a_key_is_the_same_on_every_machine() {
    insta::assert_snapshot!(inputs().key(), @"607d8e89ad8d6dcd90d470114399a9c315f7e8538fc3094db3a8d5e9e102cdd3");
}

#[test]
fn reasons_are_sorted_and_can_be_stored() {
    let new = BuildInputs { check: true, spec_digest: digest("x"), macros: BTreeMap::new(), ..inputs() };
    let told = reasons(Some(&inputs()), &new);
    assert!(told.is_sorted());
    let text = serde_json::to_string(&told).unwrap();
    assert_eq!(serde_json::from_str::<Vec<Reason>>(&text).unwrap(), told);
    let inputs_text = serde_json::to_string(&inputs()).unwrap();
    assert_eq!(serde_json::from_str::<BuildInputs>(&inputs_text).unwrap().key(), inputs().key());
}

#[test]
fn a_plan_tells_what_is_built_and_what_may_be() {
    let mut graph = graph("app: lib tool; lib: base; base:; tool:; other:");
    graph.goals.insert("app".to_owned());
    let reasons =
        BTreeMap::from([("base".to_owned(), vec![Reason::Forced]), ("other".to_owned(), vec![Reason::NeverBuilt])]);
    let plan = Plan::new(&graph, reasons, &seconds(&[("base", 10), ("lib", 20), ("app", 5), ("other", 12)]));
    let states: Vec<(&str, State)> =
        plan.packages.iter().map(|package| (package.spec.as_str(), package.state)).collect();
    assert_eq!(
        states,
        [
            ("base", State::ToBuild),
            ("lib", State::IfDependencyChanges),
            ("other", State::ToBuild),
            ("tool", State::UpToDate),
            ("app", State::IfDependencyChanges),
        ]
    );
    assert_eq!(plan.critical_path, ["base", "lib", "app"]);
    assert!((plan.critical_seconds - 35.0).abs() < 0.001 && (plan.total_seconds - 47.0).abs() < 0.001);
    assert_eq!(plan.counts()[&State::ToBuild], 2);
    let app = &serde_json::to_value(&plan).unwrap()["packages"][4];
    insta::assert_snapshot!(app, @r#"{"is-goal":true,"needs":["lib","tool"],"reasons":[],"seconds":5.0,"spec":"app","state":"if-dependency-changes","waits-for":["lib"]}"#);
}

#[test]
fn a_plan_with_nothing_to_do_is_empty() {
    let plan = Plan::new(&graph("a: b; b:"), BTreeMap::new(), &BTreeMap::new());
    assert_eq!(plan.critical_path, [""; 0]);
    assert!(plan.packages.iter().all(|package| package.state == State::UpToDate));
}
