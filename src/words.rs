//! What the readers of JSON and YAML say is wrong, in words for whoever wrote the file. Pure.
//!
//! In: what `serde`, `serde_json` or the YAML reader says, without the place. Out: what was found and what is wanted. A
//! text that is in no table and of no form below is one that a type of Drydock has written itself.

use std::borrow::Cow;

use crate::printable;
use crate::suggest;

/// At most so many characters of a value are shown.
const MOST_SHOWN: usize = 60;

/// What is said of a file without content.
pub const EMPTY: &str = "there is nothing in the file";

/// What a reader says of the text, by its beginning, and what that means.
const SYNTAX: [(&str, &str); 43] = [
    ("EOF while parsing a value", "the text ends where a value is expected"),
    ("EOF while parsing an object", "the text ends within an object: a `}` is missing"),
    ("EOF while parsing a list", "the text ends within a list: a `]` is missing"),
    ("EOF while parsing a string", "the text ends within quotes: a `\"` is missing"),
    ("expected value", "a value is expected here: put text into quotes"),
    ("expected ident", "a word begins here that is none of true, false and null: put text into quotes"),
    ("expected `:`", "a `:` is expected after the key"),
    ("expected `,` or `}`", "a `,` or a `}` is expected after the value"),
    ("expected `,` or `]`", "a `,` or a `]` is expected after the value"),
    ("key must be a string", "a key in double quotes is expected"),
    ("trailing comma", "a `,` stands before the end of a list or an object: remove it"),
    ("trailing characters", "there is more text after the end of the value: remove it"),
    ("invalid number", "this is no number: one has digits, with a `-` before them or a fraction after them"),
    ("number out of range", "this number is too large"),
    ("invalid escape", "this `\\` begins no escape of JSON: a backslash is written as `\\\\`"),
    ("invalid unicode code point", "this escape is of no character: write the character itself"),
    ("lone leading surrogate in hex escape", "this escape is half of a character: write the character itself"),
    ("unexpected end of hex escape", "this escape is half of a character: write the character itself"),
    (
        "control character (",
        "a line end, a tab or another control character is in quotes: write it as an escape, as in `\\n`",
    ),
    ("recursion limit exceeded", "lists and objects are nested too deep"),
    ("repetition limit exceeded", "its aliases (`*`) repeat too much: write out what they stand for"),
    ("unknown anchor", "no `&` above has the name that is repeated here: put text that begins with `*` into quotes"),
    (
        "mapping values are not allowed",
        "a `:` stands where no key may be: put the text into quotes, or mend the indentation",
    ),
    ("mapping keys are not allowed", "a key may not stand here: begin it on a line of its own"),
    ("block sequence entries are not allowed", "a list may not begin here: begin it on a line of its own"),
    ("did not find expected key", "a key is expected here: mend the indentation, or close what is open above"),
    ("did not find expected '-'", "a `-` is expected here: the entries of a list stand below each other"),
    ("did not find expected ',' or ']'", "a `,` or a `]` is expected here"),
    ("did not find expected ',' or '}'", "a `,` or a `}` is expected here"),
    ("did not find expected node content", "a value is expected here: put text that begins with a sign into quotes"),
    ("did not find expected <document start>", "there is more text after the end of the value: remove it"),
    ("could not find expected ':'", "a `:` is expected after the key above"),
    (
        "found character that cannot start",
        "no value begins with this: put text into quotes, and indent by spaces, not by tabs",
    ),
    ("found a tab character", "a tab stands in the indentation: indent by spaces"),
    ("found unexpected end of stream", "the text ends within quotes: the closing one is missing"),
    ("found unexpected document indicator", "the document ends within quotes: the closing one is missing"),
    (
        "found unknown escape character",
        "this `\\` begins no escape: in double quotes, a backslash is written as `\\\\`",
    ),
    ("found unexpected ':'", "a `:` stands in a text: put the text into quotes"),
    (
        "control characters are not allowed",
        "a control character stands here: remove it, or write it as an escape in double quotes",
    ),
    (
        "did not find expected alphabetic or numeric",
        "a name is expected here: put text that begins with `&` or `*` into quotes",
    ),
    ("did not find expected comment or line break", "the end of the line is expected here: put the text into quotes"),
    (
        "did not find expected whitespace or line break",
        "a blank is expected here: put text that begins with `!` into quotes",
    ),
    ("found undefined tag handle", "this tag is not known: put text that begins with `!` into quotes"),
];

/// How faults of the YAML reader begin that are none of the above: rare forms of escapes, tags and directives.
const RARE: [&str; 5] = ["did not find", "could not find", "found ", "while ", "unexpected "];

