//! Properties that hold for every distribution.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::specs;

/// Specs `p0…`, each with `BuildRequires` among those before it, and Requires among all.
fn distributions() -> impl Strategy<Value = Vec<String>> {
    let edges = prop::collection::vec((0_usize..12, 0_usize..12, any::<bool>()), 0..40);
    (2_usize..12, edges).prop_map(|(count, edges)| {
        let names = |spec: usize, at_build: bool| {
            let fits = move |edge: &&(usize, usize, bool)| edge.0 == spec && edge.2 == at_build && edge.1 < spec;
            edges.iter().filter(fits).map(|edge| format!("p{}", edge.1)).collect::<Vec<_>>().join(",")
        };
        let requires = |spec: usize| match names(spec, false).as_str() {
            "" => format!("p{spec}"),
            names => format!("p{spec} > {names}"),
        };
        (0..count).map(|spec| format!("p{spec}: {}; {}", names(spec, true), requires(spec))).collect()
    })
}

proptest! {
    #[test]
    fn an_order_never_starts_before_its_needs(texts in distributions()) {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let graph = specs(&texts).all();
        let mut published = BTreeSet::new();
        for spec in graph.order() {
            prop_assert!(graph.needs[&spec].is_subset(&published), "{spec}");
            published.insert(spec);
        }
        prop_assert_eq!(published.len(), texts.len());
    }

    #[test]
    fn a_goal_needs_the_same_whatever_else_is_built(texts in distributions(), goal in 0_usize..12) {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let distribution = specs(&texts);
        let (all, one) = (distribution.all(), distribution.named(&[&format!("p{}", goal % texts.len())]));
        for (spec, needs) in &one.needs {
            prop_assert_eq!(needs, &all.needs[spec]);
            prop_assert!(needs.iter().all(|need| one.needs.contains_key(need)), "what is needed is in the run");
        }
    }
}
