//! The words of an instruction, as BuildKit's parser takes them: white space parts them outside of quotes, variables are
//! replaced but in single quotes, and a backslash takes the meaning from what follows. What a variable gives is not parted.
//!
//! Format: <https://docs.docker.com/reference/dockerfile/#environment-replacement>.

use std::iter::Peekable;
use std::str::Chars;

/// The longest argument or variable that Linux gives to a program. Values that name themselves would grow beyond any bound.
const MOST_BYTES: usize = 128 << 10;

/// How deep words of variables may stand in one another.
const MOST_LEVELS: usize = 16;

/// Gives the value of a variable, if it has one.
type ValueOf<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The words of `text`.
pub(super) fn words(text: &str, value_of: ValueOf<'_>) -> Result<Vec<String>, String> {
    parted(text, value_of, true, 0)
}

/// `text` as one word.
pub(super) fn word(text: &str, value_of: ValueOf<'_>) -> Result<String, String> {
    parted(text, value_of, false, 0).map(|words| words.concat())
}

/// The words of `text` with their quotes and backslashes, and without any value.
pub(super) fn as_written(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(open), _) if letter == open => quote = None,
            (None, '"' | '\'') => quote = Some(letter),
            (None, _) if letter.is_whitespace() => {
                words.extend(Some(std::mem::take(&mut word)).filter(|word| !word.is_empty()));
                continue;
            }
            _ => {}
        }
        word.push(letter);
        if letter == '\\' && quote != Some('\'') {
            word.extend(letters.next());
        }
    }
    words.extend(Some(word).filter(|word| !word.is_empty()));
    words
}

/// `text`, which has several lines, with the values of its variables: quotes are letters as any other, and a backslash
/// takes the meaning from what follows.
pub(super) fn document(text: &str, value_of: ValueOf<'_>) -> Result<String, String> {
    let mut filled = String::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => filled.push(letters.next().unwrap_or('\\')),
            '$' => {
                let (name, value) = variable(&mut letters, value_of, 0)?;
                filled.push_str(&value);
                if filled.len() > MOST_BYTES {
                    return Err(format!("with `${name}` it is longer than {MOST_BYTES} bytes"));
                }
            }
            letter => filled.push(letter),
        }
    }
    Ok(filled)
}

/// The words of `text`, or all of it as one when white space does not part it.
fn parted(text: &str, value_of: ValueOf<'_>, parts: bool, level: usize) -> Result<Vec<String>, String> {
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
                let (name, value) = variable(&mut letters, value_of, level)?;
                let word = word.get_or_insert_default();
                word.push_str(&value);
                if word.len() > MOST_BYTES {
                    return Err(format!("with `${name}` it is longer than {MOST_BYTES} bytes"));
                }
            }
            (None, _) if parts && letter.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    if quote.is_some() {
        return Err("a quote is not closed".to_owned());
    }
    words.extend(word);
    Ok(words)
}

/// The name and the value of the variable whose `$` was read: `$NAME`, `${NAME}`, `${NAME:-default}`, `${NAME:+other}`,
/// where `default` and `other` may have variables again. A sign before no name stands for itself.
fn variable(
    letters: &mut Peekable<Chars<'_>>,
    value_of: ValueOf<'_>,
    level: usize,
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
        _ if name.is_empty() => return Err(format!("`${{{rest}}}` is not understood")),
        (Some(":+"), None) => unused(&rest[2..], level)?,
        (Some(":-"), None) | (Some(":+"), Some(_)) => inner(&rest[2..], value_of, level)?,
        (Some(":-"), Some(value)) => unused(&rest[2..], level).map(|_| value)?,
        (None, Some(value)) if rest.is_empty() => value,
        (None, None) if rest.is_empty() => {
            return Err(format!("`${name}` has no value: set it by `ARG` or `ENV`"));
        }
        _ => return Err(format!("`${{{name}{rest}}}` is not understood")),
    };
    Ok((name, value))
}

/// The word of a variable.
fn inner(text: &str, value_of: ValueOf<'_>, level: usize) -> Result<String, String> {
    if level == MOST_LEVELS {
        return Err(format!("variables stand more than {MOST_LEVELS} deep in one another"));
    }
    parted(text, value_of, false, level + 1).map(|words| words.concat())
}

/// Nothing, for a word of a variable that does not count; what is wrong in it is told all the same.
fn unused(text: &str, level: usize) -> Result<String, String> {
    inner(text, &|_| Some(String::new()), level).map(|_| String::new())
}

/// The text up to the brace that closes it.
fn up_to_brace(letters: &mut Peekable<Chars<'_>>) -> Result<String, String> {
    let mut text = String::new();
    let mut open = 0_usize;
    while let Some(letter) = letters.next() {
        match letter {
            '}' if open == 0 => return Ok(text),
            '}' => open -= 1,
            '$' if letters.peek() == Some(&'{') => {
                text.push(letter);
                letters.next();
                text.push('{');
                open += 1;
                continue;
            }
            '\\' => {
                text.push(letter);
                text.extend(letters.next());
                continue;
            }
            _ => {}
        }
        text.push(letter);
    }
    Err("a `}` is missing".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_as_they_are_written() {
        let text = r#"cat  <<'E F' "a b"c \"d e\\ f'\' '$x"#;
        assert_eq!(as_written(text), ["cat", "<<'E F'", "\"a b\"c", "\\\"d", "e\\\\", "f'\\'", "'$x"]);
        assert!(as_written("  ").is_empty());
    }

    #[test]
    fn a_document_has_values_and_quotes() {
        let value_of = |name: &str| (name == "A").then(|| "1".to_owned());
        let text = "a='$A' \"${A}\" ${B:-2}\n\\$A \\\\ $ $(x)\n";
        assert_eq!(document(text, &value_of).unwrap(), "a='1' \"1\" 2\n$A \\ $ $(x)\n");
        assert!(document("$B", &value_of).unwrap_err().contains("`$B` has no value"));
    }

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
            ("${B:-$A} ${B:-${C:-${EMPTY:-in}}}! ${A:+\"$A\"} ${A:-$B}", &["one two", "in!", "one two", "one two"]),
            ("${B:-a\\}b}", &["a}b"]),
            ("5$ $ $-", &["5$", "$", "$-"]),
            ("a\\", &["a\\"]),
        ] {
            assert_eq!(read(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn variables_that_stand_too_deep_in_one_another_are_told() {
        let text = format!("{}x{}", "${B:-".repeat(10_000), "}".repeat(10_000));
        assert_eq!(read(&text).unwrap_err(), "variables stand more than 16 deep in one another");
        assert_eq!(word(" a  $A ", &|_| Some("b c".to_owned())).unwrap(), " a  b c ");
    }

    #[test]
    fn what_has_no_value_or_no_end_is_told() {
        for (text, expected) in [
            ("$B", "`$B` has no value: set it by `ARG` or `ENV`"),
            ("${B", "a `}` is missing"),
            ("${}", "`${}` is not understood"),
            ("${A%x}", "`${A%x}` is not understood"),
            ("${B:-$C}", "`$C` has no value: set it by `ARG` or `ENV`"),
            ("${A:-${}}", "`${}` is not understood"),
            ("${B:-${C}", "a `}` is missing"),
            ("'a", "a quote is not closed"),
        ] {
            assert_eq!(read(text).unwrap_err(), expected, "{text}");
        }
    }
}
