//! What packages provide and what they require, rich dependencies included.
//!
//! Text forms are those of RPM's documentation: `name`, `name >= evr`, and in parentheses `and`, `or`, `if … else …`,
//! `unless … else …`, `with`, `without` (<https://rpm-software-management.github.io/rpm/manual/boolean_dependencies.html>).

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Evr;

/// Something a package provides: a name, mostly with a version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Capability {
    /// A package name, `pkgconfig(zlib)`, `libz.so.1()(64bit)`, `/usr/bin/sh`, …
    pub name: String,
    /// None for an unversioned Provides, which satisfies any bound (as in RPM).
    pub evr: Option<Evr>,
    /// How `evr` bounds the versions that are provided; nearly always `=`.
    #[serde(default, skip_serializing_if = "Comparison::is_equal")]
    pub comparison: Comparison,
}

/// How a bound compares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are the operators")]
pub enum Comparison {
    Less,
    LessEqual,
    #[default]
    Equal,
    GreaterEqual,
    Greater,
}

/// A capability that is asked for, with an optional bound.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dependency {
    /// The capability's name.
    pub name: String,
    /// The bound on its version.
    pub bound: Option<(Comparison, Evr)>,
}

/// A requirement: one dependency, or several joined by RPM's operators.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Requirement {
    /// `name`, `name >= evr`.
    Simple(Dependency),
    /// `(a and b)`: both.
    And(Vec<Requirement>),
    /// `(a or b)`: at least one, the first preferred.
    Or(Vec<Requirement>),
    /// `(a if b else c)`: `a` when `b` is installed.
    If(Box<Requirement>, Box<Requirement>, Option<Box<Requirement>>),
    /// `(a unless b else c)`: `a` when `b` is not installed.
    Unless(Box<Requirement>, Box<Requirement>, Option<Box<Requirement>>),
    /// `(a with b)`: one package that satisfies both.
    With(Vec<Requirement>),
    /// `(a without b)`: a package that satisfies the first and not the second.
    Without(Box<Requirement>, Box<Requirement>),
}

/// The text is not a requirement as RPM writes it.
#[derive(Debug, thiserror::Error)]
#[error("`{text}` is not a requirement: {wrong}")]
pub struct ParseRequirementError {
    text: String,
    wrong: &'static str,
}

impl Capability {
    /// Reads `name` or `name = evr`, as `rpm -q --provides` prints them.
    pub fn parse(text: &str) -> Self {
        match text.split_once(" = ") {
            Some((name, evr)) => Self::new(name.trim(), Some(Evr::parse(evr.trim()))),
            None => Self::new(text.trim(), None),
        }
    }

    /// The name in this very version, or in any.
    pub fn new(name: impl Into<String>, evr: Option<Evr>) -> Self {
        Self { name: name.into(), evr, comparison: Comparison::Equal }
    }
}

impl Comparison {
    /// Whether some version is inside both this bound and another one, whose versions stand in `ordering`; as
    /// `rpmdsCompare` of RPM has it.
    fn overlaps(self, other: Self, ordering: Ordering) -> bool {
        let (up, other_up) = (self.is_upward(), other.is_upward());
        let (down, other_down) = (self.is_downward(), other.is_downward());
        match ordering {
            Ordering::Less => up || other_down,
            Ordering::Greater => down || other_up,
            Ordering::Equal => self.has_equal() && other.has_equal() || up && other_up || down && other_down,
        }
    }

    fn is_upward(self) -> bool {
        matches!(self, Self::Greater | Self::GreaterEqual)
    }

    fn is_downward(self) -> bool {
        matches!(self, Self::Less | Self::LessEqual)
    }

    fn has_equal(self) -> bool {
        matches!(self, Self::LessEqual | Self::Equal | Self::GreaterEqual)
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
    fn is_equal(&self) -> bool {
        *self == Self::Equal
    }

    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "<" => Self::Less,
            "<=" | "=<" => Self::LessEqual,
            "=" | "==" => Self::Equal,
            ">=" | "=>" => Self::GreaterEqual,
            ">" => Self::Greater,
            _ => return None,
        })
    }
}

