//! Commands in hints, so that they can be pasted as they are: with the project, the pipeline and the specs that the user
//! has named.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::has_flag;

/// What names folders of specs.
const SPECS_DIR: &str = "--specs-dir";

/// What a command needs to mean the same as the one that the user has typed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Context {
    /// Flags of every command, each with its value.
    pub(super) flags: Vec<(&'static str, String)>,
    /// Folders of specs.
    pub(super) specs: Vec<PathBuf>,
}

impl Context {
    /// `hint` with the context in each command of Drydock that stands between back-ticks.
    pub(super) fn put_into(&self, hint: &str) -> String {
        let (global, specs) = (self.global(), self.specs());
        let mut parts = hint.split("`drydock ");
        let mut text = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (command, rest) = part.split_at(part.find([' ', '`']).unwrap_or(part.len()));
            let is_wanted = !specs.is_empty() && has_flag(command, SPECS_DIR) && !rest.contains(SPECS_DIR);
            let specs = if is_wanted { &specs } else { "" };
            let _ = write!(text, "`drydock{global} {command}{specs}{rest}");
        }
        text
    }

    fn global(&self) -> String {
        self.flags.iter().map(|(flag, value)| format!(" {flag} {}", quoted(value))).collect()
    }

    fn specs(&self) -> String {
        let folder = |path: &PathBuf| format!(" {SPECS_DIR} {}", quoted(&path.to_string_lossy()));
        self.specs.iter().map(folder).collect()
    }
}

/// The flag with `value` unless that is what it is anyway.
pub(super) fn unless_default(flag: &'static str, value: &Path, default: &str) -> Option<(&'static str, String)> {
    (value != Path::new(default)).then(|| (flag, value.to_string_lossy().into_owned()))
}

/// `word` as a shell takes it for one word.
fn quoted(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-+=:@%,".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_of_a_hint_means_what_the_user_meant() {
        let hint = "if so, `drydock sources --update-signatures a b` writes them; look at `drydock logs a`, or `make`";
        assert_eq!(Context::default().put_into(hint), hint);
        let context = Context {
            flags: vec![("--pipeline", "p.yaml".to_owned()), ("-C", "my project".to_owned())],
            specs: vec!["SPECS".into(), "it's".into()],
        };
        assert_eq!(
            context.put_into(hint),
            "if so, `drydock --pipeline p.yaml -C 'my project' sources --specs-dir SPECS --specs-dir 'it'\\''s' \
             --update-signatures a b` writes them; look at `drydock --pipeline p.yaml -C 'my project' logs --specs-dir SPECS --specs-dir 'it'\\''s' a`, or `make`"
        );
        let context = Context { specs: vec!["S".into()], ..Context::default() };
        assert_eq!(
            context.put_into("`drydock clean`, `drydock build`"),
            "`drydock clean`, `drydock build --specs-dir S`"
        );
    }
}
