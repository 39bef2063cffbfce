//! Flags that several commands share.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::ValueEnum;

use super::access::MirrorArgs;
use super::fault::Fault;
use super::numbers;
use super::wanted::AmongArgs;
use crate::build::{Check, OnFailure};
use crate::causes;
use crate::engine::{Outside, PIDS, Places};
use crate::oci::registry;
use crate::pipeline::{CheckOptions, CheckedPackages, Obstacles, Options, RegistryOptions, RemoteOptions, Wishes};
use crate::plan::Reserve;
use crate::remote::WantedRepository;
use crate::source::{MirrorAccess, SignatureMode};

/// How sources are found.
#[derive(clap::Args, Clone, Default)]
pub(super) struct SourceArgs {
    #[command(flatten)]
    pub(super) mirrors: MirrorArgs,
    /// What is done with signatures: `skip` builds what is found, whatever its digest
    #[arg(long, value_enum, default_value = "enforce")]
    pub(super) signatures: SignaturesArg,
}

/// Where packages come from that no spec makes.
#[derive(clap::Args, Clone, Default)]
#[command(next_help_heading = "Remote repositories")]
pub(super) struct RemoteArgs {
    /// A repository of RPMs, or a `.repo` file as dnf has them; may be given several times
    #[arg(long = "repo", global = true, value_name = "URL|FILE.repo")]
    repositories: Vec<String>,
    /// A file of armored keys that the packages of every --repo must be signed by; may be given several times
    #[arg(long = "repo-key", global = true, value_name = "FILE", requires = "repositories")]
    keys: Vec<PathBuf>,
    /// Uses no remote repository, whatever the pipeline names
    #[arg(long, global = true, conflicts_with = "repositories")]
    no_remote: bool,
    /// Sees only packages that were in their repository at that time: RFC 3339, or seconds since 1970
    #[arg(long = "repo-snapshot-time", global = true, value_name = "TIME", value_parser = seconds)]
    snapshot: Option<u64>,
    /// Asks repositories for new metadata although the last answer is less than a day old
    #[arg(long = "repo-refresh", global = true)]
    refresh: bool,
    /// Uses only what `drydock.lock` lists, and fails where that would have to change
    #[arg(long, global = true)]
    locked: bool,
}

impl RemoteArgs {
    /// The same as arguments of a command line.
    pub(super) fn arguments(&self) -> Vec<String> {
        let Self { repositories, keys, no_remote, snapshot, refresh, locked } = self;
        let with = |flag: &str, value: String| [flag.to_owned(), value];
        let mut arguments: Vec<String> = repositories.iter().flat_map(|one| with("--repo", one.clone())).collect();
        arguments.extend(keys.iter().flat_map(|path| with("--repo-key", path.to_string_lossy().into_owned())));
        arguments.extend(snapshot.iter().flat_map(|time| with("--repo-snapshot-time", time.to_string())));
        let switches = [(no_remote, "--no-remote"), (refresh, "--repo-refresh"), (locked, "--locked")];
        arguments.extend(switches.into_iter().filter(|(given, _)| **given).map(|(_, flag)| flag.to_owned()));
        arguments
    }

    /// What is asked of remote repositories; paths count from `folder`.
    pub(super) fn options(&self, folder: &Path) -> RemoteOptions {
        let keys: Vec<PathBuf> = self.keys.iter().map(|path| folder.join(path)).collect();
        let wanted = self.repositories.iter().map(|text| {
            let keys = keys.clone();
            WantedRepository { keys, ..WantedRepository::from_argument(text, folder) }
        });
        RemoteOptions {
            repositories: wanted.collect(),
            off: self.no_remote,
            snapshot: self.snapshot,
            refresh: self.refresh,
            locked: self.locked,
        }
    }
}

