//! What `rpmspec` is asked in the container, and how its answers are laid out.
//!
//! Expanding a spec is nearly all of the cost: its macros start a shell or Python again and again. So each spec is
//! expanded once, by `rpmspec -P`, and a second time only when it asks for `with_check`: its value for 0 is a macro that
//! leaves a mark when it is expanded. The expanded text without any `%` but those of its sections is a *flat* spec: rpm
//! reads it as the very same lines, and there is nothing in it to expand. So one `rpmspec -q` answers for all flat specs
//! of a container; each makes one more package, last, whose name begins with [`BOUNDARY`].
//!
//! What is left of the cost is the start of programs: for each spec that is `setpriv` and `rpmspec`, and what the spec
//! runs itself. So specs are first read [`Way::Together`], where no `timeout` is started for each.
//!
//! **Apart.** Whoever writes a spec has it run programs here (`%(…)`), and must not get at the answers of others. The
//! script is root; each spec is expanded as a user of its own, who can write to [`PLACE`] alone, and for a limited time.
//! After it all processes are killed and the place is emptied. Where an image has no `setpriv` and no `chroot` for that,
//! each spec gets a container ([`Way::Single`]).
//!
//! One `sh` script goes through the specs that are its arguments. For the n-th it leaves these files in its folder of
//! answers, and writes the number as a line to its standard output:
//!
//! | file | what |
//! |---|---|
//! | `n.parsed` | the expanded spec, checks off |
//! | `n.checked` | the expanded spec, checks on; only when the spec asks whether they are |
//! | `n.stderr` | what the last `rpmspec` wrote to its standard error |
//! | `n.status` | exit status of the last `rpmspec` that was run for it |
//!
//! and for all of them:
//!
//! | file | what |
//! |---|---|
//! | `flat` | names of the flat specs, one a line: `n.parsed`, and `n.checked` for checks on |
//! | `boundary` | the name of the boundary, which no spec can know |
//! | `source` | their source packages: [`SOURCE_FORMAT`] |
//! | `binary` | the binary packages of each `n.parsed` that have `%files`, and its boundary: [`BINARY_FORMAT`] |
//!
//! Where `rpmspec` does not take all flat specs together, `source` and `binary` are missing, and `n.parsed.source`,
//! `n.checked.source` and `n.parsed.binary` hold what it says of each spec by itself.
//!
//! Records end with U+001E and their fields with U+001F, bytes that no name, version or URL has; flat specs have them
//! taken out, so that no text of a spec can be taken for the answer to another one. [`HIDDEN`] stands for a `%` of a flat
//! spec.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::SpecError;
use super::parsed::SECTIONS;

/// Where specs may write to. In memory where several specs are read.
pub(super) const PLACE: &str = "/tmp";

/// The folder in the container with the files of macros, which are loaded in the order of their names.
pub(super) const MACROS: &str = "/drydock-macros";

/// What the name of the package begins with that is the last one of each flat spec.
const BOUNDARY: &str = "drydock-boundary";

/// Stands for a `%` in flat specs and in what is said of them: characters that rpm takes in names and versions.
pub(super) const HIDDEN: &str = "{}{+}{}";

/// Stands before the path of a spec whose section after `%prep` the rpm of 2022 loses.
pub(super) const LOSES_SECTION: &str = "loses-section:";

/// The exit status of `timeout` where time was up.
pub(super) const TIMED_OUT: i32 = 124;

/// The largest file that a spec may write, in the 512 bytes of `ulimit`: 256 MiB.
const BLOCKS: u64 = 1 << 19;

/// Exit status: the image has nothing to give each spec a user of its own.
pub(super) const UNABLE: i32 = 123;
/// Exit status: something is left of a spec, or was killed for want of memory, and nobody knows what it has changed.
const UNCLEAN: i32 = 124;

/// Counts up when the questions or the reading of the answers change; cached answers of another version are not used.
pub(super) const VERSION: u32 = 8;

