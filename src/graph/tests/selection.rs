//! What is in a run, and what is not.

use std::collections::BTreeSet;

use super::{Goals, needs, resolve_partly, specs};

#[test]
fn a_goal_brings_what_it_needs_and_nothing_else() {
    let distribution = specs(&["app: lib-devel", "lib: gen; lib-devel > lib; lib", "gen:", "other: lib-devel"]);
    assert_eq!(needs(&distribution.named(&["app"])), "app: lib; gen:; lib: gen");
    assert_eq!(needs(&distribution.all()), "app: lib; gen:; lib: gen; other: lib");
}

#[test]
fn a_goal_brings_what_its_packages_require() {
    let distribution = specs(&["app: ; app > lib", "lib: ; lib > data", "data:", "other:"]);
    let graph = distribution.named(&["app"]);
    assert_eq!(needs(&graph), "app:; data:; lib:", "to be built, but not before the goal");
    assert_eq!(graph.goals.into_iter().collect::<Vec<_>>(), ["app"]);
}

#[test]
fn what_only_an_ignored_build_needs_is_left_out() {
    let distribution =
        specs(&["app: lib; app > data", "lib: gen, tool; lib > base", "data: tool", "gen:", "tool:", "base:"]);
    let mut graph = distribution.named(&["app"]);
    let before = needs(&graph);
    graph.take_as_built(&BTreeSet::new());
    assert_eq!(needs(&graph), before);
    graph.take_as_built(&BTreeSet::from(["lib".to_owned()]));
    assert_eq!(needs(&graph), "app: base lib; base:; data: tool; lib:; tool:", "data is installed with app");
}

#[test]
fn spec_files_go_before_packages_of_that_name() {
    let distribution = specs(&["go: ; golang", "golang: ; golang-bin; go", "tool: ; tool-libs > lib", "lib:"]);
    assert_eq!(needs(&distribution.named(&["go"])), "go:");
    assert_eq!(needs(&distribution.named(&["tool-libs"])), "lib:; tool:");
    assert_eq!(needs(&distribution.named(&["tool-libs", "go"])), "go:; lib:; tool:");
}

#[test]
fn a_goal_may_be_a_capability() {
    let distribution = specs(&["sh: ; bash + /bin/sh, shell = 5", "dash: ; dash + shell = 1"]);
    assert_eq!(needs(&distribution.named(&["/bin/sh"])), "sh:");
    assert_eq!(needs(&distribution.named(&["shell < 3"])), "dash:");
}