/// What containers may reach and use.
#[derive(clap::Args, Clone, Copy)]
#[command(next_help_heading = "Containers")]
pub(super) struct ContainerArgs {
    /// How commands of containerfiles, and checks that the pipeline file allows it, reach other machines
    #[arg(long, global = true, value_enum, default_value = "private", env = "DRYDOCK_NETWORK")]
    network: NetworkArg,
    /// Processes and threads that one container may have at a time
    #[arg(long, global = true, value_name = "N", default_value_t = PIDS, value_parser = numbers::processes)]
    pids: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum NetworkArg {
    /// From a network of their own, in which they see nothing of this machine
    Private,
    /// From this machine's network, with all that listens on it
    Host,
}

impl ContainerArgs {
    /// The same as arguments of a command line.
    pub(super) fn arguments(self) -> Vec<String> {
        let network = (self.network == NetworkArg::Host).then(|| ["--network".to_owned(), "host".to_owned()]);
        let pids = (self.pids != PIDS).then(|| ["--pids".to_owned(), self.pids.to_string()]);
        [network, pids].into_iter().flatten().flatten().collect()
    }

    /// What engines are told.
    pub(super) fn places(self) -> Places {
        let outside = if self.network == NetworkArg::Host { Outside::Host } else { Outside::Private };
        Places { outside, pids: Some(self.pids), ..Places::default() }
    }
}

/// Where images of stages come from that are not made here.
#[derive(clap::Args, Clone, Default)]
#[command(next_help_heading = "Registry of toolchain images")]
pub(super) struct RegistryArgs {
    /// Looks for images of stages here before they are made; `toolchain push` puts them there
    #[arg(long, global = true, value_name = "REGISTRY/NAME", value_parser = registry_name)]
    registry: Option<String>,
    /// Asks no registry for images of stages, whatever the pipeline names
    #[arg(long, global = true, conflicts_with = "registry")]
    no_registry: bool,
    /// A PEM file with a public key: a pulled image that this key has not signed is refused
    #[arg(long, global = true, value_name = "KEY")]
    require_signature: Option<PathBuf>,
}

impl RegistryArgs {
    /// The same as arguments of a command line.
    pub(super) fn arguments(&self) -> Vec<String> {
        let Self { registry, no_registry, require_signature } = self;
        let key = require_signature.as_ref().map(|path| path.to_string_lossy().into_owned());
        let named = [("--registry", registry.clone()), ("--require-signature", key)];
        let named = named.into_iter().filter_map(|(flag, value)| Some([flag.to_owned(), value?])).flatten();
        named.chain(no_registry.then(|| "--no-registry".to_owned())).collect()
    }

    /// What is asked of registries; paths count from `folder`.
    pub(super) fn options(&self, folder: &Path) -> RegistryOptions {
        let key = self.require_signature.as_ref().map(|path| folder.join(path));
        RegistryOptions { name: self.registry.clone(), off: self.no_registry, key }
    }
}

/// A repository of a registry, without a tag.
fn registry_name(text: &str) -> Result<String, String> {
    registry::repository(text).map_err(|error| causes::in_one_line(&error))
}

/// A time as seconds since 1970.
fn seconds(text: &str) -> Result<u64, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(seconds);
    }
    let time = chrono::DateTime::parse_from_rfc3339(text).ok();
    let seconds = time.and_then(|time| u64::try_from(time.timestamp()).ok());
    seconds.ok_or_else(|| "a time such as `2026-03-01T00:00:00Z`, or seconds since 1970, is expected".to_owned())
}

/// The time limit of one package's build, unless the user gives another one.
const BUILD_SECONDS: u64 = 4 * 3600;

/// The time limit of one spec's reading, unless the user gives another one. Most take a tenth of a second, some a few.
pub(super) const SPEC_SECONDS: u64 = 60;

/// What builds may use: sources, processors, memory, time.
#[derive(clap::Args, Clone)]
pub(super) struct WorkArgs {
    #[command(flatten)]
    pub(super) sources: SourceArgs,
    /// Packages built at a time; half of the processors, but two where there are two, when not given
    #[arg(short, long, value_name = "N", value_parser = numbers::at_a_time)]
    jobs: Option<NonZeroUsize>,
    /// Processes that all builds together run at a time; one a processor when not given
    #[arg(long, value_name = "N", value_parser = numbers::at_a_time)]
    cpus: Option<NonZeroUsize>,
    /// Gives each build a fixed share of --cpus, and no pipe through which GNU make takes what others leave
    #[arg(long)]
    no_jobserver: bool,
    /// Memory that is kept free, in MiB: no other build begins below it; a tenth when not given, 0 to watch none
    #[arg(long, value_name = "MIB", value_parser = numbers::reserve)]
    reserve_memory: Option<u64>,
    /// Space that is kept free where build/ is, in MiB: no build begins below it; 5 %, at most 2 GiB, when not given
    #[arg(long, value_name = "MIB", value_parser = numbers::reserve)]
    reserve_disk: Option<u64>,
    /// How often a build that fails is tried again
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = numbers::retries)]
    retries: u32,
    /// Time limit of one package's build, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = BUILD_SECONDS, value_parser = numbers::time_limit)]
    timeout: u64,
    /// Memory limit of one package's build, in MiB
    #[arg(long, value_name = "MIB", value_parser = numbers::memory_limit)]
    memory: Option<u64>,
    /// Begins no other build after one has failed
    #[arg(long)]
    stop_on_failure: bool,
}

