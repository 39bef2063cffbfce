//! The whole way from a pipeline file to RPMs, with five small packages: what is built, kept, blocked and told.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::{fetched, learned, results, specs};

/// A project in a temporary folder, `tests/fixtures/mini` if it is no other.
pub(super) struct Mini {
    folder: tempfile::TempDir,
}

impl Mini {
    fn new() -> Self {
        Self::of("tests/fixtures/mini")
    }

    /// A copy of `fixture` in a temporary folder.
    pub(super) fn of(fixture: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("drydock-mini-").tempdir().unwrap();
        copy(Path::new(fixture), folder.path());
        Self { folder }
    }

    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_drydock"));
        command.current_dir(self.folder.path()).env("XDG_CACHE_HOME", self.path("cache"));
        command.args(["--pipeline", "pipeline.yaml", "--engine", "embedded"]).args(arguments);
        command
    }

    pub(super) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Digests of all published RPMs by path.
    pub(super) fn rpms(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for arch in ["x86_64", "noarch", "src"] {
            for entry in std::fs::read_dir(self.path("out/RPMS").join(arch)).into_iter().flatten() {
                let path = entry.unwrap().path();
                let digest = drydock::digest::Sha256::of_file(&path).unwrap();
                found.push((path.file_name().unwrap().to_string_lossy().into_owned(), digest.to_string()));
            }
        }
        found.sort();
        found
    }
}

pub(super) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

pub(super) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(super) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_small_distribution_is_built_kept_explained_and_built_again() {
    if std::env::var_os("DRYDOCK_CONTAINER_TESTS").is_none() {
        println!("skipped: set DRYDOCK_CONTAINER_TESTS=1");
        return;
    }
    let mini = Mini::new();
    the_first_run_builds_what_it_can(&mini);
    the_second_run_builds_only_what_failed(&mini);
    what_a_stage_provides_counts_where_it_is_required(&mini);
    specs::a_spec_cannot_change_how_others_are_read(&mini);
    specs::what_a_spec_says_is_said_in_time(&mini);
    specs::the_image_says_how_packages_are_compressed(&mini);
    a_shell_is_where_a_build_failed(&mini);
    an_ignored_package_stays_as_it_was(&mini);
    a_killed_run_loses_nothing(&mini);
    a_mended_package_frees_what_it_blocked(&mini);
    a_changed_comment_is_explained(&mini);
    the_same_inputs_give_the_same_bytes(&mini);
    checks_are_chosen_and_told_apart(&mini);
    learned::a_check_that_needs_its_own_package_runs_at_the_end(&mini);
    a_rebuild_reaches_as_far_as_it_may(&mini);
    source_packages_are_packed_by_content(&mini);
    what_cannot_be_built_stops_no_other(&mini);
    learned::exceptions_hold_for_their_packages_until_their_last_day(&mini);
    learned::what_a_build_asks_for_while_it_runs_joins_the_run(&mini);
    fetched::only_what_is_built_is_fetched(&mini);
    results::a_spec_makes_only_what_it_declares(&mini);
    results::an_rpm_belongs_to_one_spec(&mini);
    results::what_cannot_be_published_fails_alone(&mini);
    results::every_run_is_recorded(&mini);
    results::what_is_damaged_is_made_again(&mini);
    results::what_the_sandbox_keeps_is_made_again(&mini);
    learned::a_wrong_guess_is_followed_by_the_next_in_the_same_run(&mini);
}

