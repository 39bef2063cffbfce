//! From targets and variables to Drydock's own commands: a pure function.

use super::given::Given;
use super::targets::{Does, Step};
use super::variables::{Means, VARIABLES, Variable};

/// What targets and variables mean.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Translation {
    /// Arguments of `drydock`, a list a command, in the order in which they run.
    pub(super) commands: Vec<Vec<String>>,
    /// What is worth knowing and stops nothing.
    pub(super) notes: Vec<String>,
}

/// Says whether a command of Drydock has a flag.
pub(super) type HasFlag<'a> = &'a dyn Fn(&str, &str) -> bool;

/// The commands of `given`, or all that stands in the way.
pub(super) fn translate(given: &Given, has_flag: HasFlag<'_>) -> Result<Translation, Vec<String>> {
    let mut work =
        Work { given, has_flag, commands: Vec::new(), names: Vec::new(), notes: Vec::new(), faults: Vec::new() };
    for target in &given.targets {
        match target.does {
            Does::Nothing(why) => work.notes.push(format!("`{}`: nothing to do: {why}", target.name)),
            Does::Absent(instead) => work.faults.push(format!("`{}` has no counterpart: {instead}", target.name)),
            Does::Run(steps) => steps.iter().for_each(|step| work.step(*step, target.name)),
        }
    }
    work.note_unused();
    let Work { commands, notes, mut faults, .. } = work;
    faults.dedup();
    let notes = given.notes.iter().cloned().chain(notes).collect();
    if faults.is_empty() { Ok(Translation { commands, notes }) } else { Err(faults) }
}

struct Work<'a> {
    given: &'a Given,
    has_flag: HasFlag<'a>,
    commands: Vec<Vec<String>>,
    /// Names of the commands.
    names: Vec<&'static str>,
    notes: Vec<String>,
    faults: Vec<String>,
}

