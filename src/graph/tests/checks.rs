//! What `%check` requires, and rings.

use super::{needs, specs};
use crate::graph::{Goals, survey};

#[test]
fn what_a_check_requires_comes_before_its_build() {
    let texts = ["app: lib; check: pytest", "lib:", "pytest:"];
    assert_eq!(needs(&specs(&texts).named(&["app"])), "app: lib; lib:", "its check does not run");
    let graph = specs(&texts).checked().named(&["app"]);
    assert_eq!(needs(&graph), "app: lib pytest; lib:; pytest:");
    assert!(graph.checks.is_empty());
}

#[test]
fn a_ring_through_a_check_does_not_block_a_build() {
    let graph = specs(&["six: ; check: pytest", "pytest: six", "app: six; check: lib", "lib:"]).checked().all();
    assert_eq!(needs(&graph), "app: lib six; lib:; pytest: six; six:");
    assert_eq!(graph.checks.len(), 1);
    assert_eq!(graph.checks["six"].iter().collect::<Vec<_>>(), ["pytest"]);
}

#[test]
fn of_checks_that_need_each_other_one_runs_in_its_build() {
    let graph = specs(&["a: ; check: b", "b: ; check: a"]).checked().all();
    assert_eq!(needs(&graph), "a: b; b:");
    assert_eq!(graph.checks["b"].iter().collect::<Vec<_>>(), ["a"]);
}

#[test]
fn a_check_that_requires_its_own_package_stands_apart() {
    let graph = specs(&["wget: ; check: wget, perl", "perl:"]).checked().named(&["wget"]);
    assert_eq!(needs(&graph), "perl:; wget:");
    assert_eq!(graph.checks["wget"].iter().collect::<Vec<_>>(), ["perl"]);
}

#[test]
fn a_ring_of_builds_is_told_with_its_reasons() {
    let error = specs(&["a: b-devel", "b: c >= 1, z; b-devel", "c: ; c-tools > a; c > c-tools", "z:", "d: a; d + z-2"])
        .error(&[]);
    insta::assert_snapshot!(error, @r"
    packages need each other before they can be built: a -> b -> a
      a → BuildRequires b-devel → b-devel of b
      b → BuildRequires c >= 1 → c → Requires c-tools → c-tools of c → Requires a → a
    ");
    insta::assert_snapshot!(error.hint().unwrap(), @"break each ring at one place: build one spec first without that requirement by a condition (`%bcond_with bootstrap`), put a requirement that only `%check` has behind `%if %{with check}`, or take one of the packages as a prebuilt RPM into the toolchain image");
}

#[test]
fn a_package_that_needs_itself_is_a_ring() {
    insta::assert_snapshot!(specs(&["gcc: libgcc; gcc > libgcc; libgcc"]).error(&["gcc"]), @r"
    packages need each other before they can be built: gcc -> gcc
      gcc → BuildRequires libgcc → libgcc of gcc
    ");
    assert_eq!(needs(&specs(&["gcc: libgcc; gcc > libgcc; libgcc"]).given(&["libgcc"]).all()), "gcc:");
}

#[test]
fn every_group_has_its_ring() {
    let error = specs(&["a: b", "b: a", "p: q", "q: r", "r: p, s", "s: p"]).error(&[]);
    insta::assert_snapshot!(error, @r"
    packages need each other before they can be built: a -> b -> a
      a → BuildRequires b → b
      b → BuildRequires a → a
    packages need each other before they can be built: p -> q -> r -> p
      p → BuildRequires q → q
      q → BuildRequires r → r
      r → BuildRequires p → p
      also in rings with these: s
    ");
}

#[test]
fn a_survey_has_what_cannot_be_built_too() {
    let texts = ["lib:", "app: lib, nothing", "user: app", "a: b, lib", "b: a"];
    let partial = survey(specs(&texts).inputs(), &Goals::All).unwrap();
    assert_eq!(needs(&partial.graph), "a: b lib; app: lib; b: a; lib:; user: app");
    assert_eq!(partial.graph.all_rdeps("lib").into_iter().collect::<Vec<_>>(), ["a", "app", "b", "user"]);
    assert_eq!(partial.left_out.keys().collect::<Vec<_>>(), ["a", "app", "b", "user"]);
    let why = partial.graph.why("user", "lib").unwrap().to_string();
    assert_eq!(why, "user → BuildRequires app → app → BuildRequires lib → lib");
}
