//! What turns out only when packages are built: a check that needs its own package, and requirements that a build asks for.

use super::mini::{Mini, stderr, stdout};

/// Writes a spec; `lines` are its preamble's, `rest` follows its description.
pub(super) fn write_spec(mini: &Mini, name: &str, lines: &str, rest: &str) {
    let text = format!(
        "Name: {name}\nVersion: 1\nRelease: 1\nSummary: Small\nLicense: MIT\nBuildArch: noarch\n{lines}\n\
         %description\nSmall.\n{rest}\n"
    );
    let folder = mini.path("SPECS").join(name);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("{name}.spec")), text).unwrap();
}

/// The check of `six` requires `pytest`, whose build requires `six`.
pub(super) fn a_check_that_needs_its_own_package_runs_at_the_end(mini: &Mini) {
    let spec = |name: &str, requires: &str, check: &str| {
        let install =
            format!("%install\nmkdir -p %{{buildroot}}/usr/share\necho {name} > %{{buildroot}}/usr/share/{name}");
        write_spec(mini, name, requires, &format!("{install}\n{check}\n%files\n/usr/share/{name}"));
    };
    spec("six", "%if 0%{?with_check}\nBuildRequires: pytest\n%endif", "%check\ncat /usr/share/pytest /usr/share/six");
    spec("pytest", "BuildRequires: six\nRequires: six", "");
    let run = |check: &str| {
        let ran = mini.run(&["build", "six", "--check", check, "--check-only", "six"]);
        (ran.status.code(), stderr(&ran))
    };
    let (code, told) = run("fail");
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("%check of six-1-1: passed") && told.contains("checks: 1 passed"), "{told}");
    assert!(told.contains("packages: 2 built, 0 up to date"), "{told}");
    let before = mini.rpms();
    let (code, told) = run("fail");
    assert!(code == Some(0) && told.contains("packages: 0 built, 2 up to date"), "{told}");
    assert!(told.contains("checks: 1 skipped: up to date") && mini.rpms() == before, "{told}");

    spec("six", "%if 0%{?with_check}\nBuildRequires: pytest\n%endif", "%check\ncat /usr/share/nothing");
    let (code, told) = run("fail");
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("FAILED six-1-1 in %check") && told.contains("checks: 1 FAILED (six-1-1)"), "{told}");
    assert!(told.contains("packages: 0 built, 1 up to date, 1 failed"), "its RPMs are there: {told}");
    let (code, told) = run("warn");
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("%check of six-1-1: failed") && told.contains("checks: 1 FAILED (six-1-1)"), "{told}");
    for name in ["six", "pytest"] {
        std::fs::remove_dir_all(mini.path("SPECS").join(name)).unwrap();
    }
}

/// `asker` asks for `late-tool`, which another spec makes, which asks for a third one; `ring` asks for what needs it.
pub(super) fn what_a_build_asks_for_while_it_runs_joins_the_run(mini: &Mini) {
    let spec = |name: &str, requires: &str, asks: &str| {
        let tool = "%package tool\nSummary: Tool\n%description tool\nTool.\n%files tool";
        let lines = format!("BuildRequires: {requires}");
        write_spec(mini, name, &lines, &format!("%generate_buildrequires\necho {asks}\n{tool}"));
    };
    spec("asker", "make", "late-tool");
    spec("late", "make", "later-tool");
    spec("later", "make", "make");
    spec("ring", "make", "needs-ring-tool");
    spec("needs-ring", "ring-tool", "make");
    spec("lonely", "make", "nobody-has-this");
    let run = mini.run(&["build", "asker", "ring", "lonely"]);
    let told = stderr(&run);
    assert_eq!(run.status.code(), Some(1), "{told}");
    assert!(told.contains("postponed asker-1-1: it turned out to need `late`"), "{told}");
    assert!(told.contains("postponed late-1-1: it turned out to need `later`"), "{told}");
    assert!(told.contains("packages: 3 built, 0 up to date, 2 failed"), "{told}");
    assert!(told.contains("needs-ring -> ring -> needs-ring"), "{told}");
    assert!(told.contains("nobody-has-this"), "{told}");
    let graph = stdout(&mini.run(&["graph", "asker"]));
    assert!(graph.contains("asker: late") && graph.contains("late: later"), "the next plan knows: {graph}");
    let again = stderr(&mini.run(&["build", "asker"]));
    assert!(again.contains("packages: 0 built, 3 up to date"), "{again}");
    let fresh = stderr(&mini.run(&["build", "asker", "--rebuild", "asker"]));
    assert!(!fresh.contains("postponed") && fresh.contains("packages: 1 built, 2 up to date"), "{fresh}");
}

