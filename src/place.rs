//! Where in a document of JSON or YAML a value stands, as the reader's complaint about it tells. Pure.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// One step on the way to a value.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// To the value of a key, in whatever letter case.
    Key(&'a str),
    /// To an entry of a list, counted from 0.
    Entry(usize),
}

/// The steps that a text such as ``Disks[0].Names[`a b`].Type`` means.
pub fn steps(text: &str) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (step, end) = if let Some((key, end)) = rest.strip_prefix("[`").and_then(|inner| inner.split_once("`]")) {
            (Step::Key(key), end)
        } else if let Some((number, end)) = rest.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
            (number.parse().map_or(Step::Key(number), Step::Entry), end)
        } else {
            let key = rest.strip_prefix('.').unwrap_or(rest);
            let (key, end) = key.split_at(key.find(['.', '[']).unwrap_or(key.len()));
            (Step::Key(key), end)
        };
        steps.push(step);
        rest = end;
    }
    steps
}

/// Fails at the place that the steps lead to: at a key, or at an entry of a list; reads everything when there is none.
pub struct Seek<'a>(pub &'a [Step<'a>]);

impl<'de> DeserializeSeed<'de> for Seek<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seek<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("something on the way")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Some((step, rest)) = self.0.split_first() else { return Err(A::Error::custom("here")) };
        for at in 0.. {
            let found = if *step == Step::Entry(at) {
                list.next_element_seed(Seek(rest))?.is_some()
            } else {
                list.next_element::<IgnoredAny>()?.is_some()
            };
            if !found {
                break;
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((step, rest)) = self.0.split_first() else { return Err(A::Error::custom("here")) };
        while let Some(is_it) = map.next_key_seed(Key { step, is_last: rest.is_empty() })? {
            if is_it {
                map.next_value_seed(Seek(rest))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// A key: true when it is the one of the step; fails there when that is the last one.
struct Key<'a> {
    step: &'a Step<'a>,
    is_last: bool,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key of text")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<bool, E> {
        let is_it = matches!(self.step, Step::Key(wanted) if wanted.eq_ignore_ascii_case(key));
        if is_it && self.is_last { Err(E::custom("here")) } else { Ok(is_it) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_taken_to_steps() {
        let expected = [Step::Key("Disks"), Step::Entry(2), Step::Key("a.b"), Step::Key("Type")];
        assert_eq!(steps("Disks[2][`a.b`].Type"), expected);
        assert_eq!(steps(""), []);
    }
}