impl Dependency {
    /// A dependency on any version of `name`.
    pub fn any(name: impl Into<String>) -> Self {
        Self { name: name.into(), bound: None }
    }

    /// True when `capability` satisfies this dependency.
    pub fn accepts(&self, capability: &Capability) -> bool {
        self.name == capability.name
            && match (&self.bound, &capability.evr) {
                (Some((comparison, bound)), Some(evr)) => {
                    capability.comparison.overlaps(*comparison, evr.compare_as_bound(bound))
                }
                _ => true,
            }
    }
}

impl Requirement {
    /// A requirement of any version of `name`.
    pub fn any(name: impl Into<String>) -> Self {
        Self::Simple(Dependency::any(name))
    }

    /// Every dependency named anywhere in the requirement, conditions included, in reading order.
    pub fn dependencies(&self) -> Vec<&Dependency> {
        match self {
            Self::Simple(dependency) => vec![dependency],
            Self::And(all) | Self::Or(all) | Self::With(all) => all.iter().flat_map(Self::dependencies).collect(),
            Self::If(a, b, c) | Self::Unless(a, b, c) => {
                [Some(a), Some(b), c.as_ref()].into_iter().flatten().flat_map(|part| part.dependencies()).collect()
            }
            Self::Without(a, b) => [a, b].into_iter().flat_map(|part| part.dependencies()).collect(),
        }
    }
}

impl FromStr for Requirement {
    type Err = ParseRequirementError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parser = Parser { tokens: tokens(text), at: 0, depth: 0 };
        let parsed = parser.requirement().and_then(|requirement| {
            if parser.peek().is_some() { Err("something follows its end") } else { Ok(requirement) }
        });
        parsed.map_err(|wrong| ParseRequirementError { text: text.to_owned(), wrong })
    }
}

/// Splits at white space and at parentheses that group; a parenthesis inside a name, as in `perl(Foo)`, stays in it.
fn tokens(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut start, mut depth) = (None, 0_usize);
    for (at, letter) in text.char_indices() {
        match (letter, start) {
            ('(', Some(_)) => depth += 1,
            (')', Some(_)) if depth > 0 => depth -= 1,
            ('(' | ')', _) => {
                found.extend(start.take().map(|from| &text[from..at]));
                found.push(&text[at..=at]);
            }
            (c, Some(from)) if c.is_whitespace() && depth == 0 => {
                found.push(&text[from..at]);
                start = None;
            }
            (c, None) if !c.is_whitespace() => start = Some(at),
            _ => {}
        }
    }
    found.extend(start.map(|from| &text[from..]));
    found
}

/// How deep parentheses may stand in each other; the reader, and all who read what it gives, go down with them.
const MOST_DEPTH: usize = 64;

