//! The tables by themselves, and what a flag that does not exist yet gives.

use std::collections::BTreeSet;

use clap::CommandFactory;

use super::*;

fn given(words: &[&str]) -> Given {
    let words: Vec<String> = words.iter().map(ToString::to_string).collect();
    Given::read(&words, &BTreeMap::new()).unwrap()
}

#[test]
fn each_name_is_in_its_table_once() {
    let targets: BTreeSet<&str> = TARGETS.iter().map(|target| target.name).collect();
    let variables: BTreeSet<&str> = VARIABLES.iter().map(|variable| variable.name).collect();
    assert_eq!((targets.len(), variables.len()), (TARGETS.len(), VARIABLES.len()));
}

#[test]
fn what_is_not_translated_says_why() {
    for variable in VARIABLES.iter().filter(|variable| !variable.is_translated()) {
        assert!(!variable.remark.is_empty(), "{}", variable.name);
    }
}

#[test]
fn every_command_of_the_tables_is_one() {
    let all = Cli::command();
    for command in VARIABLES.iter().flat_map(|variable| variable.of) {
        assert!(all.find_subcommand(command).is_some(), "{command}");
    }
}

#[test]
fn a_flag_that_a_command_does_not_have_is_told_with_its_variable() {
    let words = ["build-packages", "PACKAGE_BUILD_LIST=zlib", "MAX_CASCADING_REBUILDS=1", "REPO_LIST=a.repo b.repo"];
    let faults = translate(&given(&words), &|_, flag| flag == "--timeout").unwrap_err();
    insta::assert_snapshot!(faults.join("\n"), @"
    `MAX_CASCADING_REBUILDS` means `--cascade`, which `drydock build` does not have yet
    `REPO_LIST` means `--repo`, which `drydock build` does not have yet
    ");
    let commands = translate(&given(&words), &|_, _| true).unwrap().commands;
    insta::assert_snapshot!(shown(&commands[0]), @"build zlib --check off --cascade 1 --timeout 28800 --repo a.repo --repo b.repo");
}

#[test]
fn times_are_go_s() {
    let of = |time: &str| {
        let words = ["build-packages".to_owned(), format!("PACKAGE_BUILD_TIMEOUT={time}")];
        let given = Given::read(&words, &BTreeMap::new()).unwrap();
        translate(&given, &|_, _| true).map(|made| made.commands[0].last().cloned().unwrap_or_default())
    };
    assert_eq!(of("90m"), Ok("5400".into()));
    assert_eq!(of("1h30m1500ms"), Ok("5402".into()));
    for wrong in ["90", "1.5h", "h", "soon", "99999999999999999999h"] {
        assert!(of(wrong).unwrap_err()[0].contains("a time is expected"), "{wrong}");
    }
}
