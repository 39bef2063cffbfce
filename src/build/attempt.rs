//! One run of rpmbuild for a resolved package: image, container, outputs, stored result.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::buildroot::NoBuildroot;
use super::container::{MORE_BUILD_REQUIRES, PackageBuild, output_folder, package_container};
use super::log::Log;
use super::one::One;
use super::resolve::{Resolved, macros_of};
use super::{BuildError, Check, Failure, blocking, checks, collect, inputs, log, phase};
use crate::cache::{Asked, BuildTimes, CacheError, CheckOutcome, NewResult, StoredResult, file};
use crate::causes;
use crate::engine::{Collect, Exit, ImageId, Session};
use crate::repo::unfit;

/// How one run of rpmbuild ended.
pub(super) enum Attempt {
    /// The result is in the store.
    Made(Box<StoredResult>),
    /// It gives no packages.
    Failed(Failure),
    /// `%generate_buildrequires` asked for more, which is remembered.
    WantsMore,
    /// The run was cancelled.
    Cancelled,
}

/// The moments of one run of rpmbuild.
#[derive(Clone, Copy)]
struct Moments {
    buildroot: Instant,
    asked: Instant,
    started: Instant,
    ended: Instant,
}

/// Builds the package of `one` in the buildroot of `resolved`.
pub(super) async fn attempt(one: &One<'_>, resolved: &Resolved) -> Result<Attempt, BuildError> {
    let folder = one.run.context.layout.work().join("packages").join(&one.package.spec);
    let attempted = in_folder(one, resolved, &folder).await;
    let removed = blocking(move || file::remove(&folder)).await.map_err(|source| one.store_fault(source));
    let attempted = attempted?;
    removed.map(|()| attempted)
}

async fn in_folder(one: &One<'_>, resolved: &Resolved, folder: &Path) -> Result<Attempt, BuildError> {
    let mut log = Log::create(one.log_path(), one.run.cancel.child_token()).map_err(|e| one.store_fault(e))?;
    let image = match one.run.buildroots.ensure(&resolved.buildroot, &mut log).await {
        Ok(image) => image,
        Err(NoBuildroot::Engine(source)) => return Err(one.engine_fault(source)),
        Err(NoBuildroot::Path(error)) => return Err(error.into()),
        Err(NoBuildroot::Remote(error)) => {
            log.finish().map_err(|source| one.store_fault(source))?;
            let excerpt = error.to_string().lines().map(str::to_owned).collect();
            return Ok(Attempt::Failed(one.failure("BuildRequires", "they cannot be had".to_owned(), excerpt)));
        }
        Err(NoBuildroot::Install(exit)) => {
            log.finish().map_err(|source| one.store_fault(source))?;
            return one.ended_early("BuildRequires", exit);
        }
    };
    let buildroot = Instant::now();
    let (inputs, outputs) = (folder.join("inputs"), folder.join("outputs"));
    prepare(one, resolved, (&inputs, &outputs)).await?;
    let asked = Instant::now();
    let ran = run(one, image, (folder, &inputs), (&outputs, &mut log)).await?;
    let ended = Instant::now();
    let started = log.finish().map_err(|source| one.store_fault(source))?.unwrap_or(asked);
    let moments = Moments { buildroot, asked, started, ended };
    match ran {
        Ran::Ended(Exit::Code(0)) => collected(one, resolved, outputs, moments).await,
        Ran::Ended(Exit::Code(MORE_BUILD_REQUIRES)) => one.wants_more(resolved, &outputs),
        Ran::Ended(exit) => one.failed(exit, &outputs),
        Ran::Refused(why) => Ok(Attempt::Failed(one.failure("files", why, Vec::new()))),
    }
}

/// How a container of rpmbuild ended.
enum Ran {
    Ended(Exit),
    /// What it left is not taken; why, as a sentence without its end.
    Refused(String),
}

async fn prepare(one: &One<'_>, resolved: &Resolved, (inputs, outputs): (&Path, &Path)) -> Result<(), BuildError> {
    let (inputs, outputs) = (inputs.to_owned(), outputs.to_owned());
    let (files, macro_files) = (resolved.files.clone(), one.run.context.toolchain.macro_files.clone());
    blocking(move || {
        inputs::prepare(&inputs, &files, &macro_files)?;
        std::fs::create_dir_all(&outputs).map_err(|source| BuildError::Folder { path: outputs, source })
    })
    .await
}

async fn run(
    one: &One<'_>,
    image: ImageId,
    (folder, inputs): (&Path, &Path),
    (outputs, log): (&Path, &mut Log),
) -> Result<Ran, BuildError> {
    let context = one.run.context;
    let shares = context.options.jobserver && context.engine.shows_pipes().await.map_err(|e| one.engine_fault(e))?;
    let pipe = Some(folder.join("jobserver/pipe")).filter(|_| shares);
    let seat = one.run.jobserver.seat(one.cpus, pipe.as_deref());
    let seat = seat.map_err(|source| BuildError::Folder { path: folder.join("jobserver"), source })?;
    let spec = package_container(&PackageBuild {
        package: one.package,
        image,
        macros: &macros_of(context.toolchain, one.package),
        macro_files: &context.toolchain.macro_files,
        check: context.options.checks.of(one.package),
        exceptions: &context.options.exceptions(one.package),
        cpus: one.cpus,
        jobserver: pipe.as_deref(),
        limits: context.options.limits(),
        inputs,
    })?;
    tracing::debug!(package = one.name, ?image, argv = ?spec.argv, "running rpmbuild");
    let collect = Collect { from: output_folder()?, into: outputs.to_owned() };
    let stop = log.stop();
    let mut output = |_, bytes: &[u8]| {
        let was_known = log.has_jobserver();
        log.add(bytes);
        if log.has_jobserver() && !was_known {
            seat.take_part();
        }
    };
    let session = Session { output: &mut output, collect: Some(collect), cancel: &stop };
    match context.engine.run(&spec, session).await {
        Ok(exit) => Ok(Ran::Ended(exit)),
        Err(error) => match error.refusal() {
            Some(refusal) => Ok(Ran::Refused(refusal.to_string())),
            None => Err(one.engine_fault(error)),
        },
    }
}