/// How packages are built.
#[derive(clap::Args, Clone)]
pub(super) struct BuildArgs {
    #[command(flatten)]
    pub(super) work: WorkArgs,
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
    #[command(flatten)]
    pub(super) among: AmongArgs,
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

impl WorkArgs {
    /// What is asked of the run; paths count from `folder`.
    pub(super) fn options(&self, folder: &Path) -> Result<Options, Fault> {
        let processors = processors();
        let bytes = |mib: Option<u64>| mib.map(|mib| mib << 20);
        // Builds are serial for long stretches: on a small machine two of them fill it better than one.
        let two = NonZeroUsize::MIN.saturating_add(1);
        let half = NonZeroUsize::new(processors.get() / 2).unwrap_or(NonZeroUsize::MIN).max(two).min(processors);
        Ok(Options {
            jobs: self.jobs.unwrap_or(half),
            cpus: self.cpus.unwrap_or(processors).get(),
            jobserver: !self.no_jobserver,
            reserve: Reserve { memory: bytes(self.reserve_memory), disk: bytes(self.reserve_disk) },
            signatures: self.sources.mode(),
            source_urls: self.sources.mirrors.source_urls.clone(),
            access: self.sources.mirrors.access(folder, &[])?,
            archive_mirror: self.sources.mirrors.archive_mirror.clone(),
            timeout: Duration::from_secs(self.timeout),
            memory_bytes: bytes(self.memory),
            on_failure: if self.stop_on_failure { OnFailure::Stop } else { OnFailure::KeepGoing },
            retries: self.retries,
            ..looking()
        })
    }
}

impl BuildArgs {
    /// What is asked of the run; paths count from `folder`.
    pub(super) fn options(&self, folder: &Path) -> Result<Options, Fault> {
        let options = Options {
            checks: self.checks(),
            obstacles: if self.keep_going { Obstacles::LeaveOut } else { Obstacles::Refuse },
            ..self.work.options(folder)?
        };
        self.among.options(folder, options)
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

/// The options of commands that only look, apart from stages of packages that they need and that are not made.
pub(super) fn looking() -> Options {
    Options {
        jobs: processors(),
        cpus: processors().get(),
        jobserver: true,
        reserve: Reserve::default(),
        checks: CheckOptions::of_pipeline(),
        signatures: SignatureMode::Enforce,
        source_urls: Vec::new(),
        access: MirrorAccess::default(),
        archive_mirror: None,
        timeout: Duration::from_secs(BUILD_SECONDS),
        memory_bytes: None,
        spec_seconds: SPEC_SECONDS,
        on_failure: OnFailure::KeepGoing,
        obstacles: Obstacles::Refuse,
        durations: BTreeMap::new(),
        cascade: None,
        retries: 0,
        wishes: Wishes::default(),
        remote: RemoteOptions::default(),
        registry: RegistryOptions::default(),
        now: SystemTime::now(),
    }
}

fn processors() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_rfc_3339_has_them() {
        assert_eq!(seconds("1772323200"), Ok(1_772_323_200));
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-03-01T00:00:00Z", 1_772_323_200),
            ("2026-03-01T02:30:00.5+02:30", 1_772_323_200),
            ("2026-02-28t19:00:00-05:00", 1_772_323_200),
            ("2000-02-29 12:00:01Z", 951_825_601),
        ] {
            assert_eq!(seconds(text), Ok(expected), "{text}");
        }
        for text in [
            "",
            "yesterday",
            "2026-03-01",
            "2025-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-03-01T25:00:00Z",
            "2026-03-01T00:00:00",
        ] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
