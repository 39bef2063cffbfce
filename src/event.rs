//! What happened, to which package or image: the only thing that passes from the stages to the printer.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Serialize, Serializer};

/// Takes events as they happen; called from any task.
pub type Report<'a> = &'a (dyn Fn(Event) + Send + Sync);

/// One step of a run, worth a line.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Event {
    /// A container is asked for first, and an engine is found for it.
    Engine {
        /// Which one, where, and why.
        description: String,
    },
    /// A stage of the pipeline begins, such as `toolchain bootstrap` or `packages`.
    StageStarted {
        /// Its name.
        stage: String,
    },
    /// A stage of the pipeline is done.
    StageFinished {
        /// Its name.
        stage: String,
        /// Wall time.
        #[serde(serialize_with = "seconds")]
        elapsed: Duration,
        /// What came out, in a few words.
        outcome: String,
    },
    /// So many specs are read by rpm; told about once a second.
    SpecsRead {
        /// How many are read.
        done: usize,
        /// How many have to be.
        all: usize,
    },
    /// A source file was downloaded and its digest checked.
    SourceFetched {
        /// File name as the spec names it.
        file: String,
        /// Where it came from.
        from: String,
        /// Its size.
        bytes: u64,
    },
    /// An RPM of a remote repository was downloaded and its digest checked.
    PackageFetched {
        /// Its NEVRA.
        package: String,
        /// The repository's name.
        from: String,
        /// Its size.
        bytes: u64,
    },
    /// The plan of a package stage is known.
    Planned {
        /// Source packages to build.
        to_build: usize,
        /// Source packages whose result is at hand.
        up_to_date: usize,
    },
    /// The state of the package queue changed.
    Queue {
        /// Builds in work.
        running: usize,
        /// Packages that could start at once.
        ready: usize,
        /// Packages that wait for others.
        waiting: usize,
        /// Packages that cannot be built since another one failed.
        blocked: usize,
        /// Packages that are done, failed ones included.
        done: usize,
        /// Estimated wall time to the end; None while nothing is known of durations.
        #[serde(serialize_with = "optional_seconds")]
        remaining: Option<Duration>,
    },
    /// A package's container was asked for.
    BuildStarted {
        /// Source package, as name-version-release.
        package: String,
        /// Why it is built, in words.
        reason: String,
    },
    /// A package could be built, and waits until the machine has room for it. Told once, until a build can begin again.
    BuildHeld {
        /// Source package, as name-version-release.
        package: String,
        /// What is short: `memory` or `disk`.
        short_of: String,
        /// How short, in words.
        why: String,
    },
    /// A package turned out to need others that its plan did not have; it waits for them.
    BuildPostponed {
        /// Source package, as name-version-release.
        package: String,
        /// The specs that it waits for.
        needs: Vec<String>,
        /// How many packages join the run for it.
        joined: usize,
    },
    /// A package's build failed and is tried again.
    BuildRetried {
        /// Source package, as name-version-release.
        package: String,
        /// The attempt that begins; 2 for the first one after a failure.
        attempt: u32,
        /// Attempts at most.
        most: u32,
        /// What failed in the attempt before: `%build`, …
        phase: String,
        /// How it ended, in words.
        status: String,
    },
    /// A package's build ended.
    BuildFinished {
        /// Source package, as name-version-release.
        package: String,
        /// How it went.
        result: BuildResult,
        /// How its own tests went.
        check: CheckResult,
        /// Wall time from asking for the container to the published result.
        #[serde(serialize_with = "seconds")]
        elapsed: Duration,
        /// How often the build was begun; 0 when it never was.
        attempts: u32,
    },
    /// A package cannot be built since another one failed.
    BuildBlocked {
        /// Source package, as name-version-release.
        package: String,
        /// The failed packages that it waits for.
        by: Vec<String>,
    },
    /// All is built; checks that run apart come now.
    ChecksStarted {
        /// How many there are, those included that have passed before.
        checks: usize,
    },
    /// The packages of the run are done: how the tests went that were asked for.
    ChecksFinished {
        /// By source package, as name-version-release; only packages whose `%check` was asked for.
        packages: BTreeMap<String, CheckResult>,
    },
    /// An image's assembly begins.
    ImageStarted {
        /// Name of its configuration.
        image: String,
    },
    /// A file of an image is finished.
    ImageFinished {
        /// Name of its configuration.
        image: String,
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// True when it was there already and its inputs are the same.
        up_to_date: bool,
        /// Wall time.
        #[serde(serialize_with = "seconds")]
        elapsed: Duration,
    },
    /// The user wants to stop: nothing more is begun, and what runs is stopped.
    Interrupted {
        /// The packages that are built, or else the reading of specs or the stage of the pipeline; none when nothing is
        /// known of it.
        waits_for: Vec<String>,
    },
    /// Something worth knowing that is no failure.
    Note {
        /// One sentence.
        text: String,
    },
    /// Something that the user should look at.
    Warning {
        /// One sentence.
        text: String,
    },
}

/// How a package's build ended.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "result", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum BuildResult {
    /// RPMs were published.
    Built {
        /// File names.
        rpms: Vec<String>,
    },
    /// Its `%check` has run by itself, after its RPMs were published.
    Checked,
    /// `rpmbuild` failed.
    Failed {
        /// What failed: `%prep`, `%build`, `%install`, `%check`, `files`, …
        phase: String,
        /// How it ended, in words: `exit status 1`, `killed by signal 9`, `time limit of 3600 s reached`, …
        status: String,
        /// The lines that tell the reason.
        excerpt: Vec<String>,
        /// The whole log.
        log: PathBuf,
    },
}

/// How a package's own tests went in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "result", content = "why", rename_all = "kebab-case")]
pub enum CheckResult {
    /// `%check` ended with status 0.
    Passed,
    /// `%check` failed, in this run or when the package, which is up to date, was built.
    Failed,
    /// They were asked for, and the spec has no `%check`.
    NoCheck,
    /// `%check` did not run.
    Skipped(SkippedCheck),
}

/// Why `%check` did not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SkippedCheck {
    /// Nobody asked for it.
    NotAsked,
    /// The user left it out.
    Ignored,
    /// It passed when the package was built, and every input is the same.
    UpToDate,
    /// It needs its own package first, and runs when all is built.
    NotYet,
    /// The build ended before it.
    NotReached,
}

impl fmt::Display for CheckResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::NoCheck => "no check",
            Self::Skipped(SkippedCheck::NotAsked) => "not asked for",
            Self::Skipped(SkippedCheck::Ignored) => "skipped: ignored",
            Self::Skipped(SkippedCheck::UpToDate) => "skipped: up to date",
            Self::Skipped(SkippedCheck::NotYet) => "not yet: it needs its own package first",
            Self::Skipped(SkippedCheck::NotReached) => "skipped: the build ended before it",
        })
    }
}

impl CheckResult {
    /// True when somebody asked for it.
    pub fn was_asked(self) -> bool {
        self != Self::Skipped(SkippedCheck::NotAsked)
    }
}

#[allow(clippy::ref_option, reason = "serde hands over a reference to the field")]
fn optional_seconds<S: Serializer>(elapsed: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    match elapsed {
        Some(elapsed) => seconds(elapsed, serializer),
        None => serializer.serialize_none(),
    }
}

fn seconds<S: Serializer>(elapsed: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((elapsed.as_secs_f64() * 1000.0).round() / 1000.0)
}
