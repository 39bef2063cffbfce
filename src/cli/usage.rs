//! What clap says of a command line, without the passwords in it.

use std::process::ExitCode;

use clap::error::ContextValue;

use super::fault::{self, Fault};
use crate::address;

/// What clap has to say: help and versions are data, the rest is the user's mistake.
pub(super) fn answered(answer: clap::Error) -> ExitCode {
    let answer = without_logins(answer);
    match answer.print() {
        Err(error) if !answer.use_stderr() && error.kind() != std::io::ErrorKind::BrokenPipe => {
            fault::tell(&Fault::host(format!("cannot write: {error}")))
        }
        _ => ExitCode::from(u8::try_from(answer.exit_code()).unwrap_or(fault::USAGE)),
    }
}

/// `answer` with what was given as [`address::given`] shows it: a value may be an address with a password.
fn without_logins(mut answer: clap::Error) -> clap::Error {
    let has_login = |text: &str| text.contains('@') && text.contains(':');
    let masked = |text: &String| if has_login(text) { address::given(text).into_owned() } else { text.clone() };
    let masked = |value: &ContextValue| match value {
        ContextValue::String(text) => Some(ContextValue::String(masked(text))),
        ContextValue::Strings(texts) => Some(ContextValue::Strings(texts.iter().map(masked).collect())),
        // What is suggested repeats what was given.
        ContextValue::StyledStr(text) if has_login(&text.to_string()) => Some(ContextValue::None),
        ContextValue::StyledStrs(texts) if texts.iter().any(|text| has_login(&text.to_string())) => {
            Some(ContextValue::None)
        }
        _ => None,
    };
    let shown: Vec<_> = answer.context().filter_map(|(kind, value)| Some((kind, masked(value)?))).collect();
    for (kind, value) in shown {
        answer.insert(kind, value);
    }
    answer
}
