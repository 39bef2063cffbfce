//! Runs `rpmspec` over specs in throwaway containers of the toolchain image: no network, the folders of the specs read-only
//! below [`SPECS`].
//!
//! Several specs share a container while nothing goes wrong in it. When it ends before its time, whoever brought that
//! about, nothing of it is believed, and its specs are read again by halves, down to one that has a container of its own:
//! what goes wrong there is the fault of that spec alone. When one takes longer than it may, they are read a second time
//! with a limit for each.

use std::collections::BTreeMap;
use std::fs;
use std::future::pending;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::answers::{self, Answered, Answers};
use super::cache::Outcome;
use super::key::KeyedSpec;
use super::progress::Progress;
use super::readable::Readable;
use super::script::{self, Script, Way};
use super::{Loader, SpecError};
use crate::engine::{
    Capabilities, Collect, ContainerSpec, EngineError, Exit, GuestPath, HostPath, Limits, Mount, Network, Session,
    Stream, User,
};
use crate::removal;
use crate::scratch::Scratch;

/// Where the n-th folder of specs is seen in a container: `/specs/n`.
pub(super) const SPECS: &str = "/specs";

/// The folders of specs that are links out of the n-th are seen below `/specs/linked/n`, under their names there.
pub(super) const LINKED: &str = "/specs/linked";

/// What a container may take for its start, and how many questions are asked of each spec, which have limits of their own.
const START_LIMIT: Duration = Duration::from_mins(2);
const QUESTIONS: u32 = 4;

/// How often it is looked whether a spec takes too long.
const BEAT: Duration = Duration::from_millis(250);

/// What the specs of a container may use, unless the user says how much memory; some MiB will do.
const MEMORY_BYTES: u64 = 2 << 30;
const PLACE_BYTES: u64 = 256 << 20;
const PROCESSES: u32 = 1024;

/// The most that is kept of what a container writes outside its answers.
const MOST_OUTPUT: usize = 4096;

/// One container's share of the specs.
pub(super) struct Batch<'a> {
    pub(super) loader: &'a Loader<'a>,
    /// The searched folders; all are shown, since a spec may lead to a file of another one by a link.
    pub(super) folders: &'a [PathBuf],
    /// What is shown in the place of files that not everybody can read.
    pub(super) readable: &'a Readable,
    pub(super) specs: Vec<KeyedSpec>,
    pub(super) progress: &'a Progress<'a>,
}

