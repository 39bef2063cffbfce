//! A requirement as a formula over "one of these packages is installed".
//!
//! In: a [`Requirement`] and a function that finds the packages of one dependency. Out: a [`Formula`] in negation
//! normal form. The operators mean what `lib/depends.cc` of RPM makes of them: `a if b` is `a or not b`, `a unless b`
//! is `a and not b`; with `else` a branch for each case. `with` and `without` choose among the packages of one
//! dependency, so they are leaves.

use crate::package::{Dependency, Requirement};

/// A leaf is a number in the table of whoever made the formula; it stands for a set of packages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Formula {
    /// Every part holds; true when there is none.
    All(Vec<Formula>),
    /// At least one part holds, the first preferred; false when there is none.
    Any(Vec<Formula>),
    /// A package of the leaf is installed.
    Has(usize),
    /// No package of the leaf is installed.
    Lacks(usize),
}

/// What is known of a leaf when the formula is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Term {
    /// Satisfied whatever is installed.
    Given,
    /// Satisfied by the packages of this leaf.
    Leaf(usize),
}

/// One clause of a conjunctive normal form: a leaf of `has` is installed, or one of `lacks` is not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Clause {
    pub(super) has: Vec<usize>,
    pub(super) lacks: Vec<usize>,
}

impl Formula {
    /// The formula of `requirement`. `leaf` is asked for single dependencies and for `with` and `without`.
    pub(super) fn compile<'a>(requirement: &'a Requirement, leaf: &mut impl FnMut(&'a Requirement) -> Term) -> Self {
        let mut part = |requirement: &'a Requirement| Self::compile_dyn(requirement, leaf);
        match requirement {
            Requirement::And(parts) => Self::All(parts.iter().map(part).collect()),
            Requirement::Or(parts) => Self::Any(parts.iter().map(part).collect()),
            Requirement::If(then, condition, otherwise) => {
                let (then, condition) = (part(then), part(condition));
                let fires = Self::Any(vec![condition.negated(), then]);
                match otherwise {
                    None => fires,
                    Some(otherwise) => Self::All(vec![fires, Self::Any(vec![part(otherwise), condition])]),
                }
            }
            Requirement::Unless(then, condition, otherwise) => {
                let (then, condition) = (part(then), part(condition));
                let usual = Self::All(vec![condition.negated(), then]);
                match otherwise {
                    None => usual,
                    Some(otherwise) => Self::Any(vec![usual, Self::All(vec![condition, part(otherwise)])]),
                }
            }
            Requirement::Simple(_) | Requirement::With(_) | Requirement::Without(..) => match leaf(requirement) {
                Term::Given => Self::All(Vec::new()),
                Term::Leaf(number) => Self::Has(number),
            },
        }
        .simplified()
    }

    /// One type for the recursion, whatever closure the first caller passed.
    fn compile_dyn<'a>(requirement: &'a Requirement, leaf: &mut dyn FnMut(&'a Requirement) -> Term) -> Self {
        Self::compile(requirement, &mut |part| leaf(part))
    }

    /// True when the formula holds whatever is installed.
    pub(super) fn is_true(&self) -> bool {
        matches!(self, Self::All(parts) if parts.is_empty())
    }

    /// Whether the formula holds when `installed` tells for each leaf whether one of its packages is installed.
    pub(super) fn holds(&self, installed: &impl Fn(usize) -> bool) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(installed)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(installed)),
            Self::Has(leaf) => installed(*leaf),
            Self::Lacks(leaf) => !installed(*leaf),
        }
    }

    /// Whether installing something could make the formula hold: a leaf that must be absent counts as satisfied.
    pub(super) fn can_hold(&self, available: &impl Fn(usize) -> bool) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.can_hold(available)),
            Self::Any(parts) => parts.iter().any(|part| part.can_hold(available)),
            Self::Has(leaf) => available(*leaf),
            Self::Lacks(_) => true,
        }
    }

    /// The formula that holds exactly when this one does not.
    pub(super) fn negated(&self) -> Self {
        match self {
            Self::All(parts) => Self::Any(parts.iter().map(Self::negated).collect()),
            Self::Any(parts) => Self::All(parts.iter().map(Self::negated).collect()),
            Self::Has(leaf) => Self::Lacks(*leaf),
            Self::Lacks(leaf) => Self::Has(*leaf),
        }
    }

    /// Every leaf, in reading order, repeated as often as it stands there.
    pub(super) fn leaves(&self) -> Vec<usize> {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Self::leaves).collect(),
            Self::Has(leaf) | Self::Lacks(leaf) => vec![*leaf],
        }
    }

    /// The leaves of which a package is wanted, in reading order.
    pub(super) fn wanted_leaves(&self) -> Vec<usize> {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Self::wanted_leaves).collect(),
            Self::Has(leaf) => vec![*leaf],
            Self::Lacks(_) => Vec::new(),
        }
    }

    /// Clauses that hold together exactly when the formula does.
    pub(super) fn clauses(&self) -> Vec<Clause> {
        match self {
            Self::Has(leaf) => vec![Clause { has: vec![*leaf], lacks: Vec::new() }],
            Self::Lacks(leaf) => vec![Clause { has: Vec::new(), lacks: vec![*leaf] }],
            Self::All(parts) => parts.iter().flat_map(Self::clauses).collect(),
            Self::Any(parts) => parts.iter().fold(vec![Clause::default()], |so_far, part| {
                let more = part.clauses();
                so_far.iter().flat_map(|left| more.iter().map(move |right| left.or(right))).collect()
            }),
        }
    }

    /// Takes out parts that are always true or never.
    fn simplified(self) -> Self {
        let is_false = |part: &Self| matches!(part, Self::Any(parts) if parts.is_empty());
        match self {
            Self::All(parts) if parts.iter().any(is_false) => Self::Any(Vec::new()),
            Self::Any(parts) if parts.iter().any(Self::is_true) => Self::All(Vec::new()),
            Self::All(mut parts) => {
                parts.retain(|part| !part.is_true());
                if parts.len() == 1 { parts.remove(0) } else { Self::All(parts) }
            }
            Self::Any(mut parts) => {
                parts.retain(|part| !is_false(part));
                if parts.len() == 1 { parts.remove(0) } else { Self::Any(parts) }
            }
            leaf => leaf,
        }
    }
}