/// Tag, then fields.
const SOURCE_FORMAT: &str = "N\u{1f}%{NAME}\u{1f}%{EPOCH}\u{1f}%{VERSION}\u{1f}%{RELEASE}\u{1f}%{ARCH}\u{1e}\
    [S\u{1f}%{SOURCE}\u{1e}][P\u{1f}%{PATCH}\u{1e}][R\u{1f}%{REQUIRENEVRS}\u{1f}%{REQUIREFLAGS}\u{1e}]\
    [XA\u{1f}%{EXCLUSIVEARCH}\u{1e}][EA\u{1f}%{EXCLUDEARCH}\u{1e}]\
    [XO\u{1f}%{EXCLUSIVEOS}\u{1e}][EO\u{1f}%{EXCLUDEOS}\u{1e}][C\u{1f}%{CHANGELOGTIME}\u{1e}]";

const BINARY_FORMAT: &str = "N\u{1f}%{NAME}\u{1f}%{EPOCH}\u{1f}%{VERSION}\u{1f}%{RELEASE}\u{1f}%{ARCH}\u{1e}\
    [V\u{1f}%{PROVIDENAME}\u{1f}%{PROVIDEVERSION}\u{1f}%{PROVIDEFLAGS}\u{1e}][R\u{1f}%{REQUIRENEVRS}\u{1f}%{REQUIREFLAGS}\u{1e}]\
    [X\u{1f}%{CONFLICTNEVRS}\u{1f}%{CONFLICTFLAGS}\u{1e}][O\u{1f}%{OBSOLETENEVRS}\u{1f}%{OBSOLETEFLAGS}\u{1e}]";

/// The script. `ask` runs `rpmspec` with the macros of the run.
const SCRIPT: &str = include_str!("read.sh");

/// How specs are kept from each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// By users of their own. Who runs the container looks to the time, and ends it for all when a spec takes too long.
    Together,
    /// By users of their own, with a time limit for each question.
    Apart,
    /// By being alone in the container.
    Single,
}

impl Way {
    /// The folder of the answers in the container: nobody's, or below a folder that everybody may write to.
    pub(super) fn answers(self) -> &'static str {
        match self {
            Self::Together | Self::Apart => "/drydock-specs",
            Self::Single => "/tmp/drydock-specs",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Together | Self::Apart => "apart",
            Self::Single => "single",
        }
    }

    /// What begins a command that may take so many seconds.
    fn within(self, seconds: u64) -> String {
        match self {
            Self::Together | Self::Single => String::new(),
            Self::Apart => format!("timeout -k 5 {seconds}"),
        }
    }
}

/// What the script is made for.
pub(super) struct Script<'a> {
    /// How it keeps specs from each other.
    pub(super) way: Way,
    /// What `rpmspec` may take for one question on a spec.
    pub(super) seconds: u64,
    /// RPM's word for the architecture that the specs are read for.
    pub(super) arch: &'a str,
    /// Names of the files in [`MACROS`], in the order in which they are loaded.
    pub(super) files: Vec<String>,
    /// RPM macros; they win over those of files.
    pub(super) macros: &'a BTreeMap<String, String>,
    /// Macros with the versions of other specs.
    pub(super) versions: &'a BTreeMap<String, String>,
}

impl Script<'_> {
    /// The script for `sh -c`.
    pub(super) fn text(&self) -> Result<String, SpecError> {
        // `--target` makes rpm read its configuration anew, so it stands before all that is added to that.
        let mut ask = format!("ask() {{\n    turn rpmspec --target {}", quoted(self.arch));
        for file in &self.files {
            let _ = write!(ask, " --load {}", quoted(&format!("{MACROS}/{file}")));
        }
        // Neither the number of processors nor what `make` can do may reach what a spec says; rpm starts programs for both.
        ask.push_str(" -D '_smp_build_ncpus 1' -D '_make_output_sync %{nil}'");
        for (name, body) in self.versions.iter().chain(self.macros) {
            let name = name.trim_start_matches('%');
            let is_name =
                name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && !name.contains(char::is_whitespace);
            if !is_name {
                return Err(SpecError::Macro { name: name.to_owned() });
            }
            // A definition ends with its line unless the line end is escaped.
            let body = body.trim_end().replace('\n', "\\\n");
            let _ = write!(ask, " -D {}", quoted(&format!("{name} {body}")));
        }
        ask.push_str(" -D \"_sourcedir ${spec%/*}\" \"$@\"\n}\n");
        Ok(format!("{}{ask}{SCRIPT}", self.variables()))
    }

    /// What the script takes from here.
    fn variables(&self) -> String {
        let answers = self.way.answers();
        let texts = [
            ("way", self.way.word()),
            ("answers", answers),
            ("flats", &format!("{answers}.flat")),
            ("place", PLACE),
            ("source_format", SOURCE_FORMAT),
            ("binary_format", BINARY_FORMAT),
            ("boundary", BOUNDARY),
            ("inert", &inert()),
            ("loses_section", LOSES_SECTION),
            ("unable", &UNABLE.to_string()),
            ("unclean", &UNCLEAN.to_string()),
            ("blocks", &BLOCKS.to_string()),
            ("within", &self.way.within(self.seconds)),
            ("within_all", &self.way.within(self.seconds * 10)),
        ];
        texts.map(|(name, text)| format!("{name}={}\n", quoted(text))).concat()
    }
}

