//! Takes out of a solution what it does not need.
//!
//! A search that went back and forth may keep a package that nothing requires any more, and may satisfy one requirement
//! by two packages when a later choice brought another provider.

use std::collections::{BTreeMap, BTreeSet};

use super::super::formula::Formula;
use super::repository::{Demand, Repository};

/// A part of `selected` that satisfies the same question and of which nothing can be taken out.
pub(super) fn trim(repository: &Repository, mut selected: BTreeSet<usize>) -> BTreeSet<usize> {
    loop {
        selected = reachable(repository, &selected);
        let Some(spare) = spare(repository, &selected) else { return selected };
        selected.remove(&spare);
    }
}

fn demands<'b>(repository: &'b Repository, selected: &BTreeSet<usize>) -> impl Iterator<Item = &'b Demand<'b>> {
    let members = selected.iter().filter_map(|package| repository.members.get(package));
    repository.wanted.iter().chain(members.flat_map(|member| &member.demands).collect::<Vec<_>>())
}

/// The selected packages that some requirement of the question leads to. The condition of an `if` leads nowhere: it
/// holds without its package.
fn reachable(repository: &Repository, selected: &BTreeSet<usize>) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&Demand> = repository.wanted.iter().collect();
    while let Some(demand) = open.pop() {
        for package in demand.formula.wanted_leaves().into_iter().flat_map(|leaf| &repository.leaves[leaf]) {
            if selected.contains(package) && found.insert(*package) {
                open.extend(repository.members.get(package).into_iter().flat_map(|member| &member.demands));
            }
        }
    }
    found
}

/// A package without which everything still holds; of several the one that stands last in its requirement.
fn spare(repository: &Repository, selected: &BTreeSet<usize>) -> Option<usize> {
    let mut doubtful: BTreeMap<usize, usize> = BTreeMap::new();
    for demand in demands(repository, selected) {
        let leaves = demand.formula.wanted_leaves();
        let packages = leaves.into_iter().flat_map(|leaf| &repository.leaves[leaf]);
        let inside: Vec<usize> = packages.filter(|package| selected.contains(package)).copied().collect();
        // The only package of a single dependency cannot be spared.
        if inside.len() > 1 || !matches!(demand.formula, Formula::Has(_)) {
            for (rank, package) in inside.into_iter().enumerate() {
                let last = doubtful.entry(package).or_default();
                *last = rank.max(*last);
            }
        }
    }
    let mut order: Vec<(usize, usize)> = doubtful.into_iter().map(|(package, rank)| (rank, package)).collect();
    order.sort_unstable();
    order.into_iter().rev().map(|(_, package)| package).find(|&package| holds_without(repository, selected, package))
}

fn holds_without(repository: &Repository, selected: &BTreeSet<usize>, package: usize) -> bool {
    let rest: BTreeSet<usize> = selected.iter().copied().filter(|other| *other != package).collect();
    let installed = |leaf: usize| repository.leaves[leaf].iter().any(|other| rest.contains(other));
    demands(repository, &rest).all(|demand| demand.formula.holds(&installed))
}