impl Clause {
    fn or(&self, other: &Self) -> Self {
        let join = |a: &[usize], b: &[usize]| {
            let mut joined = a.to_vec();
            joined.extend(b.iter().filter(|leaf| !a.contains(leaf)));
            joined
        };
        Self { has: join(&self.has, &other.has), lacks: join(&self.lacks, &other.lacks) }
    }
}

/// The packages that satisfy `part` each alone, best first: what `with` and `without` choose among those of one
/// dependency.
pub(super) fn packages_of(part: &Requirement, lookup: &mut dyn FnMut(&Dependency) -> Vec<usize>) -> Vec<usize> {
    match part {
        Requirement::Simple(wanted) => lookup(wanted),
        Requirement::Or(all) => {
            let mut joined: Vec<usize> = Vec::new();
            for part in all {
                let more = packages_of(part, lookup);
                joined.extend(more.iter().filter(|package| !joined.contains(package)).copied().collect::<Vec<_>>());
            }
            joined
        }
        Requirement::With(all) | Requirement::And(all) => {
            let mut parts = all.iter().map(|part| packages_of(part, lookup));
            let first = parts.next().unwrap_or_default();
            parts.fold(first, |kept, others| kept.into_iter().filter(|package| others.contains(package)).collect())
        }
        Requirement::Without(wanted, unwanted) => {
            let (wanted, unwanted) = (packages_of(wanted, lookup), packages_of(unwanted, lookup));
            wanted.into_iter().filter(|package| !unwanted.contains(package)).collect()
        }
        // RPM does not take conditions inside `with` and `without`.
        Requirement::If(..) | Requirement::Unless(..) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Leaves are numbered by their letter; `g` is given.
    fn formula(text: &str) -> Formula {
        let requirement: Requirement = text.parse().unwrap();
        let mut leaf = |part: &Requirement| match part.to_string().as_bytes() {
            b"g" => Term::Given,
            [letter, ..] => Term::Leaf(usize::from(letter - b'a')),
            [] => unreachable!(),
        };
        Formula::compile(&requirement, &mut leaf)
    }

    fn holds(text: &str, installed: &str) -> bool {
        let inside = |leaf: usize| installed.bytes().any(|letter| usize::from(letter - b'a') == leaf);
        let formula = formula(text);
        let by_clauses = formula.clauses().iter().all(|clause| {
            clause.has.iter().any(|leaf| inside(*leaf)) || !clause.lacks.iter().all(|leaf| inside(*leaf))
        });
        assert_eq!(formula.holds(&inside), by_clauses, "{text} with {installed}");
        by_clauses
    }

    #[test]
    fn operators_mean_what_rpm_makes_of_them() {
        for (text, yes, no) in [
            ("(a and b)", "ab", "a"),
            ("(a or b)", "b", "c"),
            ("(a if b)", "", "b"),
            ("(a if b else c)", "c", "a"),
            ("(a if b else c)", "ab", "bc"),
            ("(a unless b)", "a", "ab"),
            ("(a unless b else c)", "a", "c"),
            ("(a unless b else c)", "bc", "ab"),
            ("(a if (b and c))", "b", "bc"),
            ("(a and (b or c))", "ac", "bc"),
            ("(a if g)", "a", "b"),
            ("(g or a)", "", "x"),
        ] {
            assert!(holds(text, yes), "{text} with {yes}");
            assert!(!holds(text, no) || text == "(g or a)", "{text} with {no}");
        }
    }
}