fn the_first_run_builds_what_it_can(mini: &Mini) {
    let first = mini.run(&["run", "pipeline.yaml"]);
    let told = stderr(&first);
    assert_eq!(first.status.code(), Some(1), "{told}");
    assert!(told.contains("FAILED broken-1.0-1.mini in %build"), "{told}");
    assert!(told.contains("missing_name"), "the compiler's line is shown: {told}");
    assert!(told.contains("blocked blocked-1.0-1.mini: waits for broken-1.0-1.mini"), "{told}");
    assert!(told.contains("built greet-1.0-1.mini"), "pkgconfig(greet) came from libgreet: {told}");
    let names: Vec<String> = mini.rpms().into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        [
            "greet-1.0-1.mini.src.rpm",
            "greet-1.0-1.mini.x86_64.rpm",
            "libgreet-1.0-1.mini.src.rpm",
            "libgreet-1.0-1.mini.x86_64.rpm",
            "libgreet-devel-1.0-1.mini.x86_64.rpm",
            "tables-1.0-1.mini.noarch.rpm",
            "tables-1.0-1.mini.src.rpm",
        ]
    );
    assert!(mini.path("out/RPMS/repodata/repomd.xml").is_file());
    let table = std::fs::read_to_string(mini.path("build/build-state.csv")).unwrap();
    assert!(table.contains("\r\nblocked,blocked-1.0-1.mini,blocked,broken,,,not asked for,,,,\r\n"), "{table}");
    assert!(table.contains("\r\nbroken,broken-1.0-1.mini,failed,,%build,exit status 1,not asked for,"), "{table}");
    let state = std::fs::read(mini.path("build/build-state.json")).unwrap();
    let state: serde_json::Value = serde_json::from_slice(&state).unwrap();
    assert_eq!(state["packages"][2]["check"]["result"], "passed", "{state}");
    assert_eq!(state["packages"][2]["rpms"][1], "x86_64/greet-1.0-1.mini.x86_64.rpm", "{state}");
    assert!(stdout(&mini.run(&["logs", "broken"])).contains("missing_name"));
    let part = stdout(&mini.run(&["logs", "broken", "--phase", "build"]));
    assert!(part.starts_with("Executing(%build)") && part.contains("missing_name"), "{part}");
    assert!(stderr(&mini.run(&["logs", "broken", "--phase", "install"])).contains("did not get there"));
    assert_eq!(stdout(&mini.run(&["graph", "--rdeps", "libgreet", "--depth", "1"])), "greet\n");
    let part = stdout(&mini.run(&["graph", "greet", "--depth", "0", "--shape", "dot"]));
    assert!(part.contains("\"greet\"") && !part.contains("libgreet"), "{part}");
}

fn the_second_run_builds_only_what_failed(mini: &Mini) {
    let told = stderr(&mini.run(&["run", "pipeline.yaml"]));
    assert!(told.contains("packages: 2 to look at, 3 up to date"), "{told}");
    let good = mini.run(&["build", "greet"]);
    assert_eq!(good.status.code(), Some(0), "{}", stderr(&good));
    assert!(stderr(&good).contains("0 built, 2 up to date"), "greet and what it needs: {}", stderr(&good));
}

/// One more capability reads no spec again and builds nothing; one that is gone is missed.
fn what_a_stage_provides_counts_where_it_is_required(mini: &Mini) {
    let path = mini.path("pipeline.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let run = |provides: &str| {
        std::fs::write(&path, text.replace(" gcc, ", provides)).unwrap();
        let ran = mini.run(&["run", "pipeline.yaml"]);
        (ran.status.code(), stderr(&ran))
    };
    let (_, told) = run(" gcc, something-more, ");
    assert!(told.contains("toolchain bootstrap: made"), "{told}");
    assert!(told.contains("packages: 2 to look at, 3 up to date") && !told.contains("with rpmspec"), "{told}");
    let (code, told) = run(" ");
    assert!(code == Some(2) && told.contains("no package provides `gcc`"), "{told}");
    let (_, told) = run(" gcc, ");
    assert!(told.contains("packages: 2 to look at, 3 up to date") && !told.contains("with rpmspec"), "{told}");
}

