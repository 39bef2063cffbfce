//! What a run learns while it runs: a build needs packages that its plan did not have.
//!
//! `%generate_buildrequires` asks for them, or an RPM that was guessed to provide something does not. The package is
//! planned again with what is known by then; the packages that it lacks join the run, and it waits for them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use futures_util::future::LocalBoxFuture;

use super::one::One;
use super::run::Run;
use super::{BuildError, Outcome};
use crate::event::Event;
use crate::source::Sources;

/// Plans one package of a run again.
pub trait Planner {
    /// What the build of `spec` needs, from all that is known by now.
    ///
    /// # Errors
    /// What is known cannot be read.
    fn plan<'a>(&'a self, spec: &'a str) -> LocalBoxFuture<'a, Result<Replanned, BuildError>>;
}

/// What came of planning a package again.
#[derive(Debug)]
pub enum Replanned {
    /// What it needs, and how that is had.
    Needs {
        /// For the spec, and for each that it needs, directly or not, those that are needed directly. There is no ring.
        needs: BTreeMap<String, BTreeSet<String>>,
        /// The sources of the specs that were in no plan before.
        sources: Sources,
    },
    /// It cannot be built; why, as sentences.
    Refused(String),
}

impl One<'_> {
    /// What becomes of the package, whose `BuildRequires` cannot be met with what it has needed so far.
    pub(super) async fn plan_again(&self, reason: &str) -> Result<Outcome, BuildError> {
        let (run, spec) = (self.run, &self.package.spec);
        let Some(planner) = run.context.planner else { return Ok(Outcome::Failed(self.unsolvable(reason))) };
        let (needs, sources) = match planner.plan(spec).await? {
            Replanned::Needs { needs, sources } => (needs, sources),
            Replanned::Refused(why) => return Ok(Outcome::Failed(self.unsolvable(&format!("{reason}\n{why}")))),
        };
        let joined = match run.learn(spec, &needs) {
            Learned::Nothing => return Ok(Outcome::Failed(self.unsolvable(reason))),
            Learned::Ring(through) => {
                let why = format!("`{through}` would give it, and needs `{spec}` itself");
                return Ok(Outcome::Failed(self.unsolvable(&format!("{reason}\n{why}"))));
            }
            Learned::Needs(joined) => joined,
        };
        run.add_sources(sources);
        let own = joined.get(spec).into_iter().flatten().cloned().collect();
        let (package, joining) = (self.name.clone(), joined.len() - 1);
        (run.context.report)(Event::BuildPostponed { package, needs: own, joined: joining });
        Ok(Outcome::Postponed(joined))
    }
}

/// What a run makes of a new plan for one of its packages.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Learned {
    /// It needs these too, and the others are new to the run: for each what it needs directly.
    Needs(BTreeMap<String, BTreeSet<String>>),
    /// This spec, which it would need, waits for it.
    Ring(String),
    /// It needs nothing that it did not need before.
    Nothing,
}

impl Run<'_> {
    /// Adds what `spec` turned out to need.
    fn learn(&self, spec: &str, needs: &BTreeMap<String, BTreeSet<String>>) -> Learned {
        learn(&mut self.needs.lock().unwrap_or_else(PoisonError::into_inner), spec, needs)
    }

    fn add_sources(&self, sources: Sources) {
        self.late_sources.lock().unwrap_or_else(PoisonError::into_inner).files.extend(sources.files);
    }
}

/// Adds to `all`, which has for each spec all that it needs, directly or not, what `spec` turned out to need.
fn learn(
    all: &mut BTreeMap<String, BTreeSet<String>>,
    spec: &str,
    direct: &BTreeMap<String, BTreeSet<String>>,
) -> Learned {
    let known = all.get(spec).cloned().unwrap_or_default();
    let new: BTreeSet<String> =
        direct.get(spec).into_iter().flatten().filter(|need| !known.contains(*need)).cloned().collect();
    if new.is_empty() {
        return Learned::Nothing;
    }
    let mut late = BTreeMap::new();
    for need in &new {
        complete(all, &mut late, need, direct);
    }
    let needed_by = |need: &String| late.get(need).or_else(|| all.get(need)).cloned().unwrap_or_default();
    if let Some(ring) = new.iter().find(|need| *need == spec || needed_by(need).contains(spec)) {
        return Learned::Ring(ring.clone());
    }
    let through: BTreeSet<String> = new.iter().flat_map(needed_by).collect();
    let mut joined: BTreeMap<_, _> =
        late.keys().map(|name| (name.clone(), direct.get(name).cloned().unwrap_or_default())).collect();
    all.extend(late);
    let more: BTreeSet<String> = new.iter().cloned().chain(through).collect();
    for (name, needs) in all.iter_mut() {
        if name == spec || needs.contains(spec) {
            needs.extend(more.iter().cloned());
        }
    }
    joined.insert(spec.to_owned(), new);
    Learned::Needs(joined)
}

/// Adds to `late` all that `spec` needs, directly or not, and the same for those, where neither map knows them.
fn complete(
    all: &BTreeMap<String, BTreeSet<String>>,
    late: &mut BTreeMap<String, BTreeSet<String>>,
    spec: &str,
    direct: &BTreeMap<String, BTreeSet<String>>,
) {
    if all.contains_key(spec) || late.contains_key(spec) {
        return;
    }
    let mut needs = direct.get(spec).cloned().unwrap_or_default();
    for need in needs.clone() {
        complete(all, late, &need, direct);
        needs.extend(late.get(&need).or_else(|| all.get(&need)).into_iter().flatten().cloned());
    }
    late.insert(spec.to_owned(), needs);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `a: b c; b:` as a map.
    fn map(text: &str) -> BTreeMap<String, BTreeSet<String>> {
        let lines = text.split(';').filter_map(|line| line.split_once(':'));
        let words = |words: &str| words.split_whitespace().map(str::to_owned).collect();
        lines.map(|(spec, needs)| (spec.trim().to_owned(), words(needs))).collect()
    }

    #[test]
    fn packages_join_with_all_that_they_need() {
        let mut all = map("app: lib; lib:; tool: lib; user: app lib");
        let learned = learn(&mut all, "app", &map("app: lib late tool; late: later lib; later:; lib: unknown; tool:"));
        assert_eq!(learned, Learned::Needs(map("app: late tool; late: later lib; later:")));
        assert_eq!(
            all,
            map("app: late later lib tool; late: later lib; later:; lib:; tool: lib; user: app late later lib tool")
        );
    }

    #[test]
    fn what_was_needed_already_is_nothing_new() {
        let mut all = map("app: lib base; lib: base; base:");
        assert_eq!(learn(&mut all, "app", &map("app: base; base:")), Learned::Nothing);
    }

    #[test]
    fn a_ring_is_found_through_packages_old_and_new() {
        let mut all = map("app:; user: app");
        let before = all.clone();
        assert_eq!(learn(&mut all, "app", &map("app: user")), Learned::Ring("user".into()));
        assert_eq!(learn(&mut all, "app", &map("app: late; late: user")), Learned::Ring("late".into()));
        assert_eq!(learn(&mut all, "app", &map("app: app")), Learned::Ring("app".into()));
        assert_eq!(all, before);
        let mut all = map("a:; b:; c: a");
        assert_eq!(learn(&mut all, "a", &map("a: b; b:")), Learned::Needs(map("a: b")));
        assert_eq!(learn(&mut all, "b", &map("b: c; c: a; a: b")), Learned::Ring("c".into()));
    }
}
