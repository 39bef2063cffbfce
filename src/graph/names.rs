//! The spec that a word of the user means. Pure.

use std::collections::BTreeSet;

use super::UnknownGoal;
use crate::spec::SourcePackage;
use crate::suggest::nearest;

/// The name of the spec that `word` means: a spec's own name, or that of a package that a spec makes.
///
/// # Errors
/// There is none; the names that come near are told.
pub fn spec_named<'a>(word: &str, specs: &'a [SourcePackage]) -> Result<&'a str, UnknownGoal> {
    let makes = |source: &&SourcePackage| source.binaries.iter().any(|package| package.nevra.name == word);
    let found = specs.iter().find(|source| source.spec == word).or_else(|| specs.iter().find(makes));
    found.map(|source| source.spec.as_str()).ok_or_else(|| {
        let packages = specs.iter().flat_map(|source| &source.binaries).map(|package| package.nevra.name.as_str());
        let names = specs.iter().map(|source| source.spec.as_str()).chain(packages);
        let near = nearest(word, names).into_iter().map(str::to_owned).collect();
        UnknownGoal { name: word.to_owned(), nearest: near, is_given: false }
    })
}

/// The names of the specs that `words` mean.
///
/// # Errors
/// Every word that means none.
pub fn specs_named<'w>(
    words: impl IntoIterator<Item = &'w String>,
    specs: &[SourcePackage],
) -> Result<BTreeSet<String>, Vec<UnknownGoal>> {
    let (mut found, mut unknown) = (BTreeSet::new(), Vec::new());
    for word in words {
        match spec_named(word, specs) {
            Ok(spec) => drop(found.insert(spec.to_owned())),
            Err(error) => unknown.push(error),
        }
    }
    if unknown.is_empty() { Ok(found) } else { Err(unknown) }
}
