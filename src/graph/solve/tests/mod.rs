//! Small repositories, written down, and what is installed from them.

mod brute;

use super::super::tests::requirements;
use super::{Unsolvable, solve};
use crate::package::{Capability, Evr, Nevra, Provides, RpmHeader};

/// A header as one line: `name-version; + provides; > requires; ! conflicts; ~ obsoletes; /a/file`.
fn rpm(text: &str) -> RpmHeader {
    let mut parts = text.split(';').map(str::trim);
    let (name, version) = parts.next().unwrap().rsplit_once('-').unwrap();
    let evr = Evr::parse(&format!("{version}-1"));
    let own = Capability::new(name, Some(evr.clone()));
    let mut header = RpmHeader {
        nevra: Nevra { name: name.to_owned(), evr, arch: "x86_64".to_owned() },
        provides: vec![own],
        requires: Vec::new(),
        conflicts: Vec::new(),
        obsoletes: Vec::new(),
        files: Vec::new(),
        source_rpm: None,
        installed_bytes: 0,
    };
    for part in parts.filter(|part| !part.is_empty()) {
        let (kind, rest) = part.split_at(1);
        match kind {
            "+" => header.provides.extend(rest.split(',').map(|one| Capability::parse(one.trim()))),
            ">" => header.requires.extend(requirements(rest)),
            "!" => header.conflicts.extend(requirements(rest)),
            "~" => header.obsoletes.extend(requirements(rest)),
            _ => header.files.push(part.to_owned()),
        }
    }
    header
}

fn run(wanted: &str, available: &[&str], given: &[&str]) -> Result<String, Unsolvable> {
    let headers: Vec<RpmHeader> = available.iter().map(|text| rpm(text)).collect();
    let headers: Vec<&RpmHeader> = headers.iter().collect();
    let given: Provides = given.iter().map(|text| Capability::parse(text)).collect();
    let found = solve(&requirements(wanted), &headers, &given)?;
    let names = found.iter().map(|header| format!("{}-{}", header.nevra.name, header.nevra.evr.version));
    Ok(names.collect::<Vec<_>>().join(" "))
}

fn reason(wanted: &str, available: &[&str], given: &[&str]) -> String {
    run(wanted, available, given).unwrap_err().to_string()
}

#[test]
fn a_package_brings_what_it_requires() {
    let all = [
        "app-1; > lib >= 2, /usr/bin/sh",
        "lib-1",
        "lib-2; > libc.so.6",
        "glibc-2; + libc.so.6",
        "bash-5; /usr/bin/sh",
        "x-1",
    ];
    assert_eq!(run("app", &all, &[]).unwrap(), "app-1 bash-5 glibc-2 lib-2");
    assert_eq!(run("app", &all, &["libc.so.6", "/usr/bin/sh"]).unwrap(), "app-1 lib-2");
    assert_eq!(
        run("app, lib", &all, &["lib = 3-1", "/usr/bin/sh"]).unwrap(),
        "app-1",
        "what is given is not installed"
    );
    assert_eq!(run("", &all, &[]).unwrap(), "");
    assert_eq!(run("/usr/bin/sh", &all, &[]).unwrap(), "bash-5");
}

#[test]
fn the_highest_version_is_taken_that_fits() {
    let all = ["a-1", "a-3", "a-2", "b-1; > a < 3", "c-1; ! a = 3"];
    assert_eq!(run("a", &all, &[]).unwrap(), "a-3");
    assert_eq!(run("a, b", &all, &[]).unwrap(), "a-2 b-1");
    assert_eq!(run("a, c", &all, &[]).unwrap(), "a-2 c-1");
}

#[test]
fn of_equal_versions_the_earlier_in_the_list_is_taken() {
    let (first, second) = (rpm("a-1; /first"), rpm("a-1; /second"));
    assert_eq!(solve(&requirements("a"), &[&first, &second], &Provides::default()).unwrap()[0].files, ["/first"]);
    assert_eq!(solve(&requirements("a"), &[&second, &first], &Provides::default()).unwrap()[0].files, ["/second"]);
}

