//! The words of the command line and the environment: targets, and values of variables.

use std::collections::BTreeMap;

use super::targets::{TARGETS, Target};
use super::variables::{Means, VARIABLES, Variable};
use crate::suggest::nearest;

/// What was given.
#[derive(Default)]
pub(super) struct Given {
    pub(super) targets: Vec<&'static Target>,
    /// By name; white space around values is gone.
    values: BTreeMap<&'static str, String>,
    /// What is worth knowing and stops nothing.
    pub(super) notes: Vec<String>,
}

impl Given {
    /// Reads `words`, `TARGET` or `NAME=value`; `environment` counts for variables that are translated and that no word
    /// gives. All that is wrong is told at once.
    pub(super) fn read(words: &[String], environment: &BTreeMap<String, String>) -> Result<Self, Vec<String>> {
        let (mut given, mut faults) = (Self::default(), Vec::new());
        for word in words {
            match word.split_once('=') {
                None => match TARGETS.iter().find(|target| target.name == word) {
                    Some(target) => given.targets.push(target),
                    None => faults.push(unknown("target", word, TARGETS.iter().map(|target| target.name))),
                },
                Some((name, value)) => match assigned(name) {
                    Ok(variable) => drop(given.values.insert(variable.name, value.trim().to_owned())),
                    Err(fault) => faults.push(fault),
                },
            }
        }
        if given.targets.is_empty() && faults.is_empty() {
            given.targets.extend(TARGETS.iter().find(|target| target.name == "all"));
        }
        for variable in VARIABLES.iter().filter(|variable| variable.is_translated()) {
            if let Some(value) = environment.get(variable.name) {
                given.values.entry(variable.name).or_insert_with(|| value.trim().to_owned());
            }
        }
        for variable in VARIABLES {
            given.check(variable, &mut faults);
        }
        if faults.is_empty() { Ok(given) } else { Err(faults) }
    }

    /// The value, or the toolkit's default.
    pub(super) fn value(&self, name: &str) -> &str {
        let default =
            || VARIABLES.iter().find(|variable| variable.name == name).map_or("", |variable| variable.default);
        self.values.get(name).map_or_else(default, String::as_str)
    }

    /// The words of the value.
    pub(super) fn words(&self, name: &str) -> Vec<String> {
        self.value(name).split_whitespace().map(str::to_owned).collect()
    }

    /// True for the value `y`.
    pub(super) fn is_yes(&self, name: &str) -> bool {
        self.value(name) == "y"
    }

    /// True when a value is given that is neither empty nor the default.
    pub(super) fn differs(&self, variable: &Variable) -> bool {
        self.values.get(variable.name).is_some_and(|value| !value.is_empty() && value != variable.default)
    }

    fn check(&mut self, variable: &Variable, faults: &mut Vec<String>) {
        let Some(value) = self.values.get(variable.name) else { return };
        let Variable { name, remark, .. } = variable;
        let is_switch = ["y", "n"].contains(&variable.default);
        if is_switch && !["y", "n", ""].contains(&value.as_str()) {
            faults.push(format!("`{name}={value}`: `y` or `n` is expected"));
            return;
        }
        // For make, all that is not `y` is a no.
        if is_switch && value.is_empty() {
            self.values.insert(variable.name, "n".to_owned());
        }
        if !self.differs(variable) {
            return;
        }
        let value = self.value(name);
        match variable.means {
            Means::Needless => self.notes.push(format!("`{name}` is not needed: {remark}")),
            Means::Dead => self.notes.push(format!("`{name}` is dead in the toolkit, too: {remark}")),
            Means::Refused => faults.push(format!("`{name}={value}` has no counterpart: {remark}")),
            Means::Choice(values) if values.iter().all(|(known, _)| *known != value) => {
                let known: Vec<&str> = values.iter().map(|(known, _)| *known).collect();
                faults.push(format!("`{name}={value}`: one of `{}` is expected", known.join("`, `")));
            }
            _ => {}
        }
    }
}

fn assigned(name: &str) -> Result<&'static Variable, String> {
    // `NAME:=value` means the same on make's command line.
    let plain = name.trim_end_matches(':');
    if let Some(operator) = plain.chars().last().filter(|last| "+?!".contains(*last)) {
        return Err(format!("`{name}=`: write `NAME=value`; `{operator}=` belongs into a makefile"));
    }
    let found = VARIABLES.iter().find(|variable| variable.name == plain);
    found.ok_or_else(|| unknown("variable", plain, VARIABLES.iter().map(|variable| variable.name)))
}

fn unknown(what: &str, word: &str, known: impl Iterator<Item = &'static str>) -> String {
    let nearest = nearest(word, known);
    let nearest = if nearest.is_empty() { String::new() } else { format!("; nearest: `{}`", nearest.join("`, `")) };
    format!("there is no {what} `{word}`{nearest}")
}