/// A program for `sed -E` that makes an expanded spec flat: no `%` is left but those that begin a section, and no byte
/// that separates answers.
fn inert() -> String {
    let sections = SECTIONS.join("|");
    format!("s/[\u{1e}\u{1f}]//g\ns/^%({sections})([[:space:]].*)?$/\\n\\1\\2/I\ns/%/{HIDDEN}/g\ns/^\\n/%/")
}

/// `text` as one word of the shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn macros_survive_the_shell() {
        let macros = BTreeMap::from([("dist".to_owned(), ".d'd %{x}".to_owned()), ("two".into(), "a\nb".into())]);
        let versions = BTreeMap::from([("azl_a_version".to_owned(), "1".to_owned())]);
        let script = |macros| {
            let (files, versions) = (vec!["00-m".into()], &versions);
            Script { way: Way::Apart, seconds: 7, arch: "aarch64", files, macros, versions }.text()
        };
        let text = script(&macros).unwrap();
        let start = r"turn rpmspec --target 'aarch64' --load '/drydock-macros/00-m' -D '_smp_build_ncpus 1'";
        let start = format!("{start} -D '_make_output_sync %{{nil}}'");
        let rest = r"-D 'azl_a_version 1' -D 'dist .d'\''d %{x}' -D 'two a\";
        assert!(text.contains(&format!("{start} {rest}")), "{text}");
        assert!(script(&BTreeMap::from([("a b".to_owned(), String::new())])).is_err());
    }

    #[test]
    fn a_limit_of_files_that_is_lower_already_holds() {
        let start = SCRIPT.find("turn() {").unwrap();
        let turn = &SCRIPT[start..start + SCRIPT[start..].find("\n}\n").unwrap() + 3];
        let text = format!("ulimit -f 100\nplace=/ blocks=2048 become=none\n{turn}\nturn sh -c 'ulimit -f'");
        let told = Command::new("sh").args(["-c", &text]).output().unwrap();
        assert_eq!(String::from_utf8(told.stdout).unwrap(), "100\n", "{}", String::from_utf8_lossy(&told.stderr));
    }

    #[test]
    fn nothing_in_a_flat_spec_can_be_expanded() {
        let hostile = "Name: a\x1e%(touch x)\nVersion: %%{v}\n%if \"%(id)\"\n %files\n%filesystem\n%include /x\n%{lua:x}\n\
            %package -n %{x}\n%Description\n100%\n%prep\n%setup -q\n%files -f %(x)\n%doc a\n%\n";
        let mut sed = Command::new("sed");
        sed.args(["-E", &inert()]).env("LC_ALL", "C").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut sed = sed.spawn().unwrap();
        sed.stdin.take().unwrap().write_all(hostile.as_bytes()).unwrap();
        let flat = String::from_utf8(sed.wait_with_output().unwrap().stdout).unwrap();
        let signs: Vec<&str> = flat.lines().filter(|line| line.contains('%')).collect();
        let sections = ["%package -n {}{+}{}{x}", "%Description", "%prep", "%files -f {}{+}{}(x)"];
        assert_eq!(signs, sections);
        assert_eq!(flat.replace(HIDDEN, "%"), hostile.replace('\u{1e}', ""));
    }
}
