//! One package: from its key to its published RPMs.
//!
//! See [`super`] for the steps, `attempt.rs` for what happens around the container, `tell.rs` for what is told.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use super::attempt::{Attempt, attempt, failed_check};
use super::preview::NOTHING_TO_IGNORE;
use super::resolve::{Resolution, Resolved, resolve};
use super::run::Run;
use super::tell::tell_damage;
use super::{BuildError, Failure, Outcome, blocking, package_name};
use crate::cache::{BuildTimes, StoredResult};
use crate::digest::Sha256;
use crate::repo::RepoError;
use crate::spec::SourcePackage;

/// One package on its way.
pub(super) struct One<'a> {
    pub(super) run: &'a Run<'a>,
    pub(super) package: &'a SourcePackage,
    /// Name, version and release.
    pub(super) name: String,
    /// When it was taken up.
    pub(super) since: Instant,
    /// How many processes it may run at a time.
    pub(super) cpus: usize,
    purpose: Purpose,
    /// How often the build was begun; rounds of `%generate_buildrequires` count once.
    pub(super) attempts: AtomicU32,
}

/// What a package is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Its RPMs are published.
    Build,
    /// Only its `%check` counts, which runs apart: its RPMs are published already.
    Check,
}

/// What became of publishing a result.
enum Publication {
    Done,
    /// A stored RPM has changed; the result was moved aside.
    Damaged,
    /// Another package has files of the same names.
    Refused(Failure),
}

/// Builds `package` with `cpus` processes at a time, or finds that it is up to date.
pub(super) async fn build_one(
    run: &Run<'_>,
    package: &SourcePackage,
    cpus: usize,
    purpose: Purpose,
) -> Result<Outcome, BuildError> {
    let name = package_name(package);
    let one = One { run, package, name, since: Instant::now(), cpus, purpose, attempts: AtomicU32::new(0) };
    let mut key = None;
    let outcome = one.outcome(&mut key).await?;
    if let Outcome::Failed(failure) = &outcome {
        run.note_failed(&package.spec);
        one.tell_failure(failure, key)?;
    }
    Ok(outcome)
}

