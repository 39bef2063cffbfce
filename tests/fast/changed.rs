//! What a git change affects, as far as it is known without reading specs; and what is told where git cannot help.

use std::process::Command;

use crate::support::Project;

const PIPELINE: &str = "name: x\ntoolchain:\n  - stage: bootstrap\n    base: [{ debootstrap: { suite: bookworm } }]\n    \
                        containerfile: box/c\npackages:\n  toolchain: bootstrap\n  specs: [SPECS]\n";

fn project() -> Project {
    Project::new()
        .file("p.yaml", PIPELINE)
        .file("box/c", "ARG BASE\nFROM ${BASE}\nCOPY keys /etc/keys\n")
        .file("box/keys/one", "one")
        .file("SPECS/zlib/zlib.spec", "Name: zlib\n")
        .file("SPECS/zlib/a patch", "the content of a patch that is long enough to be known again\n")
        .file("README", "text")
}

fn git(project: &Project, arguments: &[&str]) {
    let identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"];
    let ran = Command::new("git").args(identity).args(arguments).current_dir(project.path()).output().unwrap();
    assert!(ran.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
}

fn commit(project: &Project) {
    git(project, &["add", "-A"]);
    git(project, &["commit", "-q", "-m", "a change"]);
}

fn committed() -> Project {
    let project = project();
    git(&project, &["init", "-q"]);
    commit(&project);
    project
}

#[test]
fn a_folder_without_git_is_a_usage_error() {
    let ran = project().run(&["changed", "--pipeline", "p.yaml", "--from", "HEAD"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("error: `[DIR]` is in no git repository"), "{}", ran.stderr);
}

#[test]
fn a_missing_git_is_told() {
    let ran = project().run_with(&["changed", "--pipeline", "p.yaml", "--from", "HEAD"], ("PATH", "/nowhere"));
    insta::assert_snapshot!(ran.show(), @r"
    exit code: 3
    --- stdout
    --- stderr
    error: cannot start `git`
      caused by: No such file or directory (os error 2)
    hint: install git
    ");
}

#[test]
fn an_unknown_revision_is_named() {
    let project = committed();
    for revision in ["nowhere", "--output=x", "HEAD:README"] {
        let ran = project.run(&["changed", "--pipeline", "p.yaml", &format!("--from={revision}")]);
        assert_eq!(ran.code, Some(2), "{}", ran.stderr);
        assert!(ran.stderr.contains(&format!("git knows no commit `{revision}` in `[DIR]`")), "{}", ran.stderr);
    }
}

#[test]
fn a_containerfile_can_copy_from_another_folder() {
    let project = committed()
        .file("p.yaml", &PIPELINE.replace("box/c\n", "box/c\n    context: .\n"))
        .file("box/c", "ARG BASE\nFROM ${BASE}\nCOPY SPECS/zlib /usr/src/zlib\n");
    commit(&project);
    let changed = |project: &Project| project.run(&["changed", "--pipeline", "p.yaml", "--from", "HEAD"]).stdout;
    let project = project.file("box/keys/two", "what it copied from its own folder");
    assert!(!changed(&project).contains("everything"), "{}", changed(&project));
    let project = project.file("SPECS/zlib/a patch", "another content");
    assert!(changed(&project).contains("everything: toolchain stage `bootstrap` has changed"), "{}", changed(&project));
}

#[test]
fn what_a_containerfile_copies_affects_everything() {
    let project = committed();
    git(&project, &["mv", "SPECS/zlib/a patch", "SPECS/zlib/another patch"]);
    let project = project.file("box/keys/two", "new and untracked").file("README", "other text");
    let ran = project.run(&["changed", "--pipeline", "p.yaml", "--from", "HEAD"]);
    insta::assert_snapshot!(ran.show(), @r"
    exit code: 0
    --- stdout
    renamed    SPECS/zlib/another patch (from SPECS/zlib/a patch)
    added      box/keys/two
    everything: toolchain stage `bootstrap` has changed
    spec       zlib
    1 specs changed, 0 gone, 0 need them, 0 images affected; 1 other files changed
    --- stderr
    ");
    commit(&project);
    let between = ["changed", "--pipeline", "p.yaml", "--from", "HEAD~1", "--to", "HEAD", "--format", "json"];
    let ran = project.run(&between);
    let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(json["specs"], serde_json::json!(["zlib"]), "{}", ran.stderr);
    let moved = serde_json::json!({
        "path": "SPECS/zlib/another patch",
        "before": "SPECS/zlib/a patch",
        "change": "renamed",
        "part-of": [{ "kind": "spec", "name": "zlib" }]
    });
    assert_eq!(json["files"][0], moved);
}

#[test]
fn only_what_counts_of_the_pipeline_file_affects_everything() {
    let project = committed();
    let project = project.file("p.yaml", &format!("# a comment\n{PIPELINE}  macros: {{ dist: .x }}\n"));
    let ran = project.run(&["changed", "--pipeline", "p.yaml", "--from", "HEAD"]);
    assert!(ran.stdout.contains("everything: `packages.macros` of the pipeline file has changed"), "{}", ran.stdout);
    let project = project.file("p.yaml", &format!("# a comment\n{PIPELINE}"));
    let ran = project.run(&["changed", "--pipeline", "p.yaml", "--from", "HEAD"]);
    assert!(ran.stderr.contains("stage `bootstrap` is not made"), "the graph is asked: {}", ran.stderr);
}
