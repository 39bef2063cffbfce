//! Order, and the questions a graph answers.

use super::{needs, specs};
use crate::graph::{to_dot, to_json};

#[test]
fn packages_may_require_each_other() {
    let distribution = specs(&["app: a", "a: ; a > b", "b: ; b > a"]);
    assert_eq!(needs(&distribution.all()), "a:; app: a b; b:");
    assert_eq!(distribution.all().order(), ["a", "b", "app"]);
}

#[test]
fn a_build_needs_the_requires_of_what_it_installs() {
    let distribution =
        specs(&["app: x-devel", "x: ; x; x-devel > x, y-devel", "y: ; y-libs; y-devel > y-libs, z", "z:"]);
    assert_eq!(needs(&distribution.all()), "app: x y z; x:; y:; z:");
}

#[test]
fn what_builds_asked_for_while_they_ran_is_needed_as_far_as_anything_gives_it() {
    let texts = ["app: a", "a:", "late: later", "later:", "broken: ; broken > nothing"];
    let graph = specs(&texts).generated(&["app: late, unknown, broken", "gone: late"]).named(&["app"]);
    assert_eq!(needs(&graph), "a:; app: a late; late: later; later:");
}

#[test]
fn why_tells_the_shortest_path() {
    let texts =
        ["kmod: pkgconfig(zlib)", "zlib: cmake; zlib; zlib-devel + pkgconfig(zlib) = 1.3; zlib-devel > zlib", "cmake:"];
    let graph = specs(&texts).all();
    assert_eq!(
        graph.why("kmod", "zlib").unwrap().to_string(),
        "kmod → BuildRequires pkgconfig(zlib) → zlib-devel of zlib"
    );
    assert_eq!(
        graph.why("kmod", "zlib-devel").unwrap().to_string(),
        "kmod → BuildRequires pkgconfig(zlib) → zlib-devel of zlib"
    );
    assert_eq!(
        graph.why("kmod", "cmake").unwrap().to_string(),
        "kmod → BuildRequires pkgconfig(zlib) → zlib-devel of zlib → BuildRequires cmake → cmake"
    );
    assert_eq!(graph.why("zlib", "kmod"), None);
    assert_eq!(graph.why("zlib", "zlib").map(|why| why.to_string()), None);
}

#[test]
fn dependants_are_found() {
    let graph = specs(&["a:", "b: a", "c: b", "d:"]).all();
    assert_eq!(graph.rdeps("a").into_iter().collect::<Vec<_>>(), ["b"]);
    assert_eq!(graph.all_rdeps("a").into_iter().collect::<Vec<_>>(), ["b", "c"]);
}

#[test]
fn a_graph_can_be_drawn() {
    let graph = specs(&["app: lib-devel, \"x\"", "lib: ; lib-devel; q + \"x\"", "t: ; check: u", "u: t"])
        .checked()
        .named(&["app", "t"]);
    insta::assert_snapshot!(to_dot(&graph), @r#"
    digraph drydock {
      rankdir=LR;
      node [shape=box];
      "app" [style=bold];
      "app" -> "lib" [label="\"x\""];
      "lib";
      "t" [style=bold];
      "u";
      "u" -> "t" [label="t"];
      "%check of t" [style=dashed];
      "%check of t" -> "t" [style=dashed];
      "%check of t" -> "u" [style=dashed];
    }
    "#);
}

#[test]
fn a_graph_can_be_read_by_programs() {
    let graph = specs(&["app: lib-devel", "lib: ; lib-devel"]).named(&["app"]);
    insta::assert_snapshot!(serde_json::to_string_pretty(&to_json(&graph)).unwrap(), @r#"
    {
      "checks": {},
      "choices": [],
      "edges": [
        {
          "from": 0,
          "relation": "made-by",
          "requirement": null,
          "to": 1
        },
        {
          "from": 2,
          "relation": "made-by",
          "requirement": null,
          "to": 3
        },
        {
          "from": 1,
          "relation": "build-requires",
          "requirement": "lib-devel",
          "to": 2
        }
      ],
      "excluded": {},
      "goals": [
        "app"
      ],
      "guesses": [],
      "needs": {
        "app": [
          "lib"
        ],
        "lib": []
      },
      "nodes": [
        {
          "kind": "install",
          "package": "app-1-1.x86_64",
          "spec": "app"
        },
        {
          "kind": "build",
          "spec": "app"
        },
        {
          "kind": "install",
          "package": "lib-devel-1-1.x86_64",
          "spec": "lib"
        },
        {
          "kind": "build",
          "spec": "lib"
        }
      ],
      "order": [
        "lib",
        "app"
      ],
      "unmet": [],
      "version": 1
    }
    "#);
}
