//! What a run learns while it runs: a build needs packages that its plan did not have.
//!
//! `%generate_buildrequires` asks for them, or an RPM that was guessed to provide something does not. The package is
//! planned again with what is known by then; the packages that it lacks join the run, and it waits for them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use futures_util::future::LocalBoxFuture;

use super::one::One;
use super::run::Run;
use super::{BuildError, Failure, Outcome, Summary};
use crate::event::Event;
use crate::source::Sources;

/// Which specs need which.
pub(super) type Needs = BTreeMap<String, BTreeSet<String>>;

/// Plans one package of a run again.
pub trait Planner {
    /// What the build of `spec` needs, from all that is known by now.
    ///
    /// # Errors
    /// What is known cannot be read.
    fn plan<'a>(&'a self, spec: &'a str, ended: Ended) -> LocalBoxFuture<'a, Result<Replanned, BuildError>>;

    /// The specs that the run needs to reach its goals, from all that is known by now; those that cannot be built included.
    ///
    /// # Errors
    /// What is known cannot be read.
    fn needed(&self, ended: Ended) -> Result<BTreeSet<String>, BuildError>;
}

/// Specs whose builds have ended.
#[derive(Clone, Debug, Default)]
pub struct Ended {
    /// Their results are published.
    pub finished: BTreeSet<String>,
    /// They give no RPMs.
    pub failed: BTreeSet<String>,
}

/// What a package turned out to need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Late {
    /// For the spec, and for each that it needs, directly or not, those that are needed directly. There is no ring.
    pub needs: Needs,
    /// Those of these needs that are only guessed, and in whose place others may be taken.
    pub unsure: Needs,
}

/// What came of planning a package again.
#[derive(Debug)]
pub enum Replanned {
    /// What it needs, and how that is had.
    Needs {
        /// What it needs.
        late: Late,
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
        let ended = run.ended();
        let (late, sources) = match planner.plan(spec, ended.clone()).await? {
            Replanned::Needs { late, sources } => (late, sources),
            Replanned::Refused(why) => return Ok(Outcome::Failed(self.unsolvable(&told_once(reason, &why)))),
        };
        if let Some(by) = blocker(spec, &late.needs, &ended.failed) {
            return Ok(Outcome::Blocked(by));
        }
        let joined = match run.learn(spec, &late.needs) {
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
        Ok(Outcome::Postponed(Late { needs: joined, unsure: late.unsure }))
    }
}

/// What a run makes of a new plan for one of its packages.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Learned {
    /// It needs these too, and the others are new to the run: for each what it needs directly.
    Needs(Needs),
    /// This spec, which it would need, waits for it.
    Ring(String),
    /// It needs nothing that it did not need before.
    Nothing,
}

impl Run<'_> {
    /// Takes what `spec` turned out to need for what it needs.
    fn learn(&self, spec: &str, needs: &Needs) -> Learned {
        learn(&mut self.needs.lock().unwrap_or_else(PoisonError::into_inner), spec, needs)
    }

    /// Puts wrong guesses aside that nothing needs in the end, and tells them.
    pub(super) fn put_aside(&self, summary: &mut Summary) -> Result<(), BuildError> {
        let Some(planner) = self.context.planner.filter(|_| !summary.failed.is_empty()) else { return Ok(()) };
        summary.put_aside(&planner.needed(self.ended())?);
        for (spec, Failure { phase, status, log, .. }) in &summary.unneeded.failed {
            let text = format!(
                "`{spec}` failed in {phase} ({status}) and is not needed: it was only guessed to provide something that \
                 another package has; log: {}",
                log.display()
            );
            (self.context.report)(Event::Warning { text });
        }
        Ok(())
    }

    fn add_sources(&self, sources: Sources) {
        self.late_sources.lock().unwrap_or_else(PoisonError::into_inner).files.extend(sources.files);
    }
}

