//! Reads the files in which the script has left what `rpmspec` says of the specs of a container.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::answer::{self, Answer};
use super::cache::Outcome;
use super::key::KeyedSpec;
use super::script;
use super::{SourcePackage, SpecError};

/// What became of a spec, and whether a later run may rely on it.
pub(super) struct Answered {
    pub(super) spec: KeyedSpec,
    pub(super) outcome: Outcome,
    /// False when `rpmspec` was killed, which another run need not repeat.
    pub(super) lasting: bool,
}

/// What `rpmspec` said of flat specs, by their names.
struct Told {
    source: BTreeMap<String, String>,
    binary: BTreeMap<String, String>,
}

impl Told {
    /// Reads the answers to all flat specs of `folder`, or to each by itself where there are none to all.
    fn read(folder: &Path) -> Result<Option<Self>, SpecError> {
        let flat = read_text(&folder.join("flat"))?.unwrap_or_default();
        let (all, plain): (Vec<&str>, Vec<&str>) =
            (flat.lines().collect(), flat.lines().filter(|name| !name.ends_with(".checked")).collect());
        let boundary = read_text(&folder.join("boundary"))?.unwrap_or_default();
        let source = told(folder, ("source", &all), answer::source_packages)?;
        let binary = told(folder, ("binary", &plain), |text| answer::before_each(text, boundary.trim_end()))?;
        Ok(source.zip(binary).map(|(source, binary)| Self { source, binary }))
    }
}

/// The answers of one kind by flat spec; None when it cannot be told which is whose.
fn told(
    folder: &Path,
    (kind, flat): (&str, &[&str]),
    split: impl Fn(&str) -> Vec<String>,
) -> Result<Option<BTreeMap<String, String>>, SpecError> {
    let shown = |text: String| text.replace(script::HIDDEN, "%");
    if let Some(text) = read_text(&folder.join(kind))? {
        let parts = split(&shown(text));
        let is_whole = parts.len() == flat.len();
        return Ok(is_whole.then(|| flat.iter().map(ToString::to_string).zip(parts).collect()));
    }
    let mut each = BTreeMap::new();
    for name in flat {
        let Some(text) = read_text(&folder.join(format!("{name}.{kind}")))?.map(shown) else { continue };
        // Where the flat text would not do, the spec was asked as it was written, which has no boundary.
        let alone = split(&text).into_iter().next().unwrap_or(text);
        each.insert((*name).to_owned(), alone);
    }
    Ok(Some(each))
}

/// The folder in which a script has left its answers, and what it was asked with.
pub(super) struct Answers<'a> {
    pub(super) folder: &'a Path,
    pub(super) arch: &'a str,
    /// The time limit of a spec.
    pub(super) seconds: u64,
}

impl Answers<'_> {
    /// The answers to `specs`; None when it cannot be told which is whose.
    pub(super) fn read(&self, specs: Vec<KeyedSpec>) -> Result<Option<Vec<Answered>>, SpecError> {
        let Some(told) = Told::read(self.folder)? else { return Ok(None) };
        let numbered = specs.into_iter().enumerate();
        numbered.map(|(at, spec)| self.one(spec, at + 1, &told)).collect::<Result<_, _>>().map(Some)
    }

    fn one(&self, spec: KeyedSpec, number: usize, told: &Told) -> Result<Answered, SpecError> {
        let text = |extension: &str| read_text(&self.folder.join(format!("{number}.{extension}")));
        let status: i32 = text("status")?.and_then(|status| status.trim().parse().ok()).unwrap_or(-1);
        if status != 0 {
            let (said, lasting) = self.failure(status, text("stderr")?.unwrap_or_default().trim());
            return Ok(Answered { spec, outcome: Outcome::Failure(printable(&said)), lasting });
        }
        let (flat, with) = (format!("{number}.parsed"), format!("{number}.checked"));
        let (parsed, checked) = (text("parsed")?.unwrap_or_default(), text("checked")?);
        let answer = Answer {
            source: told.source.get(&flat).map_or("", String::as_str),
            binary: told.binary.get(&flat).map_or("", String::as_str),
            checked: told.source.get(&with).map(String::as_str),
            // Checks on, where that makes a difference.
            parsed: checked.as_ref().unwrap_or(&parsed),
        };
        let outcome = match answer::package(&spec.file, spec.digest, self.arch, answer) {
            Ok(package) => Outcome::Package(Box::new(SourcePackage {
                version_macros: spec.seen(),
                asks_database: spec.asks_database,
                ..package
            })),
            Err(reason) => Outcome::Failure(format!("error: {reason}")),
        };
        Ok(Answered { spec, outcome, lasting: true })
    }

    /// What is said of a spec that `rpmspec` ended with `status` for, and whether it would be the same another time.
    fn failure(&self, status: i32, said: &str) -> (String, bool) {
        // A shell tells a signal as 128 and its number; 126 and 127 are programs that did not start.
        let own = match status {
            script::TIMED_OUT => did_not_end(self.seconds),
            129.. => format!("error: `rpmspec` was killed by signal {} while it read it", status - 128),
            _ if said.is_empty() => format!("error: `rpmspec` ended with exit status {status}"),
            _ => String::new(),
        };
        let lasting = (0..126).contains(&status) && status != script::TIMED_OUT;
        (format!("{own}\n{said}").trim().to_owned(), lasting)
    }
}

/// The lines without control characters: a spec must not be able to write to the user's terminal.
pub(super) fn printable(text: &str) -> String {
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

/// What is said of a spec whose reading was ended.
pub(super) fn did_not_end(seconds: u64) -> String {
    format!(
        "error: reading it did not end within {seconds} seconds (`--spec-timeout`): something that it runs, such as a \
         `%(…)`, waits or never ends"
    )
}