#[test]
fn what_is_given_is_not_built() {
    let texts = ["app: lib-devel >= 2, gcc", "lib: ; lib-devel", "gcc:"];
    assert_eq!(needs(&specs(&texts).given(&["lib-devel = 2.1-1", "gcc"]).named(&["app"])), "app:");
    let error = specs(&texts).given(&["lib-devel = 1.9-1", "gcc"]).error(&["app"]);
    insta::assert_snapshot!(error, @r"
    no package provides `lib-devel >= 2`
      required by: `SPECS/app/app.spec` (BuildRequires)
      nearest: `lib-devel-1-1.x86_64` provides `lib-devel = 1-1`
      nearest: the toolchain image provides `lib-devel = 1.9-1`
    ");
}

#[test]
fn excluded_specs_are_told_and_provide_nothing() {
    let distribution = specs(&["app: lib", "lib: ; arch: aarch64", "other:"]);
    let graph = distribution.named(&["lib", "other"]);
    assert_eq!(graph.excluded["lib"], "ExclusiveArch: aarch64");
    assert_eq!(needs(&graph), "other:");
    assert!(distribution.named(&["other"]).excluded.is_empty(), "it was not asked for");
    insta::assert_snapshot!(distribution.error(&["app"]), @r"
    no package provides `lib`
      required by: `SPECS/app/app.spec` (BuildRequires)
      nearest: `lib` is not built: ExclusiveArch: aarch64
    ");
}

#[test]
fn of_several_providers_one_is_taken_and_told() {
    let texts = ["one: ; one + tool = 1", "two: ; two + tool = 2", "app: tool"];
    let graph = specs(&texts).named(&["app"]);
    assert_eq!(needs(&graph), "app: two; two:", "the highest version");
    assert_eq!(graph.choices[0].to_string(), "`tool` is provided by `two`, and by `one`");
    assert_eq!(needs(&specs(&texts).named(&["app", "one"])), "app: one; one:", "what was asked for is built anyway");

    let same = ["tool: ; tool", "a: ; tools + tool = 1-1", "app: tool"];
    assert_eq!(needs(&specs(&same).named(&["app"])), "app: tool; tool:", "the package of that name");
    let broken = ["one: ; one + tool = 1", "two: ; two + tool = 2; two > nowhere", "app: tool"];
    assert_eq!(needs(&specs(&broken).named(&["app"])), "app: one; one:", "one that can be installed");
    let inside = ["one: ; one + tool = 1", "two: ; two + tool = 2", "app: tool, one"];
    assert_eq!(needs(&specs(&inside).named(&["app"])), "app: one; one:", "one that is in the buildroot anyway");
}

#[test]
fn rich_dependencies_are_solved() {
    let more = ["a:", "b:", "c: ; c + v = 1, w", "d: ; d + v = 2", "e: ; e > nowhere"];
    for (requires, expected) in [
        ("(a or b)", "a"),
        ("(nowhere or b)", "b"),
        ("(e or b)", "b"),
        ("(a or b), b", "b"),
        ("(a and b)", "a b"),
        ("(a if b)", ""),
        ("(a if b), b", "a b"),
        ("(a if b else c)", "c"),
        ("(a if b else c), b", "a b"),
        ("(a unless b)", "a"),
        ("(a unless b else c)", "a"),
        ("(a unless b else c), b", "b c"),
        ("(v >= 1 with v < 2)", "c"),
        ("(v with w)", "c"),
        ("(v without w)", "d"),
        ("(a if (b and c))", ""),
        ("(a if (b and c)), b, c", "a b c"),
        ("(a if given)", "a"),
        ("(a if given > 2 else b)", "b"),
        ("(given or a)", ""),
    ] {
        let app = format!("app: {requires}");
        let texts: Vec<&str> = std::iter::once(app.as_str()).chain(more).collect();
        let graph = specs(&texts).given(&["given = 1"]).named(&["app"]);
        let found: Vec<&str> = graph.needs["app"].iter().map(String::as_str).collect();
        assert_eq!(found.join(" "), expected, "{requires}");
    }
}

#[test]
fn packages_that_only_an_image_would_miss_do_not_stop_a_build() {
    let graph = specs(&["app: ; app > nowhere"]).named(&["app"]);
    insta::assert_snapshot!(graph.unmet[0], @r"
    no package provides `nowhere`
      required by: `SPECS/app/app.spec` (Requires of `app`)
    ");
}

#[test]
fn a_package_of_the_image_is_there_with_all_that_is_guessed_of_it() {
    let all = specs(&[
        "zlib: gcc; zlib-devel; file: /usr/lib64/pkgconfig/zlib.pc",
        "app: pkgconfig(zlib)",
        "gcc: app",
        "tool: gcc",
    ]);
    let graph = all.installed(&["gcc", "zlib-devel"]).named(&["app", "tool"]);
    assert_eq!(needs(&graph), "app:; tool:");
    assert_eq!(graph.guesses.len(), 1, "{:?}", graph.guesses);
}

#[test]
fn what_cannot_be_built_is_left_out_with_all_that_needs_it() {
    let all = specs(&["a: nothing-has-this", "b: a", "c: b", "d:", "e: f", "f: e", "g: d"]);
    let partial = all.partly();
    assert_eq!(needs(&partial.graph), "d:; g: d");
    let why: Vec<String> = partial.left_out.iter().map(|(spec, why)| format!("{spec}: {why}")).collect();
    assert_eq!(
        why,
        [
            "a: no package provides `nothing-has-this`",
            "b: it needs `a`, which cannot be built",
            "c: it needs `b`, which cannot be built",
            "e: it is in a ring of builds",
            "f: it is in a ring of builds",
        ]
    );
    assert_eq!((partial.unresolved.len(), partial.rings.len()), (1, 1));
}

#[test]
fn what_only_left_out_specs_need_is_not_built() {
    let all = specs(&["a: lib", "b: missing, lib2", "lib: tool", "lib2: tool2", "tool:", "tool2:"]);
    let mut partial = resolve_partly(all.inputs(), &Goals::Named(["a", "b"].map(str::to_owned).to_vec())).unwrap();
    partial.leave_out([]);
    assert_eq!(needs(&partial.graph), "a: lib; lib: tool; tool:");
    assert_eq!(partial.left_out.keys().collect::<Vec<_>>(), ["b"]);
}
