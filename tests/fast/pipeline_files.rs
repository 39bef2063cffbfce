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
fn a_project_folder_that_does_not_exist_is_a_usage_error() {
    insta::assert_snapshot!(Project::new().run(&["-C", "nowhere", "run", "p.yaml"]).show());
}
