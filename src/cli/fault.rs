//! An error on its way to the user: the chain of causes, a hint, and the exit code of its class.

use std::error::Error;
use std::process::ExitCode;

use super::pasted::Context;
use crate::pipeline::{Blame, PipelineError};
use crate::report::{self, WriteError};

/// Why a command ends without its result.
#[derive(Debug)]
pub(super) struct Fault {
    code: u8,
    text: String,
    hint: Option<String>,
}

/// A package or image failed.
pub(super) const FAILED: u8 = 1;
pub(super) const USAGE: u8 = 2;
/// The machine is in the way.
pub(super) const HOST: u8 = 3;
/// The user wanted the command to stop.
const INTERRUPTED: u8 = 130;

impl Fault {
    /// The user asked for something that cannot be, or a file of the user is wrong.
    pub(super) fn usage(text: impl Into<String>) -> Self {
        Self { code: USAGE, text: text.into(), hint: None }
    }

    /// The engine, the disk or another part of the machine is in the way.
    pub(super) fn host(text: impl Into<String>) -> Self {
        Self { code: HOST, text: text.into(), hint: None }
    }

    /// A package or image failed.
    pub(super) fn failed(text: impl Into<String>) -> Self {
        Self { code: FAILED, text: text.into(), hint: None }
    }

    /// The fault with what the user can do about it.
    pub(super) fn with_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }

    /// The fault with commands in its hint that mean what the user's did.
    pub(super) fn in_context(self, context: &Context) -> Self {
        let hint = self.hint.map(|hint| context.put_into(&hint));
        Self { hint, ..self }
    }

    /// `error` and its causes, of the user's making.
    pub(super) fn usage_error(error: &dyn Error) -> Self {
        Self::usage(chain(error))
    }

    /// `error` and its causes, of the machine's making.
    pub(super) fn host_error(error: &dyn Error) -> Self {
        Self::host(chain(error))
    }

    /// `error` and its causes: a package or image failed.
    pub(super) fn failed_error(error: &dyn Error) -> Self {
        Self::failed(chain(error))
    }
}

#[cfg(test)]
impl Fault {
    /// Exit code, text and hint, for a snapshot.
    pub(super) fn show(&self) -> String {
        let hint = self.hint.as_ref().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
        format!("exit code: {}\nerror: {}{hint}", self.code, self.text)
    }
}

impl From<PipelineError> for Fault {
    fn from(error: PipelineError) -> Self {
        let fault = match error.blame() {
            Blame::Result => Self::failed_error(&error),
            Blame::Usage => Self::usage_error(&error),
            Blame::Host => Self::host_error(&error),
            Blame::Nobody => Self { code: INTERRUPTED, ..Self::host_error(&error) },
        };
        fault.with_hint(error.hint())
    }
}

impl From<WriteError> for Fault {
    fn from(error: WriteError) -> Self {
        Self::host_error(&error).with_hint(error.hint())
    }
}

/// Writes `fault` to stderr and gives its exit code.
pub(super) fn tell(fault: &Fault) -> ExitCode {
    report::status(&format!("error: {}", fault.text));
    if let Some(hint) = &fault.hint {
        report::status(&format!("hint: {hint}"));
    }
    ExitCode::from(fault.code)
}

/// The error's text, then one `caused by` line for each cause.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str("\n  caused by: ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