/// Three specs may have what `guesser` requires: one that has not, one that does not build, and one that has. A file below a
/// folder of a package is in that package.
pub(super) fn a_wrong_guess_is_followed_by_the_next_in_the_same_run(mini: &Mini) {
    let module = |name: &str, has: &str, build: &str| {
        let folder = "%{buildroot}%{_datadir}/pkgconfig";
        let rest = format!(
            "%build\n{build}\n%install\nmkdir -p {folder}\n\
             printf 'Name: x\\nDescription: x\\nVersion: 1\\n' > {folder}/{has}.pc\n%files\n%{{_datadir}}/pkgconfig/*.pc"
        );
        write_spec(mini, name, "", &rest);
    };
    module("aa-one", "something-else", "");
    module("bb-two", "wanted", "false");
    module("cc-six", "wanted", "");
    let install = "%install\nmkdir -p %{buildroot}/opt/owned/bin\ntouch %{buildroot}/opt/owned/bin/tool";
    write_spec(mini, "owner", "", &format!("{install}\n%files\n/opt/owned"));
    let requires = "BuildRequires: pkgconfig(wanted)\nBuildRequires: /opt/owned/bin/tool";
    write_spec(mini, "guesser", requires, "%install\ntest -e /opt/owned/bin/tool\n%files");
    let ran = mini.run(&["build", "guesser"]);
    let told = stderr(&ran);
    assert!(told.contains("built guesser-1-1") && told.contains("FAILED bb-two-1-1"), "{told}");
    assert_eq!(ran.status.code(), Some(0), "what was asked for is there: {told}");
    assert!(told.contains("packages: 4 built, 0 up to date, 1 failed and not needed"), "{told}");
    assert!(told.contains("warning: `bb-two` failed in %build"), "{told}");
    assert_eq!(stdout(&mini.run(&["graph", "guesser"])), "cc-six\nowner\nguesser: cc-six owner\n");
    let again = mini.run(&["build", "guesser"]);
    assert_eq!(again.status.code(), Some(0), "{}", stderr(&again));
    assert!(stderr(&again).contains("packages: 0 built, 3 up to date"), "{}", stderr(&again));

    write_spec(mini, "nobody", "BuildRequires: pkgconfig(wanted)\nBuildRequires: nobody-has-this", "%files");
    let rdeps = mini.run(&["graph", "--rdeps", "cc-six"]);
    assert_eq!((rdeps.status.code(), stdout(&rdeps)), (Some(0), "guesser\nnobody\n".to_owned()), "{}", stderr(&rdeps));
    assert!(stderr(&rdeps).contains("nobody: no package provides `nobody-has-this`"), "{}", stderr(&rdeps));
    let why = mini.run(&["graph", "--why", "nobody", "cc-six"]);
    assert_eq!(stdout(&why), "nobody → BuildRequires pkgconfig(wanted) → cc-six\n", "{}", stderr(&why));
    let explained = mini.run(&["explain", "nobody"]);
    assert_eq!(stdout(&explained), "nobody: cannot be built: no package provides `nobody-has-this`\n");
    for name in ["aa-one", "bb-two", "cc-six", "owner", "guesser", "nobody"] {
        std::fs::remove_dir_all(mini.path("SPECS").join(name)).unwrap();
    }
}

/// What the pipeline file allows: root of the container, and the network in `%check` alone.
pub(super) fn exceptions_hold_for_their_packages_until_their_last_day(mini: &Mini) {
    let path = mini.path("pipeline.yaml");
    let pipeline = std::fs::read_to_string(&path).unwrap();
    let with = |until: &str| {
        let list = format!(
            "  exceptions:\n    - {{spec: rooted, allow: root, reason: makes a folder, until: {until}}}\n    \
             - {{spec: rooted, allow: network-in-check, reason: looks at devices, until: {until}}}\n"
        );
        std::fs::write(&path, pipeline.clone() + &list).unwrap();
        let ran = mini.run(&["build", "rooted", "--check-only", "rooted"]);
        (ran.status.code(), stderr(&ran))
    };
    // Its own loopback interface, and one to the network of its own.
    let devices = 2;
    let count = "test $(ls /sys/class/net | wc -l)";
    let rest = format!(
        "%install\nmkdir /usr/share/rooted\n%if !0%{{?with_check}}\n{count} = 1\n%endif\n\
         %check\n{count} = {devices}\n%files\n"
    );
    write_spec(mini, "rooted", "", &rest);
    let (code, told) = with("9999-12-31");
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("%check of rooted-1-1: passed") && told.contains("packages: 1 built"), "{told}");
    let (code, told) = with("2000-01-01");
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("`rooted` is not allowed `root` any more, which it was until 2000-01-01"), "{told}");
    assert!(told.contains("mkdir: cannot create directory"), "{told}");
    std::fs::write(&path, pipeline).unwrap();
    std::fs::remove_dir_all(mini.path("SPECS/rooted")).unwrap();
}
