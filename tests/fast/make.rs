//! The words of the Azure Linux toolkit: what they become, and what is told of those that have no counterpart.

use std::fs::File;
use std::io::Read;
use std::net::TcpListener;
use std::os::fd::OwnedFd;

use crate::support::{Project, Ran};

fn project() -> Project {
    Project::new().file("pipelines/quickstart.yaml", "name: x\n")
}

fn dry(words: &[&str]) -> Ran {
    project().run(&[&["make", "-n"], words].concat())
}

/// The commands of a translation; warnings before them.
fn commands(words: &[&str]) -> String {
    let ran = dry(words);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    format!("{}{}", ran.stderr, ran.stdout)
}

fn refusal(words: &[&str]) -> String {
    let ran = dry(words);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{}", ran.stderr);
    ran.stderr
}

#[test]
fn the_common_command_lines_of_the_toolkit() {
    insta::assert_snapshot!(commands(&["toolchain", "REBUILD_TOOLS=y"]), @"
    warning: `REBUILD_TOOLS` is not needed: Drydock is one program
    drydock toolchain build
    ");
    insta::assert_snapshot!(commands(&["build-packages"]), @"drydock build --all --check off --timeout 28800");
    insta::assert_snapshot!(commands(&["build-packages", "SRPM_PACK_LIST=a b", "REBUILD_TOOLS=n"]), @"drydock build a b --check off --timeout 28800");
    insta::assert_snapshot!(
        commands(&["build-packages", "PACKAGE_BUILD_LIST=vim nano", "PACKAGE_REBUILD_LIST=vim", "PACKAGE_IGNORE_LIST=openjdk8 "]),
        @"drydock build vim nano --check off --rebuild vim --ignore openjdk8 --timeout 28800"
    );
    insta::assert_snapshot!(
        commands(&["build-packages", "SRPM_PACK_LIST=zlib", "PACKAGE_BUILD_LIST=zlib", "STOP_ON_PKG_FAIL=y", "CONCURRENT_PACKAGE_BUILDS=4"]),
        @"
    warning: `SRPM_PACK_LIST` does not hide other specs: what the packages of the other lists need is built, too
    drydock build zlib --check off --stop-on-failure --timeout 28800 --jobs 4
    "
    );
    insta::assert_snapshot!(commands(&["image", "CONFIG_FILE=./imageconfigs/core-efi.json"]), @"
    drydock build --image ./imageconfigs/core-efi.json --check off --timeout 28800
    drydock image ./imageconfigs/core-efi.json
    ");
    insta::assert_snapshot!(commands(&["iso", "CONFIG_FILE=imageconfigs/full.json", "REBUILD_PACKAGES=n"]), @"
    warning: `REBUILD_PACKAGES=n`: no package is built
    drydock image imageconfigs/full.json
    ");
    insta::assert_snapshot!(commands(&["input-srpms", "SRPM_PACK_LIST=zlib", "SOURCE_URL=https://a.test/x"]), @"drydock srpm zlib --source-url https://a.test/x");
    insta::assert_snapshot!(
        commands(&["input-srpms", "DOWNLOAD_SRPMS=y", "SRPM_URL_LIST=https://a.test/1 https://a.test/2"]),
        @"drydock srpm --all --download-srpms --srpm-url https://a.test/1 --srpm-url https://a.test/2"
    );
    insta::assert_snapshot!(
        commands(&["build-packages", "SRPM_PACK_LIST=zlib", "SRPM_FILE_SIGNATURE_HANDLING=update"]),
        @"
    drydock srpm zlib --signatures update
    drydock build zlib --check off --timeout 28800
    "
    );
    insta::assert_snapshot!(commands(&["parse-specs", "SPECS_DIR=../SPECS-EXTENDED"]), @"drydock specs --specs-dir ../SPECS-EXTENDED");
    insta::assert_snapshot!(commands(&["graph", "PACKAGE_BUILD_LIST=zlib"]), @"drydock graph zlib");
    insta::assert_snapshot!(commands(&["graph-cache"]), @"drydock plan --all");
    insta::assert_snapshot!(commands(&["hydrate-toolchain", "TOOLCHAIN_ARCHIVE=a.tar.gz"]), @"drydock toolchain import a.tar.gz");
    insta::assert_snapshot!(commands(&["clean"]), @"drydock clean --results --output");
    insta::assert_snapshot!(commands(&["clean-build-packages"]), @"warning: `clean-build-packages`: nothing to do: results are found by what went into them; there is nothing to clean");
    insta::assert_snapshot!(commands(&[]), @"drydock toolchain build");
}

#[test]
fn checks_as_the_toolkit_has_them() {
    insta::assert_snapshot!(commands(&["build-packages", "PACKAGE_BUILD_LIST=zlib", "RUN_CHECK=y"]), @"drydock build zlib --check-all --check warn --timeout 28800");
    insta::assert_snapshot!(
        commands(&["build-packages", "PACKAGE_BUILD_LIST=zlib", "RUN_CHECK=y", "TEST_RUN_LIST=zlib xz", "TEST_RERUN_LIST=lz4", "TEST_IGNORE_LIST=xz"]),
        @"drydock build zlib --check-only zlib,xz,lz4 --check-ignore xz --rebuild lz4 --check warn --timeout 28800"
    );
    insta::assert_snapshot!(commands(&["build-packages", "PACKAGE_BUILD_LIST=zlib", "TEST_RUN_LIST=zlib"]), @"
    warning: `TEST_RUN_LIST`, `TEST_RERUN_LIST` and `TEST_IGNORE_LIST` count with `RUN_CHECK=y` only
    drydock build zlib --check off --timeout 28800
    ");
}

#[test]
fn private_mirrors_and_all_that_goes_into_a_build() {
    insta::assert_snapshot!(
        commands(&["build-packages", "SRPM_PACK_LIST=zlib", "SOURCE_URL=https://a.test/x", "CA_CERT=ca.pem", "TLS_CERT=c.pem",
            "TLS_KEY=c.key", "PACKAGE_BUILD_RETRIES=2", "PACKAGE_BUILD_TIMEOUT=90m", "BUILD_DIR=b", "OUT_DIR=my out",
            "LOG_LEVEL=debug", "SRPM_FILE_SIGNATURE_HANDLING=skip"]),
        @"drydock --build-dir b --out-dir 'my out' -v build zlib --check off --signatures skip --retries 2 --timeout 5400 --source-url https://a.test/x --source-ca ca.pem --source-client-cert c.pem --source-client-key c.key"
    );
}

#[test]
fn quotes_spaces_and_empty_values() {
    insta::assert_snapshot!(commands(&["build-packages", "PACKAGE_BUILD_LIST=  a\tb\n c ", "SRPM_PACK_LIST=", "CONFIG_FILE="]), @"drydock build a b c --check off --timeout 28800");
    insta::assert_snapshot!(commands(&["image", "CONFIG_FILE=my configs/it's.json", "REBUILD_PACKAGES="]), @r"
    warning: `REBUILD_PACKAGES=n`: no package is built
    drydock image 'my configs/it'\''s.json'
    ");
    insta::assert_snapshot!(commands(&["build-packages", "SRPM_PACK_LIST:=zlib", "SRPM_PACK_LIST=xz", "SOURCE_URL=https://a.test/?q=1&r=2"]), @"drydock build xz --check off --timeout 28800 --source-url 'https://a.test/?q=1&r=2'");
}

#[test]
fn a_word_that_is_nobody_s_is_told_with_the_nearest_ones() {
    insta::assert_snapshot!(refusal(&["build-package", "SRPM_PACKLIST=zlib", "SPECS_DIR+=x", "parse-spec"]), @"
    error: there is no target `build-package`; nearest: `build-packages`
    there is no variable `SRPM_PACKLIST`; nearest: `SRPM_PACK_LIST`
    `SPECS_DIR+=`: write `NAME=value`; `+=` belongs into a makefile
    there is no target `parse-spec`; nearest: `parse-specs`
    ");
}

#[test]
fn what_would_change_results_is_refused_and_what_would_not_is_said() {
    insta::assert_snapshot!(
        refusal(&["build-packages", "DIST_TAG=.x", "TARGET_ARCH=aarch64", "QUICK_REBUILD=y", "RUN_CHECK=yes", "LOG_LEVEL=loud"]),
        @"
    error: `TARGET_ARCH=aarch64` has no counterpart: packages are built for the machine's own architecture
    `RUN_CHECK=yes`: `y` or `n` is expected
    `QUICK_REBUILD=y` has no counterpart: a package is built from its spec, and not taken from a repository by its name
    `LOG_LEVEL=loud`: one of `panic`, `fatal`, `error`, `warn`, `info`, `debug`, `trace` is expected
    `DIST_TAG=.x` has no counterpart: set the macro in the pipeline's `packages.macros`
    "
    );
    insta::assert_snapshot!(refusal(&["sodiff-check", "image"]), @"
    error: `sodiff-check` has no counterpart: sonames are not compared with a published repository
    `image` needs `CONFIG_FILE=…`
    ");
    insta::assert_snapshot!(refusal(&["build-packages", "DOWNLOAD_SRPMS=y", "USE_PACKAGE_BUILD_CACHE=n"]), @"
    error: `DOWNLOAD_SRPMS=y` counts for `input-srpms` alone: packages are built from specs
    `USE_PACKAGE_BUILD_CACHE=n` needs names: `PACKAGE_BUILD_LIST`
    ");
    insta::assert_snapshot!(
        commands(&["build-packages", "SRPM_PACK_LIST=a", "REBUILD_DEP_CHAINS=n", "USE_CCACHE=y", "TARGET_ARCH=", "DELTA_BUILD=n"]),
        @"
    warning: `REBUILD_DEP_CHAINS` is dead in the toolkit, too: see `MAX_CASCADING_REBUILDS`
    warning: `USE_CCACHE` is not needed: there is no ccache
    drydock build a --check off --timeout 28800
    "
    );
    insta::assert_snapshot!(commands(&["parse-specs", "RUN_CHECK=y"]), @"
    warning: `RUN_CHECK` does not count for these targets
    drydock specs
    ");
}

#[test]
fn the_environment_counts_for_what_is_translated_and_the_command_line_wins() {
    let with = |words: &[&str], variable| {
        let ran = project().run_with(&[&["make", "-n"], words].concat(), variable);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        format!("{}{}", ran.stderr, ran.stdout)
    };
    insta::assert_snapshot!(with(&["build-packages"], ("SRPM_PACK_LIST", "zlib xz")), @"drydock build zlib xz --check off --timeout 28800");
    insta::assert_snapshot!(with(&["build-packages", "SRPM_PACK_LIST=lz4"], ("SRPM_PACK_LIST", "zlib xz")), @"drydock build lz4 --check off --timeout 28800");
    insta::assert_snapshot!(with(&["build-packages"], ("DIST_TAG", ".x")), @"drydock build --all --check off --timeout 28800");
}

#[test]
fn global_flags_go_with_every_command_and_a_command_s_exit_code_is_that_of_make() {
    let project = project().file("other.yaml", "name: x\n");
    let words = ["make", "image", "CONFIG_FILE=a.json", "-n", "--engine", "embedded", "--pipeline", "other.yaml"];
    insta::assert_snapshot!(project.run(&words).stdout, @"
    drydock --pipeline other.yaml --engine embedded build --image a.json --check off --timeout 28800
    drydock --pipeline other.yaml --engine embedded image a.json
    ");
    let ran = project.run(&["make", "parse-specs"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.starts_with("drydock specs\nerror: "), "{}", ran.stderr);
}

#[test]
fn the_page_has_a_row_for_every_target_and_variable() {
    let page = std::fs::read_to_string("docs/azure-linux-toolkit.md").unwrap();
    let tables = project().run(&["make", "--list"]).stdout;
    assert!(tables.lines().count() > 200, "{tables}");
    let missing: Vec<&str> =
        tables.lines().filter(|row| !row.is_empty() && !page.lines().any(|line| line == *row)).collect();
    assert!(missing.is_empty(), "rows of `drydock make --list` that the page lacks:\n{}", missing.join("\n"));
    let stale: Vec<&str> =
        page.lines().filter(|line| line.starts_with("| `") && !tables.lines().any(|row| row == *line)).collect();
    assert!(stale.is_empty(), "rows of the page that `drydock make --list` does not have:\n{}", stale.join("\n"));
}

/// What `drydock make` writes to a terminal while its command waits for a registry that does not answer.
fn waiting_on_a_terminal() -> String {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let image = format!("{}/base@sha256:{}", silent.local_addr().unwrap(), "0".repeat(64));
    let pipeline = format!("name: x\ntoolchain:\n  - stage: base\n    base: [{{ image: '{image}' }}]\n");
    let project = Project::new().file("pipelines/quickstart.yaml", &pipeline);
    let pty = nix::pty::openpty(None, None).unwrap();
    let mut child =
        project.command(&["make", "toolchain"]).env("TERM", "xterm").stderr::<OwnedFd>(pty.slave).spawn().unwrap();
    let (mut terminal, mut shown) = (File::from(pty.master), Vec::new());
    // A few of the steps that a status line makes five times a second.
    while shown.split(|byte| *byte == b'\r').count() < 20 {
        let mut some = [0; 512];
        let count = terminal.read(&mut some).unwrap();
        shown.extend_from_slice(&some[..count]);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    String::from_utf8_lossy(&shown).into_owned()
}

#[test]
fn one_status_line_is_shown_and_not_a_second_one_over_it() {
    let shown = waiting_on_a_terminal();
    let is_status = |line: &&str| line.trim_end().ends_with(" toolchain base");
    let drawn: Vec<&str> = shown.split("\u{1b}[2K").skip_while(|line| !is_status(line)).collect();
    assert!(!drawn.is_empty() && drawn.iter().all(is_status), "{shown:?}");
}