#[test]
fn conflicts_and_obsoletes_keep_packages_apart() {
    let all = [
        "new-2; ~ old < 2; + tool = 2",
        "old-1; + tool = 1",
        "old-3",
        "x-1; ! tool",
        "y-1; ! (old and new)",
        "z-1; ! z, z-extra; + z-extra",
    ];
    assert_eq!(run("tool, old", &all, &[]).unwrap(), "new-2 old-3", "only versions that are obsoleted");
    assert_eq!(run("z", &all, &[]).unwrap(), "z-1", "a package does not conflict with itself");
    assert_eq!(run("y, old", &all, &[]).unwrap(), "old-3 y-1");
    insta::assert_snapshot!(reason("new, old < 2", &all, &[]), @r"
    `new-2-1.x86_64` obsoletes `old-1-1.x86_64` (`old < 2`)
      `new` is wanted: `new-2-1.x86_64`
      `old < 2` is wanted: `old-1-1.x86_64`
    ");
    insta::assert_snapshot!(reason("x, new", &all, &[]), @r"
    `x-1-1.x86_64` conflicts with `new-2-1.x86_64` (`tool`)
      `new` is wanted: `new-2-1.x86_64`
      `x` is wanted: `x-1-1.x86_64`
    ");
    insta::assert_snapshot!(reason("x", &all, &["tool"]), @r"
    `x-1-1.x86_64` conflicts with `tool`, which is there already
      `x` is wanted: `x-1-1.x86_64`
    ");
    insta::assert_snapshot!(reason("y, old, new", &all, &[]), @r"
    `new-2-1.x86_64` obsoletes `old-1-1.x86_64` (`old < 2`)
    `y-1-1.x86_64` conflicts with `(old and new)`
      `new` is wanted: `new-2-1.x86_64`
      `old` is wanted: `old-1-1.x86_64`
      `old` is wanted: `old-3-1.x86_64`
      `y` is wanted: `y-1-1.x86_64`
    ");
}

#[test]
fn rich_dependencies_are_solved_exactly() {
    let all = ["a-1", "b-1", "b-2", "c-1", "d-1; + v = 1, w", "e-1; + v = 2"];
    for (wanted, expected) in [
        ("(a or b)", "a-1"),
        ("(nowhere or b)", "b-2"),
        ("(a or b), b", "b-2"),
        ("(a if b < 2)", ""),
        ("(a if b < 2), b", "b-2"),
        ("(a if b < 2), b = 1", "a-1 b-1"),
        ("(a if b else c)", "c-1"),
        ("(a if b else c), b", "a-1 b-2"),
        ("(a unless b)", "a-1"),
        ("(a unless b else c), b", "b-2 c-1"),
        ("(v with w)", "d-1"),
        ("(v without w)", "e-1"),
        ("(v >= 1 with v < 2)", "d-1"),
        ("(a and (b or c))", "a-1 b-2"),
        ("(a if given)", "a-1"),
        ("(a if (b or c)), c", "a-1 c-1"),
    ] {
        assert_eq!(run(wanted, &all, &["given"]).unwrap(), expected, "{wanted}");
    }
    assert!(run("(a unless b), b", &all, &[]).is_err());
    assert!(run("(a unless given)", &all, &["given"]).is_err());
}

#[test]
fn nothing_is_installed_that_could_be_left_out() {
    let all = ["busybox-9; + /bin/sh", "bash-5; + /bin/sh", "tool-1; > bash", "ring-1; > gnir", "gnir-1; > ring"];
    assert_eq!(run("/bin/sh, tool", &all, &[]).unwrap(), "bash-5 tool-1");
    assert_eq!(run("ring", &all, &[]).unwrap(), "gnir-1 ring-1");
    let all = ["a-1; > c, d", "c-1; + v = 2", "b-1", "d-1"];
    assert_eq!(run("(b if d), b, (v = 1 or a or c)", &all, &[]).unwrap(), "b-1 c-1", "what only a condition names");
}

#[test]
fn what_is_missing_is_told_with_who_requires_it() {
    let all = ["app-1; > tool, lib", "tool-1; > libfoo.so.9 >= 2, zlib", "lib-1; > gone", "foo-1; + libfoo.so.9 = 1"];
    let error = run("app, gcc", &all, &["zlib"]).unwrap_err();
    assert!(!error.missing.is_empty());
    insta::assert_snapshot!(error, @r"
    no package provides `gcc`
      `gcc` is wanted
    ");
    insta::assert_snapshot!(reason("app", &all, &["lib", "zlib"]), @r"
    no package provides `libfoo.so.9 >= 2`; nearest: `foo-1-1.x86_64`
      `app` is wanted: `app-1-1.x86_64`
      `app-1-1.x86_64` requires `tool`: `tool-1-1.x86_64`
      `tool-1-1.x86_64` requires `libfoo.so.9 >= 2`
    ");
    insta::assert_snapshot!(reason("foo >= 3", &all, &["foo = 2"]), @r"
    no package provides `foo >= 3`; nearest: `foo-1-1.x86_64`
      `foo >= 3` is wanted
    ");
}

#[test]
fn a_version_that_two_packages_disagree_on_is_told() {
    insta::assert_snapshot!(reason("a, b", &["a-1; > x = 1", "b-1; > x = 2", "x-1", "x-2"], &[]), @r"
    `x-1-1.x86_64` and `x-2-1.x86_64` cannot be installed together
      `a` is wanted: `a-1-1.x86_64`
      `b` is wanted: `b-1-1.x86_64`
      `a-1-1.x86_64` requires `x = 1`: `x-1-1.x86_64`
      `b-1-1.x86_64` requires `x = 2`: `x-2-1.x86_64`
    ");
}
