//! What the user reads when a pipeline file is wrong.

use crate::support::Project;

const CONTAINERFILE: &str = "ARG BASE\nFROM ${BASE}\n";

#[test]
fn a_missing_pipeline_file_is_named() {
    insta::assert_snapshot!(Project::new().run(&["run", "pipelines/none.yaml"]).show());
}

#[test]
fn an_unknown_key_is_shown_in_its_place() {
    let pipeline = "name: x\ntoolchain:\n  - stage: bootstrap\n    base:\n      - debootstrap: { suit: bookworm }\n";
    insta::assert_snapshot!(Project::new().file("p.yaml", pipeline).run(&["run", "p.yaml"]).show());
}

#[test]
fn a_stage_that_does_not_exist_is_named_with_those_that_do() {
    let pipeline = "name: x\ntoolchain:\n  - stage: bootstrap\n    base: [{ debootstrap: { suite: bookworm } }]\n    \
                    containerfile: c\npackages:\n  toolchain: bootstarp\n  specs: [.]\n";
    let project = Project::new().file("p.yaml", pipeline).file("c", CONTAINERFILE);
    insta::assert_snapshot!(project.run(&["run", "p.yaml"]).show());
}

#[test]
fn a_containerfile_with_an_unknown_instruction_is_told_with_its_line() {
    let pipeline = "name: x\ntoolchain:\n  - stage: bootstrap\n    base: [{ debootstrap: { suite: bookworm } }]\n    \
                    containerfile: c\n";
    let project = Project::new().file("p.yaml", pipeline).file("c", "ARG BASE\nFROM ${BASE}\nVOLUME /x\n");
    insta::assert_snapshot!(project.run(&["run", "p.yaml"]).show());
}

#[test]
fn a_password_in_a_wrong_value_is_not_shown() {
    let pipeline = "name: x\ntoolchain:\n  - stage: bootstrap\n    install: https://me:PASS@x.test/debian\n";
    let ran = Project::new().file("p.yaml", pipeline).run(&["run", "p.yaml"]);
    assert!(ran.stderr.contains("https://***@x.test/debian") && !ran.show().contains("PASS"), "{}", ran.show());
}

/// A pipeline whose toolchain is not made yet.
const UNMADE: &str = "name: x\ntoolchain:\n  - stage: bootstrap\n    base: [{ debootstrap: { suite: bookworm } }]\n    \
                      containerfile: c\npackages:\n  toolchain: bootstrap\n  specs: [S]\n";

#[test]
fn files_of_another_systems_editor_are_understood() {
    let windows = |text: &str| format!("\u{feff}{}", text.replace('\n', "\r\n"));
    let project = Project::new().file("p.yaml", &windows(UNMADE)).file("c", &windows(CONTAINERFILE)).file("S/x", "");
    let ran = project.run(&["--pipeline", "p.yaml", "plan", "--all"]);
    assert!(ran.stderr.contains("stage `bootstrap` is not made"), "{}", ran.show());
}

#[test]
fn a_command_in_a_hint_names_the_pipeline_and_the_folders_of_the_command_line() {
    let project = Project::new().file("my p.yaml", UNMADE).file("c", CONTAINERFILE).file("S/x", "");
    let ran = project.run(&["--pipeline", "my p.yaml", "plan", "--all", "--specs-dir", "S", "--build-dir", "b"]);
    let hint = "hint: make it with `drydock --pipeline 'my p.yaml' --build-dir b toolchain build bootstrap`";
    assert!(ran.stderr.contains(hint), "{}", ran.show());
    let ran = project.run(&["--pipeline", "my p.yaml", "sources", "--specs-dir", "none", "--update-signatures", "x"]);
    assert!(!ran.stderr.contains("unexpected argument"), "{}", ran.show());
}

#[test]
fn a_project_folder_that_does_not_exist_is_a_usage_error() {
    insta::assert_snapshot!(Project::new().run(&["-C", "nowhere", "run", "p.yaml"]).show());
}

#[test]
fn what_a_stage_of_rpms_lacks_is_told_at_once() {
    let pipeline = "name: x\nregistry: { name: 'example.org/a/b:latest' }\ntoolchain:\n  - stage: bootstrap\n    \
                    base: [{ debootstrap: { suite: bookworm } }]\n  - stage: published\n    from: bootstrap\n    \
                    install: [bash]\n    rpms: { manifest: list.txt }\n";
    let project = Project::new().file("p.yaml", pipeline).file("list.txt", "acl-2.3.1-2.azl3.x86_64.rpm\nacl.rpm\n");
    insta::assert_snapshot!(project.run(&["run", "p.yaml"]).show());
}

#[test]
fn the_stages_of_another_pipeline_are_those_of_one_file_only() {
    let project = Project::new()
        .file("a.yaml", "name: a\ntoolchain-of: b.yaml\n")
        .file("b.yaml", "name: b\ntoolchain-of: c.yaml\n");
    insta::assert_snapshot!(project.run(&["run", "a.yaml"]).show());
}
