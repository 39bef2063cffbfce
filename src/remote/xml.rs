//! Reads XML one piece after the other, with the line of whatever is wrong.
//!
//! Entities other than the five of XML and characters by number are refused, so that no document can grow by itself.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// What is wrong with a document, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {wrong}")]
pub struct MetadataError {
    /// Counts from 1.
    pub line: usize,
    /// What is wrong there.
    pub wrong: String,
}

/// A piece of a document.
pub(super) enum Piece<'a> {
    /// An element begins.
    Open(Element<'a>),
    /// The element that began last ends.
    Close,
    /// Characters.
    Text(Cow<'a, str>),
    /// The document ends, with every element closed.
    End,
}

/// The begin of an element.
pub(super) struct Element<'a>(BytesStart<'a>);

/// A document on its way through.
pub(super) struct Scanner<'a> {
    text: &'a str,
    reader: Reader<&'a [u8]>,
    depth: usize,
}

impl Element<'_> {
    /// The name without its prefix.
    pub(super) fn name(&self) -> &str {
        let name = self.0.name().into_inner();
        name.rsplit_once(':').map_or(name, |(_, local)| local)
    }
}

impl<'a> Scanner<'a> {
    /// The start of the document `bytes`, which must be UTF-8.
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, MetadataError> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let line = line_of(&bytes[..error.valid_up_to()]);
            MetadataError { line, wrong: "it is not UTF-8".to_owned() }
        })?;
        let mut reader = Reader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        Ok(Self { text, reader, depth: 0 })
    }

    /// A fault at the place that was read last.
    pub(super) fn wrong(&self, wrong: impl Into<String>) -> MetadataError {
        let at = usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX).min(self.text.len());
        MetadataError { line: line_of(&self.text.as_bytes()[..at]), wrong: wrong.into() }
    }

    /// The next piece; comments and declarations are passed over.
    pub(super) fn next(&mut self) -> Result<Piece<'a>, MetadataError> {
        loop {
            let event = self.reader.read_event().map_err(|error| self.wrong(error.to_string()))?;
            return Ok(match event {
                Event::Start(start) | Event::Empty(start) => {
                    self.depth += 1;
                    Piece::Open(Element(start))
                }
                Event::End(_) => {
                    self.depth = self.depth.saturating_sub(1);
                    Piece::Close
                }
                Event::Text(text) => Piece::Text(text.xml_content(quick_xml::XmlVersion::Implicit1_0)),
                Event::CData(text) => Piece::Text(text.xml_content(quick_xml::XmlVersion::Implicit1_0)),
                Event::GeneralRef(reference) => Piece::Text(Cow::Owned(self.referred(&reference)?.to_string())),
                Event::Eof if self.depth > 0 => return Err(self.wrong("it ends in the middle of an element")),
                Event::Eof => Piece::End,
                Event::DocType(_) => return Err(self.wrong("a document type is not expected here")),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => continue,
            });
        }
    }

    fn referred(&self, reference: &quick_xml::events::BytesRef<'_>) -> Result<char, MetadataError> {
        match reference.resolve_char_ref() {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => {}
            Err(error) => return Err(self.wrong(error.to_string())),
        }
        let name: &str = reference;
        match name {
            "lt" => Ok('<'),
            "gt" => Ok('>'),
            "amp" => Ok('&'),
            "quot" => Ok('"'),
            "apos" => Ok('\''),
            other => Err(self.wrong(format!("`&{other};` is not known"))),
        }
    }

    /// The attribute `name` of `element`; the last part of a name with a prefix counts.
    pub(super) fn attribute(&self, element: &Element<'a>, name: &str) -> Result<Option<String>, MetadataError> {
        self.attributes(element, [name]).map(|[value]| value)
    }

    /// The attributes `names` of `element`, read in one go.
    pub(super) fn attributes<const N: usize>(
        &self,
        element: &Element<'a>,
        names: [&str; N],
    ) -> Result<[Option<String>; N], MetadataError> {
        let mut found = [const { None }; N];
        // Of an attribute that stands there twice the last one counts.
        for attribute in element.0.attributes().with_checks(false) {
            let attribute = attribute.map_err(|error| self.wrong(error.to_string()))?;
            let key: &str = attribute.key.into_inner();
            let key = key.rsplit_once(':').map_or(key, |(_, local)| local);
            if let Some(at) = names.iter().position(|name| *name == key) {
                let value = attribute.normalized_value(quick_xml::XmlVersion::Implicit1_0);
                found[at] = Some(value.map_err(|error| self.wrong(error.to_string()))?.into_owned());
            }
        }
        Ok(found)
    }

    /// The attribute `name`, which must be there.
    pub(super) fn needed(&self, element: &Element<'a>, name: &str) -> Result<String, MetadataError> {
        let missing = || self.wrong(format!("`<{}>` has no `{name}`", element.name()));
        self.attribute(element, name)?.ok_or_else(missing)
    }

    /// The characters up to the end of the element that began last; elements in it are passed over.
    pub(super) fn text(&mut self) -> Result<String, MetadataError> {
        let (mut found, mut inner) = (String::new(), 0_usize);
        loop {
            match self.next()? {
                Piece::Open(_) => inner += 1,
                Piece::Close if inner == 0 => return Ok(found),
                Piece::Close => inner -= 1,
                Piece::Text(text) if inner == 0 => found.push_str(&text),
                Piece::Text(_) => {}
                Piece::End => return Err(self.wrong("it ends in the middle of an element")),
            }
        }
    }

    /// Passes over the element that began last.
    pub(super) fn skip(&mut self) -> Result<(), MetadataError> {
        self.text().map(drop)
    }

    /// Enters the element that the document is, which must have this name; gives it for its attributes.
    pub(super) fn root(&mut self, name: &str) -> Result<Element<'a>, MetadataError> {
        loop {
            match self.next()? {
                Piece::Open(element) if element.name() == name => return Ok(element),
                Piece::Open(element) => {
                    return Err(self.wrong(format!("`<{name}>` is expected, not `<{}>`", element.name())));
                }
                Piece::Text(text) if text.trim().is_empty() => {}
                _ => return Err(self.wrong(format!("`<{name}>` is expected"))),
            }
        }
    }

    /// The next element inside the one that was entered; None at its end.
    pub(super) fn child(&mut self) -> Result<Option<Element<'a>>, MetadataError> {
        loop {
            match self.next()? {
                Piece::Open(element) => return Ok(Some(element)),
                Piece::Close | Piece::End => return Ok(None),
                Piece::Text(_) => {}
            }
        }
    }
}