impl Batch<'_> {
    /// Asks about every spec of the batch; the answers have the batch's order.
    pub(super) async fn run(self, stop: &CancellationToken) -> Result<Vec<Answered>, SpecError> {
        let top = self.loader.layout.scratch();
        let scratch = Scratch::new(&top, "specs").map_err(|source| SpecError::State { path: top, source })?;
        self.answers(&scratch.path().join("answers"), stop).await
    }

    async fn answers(&self, folder: &Path, stop: &CancellationToken) -> Result<Vec<Answered>, SpecError> {
        let mut all = Vec::with_capacity(self.specs.len());
        // Those that are read next stand last.
        let mut open = vec![self.specs.as_slice()];
        while let Some(specs) = open.pop() {
            if let [spec] = specs {
                all.push(self.alone(spec, folder, stop).await?);
                continue;
            }
            match self.together(specs, folder, stop).await? {
                Ok(answered) => all.extend(answered),
                Err(size) => open.extend(specs.chunks(size).rev()),
            }
        }
        Ok(all)
    }

    /// Asks about several `specs` in one container. `Err` when nothing of it can be believed: how many of them may share
    /// the next one.
    async fn together(
        &self,
        specs: &[KeyedSpec],
        folder: &Path,
        stop: &CancellationToken,
    ) -> Result<Result<Vec<Answered>, usize>, SpecError> {
        let mut size = specs.len().div_ceil(2);
        for way in [Way::Together, Way::Apart] {
            let ended = self.ask((way, specs), folder, stop).await?;
            if ended.exit.is_success()
                && let Some(answered) = self.read(specs, folder).await?
            {
                return Ok(Ok(answered));
            }
            tracing::debug!(exit = %ended.exit, said = ended.said, ?way, "these specs are read again");
            self.progress.take_back(ended.answered);
            if ended.exit == Exit::Code(script::UNABLE) {
                size = 1;
            }
            // Which spec took too long, the other way tells.
            if ended.exit != Exit::TimedOut {
                break;
            }
        }
        Ok(Err(size))
    }

    /// Asks about one spec, in a container that no other uses.
    async fn alone(&self, spec: &KeyedSpec, folder: &Path, stop: &CancellationToken) -> Result<Answered, SpecError> {
        let specs = std::slice::from_ref(spec);
        let mut ended = self.ask((Way::Apart, specs), folder, stop).await?;
        if ended.exit == Exit::Code(script::UNABLE) {
            ended = self.ask((Way::Single, specs), folder, stop).await?;
        }
        if ended.answered == 0 {
            self.progress.advance();
        }
        if ended.exit.is_success()
            && let Some(answered) = self.read(specs, folder).await?.and_then(|mut one| one.pop())
        {
            return Ok(answered);
        }
        let outcome = Outcome::Failure(self.ended_early(&ended));
        Ok(Answered { spec: spec.clone(), outcome, lasting: false })
    }

    /// Why a spec has no answer.
    fn ended_early(&self, ended: &Ended) -> String {
        let why = match ended.exit {
            Exit::TimedOut => answers::did_not_end(self.loader.limits.seconds),
            Exit::MemoryLimit => {
                format!(
                    "error: reading it took more than {} MiB of memory, the limit (`--memory`)",
                    self.memory() >> 20
                )
            }
            Exit::Code(0) => "error: nobody can tell its answer from others".to_owned(),
            exit => format!("error: something in it ended its own reading: {exit}"),
        };
        format!("{why}\n{}", answers::printable(&ended.said)).trim_end().to_owned()
    }

    /// Runs a container that reads `specs` and leaves what it answers in `into`.
    async fn ask(
        &self,
        (way, specs): (Way, &[KeyedSpec]),
        into: &Path,
        stop: &CancellationToken,
    ) -> Result<Ended, SpecError> {
        let stage = || self.loader.toolchain.stage.clone();
        let made = removal::remove(into).and_then(|()| fs::create_dir_all(into));
        made.map_err(|source| SpecError::State { path: into.to_owned(), source })?;
        let container = self.container(way, specs)?;
        let (mut said, lines) = (Vec::new(), AtomicUsize::new(0));
        let mut keep = |stream, bytes: &[u8]| match stream {
            Stream::Stdout => {
                let more = bytes.split(|byte| *byte == b'\n').count() - 1;
                let before = lines.fetch_add(more, Ordering::Relaxed);
                (before.max(1)..before + more).for_each(|_| self.progress.advance());
            }
            Stream::Stderr => {
                said.extend_from_slice(bytes);
                said.drain(..said.len().saturating_sub(MOST_OUTPUT));
            }
        };
        let collect = Collect { from: GuestPath::new(way.answers())?, into: into.to_owned() };
        let end = stop.child_token();
        let session = Session { output: &mut keep, collect: Some(collect), cancel: &end };
        let ran = {
            let mut run = pin!(self.loader.engine.run(&container, session));
            tokio::select! {
                exit = &mut run => exit,
                () = self.stall(way, &lines, specs.len()) => {
                    end.cancel();
                    run.await.map(|_| Exit::TimedOut)
                }
            }
        };
        let exit = match ran {
            // The user of a spec that has a container for itself may write to the folder of its answers.
            Err(EngineError::Collect(_)) if way == Way::Single => Exit::Code(script::UNABLE),
            exit => exit.map_err(|source| SpecError::Engine { stage: stage(), source: Box::new(source) })?,
        };
        let said = String::from_utf8_lossy(&said).trim().to_owned();
        let answered = lines.into_inner().saturating_sub(1);
        match exit {
            Exit::Cancelled => Err(SpecError::Cancelled),
            Exit::Code(126 | 127) => Err(SpecError::Exit { stage: stage(), exit, output: said }),
            exit => Ok(Ended { exit, said, answered }),
        }
    }

    /// Returns when a spec takes longer than it may, by the `lines` that the container of so many `specs` wrote: one when
    /// it has begun, and one for each spec. Never where the container sees to that.
    async fn stall(&self, way: Way, lines: &AtomicUsize, specs: usize) {
        let limit = Duration::from_secs(self.loader.limits.seconds);
        let (mut seen, mut since) = (0, Instant::now());
        while way == Way::Together && seen <= specs {
            let may_take = if seen == 0 { START_LIMIT } else { limit };
            if since.elapsed() > may_take {
                return;
            }
            tokio::time::sleep(BEAT).await;
            let now = lines.load(Ordering::Relaxed);
            if now != seen {
                (seen, since) = (now, Instant::now());
            }
        }
        pending::<()>().await;
    }

    /// What the script left in `folder`; None when it does not say which answer is whose.
    async fn read(&self, specs: &[KeyedSpec], folder: &Path) -> Result<Option<Vec<Answered>>, SpecError> {
        let (specs, arch) = (specs.to_vec(), self.loader.toolchain.arch.clone());
        let (from, state, seconds) = (folder.to_owned(), folder.to_owned(), self.loader.limits.seconds);
        let reading = tokio::task::spawn_blocking(move || Answers { folder: &from, arch: &arch, seconds }.read(specs));
        reading.await.unwrap_or_else(|error| Err(SpecError::State { path: state, source: error.into() }))
    }

    /// The macros with versions of other specs that some spec of the batch uses.
    fn versions(&self) -> BTreeMap<String, String> {
        self.specs.iter().flat_map(KeyedSpec::seen).collect()
    }

    fn memory(&self) -> u64 {
        self.loader.limits.memory_bytes.unwrap_or(MEMORY_BYTES)
    }

    fn container(&self, way: Way, specs: &[KeyedSpec]) -> Result<ContainerSpec, SpecError> {
        let toolchain = self.loader.toolchain;
        let files = toolchain.macro_files.iter().map(|file| file.name.clone()).collect();
        let (arch, macros, versions) = (toolchain.arch.as_str(), &toolchain.macros, &self.versions());
        let seconds = self.loader.limits.seconds;
        let script = Script { way, seconds, arch, files, macros, versions }.text()?;
        let mut argv = vec!["sh".to_owned(), "-c".to_owned(), script, "rpmspec".to_owned()];
        argv.extend(specs.iter().map(argument));
        let count = u32::try_from(specs.len()).unwrap_or(u32::MAX);
        Ok(ContainerSpec {
            image: toolchain.image(),
            argv,
            env: BTreeMap::from([("LC_ALL".to_owned(), "C.UTF-8".to_owned()), ("TZ".to_owned(), "UTC".to_owned())]),
            user: match way {
                Way::Together | Way::Apart => User::Root,
                Way::Single => User::Named("builder".to_owned()),
            },
            workdir: GuestPath::new("/")?,
            mounts: self.mounts(way)?,
            network: Network::None,
            capabilities: Capabilities::Default,
            limits: Limits {
                memory_bytes: Some(self.memory()),
                pids: Some(PROCESSES),
                timeout: Some(START_LIMIT + Duration::from_secs(seconds) * QUESTIONS * count),
            },
        })
    }

    fn mounts(&self, way: Way) -> Result<Vec<Mount>, SpecError> {
        let folders = self.folders.iter().enumerate().map(|(number, folder)| (folder, format!("{SPECS}/{number}")));
        let files = self.loader.toolchain.macro_files.iter();
        let files = files.map(|file| (&file.path, format!("{}/{}", script::MACROS, file.name)));
        let linked: BTreeMap<String, &PathBuf> = self.specs.iter().filter_map(linked_folder).collect();
        let linked = linked.into_iter().map(|(guest, host)| (host, guest));
        let shown = folders.chain(linked).chain(files).map(|(host, guest)| {
            Ok(Mount::ReadOnly { host: HostPath::new(self.readable.path(host))?, guest: GuestPath::new(guest)? })
        });
        let mut mounts: Vec<Mount> = shown.collect::<Result<_, SpecError>>()?;
        if way != Way::Single {
            mounts.push(Mount::Tmpfs { guest: GuestPath::new(script::PLACE)?, size_bytes: PLACE_BYTES });
        }
        Ok(mounts)
    }
}

/// How a container ended.
struct Ended {
    exit: Exit,
    /// The end of its standard error.
    said: String,
    /// How many of its specs were done.
    answered: usize,
}

/// The spec file as the container sees it.
pub(super) fn guest_path(spec: &KeyedSpec) -> String {
    let shown = if spec.file.linked.is_some() { LINKED } else { SPECS };
    format!("{shown}/{}/{}", spec.file.folder, spec.file.relative)
}

/// The folder of the spec where that is a link out of the searched one, as the container sees it and where it is.
fn linked_folder(spec: &KeyedSpec) -> Option<(String, &PathBuf)> {
    let guest = guest_path(spec);
    Some((guest.rsplit_once('/')?.0.to_owned(), spec.file.linked.as_ref()?))
}

/// The same with what the script has to know of it.
fn argument(spec: &KeyedSpec) -> String {
    let mark = if spec.loses_section { script::LOSES_SECTION } else { "" };
    mark.to_owned() + &guest_path(spec)
}
