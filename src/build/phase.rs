//! Finds in a log which part of a build failed, and the lines that tell why. Pure.
//!
//! Also tells which lines belong to the parts that a user may ask for.
//!
//! In: the end of an rpmbuild log. Out: words for the user. Nothing decides by them: whether a build failed is known
//! from its exit status.

use crate::printable;

/// A part of a build, as its log shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// `%prep`.
    Prep,
    /// `%build`, with `%conf`.
    Build,
    /// `%install`.
    Install,
    /// `%check`.
    Check,
    /// What rpmbuild makes of `%files`: from the first `Processing files`, or the errors about missing files, on.
    Files,
}

/// Lines at the end of a log that are always shown.
const LAST_LINES: usize = 30;
/// Lines further up that look like the reason.
const FIRST_ERRORS: usize = 8;
/// Characters of a line that are shown; compilers' command lines may have thousands.
const LINE_LENGTH: usize = 300;

/// The part of a spec's build that failed: `%prep`, `%build`, `%check`, `files`, …
pub(super) fn failed_phase(log: &str) -> String {
    let bad_exit = log.lines().rev().find_map(|line| {
        let (_, phase) = line.strip_prefix("error: Bad exit status from ")?.split_once('(')?;
        phase.strip_suffix(')')
    });
    if let Some(phase) = bad_exit {
        return phase.to_owned();
    }
    if log.lines().any(|line| line.starts_with("error: Failed build dependencies")) {
        return "BuildRequires".to_owned();
    }
    let executing = |line: &str| {
        let (phase, _) = line.strip_prefix("Executing(")?.split_once(')')?;
        Some(phase.to_owned())
    };
    let running = log.lines().rev().find_map(executing);
    let packaging = log.lines().any(|line| line.starts_with("Processing files: "));
    let rpm_gave_up = log.lines().any(|line| line.trim_end() == "RPM build errors:");
    match running {
        _ if packaging => "files".to_owned(),
        Some(phase) if phase == "%install" && rpm_gave_up => "files".to_owned(),
        Some(phase) => phase,
        None if log.lines().any(|line| line.starts_with("error: ")) => "spec".to_owned(),
        None => "set-up".to_owned(),
    }
}

/// Tells which lines of a log belong to a phase. Lines before the first section, such as the installation of
/// `BuildRequires`, belong to none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    phase: Phase,
    at: Option<Begun>,
}

impl Part {
    /// That of `phase`, before the first line.
    pub(super) fn new(phase: Phase) -> Self {
        Self { phase, at: None }
    }

    /// True when the next line, or its start, belongs to it.
    pub(super) fn has_line(&mut self, line: &str) -> bool {
        self.at = begun(line).or(self.at);
        self.at == Some(Begun::Phase(self.phase))
    }
}

/// What a line of a log begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begun {
    Phase(Phase),
    /// `%clean`, `%generate_buildrequires`, `rmbuild`.
    Other,
}

fn begun(line: &str) -> Option<Begun> {
    if line.starts_with("Processing files: ") || line.starts_with("RPM build errors:") {
        return Some(Begun::Phase(Phase::Files));
    }
    let (section, _) = line.strip_prefix("Executing(")?.split_once(')')?;
    Some(match section {
        "%prep" => Begun::Phase(Phase::Prep),
        "%conf" | "%build" => Begun::Phase(Phase::Build),
        "%install" => Begun::Phase(Phase::Install),
        "%check" => Begun::Phase(Phase::Check),
        _ => Begun::Other,
    })
}

/// The lines of `log` that tell why it failed: the first that look like errors, then the last ones; `…` stands for
/// what is left out.
pub(super) fn excerpt(log: &str) -> Vec<String> {
    let lines: Vec<&str> = log.lines().collect();
    let tail = lines.len().saturating_sub(LAST_LINES);
    let errors = lines[..tail].iter().enumerate().filter(|(_, line)| looks_like_an_error(line)).take(FIRST_ERRORS);
    let shown = errors.map(|(at, _)| at).chain(tail..lines.len());
    let mut excerpt = Vec::new();
    let mut next = 0;
    for at in shown {
        if at != next {
            excerpt.push("…".to_owned());
        }
        excerpt.push(told(lines[at]));
        next = at + 1;
    }
    excerpt
}

fn looks_like_an_error(line: &str) -> bool {
    const SIGNS: [&str; 11] = [
        "error:",
        "Error:",
        "ERROR:",
        "fatal:",
        "undefined reference",
        "*** [",
        "make: ***",
        "command not found",
        "No space left on device",
        "Hunk #",
        "FAILED",
    ];
    // `set -x` echoes commands that only talk about errors.
    !line.starts_with('+') && SIGNS.iter().any(|sign| line.contains(sign))
}

/// The line as far as it tells something: its last state, cut where only a compiler would go on reading.
fn told(line: &str) -> String {
    printable::shortened(printable::last_written(line), LINE_LENGTH).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_phase_is_the_one_that_failed() {
        let in_build = "Executing(%prep): /bin/sh -e x\n+ cd y\nExecuting(%build): /bin/sh -e x\nboom\n";
        let ended = |end: &str| failed_phase(&format!("{in_build}{end}"));
        assert_eq!(ended("error: Bad exit status from /var/tmp/rpm-tmp.WExa0f (%build)\n"), "%build");
        assert_eq!(ended(""), "%build", "a build that was killed says nothing");
        assert_eq!(ended("Executing(%install): x\nRPM build errors:\n    File not found: /x\n"), "files");
        assert_eq!(ended("Executing(%install): x\nProcessing files: a-1-1\nerror: File not found: /x\n"), "files");
        assert_eq!(failed_phase("error: Failed build dependencies:\n\tx is needed by y\n"), "BuildRequires");
        assert_eq!(failed_phase("error: line 3: Unknown tag: Nmae: x\n"), "spec");
        assert_eq!(failed_phase("drydock: cannot copy the sources\n"), "set-up");
    }

    #[test]
    fn early_errors_and_the_end_are_shown() {
        let noise: String = (0..100).map(|number| format!("line {number}\n")).collect();
        let log =
            format!("start\na.c:1: error: no such thing\n+ echo error: not one\n{noise}make: *** [a.o] Error 1\n");
        let excerpt = excerpt(&log);
        assert_eq!(excerpt[..3], ["…", "a.c:1: error: no such thing", "…"]);
        assert_eq!(excerpt.last().unwrap(), "make: *** [a.o] Error 1");
        assert_eq!(excerpt.len(), 3 + LAST_LINES);
    }

    #[test]
    fn short_logs_are_shown_whole_and_long_lines_are_not() {
        assert_eq!(excerpt("a\nb\n"), ["a", "b"]);
        assert!(excerpt("").is_empty());
        assert_eq!(excerpt("10%\r 50%\r100% \r\nend\r\n"), ["100%", "end"], "a progress bar");
        assert_eq!(excerpt(&"ü".repeat(1000))[0].chars().count(), LINE_LENGTH + 1);
    }
}
