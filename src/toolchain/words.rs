//! The words of an instruction, as BuildKit's parser takes them: white space parts them outside of quotes, variables are
//! replaced but in single quotes, and a backslash takes the meaning from what follows. What a variable gives is not parted.
//!
//! Format: <https://docs.docker.com/reference/dockerfile/#environment-replacement>.

use std::iter::Peekable;
use std::str::Chars;

/// The longest argument or variable that Linux gives to a program. Values that name themselves would grow beyond any bound.
const MOST_BYTES: usize = 128 << 10;

/// The words of `text`; `value_of` gives the value of a variable, if it has one.
pub(super) fn words(text: &str, value_of: &dyn Fn(&str) -> Option<String>) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(open), _) if letter == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None | Some('"'), '\\') => {
                let is_taken = |next: &char| quote.is_none() || matches!(next, '"' | '$' | '\\');
                word.get_or_insert_default().push(letters.next_if(is_taken).unwrap_or('\\'));
            }
            (None | Some('"'), '$') => {
                let (name, value) = variable(&mut letters, value_of)?;
                let word = word.get_or_insert_default();
                word.push_str(&value);
                if word.len() > MOST_BYTES {
                    return Err(format!("with `${name}` it is longer than {MOST_BYTES} bytes"));
                }
            }
            (None, _) if letter.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    if quote.is_some() {
        return Err("a quote is not closed".to_owned());
    }
    words.extend(word);
    Ok(words)
}

/// The name and the value of the variable whose `$` was read: `$NAME`, `${NAME}`, `${NAME:-default}`, `${NAME:+other}`. A
/// sign before no name stands for itself.
fn variable(
    letters: &mut Peekable<Chars<'_>>,
    value_of: &dyn Fn(&str) -> Option<String>,
) -> Result<(String, String), String> {
    let in_braces = letters.next_if_eq(&'{').is_some();
    let mut name = String::new();
    while let Some(letter) = letters.next_if(|next| next.is_ascii_alphanumeric() || *next == '_') {
        name.push(letter);
    }
    if name.is_empty() && !in_braces {
        return Ok((name, "$".to_owned()));
    }
    let rest = if in_braces { up_to_brace(letters)? } else { String::new() };
    let known = value_of(&name).filter(|value| rest.is_empty() || !value.is_empty());
    let value = match (rest.get(..2), known) {
        (Some(":+"), None) => String::new(),
        (Some(":-"), None) | (Some(":+"), Some(_)) => rest[2..].to_owned(),
        (Some(":-"), Some(value)) => value,
        (None, Some(value)) if rest.is_empty() => value,
        (None, None) if rest.is_empty() && !name.is_empty() => {
            return Err(format!("`${name}` has no value: set it by `ARG` or `ENV`"));
        }
        _ => return Err(format!("`${{{name}{rest}}}` is not understood")),
    };
    Ok((name, value))
}

fn up_to_brace(letters: &mut Peekable<Chars<'_>>) -> Result<String, String> {
    let mut text = String::new();
    for letter in letters {
        match letter {
            '}' => return Ok(text),
            _ => text.push(letter),
        }
    }
    Err("a `}` is missing".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<String>, String> {
        words(text, &|name| match name {
            "A" => Some("one two".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        })
    }

    #[test]
    fn quotes_and_backslashes_are_taken_away_and_a_value_is_one_word() {
        for (text, expected) in [
            ("a  b", &["a", "b"][..]),
            ("X=$A Y=\"$A\" Z='$A'", &["X=one two", "Y=one two", "Z=$A"]),
            ("a\\ b \\$A \"\\$A \\\\ \\n\"", &["a b", "$A", "$A \\ \\n"]),
            ("'' \"\" ''x", &["", "", "x"]),
            ("${A}b ${B:-x y}! ${EMPTY:-z}${EMPTY} ${A:+set}${EMPTY:+set}", &["one twob", "x y!", "z", "set"]),
            ("5$ $ $-", &["5$", "$", "$-"]),
            ("a\\", &["a\\"]),
        ] {
            assert_eq!(read(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_has_no_value_or_no_end_is_told() {
        for (text, expected) in [
            ("$B", "`$B` has no value: set it by `ARG` or `ENV`"),
            ("${B", "a `}` is missing"),
            ("${}", "`${}` is not understood"),
            ("${A%x}", "`${A%x}` is not understood"),
            ("'a", "a quote is not closed"),
        ] {
            assert_eq!(read(text).unwrap_err(), expected, "{text}");
        }
    }
}