fn line_of(before: &[u8]) -> usize {
    before.split(|byte| *byte == b'\n').count()
}

/// A number of a document.
pub(super) fn number(scanner: &Scanner<'_>, text: &str) -> Result<u64, MetadataError> {
    text.trim().parse().map_err(|_| scanner.wrong(format!("`{text}` is not a number")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Result<String, MetadataError> {
        let mut scanner = Scanner::new(text.as_bytes())?;
        scanner.root("a")?;
        scanner.text()
    }

    #[test]
    fn text_is_read_with_its_entities() {
        assert_eq!(all("<?xml version='1.0'?>\n<a>x &lt;&#65;&amp;<b>no</b><![CDATA[<]]></a>").unwrap(), "x <A&<");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let told = |text: &str| all(text).unwrap_err().to_string();
        assert_eq!(told("<a>\n\nx"), "line 3: it ends in the middle of an element");
        assert_eq!(told("<a>\n&boom;</a>"), "line 2: `&boom;` is not known");
        assert_eq!(told("<b/>"), "line 1: `<a>` is expected, not `<b>`");
        assert!(
            told("<!DOCTYPE x [<!ENTITY y 'z'>]><a/>").contains("`<a>` is expected")
                || told("<!DOCTYPE x><a/>").contains("document type")
        );
        assert!(told("<a>\n</b>").starts_with("line 2: "), "{}", told("<a>\n</b>"));
        assert_eq!(Scanner::new(b"<a>\n\xff").err().unwrap().to_string(), "line 2: it is not UTF-8");
    }
}