fn an_ignored_package_stays_as_it_was(mini: &Mini) {
    let spec = mini.path("SPECS/libgreet/libgreet.spec");
    let text = std::fs::read_to_string(&spec).unwrap();
    std::fs::write(&spec, text.replace("%build\n", "%build\nfalse\n")).unwrap();
    let ignoring = mini.run(&["build", "greet", "--ignore", "libgreet"]);
    assert_eq!(ignoring.status.code(), Some(0), "{}", stderr(&ignoring));
    assert!(stderr(&ignoring).contains("0 built, 2 up to date"), "{}", stderr(&ignoring));
    let failing = mini.run(&["build", "greet", "--retries", "1"]);
    assert_eq!(failing.status.code(), Some(1), "{}", stderr(&failing));
    assert!(
        stderr(&failing).contains("attempt 2 of 2: attempt 1 failed in %build: exit status 1"),
        "{}",
        stderr(&failing)
    );
    std::fs::write(&spec, text).unwrap();
    let both = mini.run(&["build", "--rebuild", "greet", "--ignore", "greet"]);
    assert_eq!(both.status.code(), Some(2), "{}", stderr(&both));
    let never = mini.run(&["build", "blocked", "--ignore", "blocked"]);
    assert_eq!(never.status.code(), Some(1), "{}", stderr(&never));
    assert!(stderr(&never).contains("no result of an earlier build"), "{}", stderr(&never));
}

