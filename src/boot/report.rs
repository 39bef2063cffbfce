//! What a start has shown.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::Firmware;

/// One start of an image.
#[derive(Clone, Debug)]
pub struct BootRun {
    /// The image.
    pub image: PathBuf,
    /// What started it.
    pub firmware: Firmware,
    /// What was seen, as far as it came.
    pub seen: Seen,
    /// What was wrong; None when all was well.
    pub problem: Option<Problem>,
    /// Wall time of the whole test.
    pub elapsed: Duration,
    /// Everything that the serial console said.
    pub transcript: PathBuf,
}

/// What was seen of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Time from power on to the login prompt.
    pub login_after: Option<Duration>,
    /// Lines of `/etc/os-release`.
    pub os_release: Vec<String>,
    /// Names of the installed packages with version and release.
    pub packages: Vec<String>,
    /// True when the machine ended by itself after `poweroff`.
    pub powered_off: bool,
}

/// Why an image has not passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What went wrong, as a sentence without a full stop.
    pub text: String,
    /// The last lines of the console, where they tell something.
    pub console: String,
}

impl Seen {
    /// The value of `key` in `/etc/os-release`, without quotes.
    pub fn os_release_value(&self, key: &str) -> Option<&str> {
        let line = self.os_release.iter().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
        Some(line.trim_matches('"'))
    }
}

impl BootRun {
    /// True when nothing was wrong.
    pub fn passed(&self) -> bool {
        self.problem.is_none()
    }
}

impl fmt::Display for BootRun {
    /// A few lines for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.image.file_name().unwrap_or(self.image.as_os_str()).to_string_lossy();
        let verdict = if self.passed() { "starts" } else { "does not pass" };
        writeln!(f, "{name} ({}) {verdict}", self.firmware)?;
        if let Some(after) = self.seen.login_after {
            writeln!(f, "  login prompt after {:.1} s", after.as_secs_f64())?;
        }
        if let Some(system) = self.seen.os_release_value("PRETTY_NAME") {
            writeln!(f, "  system: {system}, {} packages", self.seen.packages.len())?;
        }
        if let Some(problem) = &self.problem {
            writeln!(f, "  {}", problem.text)?;
            for line in problem.console.lines() {
                writeln!(f, "  | {line}")?;
            }
        }
        write!(f, "  transcript: {}", self.transcript.display())
    }
}
