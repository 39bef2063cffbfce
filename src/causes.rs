//! An error with its causes as one line of text.

use std::error::Error;

/// `error` and its causes, outermost first, separated by colons.
pub fn in_one_line(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