fn a_killed_run_loses_nothing(mini: &Mini) {
    let before = mini.rpms();
    let arguments = ["build", "tables", "--rebuild", "tables"];
    let mut child = mini.command(&arguments).stderr(Stdio::piped()).spawn().unwrap();
    let log = mini.path("build/logs/pkggen/rpmbuilding/tables-1.0-1.mini.src.rpm.log");
    std::fs::remove_file(&log).unwrap();
    let begun = Instant::now();
    // Until its container writes.
    while !log.is_file() && child.try_wait().unwrap().is_none() {
        assert!(begun.elapsed() < Duration::from_mins(2), "the build does not begin");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(mini.rpms(), before);
    let again = mini.run(&["build", "tables"]);
    assert_eq!(again.status.code(), Some(0), "{}", stderr(&again));
    assert_eq!(mini.rpms(), before);
    let verified = mini.run(&["verify", "tables"]);
    let told = stderr(&verified);
    assert_eq!(verified.status.code(), Some(0), "{told}");
    assert!(!told.contains("specs with rpmspec"), "what is known of specs counts here, too: {told}");
}

fn a_mended_package_frees_what_it_blocked(mini: &Mini) {
    let spec = mini.path("SPECS/broken");
    std::fs::write(spec.join("broken.c"), "int broken(void) { return 0; }\n").unwrap();
    let refused = mini.run(&["build", "blocked"]);
    assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
    assert!(stderr(&refused).contains("broken.c"), "the wrong digest is told: {}", stderr(&refused));
    assert!(mini.run(&["sources", "--update-signatures", "broken"]).status.success());
    let mended = mini.run(&["build", "blocked"]);
    assert_eq!(mended.status.code(), Some(0), "{}", stderr(&mended));
    assert!(stderr(&mended).contains("2 built"), "{}", stderr(&mended));
}

fn a_changed_comment_is_explained(mini: &Mini) {
    let spec = mini.path("SPECS/libgreet/libgreet.spec");
    let text = std::fs::read_to_string(&spec).unwrap();
    std::fs::write(&spec, format!("{text}# nothing of importance\n")).unwrap();
    let explained = stdout(&mini.run(&["explain", "libgreet"]));
    assert!(explained.contains("to be built") && explained.contains("spec"), "{explained}");
    let built = mini.run(&["build", "greet"]);
    assert!(stderr(&built).contains("1 built, 1 up to date"), "an equal library rebuilds nothing: {}", stderr(&built));
}

fn the_same_inputs_give_the_same_bytes(mini: &Mini) {
    let before = mini.rpms();
    let rebuild = ["build", "--all", "--rebuild", "libgreet", "--rebuild", "greet", "--rebuild", "tables"];
    let again = mini.run(&rebuild);
    assert_eq!(again.status.code(), Some(0), "{}", stderr(&again));
    assert_eq!(mini.rpms(), before);
}

fn checks_are_chosen_and_told_apart(mini: &Mini) {
    let run = |arguments: &[&str]| {
        let ran = mini.run(&[&["build"], arguments].concat());
        (ran.status.code(), stderr(&ran))
    };
    let (code, told) = run(&["greet", "--check-only", "tables", "libgreet", "greet"]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("FAILED tables-1.0-1.mini in %check"), "a failure in the middle counts: {told}");
    let all = "checks: 1 FAILED (tables-1.0-1.mini), 1 no check, 1 skipped: up to date";
    assert!(told.contains(all), "{told}");

    let (code, told) = run(&["tables", "--check-only", "tables", "--check", "warn"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("%check: failed") && told.contains("checks: 1 FAILED (tables-1.0-1.mini)"), "{told}");
    let (code, told) = run(&["tables", "--check-only", "tables", "--check", "warn"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("0 built") && told.contains("checks: 1 FAILED (tables-1.0-1.mini)"), "{told}");
    let (code, told) = run(&["tables", "--check-only", "tables"]);
    assert_eq!(code, Some(1), "a stored failure counts again: {told}");

    let (code, told) = run(&["greet", "--check-ignore", "greet", "--rebuild", "greet"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("checks: 1 skipped: ignored"), "{told}");
    let (code, told) = run(&["greet", "--check-only", "tabels"]);
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("named `tabels`") && told.contains("nearest: `tables`"), "{told}");
}

fn a_shell_is_where_a_build_failed(mini: &Mini) {
    let command =
        "id -un; ls; ls /sys/class/net; rpmbuild -bc --noprep ../../SOURCES/broken.spec >/dev/null 2>&1 || exit 7";
    let ran = mini.run(&["shell", "broken", "--", "sh", "-c", command]);
    let told = stderr(&ran);
    assert_eq!(ran.status.code(), Some(7), "{told}");
    assert_eq!(stdout(&ran), "builder\nbroken.c\nlo\n", "{told}");
    assert!(told.contains("shell: broken-1.0-1.mini as its build failed in %build; log: "), "{told}");
    let ran = mini.run(&["shell", "greet", "--", "sh", "-c", "pkg-config --libs greet; kill -TERM $$"]);
    assert_eq!((stdout(&ran).trim(), ran.status.code()), ("-lgreet", Some(143)), "{}", stderr(&ran));
    assert!(!mini.path("build/work/shell/greet").exists());
    let ran = mini.run(&["shell", "blocked", "--", "true"]);
    assert_eq!(ran.status.code(), Some(1), "what it needs does not build: {}", stderr(&ran));
}

/// Without its sources and with a requirement that nothing satisfies, two packages cannot be built; the others are.
fn what_cannot_be_built_stops_no_other(mini: &Mini) {
    let write = |name: &str, line: &str| {
        let folder = mini.path("SPECS").join(name);
        std::fs::create_dir(&folder).unwrap();
        let text = std::fs::read_to_string(mini.path("SPECS/tables/tables.spec")).unwrap();
        let text = text.replace("Name:           tables", &format!("Name: {name}\n{line}"));
        std::fs::write(folder.join(format!("{name}.spec")), text).unwrap();
    };
    write("lonely", "BuildRequires: libgret-devel");
    write("sourceless", "Source9: gone.tar.gz");
    let signatures = format!("{{ \"Signatures\": {{ \"gone.tar.gz\": \"{}\" }} }}", "0".repeat(64));
    std::fs::write(mini.path("SPECS/sourceless/sourceless.signatures.json"), signatures).unwrap();

    let refused = mini.run(&["build", "greet", "lonely", "--rebuild", "greet"]);
    assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
    std::fs::create_dir(mini.path("SPECS/torn")).unwrap();
    std::fs::write(mini.path("SPECS/torn/torn.spec"), "Name: torn\n%if\n").unwrap();
    for arguments in
        [["build", "--all"].as_slice(), &["build", "--keep-going", "greet", "lonely", "sourceless", "torn"]]
    {
        let ran = mini.run(&[arguments, &["--rebuild", "greet"]].concat());
        let told = stderr(&ran);
        assert_eq!(ran.status.code(), Some(1), "{told}");
        let (obstacles, build) = (told.find("nearest: `libgreet-devel`"), told.find("built greet-1.0-1.mini"));
        assert!(obstacles.is_some() && obstacles < build, "told before the first build: {told}");
        assert!(told.contains("gone.tar.gz"), "{told}");
        assert!(told.contains("2 were left out before the first build"), "{told}");
        assert!(told.contains("torn.spec` does not parse, see above"), "{told}");
        let table = std::fs::read_to_string(mini.path("build/build-state.csv")).unwrap();
        let row = "\r\nlonely,lonely-1.0-1.mini,left out,,,no package provides `libgret-devel`,";
        assert!(table.contains(row) && table.contains("\r\nsourceless,sourceless-1.0-1.mini,left out,"), "{table}");
    }
}

/// `greet` is built with `libgreet`, which comes out different.
fn a_rebuild_reaches_as_far_as_it_may(mini: &Mini) {
    let run = |arguments: &[&str]| {
        let ran = mini.run(&[&["build"], arguments].concat());
        assert_eq!(ran.status.code(), Some(0), "{}", stderr(&ran));
        stderr(&ran)
    };
    run(&["greet"]);
    let path = mini.path("SPECS/libgreet/libgreet.spec");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("Summary:  ", "Summary: A ")).unwrap();
    let told = run(&["greet", "--cascade", "0"]);
    assert!(told.contains("built libgreet-1.0-1.mini") && told.contains("packages: 1 built, 1 up to date"), "{told}");
    assert!(run(&["greet", "--cascade", "0"]).contains("packages: 0 built, 2 up to date"));
    assert!(run(&["libgreet"]).contains("packages: 0 built, 1 up to date"));
    let told = run(&["libgreet", "--extra-layers", "1"]);
    assert!(told.contains("built greet-1.0-1.mini") && told.contains("packages: 1 built, 1 up to date"), "{told}");
}

fn source_packages_are_packed_by_content(mini: &Mini) {
    let pack = |arguments: &[&str]| {
        let ran = mini.run(&[&["srpm"], arguments].concat());
        (ran.status.code(), stderr(&ran))
    };
    let digests = || {
        let entries = std::fs::read_dir(mini.path("out/SRPMS")).unwrap().map(|entry| entry.unwrap().path());
        let mut found: Vec<_> =
            entries.map(|path| (drydock::digest::Sha256::of_file(&path).unwrap().to_string(), path)).collect();
        found.sort();
        found
    };
    let (code, told) = pack(&["--all"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("5 packed, 0 up to date"), "what needs other packages is packed without them: {told}");
    let first = digests();
    let spec = mini.path("SPECS/tables/tables.spec");
    let text = std::fs::read_to_string(&spec).unwrap();
    std::fs::write(&spec, &text).unwrap();
    assert!(pack(&["--all"]).1.contains("0 packed, 5 up to date"), "a new time is no change");

    std::fs::write(&spec, text.replace("%description", "%if\n%description")).unwrap();
    std::fs::remove_dir_all(mini.path("build/store")).unwrap();
    let (code, told) = pack(&["--all"]);
    assert_eq!(code, Some(1), "{told}");
    assert!(
        told.contains("4 packed, 0 up to date, 1 missing") && told.contains("tables.spec` does not parse"),
        "{told}"
    );
    assert_eq!(digests(), first, "the same inputs give the same bytes");
    let (code, told) = pack(&["tables", "greet"]);
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("0 packed, 1 up to date, 1 missing"), "{told}");
    std::fs::write(&spec, text).unwrap();
    let (code, told) = pack(&["tables"]);
    assert_eq!((code, digests()), (Some(0), first), "{told}");
}
