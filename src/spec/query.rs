//! Runs `rpmspec` over specs in throwaway containers of the toolchain image: no network, user `builder`, the folders of the
//! specs read-only below [`SPECS`].

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::answer::{self, Answer};
use super::cache::Outcome;
use super::key::KeyedSpec;
use super::script::{self, Script};
use super::{Loader, SourcePackage, SpecError};
use crate::engine::{
    Capabilities, Collect, ContainerSpec, Exit, GuestPath, HostPath, Limits, Mount, Network, Session, User,
};

/// Where the n-th folder of specs is seen in a container: `/specs/n`.
pub(super) const SPECS: &str = "/specs";

/// What a container may take for its start, and for each spec. Parsing takes 0.1 s on average and some seconds at most.
const START_LIMIT: Duration = Duration::from_mins(2);
const SPEC_LIMIT: Duration = Duration::from_mins(1);

/// The most that is kept of what a container writes outside its answers.
const MOST_OUTPUT: usize = 4096;

/// One container's share of the specs.
pub(super) struct Batch<'a> {
    pub(super) loader: &'a Loader<'a>,
    /// The searched folders; all are shown, since a spec may lead to a file of another one by a link.
    pub(super) folders: &'a [PathBuf],
    pub(super) specs: Vec<KeyedSpec>,
    /// Counted from 0; names the batch's folder of work.
    pub(super) number: usize,
}

/// What became of a spec, and whether a later run may rely on it.
pub(super) struct Answered {
    pub(super) spec: KeyedSpec,
    pub(super) outcome: Outcome,
    /// False when `rpmspec` was killed, which another run need not repeat.
    pub(super) lasting: bool,
}

impl Batch<'_> {
    /// Asks about every spec of the batch; the answers have the batch's order.
    pub(super) async fn run(self, stop: &CancellationToken) -> Result<Vec<Answered>, SpecError> {
        let name = format!("specs-{}-{}", std::process::id(), self.number);
        let folder = self.loader.layout.work().join(name);
        let made = fs::remove_dir_all(&folder).or_else(ignore_missing).and_then(|()| fs::create_dir_all(&folder));
        made.map_err(|source| SpecError::State { path: folder.clone(), source })?;
        let ran = self.ask(&folder, stop).await;
        let arch = self.loader.toolchain.arch.clone();
        let reading = {
            let folder = folder.clone();
            tokio::task::spawn_blocking(move || read_answers(self.specs, &folder, &arch))
        };
        let answered =
            reading.await.unwrap_or_else(|error| Err(SpecError::State { path: folder.clone(), source: error.into() }));
        let _ = fs::remove_dir_all(&folder);
        ran.and(answered)
    }

    async fn ask(&self, into: &Path, stop: &CancellationToken) -> Result<(), SpecError> {
        let stage = || self.loader.toolchain.stage.clone();
        if stop.is_cancelled() {
            return Err(SpecError::Exit { stage: stage(), exit: Exit::Cancelled, output: String::new() });
        }
        let container = self.container()?;
        let mut output = Vec::new();
        let mut keep = |_, bytes: &[u8]| {
            output.extend_from_slice(bytes);
            output.drain(..output.len().saturating_sub(MOST_OUTPUT));
        };
        let collect = Collect { from: GuestPath::new(script::ANSWERS)?, into: into.to_owned() };
        let session = Session { output: &mut keep, collect: Some(collect), cancel: stop };
        let exit = self.loader.engine.run(&container, session).await;
        let exit = exit.map_err(|source| SpecError::Engine { stage: stage(), source: Box::new(source) })?;
        if exit.is_success() {
            return Ok(());
        }
        let mut said = String::from_utf8_lossy(&output).trim().to_owned();
        if exit == Exit::TimedOut
            && let Some(slow) = self.unanswered(into)
        {
            said = format!("reading `{}` did not end", slow.file.path.display());
        }
        Err(SpecError::Exit { stage: stage(), exit, output: said })
    }

    /// The first spec without a status.
    fn unanswered(&self, folder: &Path) -> Option<&KeyedSpec> {
        let has_status = |number: usize| folder.join(format!("{number}.status")).exists();
        self.specs.iter().enumerate().find(|(at, _)| !has_status(at + 1)).map(|(_, spec)| spec)
    }

    /// The macros with versions of other specs that some spec of the batch uses.
    fn versions(&self) -> BTreeMap<String, String> {
        self.specs.iter().flat_map(KeyedSpec::seen).collect()
    }

    fn container(&self) -> Result<ContainerSpec, SpecError> {
        let toolchain = self.loader.toolchain;
        let files = toolchain.macro_files.iter().map(|file| file.name.clone()).collect();
        let (arch, macros, versions) = (toolchain.arch.as_str(), &toolchain.macros, &self.versions());
        let script = Script { arch, files, macros, versions }.text()?;
        let mut argv = vec!["sh".to_owned(), "-c".to_owned(), script, "rpmspec".to_owned()];
        argv.extend(self.specs.iter().map(guest_path));
        let folders = self.folders.iter().enumerate().map(|(number, folder)| (folder, format!("{SPECS}/{number}")));
        let files = toolchain.macro_files.iter().map(|file| (&file.path, format!("{}/{}", script::MACROS, file.name)));
        let mounts = folders.chain(files).map(|(host, guest)| {
            Ok(Mount::ReadOnly { host: HostPath::new(host.clone())?, guest: GuestPath::new(guest)? })
        });
        let count = u32::try_from(self.specs.len()).unwrap_or(u32::MAX);
        Ok(ContainerSpec {
            image: toolchain.image(),
            argv,
            env: BTreeMap::from([("LC_ALL".to_owned(), "C.UTF-8".to_owned()), ("TZ".to_owned(), "UTC".to_owned())]),
            user: User::Named("builder".to_owned()),
            workdir: GuestPath::new("/")?,
            mounts: mounts.collect::<Result<_, SpecError>>()?,
            network: Network::None,
            capabilities: Capabilities::Default,
            limits: Limits { timeout: Some(START_LIMIT + SPEC_LIMIT * count), ..Limits::default() },
        })
    }
}

