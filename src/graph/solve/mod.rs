//! The exact list of RPMs for a buildroot or an image.
//!
//! In: requirements, the headers of RPMs that can be had, and capabilities that are there already. Out: headers that
//! satisfy all requirements together: Requires of every package in the list, Conflicts and Obsoletes, rich
//! dependencies, paths as files. One version of a name; the highest version where several will do, the earlier in the
//! list where versions are equal. Nothing is in the list that could be left out. The same input gives the same list.
//! The search is resolvo's (<https://docs.rs/resolvo>), a SAT solver after libsolv.

mod explain;
mod problem;
mod repository;
#[cfg(test)]
mod tests;
mod trim;

use crate::package::{Provides, Requirement, RpmHeader};

use problem::search;
use repository::Repository;
use trim::trim;

/// RPMs that satisfy a list of requirements together, sorted by NEVRA. What is `given` is not in the list.
/// `available` is searched in its order where versions are equal; `given` is there already.
pub fn solve<'a>(
    wanted: &[Requirement],
    available: &[&'a RpmHeader],
    given: &Provides,
) -> Result<Vec<&'a RpmHeader>, Unsolvable> {
    solve_ranked(wanted, &available.iter().map(|header| (*header, 0)).collect::<Vec<_>>(), given)
}

/// As [`solve`], for packages of several places: each with the rank of its place. A package of a rank above 0 is taken for
/// what no package of rank 0 provides; of several the one of the lowest rank, then the highest version.
pub fn solve_ranked<'a>(
    wanted: &[Requirement],
    available: &[(&'a RpmHeader, usize)],
    given: &Provides,
) -> Result<Vec<&'a RpmHeader>, Unsolvable> {
    let packages: Vec<&RpmHeader> = available.iter().map(|(header, _)| *header).collect();
    let ranks: Vec<usize> = available.iter().map(|(_, rank)| *rank).collect();
    let repository = Repository::new(wanted, (&packages, &ranks), given);
    let selected = search(&repository)?;
    let mut headers: Vec<&RpmHeader> =
        trim(&repository, selected).into_iter().map(|package| repository.packages[package]).collect();
    headers.sort_by(|a, b| a.nevra.cmp(&b.nevra));
    Ok(headers)
}

/// No set of packages satisfies the requirements.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Unsolvable {
    /// What is missing or in conflict, and who requires it; a line each.
    pub reason: String,
    /// The requirements that no package provides, sorted; empty when packages exclude each other.
    pub missing: Vec<String>,
}
