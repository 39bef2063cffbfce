//! What `rpmspec` is asked in the container, and how its answers are laid out.
//!
//! Expanding a spec is nearly all of the cost: its macros start a shell or Python again and again. So each spec is
//! expanded once, by `rpmspec -P`, and a second time only when it asks for `with_check`: its value for 0 is a macro that
//! leaves a mark when it is expanded. The expanded text with every `%` doubled is a *flat* spec: rpm reads it as the very
//! same lines, and no macro of it can reach the next spec. So one `rpmspec -q` answers for all flat specs of a container;
//! in its answer the package [`BOUNDARY`] follows each spec.
//!
//! One `sh` script goes through the specs that are its arguments. For the n-th it leaves these files in [`ANSWERS`]:
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
//! | `flat` | names of the flat specs, one a line: `n.spec`, and `n.with.spec` for checks on |
//! | `source` | their source packages: [`SOURCE_FORMAT`] |
//! | `binary` | the binary packages of each `n.spec` that have `%files`: [`BINARY_FORMAT`] |
//!
//! Where `rpmspec` does not take all flat specs together, `source` and `binary` are missing, and `n.spec.source`,
//! `n.with.spec.source` and `n.spec.binary` hold what it says of each spec by itself.
//!
//! Records end with U+001E and their fields with U+001F, bytes that no name, version or URL has; flat specs have them
//! taken out, so that no text of a spec can be taken for the answer to another one.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::SpecError;

/// The folder of the answers in the container.
pub(super) const ANSWERS: &str = "/tmp/drydock-specs";

/// The folder in the container with the files of macros, which are loaded in the order of their names.
pub(super) const MACROS: &str = "/drydock-macros";

/// The name of the package that stands between the answers to two specs.
pub(super) const BOUNDARY: &str = "drydock-boundary";

/// Counts up when the questions or the reading of the answers change; cached answers of another version are not used.
pub(super) const VERSION: u32 = 3;

/// Tag, then fields.
const SOURCE_FORMAT: &str = "N\u{1f}%{NAME}\u{1f}%{EPOCH}\u{1f}%{VERSION}\u{1f}%{RELEASE}\u{1f}%{ARCH}\u{1e}\
    [S\u{1f}%{SOURCE}\u{1e}][P\u{1f}%{PATCH}\u{1e}][R\u{1f}%{REQUIRENEVRS}\u{1f}%{REQUIREFLAGS}\u{1e}]\
    [XA\u{1f}%{EXCLUSIVEARCH}\u{1e}][EA\u{1f}%{EXCLUDEARCH}\u{1e}]\
    [XO\u{1f}%{EXCLUSIVEOS}\u{1e}][EO\u{1f}%{EXCLUDEOS}\u{1e}][C\u{1f}%{CHANGELOGTIME}\u{1e}]";

const BINARY_FORMAT: &str = "N\u{1f}%{NAME}\u{1f}%{EPOCH}\u{1f}%{VERSION}\u{1f}%{RELEASE}\u{1f}%{ARCH}\u{1e}\
    [V\u{1f}%{PROVIDENAME}\u{1f}%{PROVIDEVERSION}\u{1f}%{PROVIDEFLAGS}\u{1e}][R\u{1f}%{REQUIRENEVRS}\u{1f}%{REQUIREFLAGS}\u{1e}]";

/// The script. `ask` runs `rpmspec` with the macros of the run.
const SCRIPT: &str = include_str!("read.sh");

/// What the script is made for.
pub(super) struct Script<'a> {
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
        let mut ask = format!("ask() {{\n    rpmspec --target {}", quoted(self.arch));
        for file in &self.files {
            let _ = write!(ask, " --load {}", quoted(&format!("{MACROS}/{file}")));
        }
        // The number of processors must not reach what a spec says.
        ask.push_str(" -D '_smp_build_ncpus 1'");
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
        let [answers, source, binary, boundary] = [ANSWERS, SOURCE_FORMAT, BINARY_FORMAT, BOUNDARY].map(quoted);
        Ok(format!(
            "answers={answers}\nsource_format={source}\nbinary_format={binary}\nboundary={boundary}\n\
             separators='\u{1e}\u{1f}'\n{ask}{SCRIPT}"
        ))
    }
}

/// `text` as one word of the shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn macros_survive_the_shell() {
        let macros = BTreeMap::from([("dist".to_owned(), ".d'd %{x}".to_owned()), ("two".into(), "a\nb".into())]);
        let versions = BTreeMap::from([("azl_a_version".to_owned(), "1".to_owned())]);
        let script =
            |macros| Script { arch: "aarch64", files: vec!["00-m".into()], macros, versions: &versions }.text();
        let text = script(&macros).unwrap();
        let start = r"rpmspec --target 'aarch64' --load '/drydock-macros/00-m' -D '_smp_build_ncpus 1'";
        let rest = r"-D 'azl_a_version 1' -D 'dist .d'\''d %{x}' -D 'two a\";
        assert!(text.contains(&format!("{start} {rest}")), "{text}");
        assert!(script(&BTreeMap::from([("a b".to_owned(), String::new())])).is_err());
    }
}
