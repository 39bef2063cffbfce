//! JSON files of the user, read without guessing: no key may be there twice, since nobody can tell which one counts.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeOwned, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use crate::text_file;

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
    let read = serde_json::from_str(text).map_err(|error| JsonFault::from(&error))?;
    serde_json::from_str::<Unique>(text).map_err(|error| JsonFault::from(&error))?;
    Ok(read)
}

impl From<&serde_json::Error> for JsonFault {
    fn from(error: &serde_json::Error) -> Self {
        let (line, column, shown) = (error.line(), error.column(), error.to_string());
        let place = format!(" at line {line} column {column}");
        Self { line, column, reason: shown.strip_suffix(&place).unwrap_or(&shown).to_owned() }
    }
}

/// Any value in which each object has each key once.
struct Unique;

impl<'de> serde::Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Unique;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_str<E>(self, _: &str) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_unit<E>(self) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Unique, A::Error> {
        while list.next_element::<Unique>()?.is_some() {}
        Ok(Unique)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Unique, A::Error> {
        let mut keys = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if keys.contains(&key) {
                return Err(A::Error::custom(format!("the key `{key}` is there twice")));
            }
            keys.insert(key);
            map.next_value::<Unique>()?;
        }
        Ok(Unique)
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