/// Takes what `plan` says of `spec` for what it needs, where that is anything new; `all` and `plan` have for each spec what
/// it needs directly. What it was thought to need and does not is dropped, as a new run would not have it either.
fn learn(all: &mut Needs, spec: &str, plan: &Needs) -> Learned {
    let (direct, known) = (plan.get(spec).cloned().unwrap_or_default(), reach(spec, |spec| all.get(spec)));
    let new: BTreeSet<String> = direct.difference(&known).cloned().collect();
    if new.is_empty() {
        return Learned::Nothing;
    }
    let joining = |name: &str| if all.contains_key(name) { None } else { plan.get(name) };
    let late: Needs = new
        .iter()
        .flat_map(|need| reach(need, joining).into_iter().chain([need.clone()]))
        .filter_map(|name| {
            let needs = joining(&name)?.clone();
            Some((name, needs))
        })
        .collect();
    let needed_by = |need: &str| reach(need, |name| all.get(name).or_else(|| late.get(name)));
    if let Some(ring) = new.iter().find(|need| *need == spec || needed_by(need).contains(spec)) {
        return Learned::Ring(ring.clone());
    }
    let mut joined = late.clone();
    all.extend(late);
    all.insert(spec.to_owned(), direct);
    joined.insert(spec.to_owned(), new);
    Learned::Needs(joined)
}

/// The failed spec that `spec` needs, directly or not, although it is planned with what else there is.
fn blocker(spec: &str, needs: &Needs, failed: &BTreeSet<String>) -> Option<String> {
    reach(spec, |name| needs.get(name)).intersection(failed).next().cloned()
}

/// `why` after what of `reason` it does not say itself.
fn told_once(reason: &str, why: &str) -> String {
    let said: BTreeSet<&str> = why.lines().map(str::trim).collect();
    let more = reason.lines().filter(|line| !said.contains(line.trim()));
    more.chain(why.lines()).collect::<Vec<_>>().join("\n")
}

/// All that `spec` needs, directly or not, where `needs` tells what is needed directly.
pub(super) fn reach<'n>(spec: &str, needs: impl Fn(&str) -> Option<&'n BTreeSet<String>>) -> BTreeSet<String> {
    let (mut found, mut open) = (BTreeSet::new(), vec![spec.to_owned()]);
    while let Some(next) = open.pop() {
        open.extend(needs(&next).into_iter().flatten().filter(|need| found.insert((*need).clone())).cloned());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `a: b c; b:` as a map.
    fn map(text: &str) -> Needs {
        let lines = text.split(';').filter_map(|line| line.split_once(':'));
        let words = |words: &str| words.split_whitespace().map(str::to_owned).collect();
        lines.map(|(spec, needs)| (spec.trim().to_owned(), words(needs))).collect()
    }

    #[test]
    fn packages_join_with_all_that_they_need() {
        let mut all = map("app: lib; lib:; tool: lib; user: app lib");
        let learned = learn(&mut all, "app", &map("app: lib late tool; late: later lib; later:; lib: unknown; tool:"));
        assert_eq!(learned, Learned::Needs(map("app: late tool; late: later lib; later:")));
        assert_eq!(all, map("app: lib late tool; late: later lib; later:; lib:; tool: lib; user: app lib"));
        let through: Vec<String> = reach("user", |spec| all.get(spec)).into_iter().collect();
        assert_eq!(through, ["app", "late", "later", "lib", "tool"]);
    }

    #[test]
    fn what_turned_out_to_be_needed_by_nobody_is_forgotten() {
        let mut all = map("app: guess; guess:");
        assert_eq!(learn(&mut all, "app", &map("app: right; right:")), Learned::Needs(map("app: right; right:")));
        assert_eq!(all, map("app: right; guess:; right:"));
    }

    #[test]
    fn what_needs_a_failed_package_is_blocked_by_it() {
        let of = |needs: &str| blocker("app", &map(needs), &BTreeSet::from(["wrong".to_owned()]));
        assert_eq!(of("app: lib; lib: wrong; wrong:").as_deref(), Some("wrong"));
        assert_eq!(of("app: lib; lib:; wrong:"), None);
    }

    #[test]
    fn what_two_reasons_say_is_told_once() {
        let told = told_once("no package provides `x`\nrequired by app", "no package provides `x`\n  nearest: `y`");
        assert_eq!(told, "required by app\nno package provides `x`\n  nearest: `y`");
    }

    #[test]
    fn what_was_needed_already_is_nothing_new() {
        let mut all = map("app: lib; lib: base; base:");
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