struct Parser<'a> {
    tokens: Vec<&'a str>,
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.tokens.get(self.at).copied()
    }

    fn next(&mut self) -> Option<&'a str> {
        let token = self.peek();
        self.at += 1;
        token
    }

    fn requirement(&mut self) -> Result<Requirement, &'static str> {
        match self.next() {
            None => Err("it is empty"),
            Some(")") => Err("a `)` has no `(`"),
            Some("(") if self.depth == MOST_DEPTH => Err("more than 64 parentheses are open"),
            Some("(") => {
                self.depth += 1;
                let group = self.group();
                self.depth -= 1;
                group
            }
            Some(name) => self.simple(name),
        }
    }

    fn simple(&mut self, name: &str) -> Result<Requirement, &'static str> {
        let bound = match self.peek().and_then(Comparison::parse) {
            None => None,
            Some(comparison) => {
                self.at += 1;
                match self.next() {
                    Some(evr) if !evr.contains(['(', ')']) => Some((comparison, Evr::parse(evr))),
                    _ => return Err("a version must follow the comparison"),
                }
            }
        };
        Ok(Requirement::Simple(Dependency { name: name.to_owned(), bound }))
    }

    /// What follows `(`: operands with one operator between them, then `)`.
    fn group(&mut self) -> Result<Requirement, &'static str> {
        let first = self.requirement()?;
        let operator = match self.next() {
            Some(")") => return Ok(first),
            Some(operator) => operator,
            None => return Err("a `)` is missing"),
        };
        let joined = match operator {
            "and" => Requirement::And(self.chain(first, operator)?),
            "or" => Requirement::Or(self.chain(first, operator)?),
            "with" => Requirement::With(self.chain(first, operator)?),
            "without" => Requirement::Without(Box::new(first), Box::new(self.requirement()?)),
            "if" | "unless" => {
                let condition = Box::new(self.requirement()?);
                let otherwise = if self.peek() == Some("else") {
                    self.at += 1;
                    Some(Box::new(self.requirement()?))
                } else {
                    None
                };
                if operator == "if" {
                    Requirement::If(Box::new(first), condition, otherwise)
                } else {
                    Requirement::Unless(Box::new(first), condition, otherwise)
                }
            }
            _ => return Err("an operator must be `and`, `or`, `if`, `unless`, `with` or `without`"),
        };
        if self.next() == Some(")") { Ok(joined) } else { Err("a `)` is missing, or two operators are mixed") }
    }

    fn chain(&mut self, first: Requirement, operator: &str) -> Result<Vec<Requirement>, &'static str> {
        let mut operands = vec![first, self.requirement()?];
        while self.peek() == Some(operator) {
            self.at += 1;
            operands.push(self.requirement()?);
        }
        Ok(operands)
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Equal => "=",
            Self::GreaterEqual => ">=",
            Self::Greater => ">",
        })
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.evr {
            None => f.write_str(&self.name),
            Some(evr) => write!(f, "{} {} {evr}", self.name, self.comparison),
        }
    }
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.bound {
            None => f.write_str(&self.name),
            Some((comparison, evr)) => write!(f, "{} {comparison} {evr}", self.name),
        }
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chain = |f: &mut fmt::Formatter<'_>, all: &[Self], operator: &str| {
            let texts: Vec<String> = all.iter().map(ToString::to_string).collect();
            write!(f, "({})", texts.join(&format!(" {operator} ")))
        };
        match self {
            Self::Simple(dependency) => dependency.fmt(f),
            Self::And(all) => chain(f, all, "and"),
            Self::Or(all) => chain(f, all, "or"),
            Self::With(all) => chain(f, all, "with"),
            Self::Without(a, b) => write!(f, "({a} without {b})"),
            Self::If(a, b, None) => write!(f, "({a} if {b})"),
            Self::If(a, b, Some(c)) => write!(f, "({a} if {b} else {c})"),
            Self::Unless(a, b, None) => write!(f, "({a} unless {b})"),
            Self::Unless(a, b, Some(c)) => write!(f, "({a} unless {b} else {c})"),
        }
    }
}

impl TryFrom<String> for Requirement {
    type Error = ParseRequirementError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Requirement> for String {
    fn from(requirement: Requirement) -> Self {
        requirement.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_requirement_reads_back_what_it_writes() {
        for text in [
            "zlib",
            "pkgconfig(zlib) >= 1.2",
            "perl(:MODULE_COMPAT_5.38)",
            "libc.so.6(GLIBC_2.34)(64bit)",
            "(foo >= 1 or bar)",
            "(a and b and (c or perl(D)))",
            "(langpack if glibc else nothing)",
            "(a unless b)",
            "(python3dist(x) >= 1 with python3dist(x) < 2)",
            "(a without b)",
        ] {
            assert_eq!(text.parse::<Requirement>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn bounds_follow_rpm() {
        let accepts = |dependency: &str, capability: &str| match dependency.parse::<Requirement>().unwrap() {
            Requirement::Simple(dependency) => dependency.accepts(&Capability::parse(capability)),
            _ => unreachable!(),
        };
        assert!(accepts("zlib >= 1.2", "zlib = 1.2-5"));
        assert!(accepts("zlib = 1.2", "zlib = 1.2-5"));
        assert!(!accepts("zlib > 1.2", "zlib = 1.2-5"));
        assert!(accepts("zlib >= 9", "zlib"), "an unversioned Provides satisfies any bound");
        assert!(!accepts("zlib", "zlib-devel"));
    }
}
