//! Flags that several commands share.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::ValueEnum;

use super::access::AccessArgs;
use super::durations;
use super::fault::Fault;
use crate::build::{Check, OnFailure};
use crate::pipeline::{CheckOptions, CheckedPackages, Obstacles, Options, Wishes};
use crate::source::{Access, SignatureMode};

/// How sources are found.
#[derive(clap::Args, Clone, Default)]
pub(super) struct SourceArgs {
    /// A mirror of sources, as `URL/<file>` or `URL/<name>/<sha256>/<file>`; may be given several times
    #[arg(long = "source-url", value_name = "URL")]
    pub(super) source_urls: Vec<String>,
    #[command(flatten)]
    pub(super) access: AccessArgs,
    /// What is done with signatures: `skip` builds what is found, whatever its digest
    #[arg(long, value_enum, default_value = "enforce")]
    pub(super) signatures: SignaturesArg,
}

/// How packages are built.
#[derive(clap::Args, Clone)]
pub(super) struct BuildArgs {
    #[command(flatten)]
    pub(super) sources: SourceArgs,
    /// Packages built at a time; half of the processors, but two where there are two, when not given
    #[arg(short, long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// What a failing `%check` does; the pipeline lists the packages whose checks run
    #[arg(long, value_enum, default_value = "fail")]
    check: CheckArg,
    /// Runs the checks of these packages and no others; they are built in the run, too
    #[arg(long, value_name = "NAME", num_args = 1.., value_delimiter = ',', conflicts_with = "check_all")]
    check_only: Vec<String>,
    /// Runs the check of every package that has one
    #[arg(long)]
    check_all: bool,
    /// Does not run the checks of these packages
    #[arg(long, value_name = "NAME", num_args = 1.., value_delimiter = ',')]
    check_ignore: Vec<String>,
    /// Builds this package whether or not its result is at hand; may be given several times
    #[arg(long, value_name = "NAME")]
    pub(super) rebuild: Vec<String>,
    /// Takes the last result of this package, whatever has changed since; may be given several times
    #[arg(long, value_name = "NAME")]
    pub(super) ignore: Vec<String>,
    /// A build-state.json of another run: how long builds last that were never measured here; may be given several times
    #[arg(long, value_name = "FILE")]
    durations: Vec<PathBuf>,
    /// How often a build that fails is tried again
    #[arg(long, value_name = "N", default_value_t = 0)]
    retries: u32,
    /// Time limit of one package's build, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 4 * 3600)]
    timeout: u64,
    /// Memory limit of one package's build, in MiB
    #[arg(long, value_name = "MIB")]
    memory: Option<u64>,
    /// Begins no other build after one has failed
    #[arg(long)]
    stop_on_failure: bool,
    /// Builds what can be built although some of what is asked for cannot: dependencies or sources are missing
    #[arg(long, conflicts_with = "stop_on_failure")]
    keep_going: bool,
}

#[derive(Clone, Copy, Default, ValueEnum)]
pub(super) enum SignaturesArg {
    #[default]
    Enforce,
    Skip,
}

#[derive(Clone, Copy, ValueEnum)]
enum CheckArg {
    /// No check runs
    Off,
    /// The package is made all the same, and the failure is told
    Warn,
    /// The package fails
    Fail,
}

impl SourceArgs {
    /// What is asked of the run's sources.
    pub(super) fn mode(&self) -> SignatureMode {
        match self.signatures {
            SignaturesArg::Enforce => SignatureMode::Enforce,
            SignaturesArg::Skip => SignatureMode::Skip,
        }
    }
}

impl BuildArgs {
    /// What is asked of the run; paths count from `folder`.
    pub(super) fn options(&self, folder: &Path) -> Result<Options, Fault> {
        let processors = processors();
        // Builds are serial for long stretches: on a small machine two of them fill it better than one.
        let two = NonZeroUsize::MIN.saturating_add(1);
        let half = NonZeroUsize::new(processors.get() / 2).unwrap_or(NonZeroUsize::MIN).max(two).min(processors);
        Ok(Options {
            jobs: self.jobs.unwrap_or(half),
            cpus: processors.get(),
            checks: self.checks(),
            signatures: self.sources.mode(),
            source_urls: self.sources.source_urls.clone(),
            access: self.sources.access.read(folder, &self.sources.source_urls)?,
            timeout: Duration::from_secs(self.timeout),
            memory_bytes: self.memory.map(|mib| mib << 20),
            on_failure: if self.stop_on_failure { OnFailure::Stop } else { OnFailure::KeepGoing },
            obstacles: if self.keep_going { Obstacles::LeaveOut } else { Obstacles::Refuse },
            durations: durations::read(folder, &self.durations)?,
            retries: self.retries,
            wishes: Wishes { rebuild: self.rebuild.clone(), ignore: self.ignore.clone(), images: Vec::new() },
            now: SystemTime::now(),
        })
    }

    fn checks(&self) -> CheckOptions {
        let on_failure = match self.check {
            CheckArg::Off => Check::Off,
            CheckArg::Warn => Check::Warn,
            CheckArg::Fail => Check::Fail,
        };
        let of = match &self.check_only[..] {
            [] if self.check_all => CheckedPackages::All,
            [] => CheckedPackages::Listed,
            names => CheckedPackages::Only(names.to_vec()),
        };
        CheckOptions { on_failure, of, ignored: self.check_ignore.clone() }
    }
}

/// The options of commands that only look.
pub(super) fn looking() -> Options {
    Options {
        jobs: processors(),
        cpus: 1,
        checks: CheckOptions::of_pipeline(),
        signatures: SignatureMode::Enforce,
        source_urls: Vec::new(),
        access: Access::default(),
        timeout: Duration::from_secs(0),
        memory_bytes: None,
        on_failure: OnFailure::KeepGoing,
        obstacles: Obstacles::Refuse,
        durations: BTreeMap::new(),
        retries: 0,
        wishes: Wishes::default(),
        now: SystemTime::now(),
    }
}

fn processors() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}
