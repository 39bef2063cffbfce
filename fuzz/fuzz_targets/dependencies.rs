//! Requirements, capabilities and versions: reading, writing, and the order of versions. Lines are texts of their own.
#![no_main]

use std::cmp::Ordering;

use drydock::package::{Capability, Evr, Requirement};

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(requirement) = text.parse::<Requirement>() {
        let shown = requirement.to_string();
        assert_eq!(shown.parse::<Requirement>().as_ref().ok(), Some(&requirement), "{shown:?}");
        assert!(requirement.dependencies().len() <= text.len() && !requirement.dependencies().is_empty());
    }
    let capability = Capability::parse(text);
    // A name that has white space may have a ` =` of its own.
    if !capability.name.contains(char::is_whitespace) {
        assert_eq!(Capability::parse(&capability.to_string()), capability);
    }

    let versions: Vec<Evr> = text.lines().take(3).map(Evr::parse).collect();
    for a in &versions {
        assert_eq!(&Evr::parse(&a.to_string()), a);
        assert_eq!(a.cmp(a), Ordering::Equal);
        assert_eq!(a.compare_as_bound(a), Ordering::Equal);
        for b in &versions {
            assert_eq!(a.cmp(b), b.cmp(a).reverse(), "{a} and {b}");
            assert_eq!(a.cmp(b) == Ordering::Equal, a == b, "{a} and {b}");
            assert_eq!(a.compare_as_bound(b), b.compare_as_bound(a).reverse(), "{a} and {b}");
            for c in &versions {
                assert!(
                    a.cmp(b) != Ordering::Less || b.cmp(c) != Ordering::Less || a.cmp(c) == Ordering::Less,
                    "{a}, {b}, {c}"
                );
            }
        }
    }
});