/// What `said`, a reader's words without a place, means.
pub fn plain(said: &str) -> String {
    let known = || SYNTAX.iter().find(|(theirs, _)| said.starts_with(theirs)).map(|(_, words)| (*words).to_owned());
    of_serde(said).or_else(known).unwrap_or_else(|| said.to_owned())
}

/// The same for the YAML reader, which puts the keys before it that lead to the value.
pub fn plain_yaml(said: &str) -> String {
    if let Some((keys, rest)) = keys_before(said) {
        return format!("`{}`: {}", keys.escape_debug(), plain(rest));
    }
    let meant = plain(said);
    let is_rare = meant == said && RARE.iter().any(|start| said.starts_with(start));
    if is_rare { "YAML cannot be read on from here: put the text into quotes".to_owned() } else { meant }
}

/// A key may have whatever is in the file; what follows is known by its form then.
fn keys_before(said: &str) -> Option<(&str, &str)> {
    let is_plain = |(keys, _): &(&str, &str)| !keys.contains(|letter: char| letter.is_whitespace() || letter == '`');
    let formed = || {
        let at = FORMS.iter().filter_map(|form| said.find(&format!(": {form}"))).min()?;
        Some((&said[..at], &said[at + 2..]))
    };
    if of_serde(said).is_some() { None } else { said.split_once(": ").filter(is_plain).or_else(formed) }
}

/// How what `serde` says of types begins.
const FORMS: [&str; 6] = [
    "unknown field `",
    "unknown variant `",
    "missing field `",
    "duplicate field `",
    "invalid type: ",
    "invalid value: ",
];

fn of_serde(said: &str) -> Option<String> {
    let form = FORMS.iter().position(|form| said.starts_with(form))?;
    let rest = &said[FORMS[form].len()..];
    match form {
        0 | 1 => {
            let (name, known) = rest.rsplit_once("`, expected ").or_else(|| rest.rsplit_once("`, there are no "))?;
            let known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
            Some(unknown(if form == 0 { "key" } else { "word" }, name, &known))
        }
        2 => Some(format!("the key `{}` is missing", rest.trim_end_matches('`'))),
        3 => Some(twice(rest.trim_end_matches('`'))),
        _ => rest.rsplit_once(", expected ").map(|(found, wanted)| mismatch(found, wanted)),
    }
}

/// A key or another word, as `what` says, that is none of `known`.
pub fn unknown(what: &str, name: &str, known: &[&str]) -> String {
    let name = printable::shortened(name, MOST_SHOWN).escape_debug().to_string();
    match (suggest::nearest(&name, known.iter().copied()).first(), known) {
        (Some(near), _) => format!("`{name}` is no known {what}; did you mean `{near}`?"),
        (None, []) => format!("`{name}` is no known {what}: none is expected here"),
        (None, known) => format!("`{name}` is no known {what}; known here: {}", known.join(", ")),
    }
}

/// A key that is there a second time.
pub fn twice(key: &str) -> String {
    format!("the key `{}` is there twice: remove one of them", key.escape_debug())
}

fn mismatch(found: &str, wanted: &str) -> String {
    format!("this is {}, and {} is expected", kind_found(found), kind_wanted(wanted))
}

fn kind_found(found: &str) -> Cow<'_, str> {
    let (kind, value) = found.split_once(' ').unwrap_or((found, ""));
    let value = value.trim_start_matches("point ");
    let value = printable::shortened(value.trim_end_matches(" as u128").trim_end_matches(" as i128"), MOST_SHOWN);
    match kind {
        "string" if !value.is_empty() => format!("the text {value}").into(),
        "character" => format!("the text {value}").into(),
        "integer" | "floating" => format!("the number {value}").into(),
        "boolean" => value,
        "string" => "text".into(),
        "null" | "unit" | "Option" => "nothing".into(),
        "sequence" => "a list".into(),
        "map" => "an object of keys and values".into(),
        "enum" => "a value with a tag (`!`)".into(),
        _ => "something else".into(),
    }
}

fn kind_wanted(wanted: &str) -> &str {
    match wanted {
        "a string" | "a borrowed string" | "string" | "path string" | "a key of text" => "text",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number from 0 on",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a map" => "an object of keys and values",
        "a YAML tag starting with '!'" => "a word",
        _ if wanted.starts_with("a nonzero ") => "a whole number from 1 on",
        _ if wanted.starts_with("a sequence") || wanted.starts_with("an array") => "a list",
        _ if wanted.starts_with("struct ") => "an object of keys and values",
        _ if wanted.starts_with("enum ") || wanted.starts_with("variant identifier") => "a word",
        other => other,
    }
}