impl Work<'_> {
    fn step(&mut self, step: Step, target: &str) {
        let given = self.given;
        match step {
            Step::Signatures => {
                if given.is_yes("REBUILD_PACKAGES") && given.value("SRPM_FILE_SIGNATURE_HANDLING") == "update" {
                    self.srpm();
                }
            }
            Step::Srpm => self.srpm(),
            Step::Build | Step::ImagePackages if !given.is_yes("REBUILD_PACKAGES") => {
                self.notes.push("`REBUILD_PACKAGES=n`: no package is built".to_owned());
            }
            Step::Build | Step::ImagePackages => self.build(),
            Step::Plain(words) => self.command(words, Vec::new()),
            Step::Named(words) => {
                let lists = ["PACKAGE_BUILD_LIST", "SRPM_PACK_LIST"];
                let mut names: Vec<String> = lists.iter().flat_map(|list| given.words(list)).collect();
                if names.is_empty() && (self.has_flag)(words[0], "--all") {
                    names.push("--all".to_owned());
                }
                self.command(words, names);
            }
            Step::Image => self.with_value(&["image"], "CONFIG_FILE", target),
            Step::Import => self.with_value(&["toolchain", "import"], "TOOLCHAIN_ARCHIVE", target),
        }
        if step != Step::Import && !given.value("TOOLCHAIN_ARCHIVE").is_empty() {
            let instead = "name it in the pipeline, as `archive` of a stage's `base`";
            self.faults.push(format!("`TOOLCHAIN_ARCHIVE` counts for `hydrate-toolchain` alone: {instead}"));
        }
    }

    /// A command with the value of a variable that it cannot do without.
    fn with_value(&mut self, words: &'static [&'static str], name: &str, target: &str) {
        match self.given.value(name) {
            "" => self.faults.push(format!("`{target}` needs `{name}=…`")),
            value => self.command(words, vec![value.to_owned()]),
        }
    }

    fn srpm(&mut self) {
        let mut arguments = names_or_all(self.given.words("SRPM_PACK_LIST"));
        match self.given.value("SRPM_FILE_SIGNATURE_HANDLING") {
            "enforce" | "" => {}
            handling => arguments.extend(["--signatures".to_owned(), handling.to_owned()]),
        }
        if self.given.is_yes("DOWNLOAD_SRPMS") {
            arguments.push("--download-srpms".to_owned());
            arguments
                .extend(self.given.words("SRPM_URL_LIST").into_iter().flat_map(|url| ["--srpm-url".to_owned(), url]));
        } else if !self.given.value("SRPM_URL_LIST").is_empty() {
            self.notes.push("`SRPM_URL_LIST` counts with `DOWNLOAD_SRPMS=y` only".to_owned());
        }
        self.command(&["srpm"], arguments);
    }

    fn build(&mut self) {
        if self.given.is_yes("DOWNLOAD_SRPMS") {
            self.faults
                .push("`DOWNLOAD_SRPMS=y` counts for `input-srpms` alone: packages are built from specs".to_owned());
        }
        let mut arguments = self.goals();
        arguments.extend(self.checks());
        if self.given.value("SRPM_FILE_SIGNATURE_HANDLING") == "skip" {
            arguments.extend(["--signatures".to_owned(), "skip".to_owned()]);
        }
        self.command(&["build"], arguments);
    }

    /// What is built. An empty list means every spec, as in the toolkit.
    fn goals(&mut self) -> Vec<String> {
        let given = self.given;
        let (mut names, pack_list) = (given.words("PACKAGE_BUILD_LIST"), given.words("SRPM_PACK_LIST"));
        let config = given.value("CONFIG_FILE");
        let is_asked = !names.is_empty() || !config.is_empty() || !given.value("PACKAGE_REBUILD_LIST").is_empty();
        if !is_asked {
            names = pack_list;
        } else if !pack_list.is_empty() {
            let text =
                "`SRPM_PACK_LIST` does not hide other specs: what the packages of the other lists need is built, too";
            self.notes.push(text.to_owned());
        }
        let is_all = !is_asked && names.is_empty();
        let image = if config.is_empty() { vec![] } else { vec!["--image".to_owned(), config.to_owned()] };
        if given.is_yes("USE_PACKAGE_BUILD_CACHE") {
            return if is_all { vec!["--all".to_owned()] } else { names.into_iter().chain(image).collect() };
        }
        if is_all || !config.is_empty() {
            self.faults.push("`USE_PACKAGE_BUILD_CACHE=n` needs names: `PACKAGE_BUILD_LIST`".to_owned());
        }
        names.into_iter().flat_map(|name| ["--rebuild".to_owned(), name]).collect()
    }

    fn checks(&mut self) -> Vec<String> {
        let given = self.given;
        let (run, rerun) = (given.words("TEST_RUN_LIST"), given.words("TEST_RERUN_LIST"));
        let ignored = given.words("TEST_IGNORE_LIST");
        if !given.is_yes("RUN_CHECK") {
            if !(run.is_empty() && rerun.is_empty() && ignored.is_empty()) {
                self.notes.push(
                    "`TEST_RUN_LIST`, `TEST_RERUN_LIST` and `TEST_IGNORE_LIST` count with `RUN_CHECK=y` only"
                        .to_owned(),
                );
            }
            return vec!["--check".to_owned(), "off".to_owned()];
        }
        let only: Vec<&str> = run.iter().chain(&rerun).map(String::as_str).collect();
        let mut arguments = if only.is_empty() {
            vec!["--check-all".to_owned()]
        } else {
            vec!["--check-only".to_owned(), only.join(",")]
        };
        if !ignored.is_empty() {
            arguments.extend(["--check-ignore".to_owned(), ignored.join(",")]);
        }
        arguments.extend(rerun.into_iter().flat_map(|name| ["--rebuild".to_owned(), name]));
        arguments.extend(["--check".to_owned(), "warn".to_owned()]);
        arguments
    }

    /// Adds a command: its name, `arguments`, then the flags of the variables that count for it.
    fn command(&mut self, words: &'static [&'static str], arguments: Vec<String>) {
        let name = words[0];
        let mut command: Vec<String> = Vec::new();
        let mut flags = Vec::new();
        for variable in VARIABLES.iter().filter(|variable| variable.of.is_empty() || variable.of.contains(&name)) {
            let is_global = variable.of.is_empty();
            let of_variable = self.flags(variable, name);
            if is_global { &mut command } else { &mut flags }.extend(of_variable);
        }
        command.extend(words.iter().map(|word| (*word).to_owned()));
        command.extend(arguments);
        command.extend(flags);
        self.commands.push(command);
        self.names.push(name);
    }

    fn flags(&mut self, variable: &Variable, command: &str) -> Vec<String> {
        let value = self.given.value(variable.name).to_owned();
        // Drydock's own time limit is another one than the toolkit's, which therefore is always given.
        let is_always = matches!(variable.means, Means::Seconds(_));
        if !is_always && !self.given.differs(variable) {
            return Vec::new();
        }
        let flags: Vec<String> = match variable.means {
            Means::Value(flag) | Means::Global(flag) => vec![flag.to_owned(), value],
            Means::Words(flag) => {
                value.split_whitespace().flat_map(|word| [flag.to_owned(), word.to_owned()]).collect()
            }
            Means::Choice(values) => {
                let chosen = values.iter().find(|(known, _)| *known == value).map_or("", |(_, arguments)| *arguments);
                chosen.split_whitespace().map(str::to_owned).collect()
            }
            Means::Seconds(flag) => {
                if let Some(seconds) = seconds(&value) {
                    vec![flag.to_owned(), seconds.to_string()]
                } else {
                    let name = variable.name;
                    self.faults.push(format!("`{name}={value}`: a time is expected, such as `90m` or `1h30m`"));
                    Vec::new()
                }
            }
            Means::Goal(_) | Means::Needless | Means::Dead | Means::Refused => Vec::new(),
        };
        for flag in flags.iter().filter(|flag| flag.starts_with("--")) {
            if !variable.of.is_empty() && !(self.has_flag)(command, flag) {
                let name = variable.name;
                self.faults.push(format!("`{name}` means `{flag}`, which `drydock {command}` does not have yet"));
            }
        }
        flags
    }

    /// Notes variables that were given and count for none of the commands.
    fn note_unused(&mut self) {
        for variable in VARIABLES.iter().filter(|variable| self.given.differs(variable)) {
            let is_used = variable.of.is_empty() || variable.of.iter().any(|command| self.names.contains(command));
            if !is_used {
                self.notes.push(format!("`{}` does not count for these targets", variable.name));
            }
        }
    }
}

fn names_or_all(names: Vec<String>) -> Vec<String> {
    if names.is_empty() { vec!["--all".to_owned()] } else { names }
}

/// Seconds in one of Go's durations, such as `1h30m`; parts of a second count as one.
fn seconds(text: &str) -> Option<u64> {
    let (mut rest, mut milliseconds) = (text, 0_u64);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let units = [("ms", 1), ("h", 3_600_000), ("m", 60_000), ("s", 1000)];
        let (unit, factor) = units.into_iter().find(|(unit, _)| rest.starts_with(unit))?;
        rest = &rest[unit.len()..];
        milliseconds = milliseconds.checked_add(number.checked_mul(factor)?)?;
    }
    Some(milliseconds.div_ceil(1000))
}
