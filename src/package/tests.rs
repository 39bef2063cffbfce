//! Properties of what is read: it reads back from its text, and versions have one order.

use std::cmp::Ordering;

use proptest::prelude::*;

use super::{Capability, Evr, Requirement};

fn evrs() -> impl Strategy<Value = String> {
    "([0-9]{1,2}:)?[0-9a-c.~^_-]{0,6}(-[0-9.]{0,3})?"
}

fn requirements() -> impl Strategy<Value = String> {
    let simple = "[a-z/][a-z0-9+._-]{0,5}(\\([a-z()]{0,3}\\))?( (<|<=|=|>=|>) ([0-9]:)?[0-9a-z.~^-]{1,5})?";
    simple.prop_recursive(4, 24, 3, |inner| {
        let chain = (prop::sample::select(vec!["and", "or", "with"]), prop::collection::vec(inner.clone(), 2..4))
            .prop_map(|(operator, all)| format!("({})", all.join(&format!(" {operator} "))));
        let operators = prop::sample::select(vec!["if", "unless", "without"]);
        let pair =
            (operators, inner.clone(), inner.clone()).prop_map(|(operator, a, b)| format!("({a} {operator} {b})"));
        let otherwise = (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| format!("({a} if {b} else {c})"));
        prop_oneof![chain, pair, otherwise]
    })
}

proptest! {
    #[test]
    fn a_requirement_reads_back(text in prop_oneof![requirements(), "\\PC{0,12}", "[a-b()<>= -]{0,12}"]) {
        if let Ok(requirement) = text.parse::<Requirement>() {
            let shown = requirement.to_string();
            prop_assert_eq!(shown.parse::<Requirement>().ok(), Some(requirement), "{}", shown);
        }
    }

    #[test]
    fn a_capability_reads_back(text in prop_oneof!["[a-z()]{1,5}( = )?[0-9:.-]{0,5}", "[^\\s]{1,5} = \\PC{0,9}"]) {
        let capability = Capability::parse(&text);
        prop_assert_eq!(Capability::parse(&capability.to_string()), capability);
    }

    #[test]
    fn a_version_reads_back(text in prop_oneof![evrs(), "\\PC{0,8}"]) {
        let evr = Evr::parse(&text);
        prop_assert_eq!(Evr::parse(&evr.to_string()), evr);
    }

    #[test]
    fn versions_have_one_order(a in evrs(), b in evrs(), c in evrs()) {
        let mut all = [a, b, c].map(|text| Evr::parse(&text));
        all.sort();
        let [a, b, c] = &all;
        prop_assert!(a <= b && b <= c && a <= c, "{} {} {}", a, b, c);
        prop_assert_eq!(a.cmp(c), c.cmp(a).reverse());
        prop_assert_eq!(a.cmp(b) == Ordering::Equal, a == b);
        prop_assert_eq!(a.compare_as_bound(b), b.compare_as_bound(a).reverse());
    }
}

#[test]
fn white_space_at_the_end_of_a_version_is_lost_at_once() {
    let capability = Capability::parse("a = 1\u{c}-");
    assert_eq!(capability.to_string(), "a = 1");
}

#[test]
fn parentheses_have_a_bound() {
    let nested = |depth: usize| format!("{}a{}", "(".repeat(depth), ")".repeat(depth)).parse::<Requirement>();
    assert_eq!(nested(64).unwrap(), Requirement::any("a"));
    assert!(nested(65).unwrap_err().to_string().ends_with("more than 64 parentheses are open"));
    assert!("(".repeat(1 << 20).parse::<Requirement>().is_err());
}

#[test]
fn a_wrong_requirement_is_refused() {
    for text in ["", "(a or b", "a)", "(a or b and c)", "(a xor b)", "a >=", "a b", "a < 9(:)"] {
        assert!(text.parse::<Requirement>().is_err(), "{text}");
    }
}