/// The spec file as the container sees it.
fn guest_path(spec: &KeyedSpec) -> String {
    format!("{SPECS}/{}/{}", spec.file.folder, spec.file.relative)
}

fn ignore_missing(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// What `rpmspec` said of flat specs, by their names.
struct Told {
    source: BTreeMap<String, String>,
    binary: BTreeMap<String, String>,
}

impl Told {
    /// Reads the answers to all flat specs of `folder`, or to each by itself where there are none to all.
    fn read(folder: &Path) -> Result<Self, SpecError> {
        let flat = read_text(&folder.join("flat"))?.unwrap_or_default();
        let (all, plain): (Vec<&str>, Vec<&str>) =
            (flat.lines().collect(), flat.lines().filter(|name| !name.ends_with(".with.spec")).collect());
        Ok(Self { source: told(folder, "source", &all)?, binary: told(folder, "binary", &plain)? })
    }
}

/// The answers of one kind by flat spec. A spec that has none was not answered.
fn told(folder: &Path, kind: &str, flat: &[&str]) -> Result<BTreeMap<String, String>, SpecError> {
    if let Some(text) = read_text(&folder.join(kind))? {
        let parts = answer::split(&text);
        let is_whole = parts.len() == flat.len();
        return Ok(if is_whole { flat.iter().map(ToString::to_string).zip(parts).collect() } else { BTreeMap::new() });
    }
    let each =
        flat.iter().map(|name| Ok(Some(((*name).to_owned(), read_text(&folder.join(format!("{name}.{kind}")))?))));
    let each: Result<Vec<_>, SpecError> = each.collect();
    Ok(each?.into_iter().flatten().filter_map(|(name, text)| Some((name, text?))).collect())
}

/// Reads the answers that the script left in `folder`.
fn read_answers(specs: Vec<KeyedSpec>, folder: &Path, arch: &str) -> Result<Vec<Answered>, SpecError> {
    let told = Told::read(folder)?;
    let numbered = specs.into_iter().enumerate();
    numbered.map(|(at, spec)| read_answer(spec, &folder.join((at + 1).to_string()), (&told, arch))).collect()
}

fn read_answer(spec: KeyedSpec, answer: &Path, (told, arch): (&Told, &str)) -> Result<Answered, SpecError> {
    let text = |extension: &str| read_text(&answer.with_added_extension(extension));
    let status: i32 = text("status")?.and_then(|status| status.trim().parse().ok()).unwrap_or(-1);
    // A shell tells a signal as 128 and its number; 126 and 127 are programs that did not start.
    let lasting = (0..126).contains(&status);
    if status != 0 {
        let said = text("stderr")?.unwrap_or_default();
        let said = if said.trim().is_empty() { format!("rpmspec: exit status {status}") } else { said };
        return Ok(Answered { spec, outcome: Outcome::Failure(printable(said.trim())), lasting });
    }
    let number = answer.file_name().unwrap_or_default().to_string_lossy();
    let (flat, with) = (format!("{number}.spec"), format!("{number}.with.spec"));
    let (parsed, checked) = (text("parsed")?.unwrap_or_default(), text("checked")?);
    let answer = Answer {
        source: told.source.get(&flat).map_or("", String::as_str),
        binary: told.binary.get(&flat).map_or("", String::as_str),
        checked: told.source.get(&with).map(String::as_str),
        // Checks on, where that makes a difference.
        parsed: checked.as_ref().unwrap_or(&parsed),
    };
    let outcome = match answer::package(&spec.file, spec.digest, arch, answer) {
        Ok(package) => Outcome::Package(Box::new(SourcePackage { version_macros: spec.seen(), ..package })),
        Err(reason) => Outcome::Failure(format!("error: {reason}")),
    };
    Ok(Answered { spec, outcome, lasting })
}

/// The lines without control characters: a spec must not be able to write to the user's terminal.
fn printable(text: &str) -> String {
    text.replace(|letter: char| letter.is_control() && letter != '\n' && letter != '\t', "\u{fffd}")
}

/// The text of a file, None when there is none; bytes that are not UTF-8 are replaced.
fn read_text(path: &Path) -> Result<Option<String>, SpecError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(SpecError::State { path: path.to_owned(), source }),
    }
}