/// Stores what rpmbuild made.
async fn collected(
    one: &One<'_>,
    resolved: &Resolved,
    folder: PathBuf,
    moments: Moments,
) -> Result<Attempt, BuildError> {
    let (store, package, log) = (one.run.context.store.clone(), one.package.clone(), one.log_path());
    let (key, inputs, times) = (resolved.key, resolved.inputs.clone(), one.times(moments));
    let names = one.run.package_names();
    let stored = blocking(move || {
        let made = collect::outputs(&folder)?;
        if let Some(reason) = collect::unexpected(&package, &made.rpms) {
            return Ok(Err(("files", reason)));
        }
        if let Some(reason) = collect::usurped(&package, &made.rpms, &names) {
            return Ok(Err(("files", reason)));
        }
        if let Some(reason) = made.rpms.iter().find_map(|rpm| unfit(rpm, &folder.join(&rpm.file))) {
            return Ok(Err(("publish", reason)));
        }
        let check = collect::check_outcome(made.check_status);
        let new = NewResult { key, inputs: &inputs, folder: &folder, rpms: &made.rpms, log: &log, check, times };
        store.add(&new).map(Ok)
    });
    match stored.await {
        Ok(Ok(result)) => Ok(Attempt::Made(Box::new(result))),
        Ok(Err((phase, reason))) => Ok(Attempt::Failed(one.failure(phase, reason, Vec::new()))),
        Err(error) => one.unreadable(error),
    }
}

impl One<'_> {
    fn times(&self, moments: Moments) -> BuildTimes {
        let since = |moment: Instant| moment.saturating_duration_since(self.since).as_secs_f64();
        BuildTimes {
            buildroot: since(moments.buildroot),
            asked: since(moments.asked),
            started: since(moments.started),
            ended: since(moments.ended),
            published: 0.0,
        }
    }

    /// Remembers what `%generate_buildrequires` asked for; the package is resolved again with it.
    fn wants_more(&self, resolved: &Resolved, outputs: &Path) -> Result<Attempt, BuildError> {
        let fault = |source| self.store_fault(source);
        let wanted = match collect::requested(outputs) {
            Ok(Some(wanted)) => wanted,
            Ok(None) => return self.failed(Exit::Code(MORE_BUILD_REQUIRES), outputs),
            Err(error) => return self.unreadable(error),
        };
        let history = self.run.context.history;
        if history.generated(resolved.key).map_err(fault)?.is_some_and(|known| known == wanted) {
            return self.failed(Exit::Code(MORE_BUILD_REQUIRES), outputs);
        }
        history.set_generated(resolved.key, &wanted).map_err(fault)?;
        let asked = Asked { spec_digest: self.package.spec_digest, requirements: wanted };
        history.set_asked(&self.package.spec, &asked).map_err(fault)?;
        Ok(Attempt::WantsMore)
    }

    /// What it means that something which the build made cannot be read: only a file that is no RPM is its own fault.
    fn unreadable(&self, error: CacheError) -> Result<Attempt, BuildError> {
        let CacheError::Rpm { path, source } = error else { return Err(self.store_fault(error)) };
        let reason = format!("`{}` is not an RPM", path.file_name().unwrap_or_default().to_string_lossy());
        Ok(Attempt::Failed(self.failure("files", reason, vec![causes::in_one_line(&source)])))
    }

    /// What an exit other than 0 means.
    fn failed(&self, exit: Exit, outputs: &Path) -> Result<Attempt, BuildError> {
        let check_status = collect::check_status(outputs).filter(|status| *status != 0);
        if let (Some(status), Exit::Code(_)) = (check_status, exit) {
            return self.ended_early(checks::PHASE, Exit::Code(status));
        }
        let log = log::read_end(&self.log_path()).map_err(|source| self.store_fault(source))?;
        self.ended_early(&phase::failed_phase(&log), exit)
    }

    fn ended_early(&self, phase: &str, exit: Exit) -> Result<Attempt, BuildError> {
        if exit == Exit::Cancelled {
            return Ok(Attempt::Cancelled);
        }
        let log = log::read_end(&self.log_path()).map_err(|source| self.store_fault(source))?;
        Ok(Attempt::Failed(self.failure(phase, exit.to_string(), phase::excerpt(&log))))
    }

    fn failure(&self, phase: &str, status: String, excerpt: Vec<String>) -> Failure {
        Failure { phase: phase.to_owned(), status, excerpt, log: self.log_path() }
    }
}

/// The failure of a stored result whose tests failed, when `check` says that this counts.
pub(super) fn failed_check(check: Check, result: &StoredResult) -> Result<Option<Failure>, CacheError> {
    let CheckOutcome::Failed { status } = result.check else { return Ok(None) };
    if check != Check::Fail {
        return Ok(None);
    }
    Ok(Some(Failure {
        phase: checks::PHASE.to_owned(),
        status: Exit::Code(status).to_string(),
        excerpt: phase::excerpt(&log::read_end(&result.log_path())?),
        log: result.log_path(),
    }))
}
