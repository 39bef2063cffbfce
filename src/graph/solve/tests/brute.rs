//! The solver against every subset of a small repository, judged by RPM's rules written a second time.

use proptest::prelude::*;

use super::super::super::tests::requirements;
use super::super::solve;
use super::rpm;
use crate::package::{Capability, Evr, Provides, Requirement, RpmHeader};

/// The packages that satisfy one dependency each alone.
fn satisfying<'a>(part: &Requirement, set: &[&'a RpmHeader]) -> Vec<&'a RpmHeader> {
    let all = |part: &Requirement| satisfying(part, set);
    let contains = |list: &[&RpmHeader], header: &RpmHeader| list.iter().any(|other| std::ptr::eq(*other, header));
    match part {
        Requirement::Simple(wanted) => {
            let provides = |header: &&&RpmHeader| header.provides.iter().any(|capability| wanted.accepts(capability));
            set.iter().filter(provides).copied().collect()
        }
        Requirement::With(parts) => {
            all(&parts[0]).into_iter().filter(|header| parts.iter().all(|part| contains(&all(part), header))).collect()
        }
        Requirement::Without(wanted, unwanted) => {
            all(wanted).into_iter().filter(|header| !contains(&all(unwanted), header)).collect()
        }
        _ => unreachable!(),
    }
}

fn holds(requirement: &Requirement, set: &[&RpmHeader], given: &Provides) -> bool {
    let is = |part: &Requirement| holds(part, set, given);
    match requirement {
        Requirement::And(parts) => parts.iter().all(is),
        Requirement::Or(parts) => parts.iter().any(is),
        Requirement::If(then, condition, None) => is(then) || !is(condition),
        Requirement::If(then, condition, Some(other)) => (is(then) || !is(condition)) && (is(other) || is(condition)),
        Requirement::Unless(then, condition, None) => is(then) && !is(condition),
        Requirement::Unless(then, condition, Some(other)) => is(then) && !is(condition) || is(other) && is(condition),
        Requirement::Simple(wanted) => {
            given.iter().any(|capability| wanted.accepts(capability)) || !satisfying(requirement, set).is_empty()
        }
        Requirement::With(_) | Requirement::Without(..) => !satisfying(requirement, set).is_empty(),
    }
}

fn is_solution(wanted: &[Requirement], set: &[&RpmHeader], given: &Provides) -> bool {
    let one_of_a_name = set.iter().enumerate().all(|(at, a)| set[..at].iter().all(|b| a.nevra.name != b.nevra.name));
    let others = |header: &RpmHeader| -> Vec<&RpmHeader> {
        set.iter().filter(|other| !std::ptr::eq(**other, header)).copied().collect()
    };
    let is_fine = |header: &&RpmHeader| {
        let others = others(header);
        let obsoleted = |requirement: &Requirement| {
            let Requirement::Simple(what) = requirement else { unreachable!() };
            let own = |other: &RpmHeader| Capability::new(other.nevra.name.clone(), Some(other.nevra.evr.clone()));
            others.iter().any(|other| what.accepts(&own(other)))
        };
        header.requires.iter().all(|requirement| holds(requirement, set, given))
            && !header.conflicts.iter().any(|requirement| holds(requirement, &others, given))
            && !header.obsoletes.iter().any(obsoleted)
    };
    one_of_a_name && wanted.iter().all(|requirement| holds(requirement, set, given)) && set.iter().all(is_fine)
}

fn simple() -> impl Strategy<Value = String> {
    (
        prop::sample::select(vec!["a", "b", "c", "d", "v", "w", "g"]),
        prop::sample::select(vec!["", "", "", " = 1", " >= 2", " < 2"]),
    )
        .prop_map(|(name, bound)| format!("{name}{bound}"))
}

fn requirement() -> impl Strategy<Value = String> {
    let rich = (simple(), simple(), simple(), 0..9_usize).prop_map(|(a, b, c, kind)| match kind {
        0 => format!("({a} and {b})"),
        1 => format!("({a} or {b} or {c})"),
        2 => format!("({a} if {b})"),
        3 => format!("({a} if {b} else {c})"),
        4 => format!("({a} unless {b})"),
        5 => format!("({a} unless {b} else {c})"),
        6 => "(v >= 1 with w)".to_owned(),
        7 => "(v without w)".to_owned(),
        _ => format!("({a} if ({b} or {c}))"),
    });
    prop_oneof![3 => simple(), 2 => rich]
}

fn list(kind: &'static str, most: usize) -> impl Strategy<Value = String> {
    prop::collection::vec(requirement(), 0..=most)
        .prop_map(move |all| if all.is_empty() { String::new() } else { format!("; {kind} {}", all.join(", ")) })
}

fn package() -> impl Strategy<Value = String> {
    let provides = prop::sample::select(vec!["", "", "; + v = 1", "; + v = 2, w", "; + w", "; + v"]);
    let obsoletes = prop::sample::select(vec!["", "", "", "", "; ~ a", "; ~ b < 2", "; ~ v"]);
    let name = prop::sample::select(vec!["a-1", "a-2", "b-1", "b-2", "c-1", "c-2", "d-1"]);
    (name, provides, list(">", 2), list("!", 1), obsoletes, any::<bool>()).prop_map(
        |(name, provides, requires, conflicts, obsoletes, peaceful)| {
            let conflicts = if peaceful { String::new() } else { conflicts };
            format!("{name}{provides}{requires}{conflicts}{obsoletes}")
        },
    )
}

proptest! {
    #[test]
    fn solutions_are_found_exactly_when_there_are_some(
        packages in prop::collection::vec(package(), 1..8),
        wanted in prop::collection::vec(requirement(), 1..4),
        is_given in any::<bool>(),
    ) {
        let headers: Vec<RpmHeader> = packages.iter().map(|text| rpm(text)).collect();
        let available: Vec<&RpmHeader> = headers.iter().collect();
        let wanted = requirements(&wanted.join(", "));
        let given: Provides = is_given.then(|| Capability::new("g", Some(Evr::parse("1-1")))).into_iter().collect();
        let subset = |bits: usize| -> Vec<&RpmHeader> {
            (0..available.len()).filter(|at| bits >> at & 1 == 1).map(|at| available[at]).collect()
        };
        let exists = (0..1_usize << available.len()).any(|bits| is_solution(&wanted, &subset(bits), &given));
        match solve(&wanted, &available, &given) {
            Ok(found) => {
                prop_assert!(is_solution(&wanted, &found, &given), "{found:?}");
                prop_assert_eq!(&found, &solve(&wanted, &available, &given).unwrap(), "the same again");
                let without = |out: usize| -> Vec<&RpmHeader> {
                    found.iter().enumerate().filter(|(at, _)| *at != out).map(|(_, header)| *header).collect()
                };
                for (out, header) in found.iter().enumerate() {
                    prop_assert!(!is_solution(&wanted, &without(out), &given), "{} is superfluous", header.nevra);
                }
            }
            Err(unsolvable) => {
                prop_assert!(!exists, "{unsolvable}");
                prop_assert!(!unsolvable.reason.is_empty());
            }
        }
    }
}
