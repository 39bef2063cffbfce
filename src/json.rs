//! JSON files of the user, read without guessing: no key may be there twice, since nobody can tell which one counts.

use serde::de::DeserializeOwned;

use crate::text_file;
use crate::unique::Unique;
use crate::words;

/// Why a text is not what is expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {reason}")]
pub struct JsonFault {
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1.
    pub column: usize,
    /// What is wrong there.
    pub reason: String,
}

/// `text` as a `T`.
pub fn parse<T: DeserializeOwned>(text: &str) -> Result<T, JsonFault> {
    let text = text_file::without_mark(text);
    if text.trim().is_empty() {
        return Err(JsonFault { line: 1, column: 1, reason: words::EMPTY.to_owned() });
    }
    serde_json::from_str::<Unique>(text).map_err(|error| JsonFault::from(&error))?;
    serde_json::from_str(text).map_err(|error| JsonFault::from(&error))
}

impl From<&serde_json::Error> for JsonFault {
    fn from(error: &serde_json::Error) -> Self {
        let (line, column, shown) = (error.line(), error.column(), error.to_string());
        let place = format!(" at line {line} column {column}");
        // Where the text ends, the reader counts from 0.
        Self { line, column: column.max(1), reason: words::plain(shown.strip_suffix(&place).unwrap_or(&shown)) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn told(text: &str) -> String {
        parse::<serde_json::Value>(text).unwrap_err().to_string()
    }

    #[test]
    fn a_key_that_is_there_twice_is_told_with_its_place() {
        assert_eq!(
            told("{\n \"a\": 1,\n \"a\": 2\n}"),
            "line 3, column 4: the key `a` is there twice: remove one of them"
        );
        assert!(told("{\"x\": [{\"b\": {\"c\": null, \"c\": true}}]}").contains("the key `c` is there twice"));
        assert!(
            told("{\"\\u0061\": 1, \"a\": 2}").contains("the key `a` is there twice"),
            "whatever way it is written"
        );
        let fault = parse::<BTreeMap<String, String>>("{\"a\": \"1\", \"a\": \"2\"}").unwrap_err();
        assert_eq!((fault.line, fault.column), (1, 14));
        parse::<serde_json::Value>("[{\"a\": 1, \"A\": -2}, {\"a\": 1.5}, \"a\", true, null]").unwrap();
    }

    #[test]
    fn a_byte_order_mark_and_foreign_line_ends_say_nothing() {
        assert_eq!(parse::<Vec<u8>>("\u{feff}[1,\r\n2]\r\n").unwrap(), [1, 2]);
        assert_eq!(told("\u{feff}{\r\n\"a\" 1}"), "line 2, column 5: a `:` is expected after the key");
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "kebab-case")]
    #[expect(dead_code, reason = "only faults count")]
    struct Known {
        suite: u32,
        mirror: Option<Kind>,
        flags: Option<Vec<bool>>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Kind {
        Flat,
        Deep,
    }

    fn faults_of<const N: usize>(texts: [&str; N]) -> String {
        texts.map(|text| format!("{text:?}\n  {}\n", parse::<Known>(text).unwrap_err())).concat()
    }

    #[test]
    fn what_is_no_json_is_told_in_plain_words() {
        let texts = [
            "",
            " \n",
            "{",
            "{\"suite\"",
            "[\n",
            "{\"suite\": 1,}",
            "{\"suite\": 1\n",
            "{suite: 1}",
            "{\"suite\": 1} x",
            "\"a\tb\"",
            "\"\\x\"",
            "tru",
            "-",
            "1e999",
        ];
        insta::assert_snapshot!(faults_of(texts), @r#"
        ""
          line 1, column 1: there is nothing in the file
        " \n"
          line 1, column 1: there is nothing in the file
        "{"
          line 1, column 1: the text ends within an object: a `}` is missing
        "{\"suite\""
          line 1, column 8: the text ends within an object: a `}` is missing
        "[\n"
          line 2, column 1: the text ends within a list: a `]` is missing
        "{\"suite\": 1,}"
          line 1, column 13: a `,` stands before the end of a list or an object: remove it
        "{\"suite\": 1\n"
          line 2, column 1: the text ends within an object: a `}` is missing
        "{suite: 1}"
          line 1, column 2: a key in double quotes is expected
        "{\"suite\": 1} x"
          line 1, column 14: there is more text after the end of the value: remove it
        "\"a\tb\""
          line 1, column 3: a line end, a tab or another control character is in quotes: write it as an escape, as in `\n`
        "\"\\x\""
          line 1, column 3: this `\` begins no escape of JSON: a backslash is written as `\\`
        "tru"
          line 1, column 3: the text ends where a value is expected
        "-"
          line 1, column 1: the text ends where a value is expected
        "1e999"
          line 1, column 5: this number is too large
        "#);
    }

    #[test]
    fn json_of_another_shape_is_told_in_plain_words() {
        let texts = [
            "{\"suite\": 1,\n\"suite\": 2}",
            "{\"suit\": 1}",
            "{\"x\\ny\": 1}",
            "{}",
            "7",
            "null",
            "{\"suite\": \"1\"}",
            "{\"suite\": -1}",
            "{\"suite\": 1.5}",
            "{\"suite\": null}",
            "{\"suite\": {}}",
            "{\"suite\": 1, \"mirror\": \"flut\"}",
            "{\"suite\": 1, \"mirror\": \"\\u001b[1m\"}",
            "{\"suite\": 1, \"mirror\": 1}",
            "{\"suite\": 1, \"flags\": true}",
            "{\"suite\": 1, \"flags\": [\"yes\"]}",
        ];
        insta::assert_snapshot!(faults_of(texts), @r#"
        "{\"suite\": 1,\n\"suite\": 2}"
          line 2, column 7: the key `suite` is there twice: remove one of them
        "{\"suit\": 1}"
          line 1, column 7: `suit` is no known key; did you mean `suite`?
        "{\"x\\ny\": 1}"
          line 1, column 7: `x\ny` is no known key; known here: suite, mirror, flags
        "{}"
          line 1, column 2: the key `suite` is missing
        "7"
          line 1, column 1: this is the number `7`, and an object of keys and values is expected
        "null"
          line 1, column 4: this is nothing, and an object of keys and values is expected
        "{\"suite\": \"1\"}"
          line 1, column 13: this is the text "1", and a whole number from 0 on is expected
        "{\"suite\": -1}"
          line 1, column 12: this is the number `-1`, and a whole number from 0 on is expected
        "{\"suite\": 1.5}"
          line 1, column 13: this is the number `1.5`, and a whole number from 0 on is expected
        "{\"suite\": null}"
          line 1, column 14: this is nothing, and a whole number from 0 on is expected
        "{\"suite\": {}}"
          line 1, column 10: this is an object of keys and values, and a whole number from 0 on is expected
        "{\"suite\": 1, \"mirror\": \"flut\"}"
          line 1, column 29: `flut` is no known word; did you mean `flat`?
        "{\"suite\": 1, \"mirror\": \"\\u001b[1m\"}"
          line 1, column 34: `\u{1b}[1m` is no known word; known here: flat, deep
        "{\"suite\": 1, \"mirror\": 1}"
          line 1, column 24: a value is expected here: put text into quotes
        "{\"suite\": 1, \"flags\": true}"
          line 1, column 26: this is `true`, and a list is expected
        "{\"suite\": 1, \"flags\": [\"yes\"]}"
          line 1, column 28: this is the text "yes", and true or false is expected
        "#);
        assert!(parse::<Known>("{\"suite\": 1, \"mirror\": \"flat\"}").is_ok());
        assert!(matches!((Kind::Flat, Kind::Deep), (Kind::Flat, Kind::Deep)));
    }
}