impl One<'_> {
    /// Sets `key` to the build key as soon as it is known.
    async fn outcome(&self, key: &mut Option<Sha256>) -> Result<Outcome, BuildError> {
        let is_build = self.purpose == Purpose::Build;
        if is_build && self.run.is_finished(&self.package.spec) {
            return Ok(Outcome::UpToDate);
        }
        if is_build && self.run.context.options.ignored.contains(&self.package.spec) {
            return Ok(Outcome::Failed(self.unsolvable(NOTHING_TO_IGNORE)));
        }
        let files = self.run.files(self.package)?;
        let mut failures = 0;
        loop {
            let needed = self.run.needed(&self.package.spec);
            let resolved = match resolve(self.run.context, self.package, &files, &needed)? {
                Resolution::Resolved(resolved) => resolved,
                Resolution::Unsolvable(reason) => return self.plan_again(&reason).await,
            };
            *key = Some(resolved.key);
            if let Some(outcome) = self.stored(&resolved).await? {
                return Ok(outcome);
            }
            if let Some(outcome) = self.supply(&files).await? {
                return Ok(outcome);
            }
            if self.attempts.fetch_max(failures + 1, Ordering::Relaxed) == 0 {
                self.tell_start(&resolved)?;
            }
            match attempt(self, &resolved).await? {
                Attempt::Made(result) => return self.accept(&resolved, Arc::from(result)).await,
                Attempt::Failed(failure) if failures == self.run.context.options.retries => {
                    return Ok(Outcome::Failed(failure));
                }
                Attempt::Failed(failure) => {
                    failures += 1;
                    self.tell_retry(&failure, failures);
                }
                Attempt::Cancelled => return Ok(Outcome::Cancelled),
                Attempt::WantsMore => {}
            }
        }
    }

    /// The outcome when the store has a result for the key; None when it is to be built.
    async fn stored(&self, resolved: &Resolved) -> Result<Option<Outcome>, BuildError> {
        let context = self.run.context;
        if context.options.rebuild.contains(&self.package.spec) {
            return Ok(None);
        }
        let found = self.run.lookup(&self.name, resolved.key).map_err(|source| self.store_fault(source))?;
        let Some(result) = found else { return Ok(None) };
        let check = context.options.checks.of(self.package);
        if let Some(failure) = failed_check(check, &result).map_err(|source| self.store_fault(source))? {
            return Ok(Some(Outcome::Failed(failure)));
        }
        if self.purpose == Purpose::Check {
            self.run.note_checked(&self.package.spec, result.check);
            return Ok(Some(Outcome::UpToDate));
        }
        match self.publish(&result).await? {
            Publication::Damaged => Ok(None),
            Publication::Refused(failure) => Ok(Some(Outcome::Failed(failure))),
            Publication::Done => {
                self.remember(resolved, &result, result.times)?;
                self.run.finish(&self.package.spec, result);
                Ok(Some(Outcome::UpToDate))
            }
        }
    }

    /// Publishes a new result, if it is to be.
    async fn accept(&self, resolved: &Resolved, result: Arc<StoredResult>) -> Result<Outcome, BuildError> {
        if self.purpose == Purpose::Check {
            self.tell_checked(&result);
            self.run.note_checked(&self.package.spec, result.check);
            return Ok(Outcome::Built);
        }
        match self.publish(&result).await? {
            Publication::Refused(failure) => return Ok(Outcome::Failed(failure)),
            Publication::Damaged => {
                let reason = "its RPMs changed while they were published".to_owned();
                return Ok(Outcome::Failed(self.not_published(vec![reason])));
            }
            Publication::Done => {}
        }
        let times = BuildTimes { published: self.since.elapsed().as_secs_f64(), ..result.times };
        self.remember(resolved, &result, times)?;
        self.tell_built(&result);
        self.run.finish(&self.package.spec, result);
        Ok(Outcome::Built)
    }

    async fn publish(&self, result: &Arc<StoredResult>) -> Result<Publication, BuildError> {
        let (repo, spec, published) = (self.run.context.repo.clone(), self.package.spec.clone(), Arc::clone(result));
        match blocking(move || repo.publish(&[(spec.as_str(), &published)])).await {
            Ok(_) => {
                self.run.context.store.note(result);
                Ok(Publication::Done)
            }
            Err(error @ (RepoError::Taken { .. } | RepoError::Unfit { .. })) => {
                let hint = error.hint().map(|hint| format!("hint: {hint}"));
                let excerpt = std::iter::once(error.to_string()).chain(hint).collect();
                Ok(Publication::Refused(self.not_published(excerpt)))
            }
            Err(RepoError::Damaged { .. }) => {
                let (store, damaged) = (self.run.context.store.clone(), result.as_ref().clone());
                let lookup =
                    blocking(move || store.verify(damaged)).await.map_err(|source| self.store_fault(source))?;
                tell_damage(self.run.context.report, &self.name, &lookup);
                Ok(Publication::Damaged)
            }
            Err(source) => Err(BuildError::Publish { package: self.name.clone(), source }),
        }
    }

    pub(super) fn unsolvable(&self, reason: &str) -> Failure {
        Failure {
            phase: "BuildRequires".to_owned(),
            status: "they cannot be met".to_owned(),
            excerpt: reason.lines().map(str::to_owned).collect(),
            log: self.log_path(),
        }
    }

    fn not_published(&self, excerpt: Vec<String>) -> Failure {
        let (phase, status) = ("publish".to_owned(), "its RPMs cannot be published".to_owned());
        Failure { phase, status, excerpt, log: self.log_path() }
    }

    /// Where the package's log is.
    pub(super) fn log_path(&self) -> PathBuf {
        self.run.context.layout.package_log(&self.package.spec, &self.name)
    }
}
