//! Reads the files in which the script has left what `rpmspec` says of the specs of a container.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::answer::{self, Answer};
use super::cache::Outcome;
use super::key::KeyedSpec;
use super::left::{self, TooLong};
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
    source: Texts,
    binary: Texts,
}

/// What was said of each flat spec, unless that is more than anybody reads.
type Texts = BTreeMap<String, Text>;

type Text = Result<String, TooLong>;

impl Told {
    /// Reads the answers to all flat specs of `folder`, or to each by itself where there are none to all.
    fn read(folder: &Path) -> Result<Option<Self>, SpecError> {
        let Some(flat) = short(folder, "flat")? else { return Ok(None) };
        let (all, plain): (Vec<&str>, Vec<&str>) =
            (flat.lines().collect(), flat.lines().filter(|name| !name.ends_with(".checked")).collect());
        let Some(boundary) = short(folder, "boundary")? else { return Ok(None) };
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
) -> Result<Option<Texts>, SpecError> {
    let shown = |text: String| text.replace(script::HIDDEN, "%");
    match read_text(&folder.join(kind))? {
        // Whose it is, is found out by asking about fewer; a spec by itself has one flat text without checks.
        Some(Err(_)) if flat.iter().filter(|name| !name.ends_with(".checked")).count() > 1 => return Ok(None),
        Some(Err(long)) => return Ok(Some(flat.iter().map(|name| ((*name).to_owned(), Err(long))).collect())),
        Some(Ok(text)) => {
            let parts = split(&shown(text));
            let is_whole = parts.len() == flat.len();
            let parts = parts.into_iter().map(Ok);
            return Ok(is_whole.then(|| flat.iter().map(ToString::to_string).zip(parts).collect()));
        }
        None => {}
    }
    let mut each = BTreeMap::new();
    for name in flat {
        let Some(text) = read_text(&folder.join(format!("{name}.{kind}")))? else { continue };
        // Where the flat text would not do, the spec was asked as it was written, which has no boundary.
        let alone = text.map(shown).map(|text| split(&text).into_iter().next().unwrap_or(text));
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
        let status = short(self.folder, &format!("{number}.status"))?;
        let status: i32 = status.and_then(|status| status.trim().parse().ok()).unwrap_or(-1);
        if status != 0 {
            let said = self.folder.join(format!("{number}.stderr"));
            let said = left::ends(&said).map_err(unreadable(&said))?.unwrap_or_default();
            let (said, lasting) = self.failure(status, said.trim());
            return Ok(Answered { spec, outcome: Outcome::Failure(printable(&said)), lasting });
        }
        let (flat, with) = (format!("{number}.parsed"), format!("{number}.checked"));
        let (parsed, checked) = (read_text(&self.folder.join(&flat))?, read_text(&self.folder.join(&with))?);
        // Checks on, where that makes a difference.
        let texts = (checked.or(parsed), [told.source.get(&flat), told.binary.get(&flat), told.source.get(&with)]);
        let outcome = match self.package(&spec, texts) {
            Ok(package) => Outcome::Package(Box::new(package)),
            Err(reason) => Outcome::Failure(reason),
        };
        Ok(Answered { spec, outcome, lasting: true })
    }

    /// The package of `spec` by its expanded text, and by what was said of it as a source package, as binary ones, and with
    /// checks; or why there is none.
    fn package(
        &self,
        spec: &KeyedSpec,
        (parsed, told): (Option<Text>, [Option<&Text>; 3]),
    ) -> Result<SourcePackage, String> {
        let [source, binary, checked] = told.map(whole);
        let (source, binary, checked) = (source?.unwrap_or_default(), binary?.unwrap_or_default(), checked?);
        let answer = Answer { source, binary, checked, parsed: whole(parsed.as_ref())?.unwrap_or_default() };
        let package = answer::package(&spec.file, spec.digest, self.arch, answer);
        let package = package.map_err(|reason| format!("error: {reason}"))?;
        Ok(SourcePackage { version_macros: spec.seen(), asks_database: spec.asks_database, ..package })
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

fn read_text(path: &Path) -> Result<Option<Text>, SpecError> {
    left::text(path).map_err(unreadable(path))
}

/// The text, if there is one, or that it is too long.
fn whole(text: Option<&Text>) -> Result<Option<&str>, String> {
    text.map(|text| text.as_deref().map_err(ToString::to_string)).transpose()
}

/// The text of a file of the script's own in `folder`, empty when there is none; None when no script wrote that much.
fn short(folder: &Path, name: &str) -> Result<Option<String>, SpecError> {
    Ok(read_text(&folder.join(name))?.transpose().map_or(None, |text| Some(text.unwrap_or_default())))
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> SpecError {
    let path = path.to_owned();
    move |source| SpecError::State { path, source }
}

/// What is said of a spec whose reading was ended.
pub(super) fn did_not_end(seconds: u64) -> String {
    format!(
        "error: reading it did not end within {seconds} seconds (`--spec-timeout`): something that it runs, such as a \
         `%(…)`, waits or never ends"
    )
}
