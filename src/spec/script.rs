//! What `rpmspec` is asked in the container, and how its answers are laid out.
//!
//! One `sh` script goes through the specs that are its arguments. For the n-th it leaves these files in [`ANSWERS`]:
//!
//! | file | what |
//! |---|---|
//! | `n.source` | the source package: [`SOURCE_FORMAT`] |
//! | `n.binary` | the binary packages that have `%files`: [`BINARY_FORMAT`] |
//! | `n.parsed` | the spec with its macros expanded, checks on |
//! | `n.checked` | the source package with checks on; only when the spec asks whether they are |
//! | `n.stderr` | what the last `rpmspec` wrote to its standard error |
//! | `n.status` | exit status of the last `rpmspec`; written last |
//!
//! Records end with U+001E and their fields with U+001F, bytes that no name, version or URL has; a spec that manages to
//! have them is refused by the reader. Each answer is a file of its own, so that no text of a spec can be taken for the
//! answer to another one. `rpmspec` reads one spec a process, since macros of one would reach the next.
//!
//! As in Azure Linux, `with_check` is 0 or 1. Parsing is nearly all of the cost, so the third look at the source package
//! is taken only by specs that ask for `with_check`: its value for 0 is a macro that leaves a mark when it is expanded.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::SpecError;

/// The folder of the answers in the container.
pub(super) const ANSWERS: &str = "/tmp/drydock-specs";

/// Counts up when the questions or the reading of the answers change; cached answers of another version are not used.
pub(super) const VERSION: u32 = 1;

/// Tag, then fields. `%{EPOCHNUM}` is 0 where there is no epoch.
const SOURCE_FORMAT: &str = "N\u{1f}%{NAME}\u{1f}%{EPOCHNUM}\u{1f}%{VERSION}\u{1f}%{RELEASE}\u{1f}%{ARCH}\u{1e}\
    [S\u{1f}%{SOURCE}\u{1e}][P\u{1f}%{PATCH}\u{1e}][R\u{1f}%{REQUIRENEVRS}\u{1f}%{REQUIREFLAGS}\u{1e}]\
    [XA\u{1f}%{EXCLUSIVEARCH}\u{1e}][EA\u{1f}%{EXCLUDEARCH}\u{1e}]\
    [XO\u{1f}%{EXCLUSIVEOS}\u{1e}][EO\u{1f}%{EXCLUDEOS}\u{1e}][C\u{1f}%{CHANGELOGTIME}\u{1e}]";

const BINARY_FORMAT: &str = "N\u{1f}%{NAME}\u{1f}%{EPOCHNUM}\u{1f}%{VERSION}\u{1f}%{RELEASE}\u{1f}%{ARCH}\u{1e}\
    [V\u{1f}%{PROVIDENAME}\u{1f}%{PROVIDEVERSION}\u{1e}][R\u{1f}%{REQUIRENEVRS}\u{1f}%{REQUIREFLAGS}\u{1e}]";

/// The script. `ask` runs `rpmspec` with the macros of the run.
const SCRIPT: &str = r#"umask 022
mkdir -p "$answers" && cd "$answers" || exit 125
command -v rpmspec >/dev/null || { echo 'there is no rpmspec in this image'; exit 127; }

mark() {
    printf "%%{lua:local file = io.open('%s', 'w') if file then file:close() end}0" "$1"
}

spec=$answers/none
ask -E "$(mark "$answers/marks")" >/dev/null 2>&1

look() {
    mark=0
    [ -e marks ] && mark=$(mark "$answers/$number.asked")
    ask -D "with_check $mark" -q --srpm --qf "$source_format" "$spec" >$number.source 2>$number.stderr || return
    ask -D 'with_check 0' -q --builtrpms --qf "$binary_format" "$spec" >$number.binary 2>$number.stderr || return
    ask -D 'with_check 1' -P "$spec" >$number.parsed 2>$number.stderr || return
    if [ -e marks ] && [ ! -e $number.asked ]; then return 0; fi
    ask -D 'with_check 1' -q --srpm --qf "$source_format" "$spec" >$number.checked 2>$number.stderr
}

number=0
for spec in "$@"; do
    number=$((number + 1))
    look
    status=$?
    rm -f $number.asked
    echo $status >$number.status
done
rm -f marks
"#;

/// The script for `sh -c`, with the RPM macros `macros` defined.
pub(super) fn script(macros: &BTreeMap<String, String>) -> Result<String, SpecError> {
    let mut ask = "ask() {\n    rpmspec".to_owned();
    for (name, body) in macros {
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
    let [answers, source, binary] = [ANSWERS, SOURCE_FORMAT, BINARY_FORMAT].map(quoted);
    Ok(format!("answers={answers}\nsource_format={source}\nbinary_format={binary}\n{ask}{SCRIPT}"))
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
        let script = script(&macros).unwrap();
        assert!(script.contains(r"rpmspec -D 'dist .d'\''d %{x}' -D 'two a\"), "{script}");
        assert!(super::script(&BTreeMap::from([("a b".to_owned(), String::new())])).is_err());
    }
}
