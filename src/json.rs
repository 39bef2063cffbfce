//! JSON files of the user, read without guessing: no key may be there twice, since nobody can tell which one counts.

use serde::de::DeserializeOwned;

use crate::text_file;
use crate::unique::Unique;

/// Why a text is not what is expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} at line {line} column {column}")]
pub struct JsonFault {
    /// Counted from 1; 0 when the text as a whole is wrong.
    pub line: usize,
    /// Counted from 1.
    pub column: usize,
    /// What is wrong there.
    pub reason: String,
}

/// `text` as a `T`.
pub fn parse<T: DeserializeOwned>(text: &str) -> Result<T, JsonFault> {
    let text = text_file::without_mark(text);
    serde_json::from_str::<Unique>(text).map_err(|error| JsonFault::from(&error))?;
    serde_json::from_str(text).map_err(|error| JsonFault::from(&error))
}

impl From<&serde_json::Error> for JsonFault {
    fn from(error: &serde_json::Error) -> Self {
        let (line, column, shown) = (error.line(), error.column(), error.to_string());
        let place = format!(" at line {line} column {column}");
        Self { line, column, reason: shown.strip_suffix(&place).unwrap_or(&shown).to_owned() }
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
        assert_eq!(told("{\n \"a\": 1,\n \"a\": 2\n}"), "the key `a` is there twice at line 3 column 4");
        assert!(told("{\"x\": [{\"b\": {\"c\": null, \"c\": true}}]}").starts_with("the key `c` is there twice"));
        assert!(
            told("{\"\\u0061\": 1, \"a\": 2}").starts_with("the key `a` is there twice"),
            "whatever way it is written"
        );
        let fault = parse::<BTreeMap<String, String>>("{\"a\": \"1\", \"a\": \"2\"}").unwrap_err();
        assert_eq!((fault.line, fault.column), (1, 14));
        parse::<serde_json::Value>("[{\"a\": 1, \"A\": -2}, {\"a\": 1.5}, \"a\", true, null]").unwrap();
    }

    #[test]
    fn a_byte_order_mark_and_foreign_line_ends_say_nothing() {
        assert_eq!(parse::<Vec<u8>>("\u{feff}[1,\r\n2]\r\n").unwrap(), [1, 2]);
        assert_eq!(told("\u{feff}{\r\n\"a\" 1}"), "expected `:` at line 2 column 5");
    }
}
