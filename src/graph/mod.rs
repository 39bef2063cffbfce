//! Which package needs which. Pure.
//!
//! In: the specs, what the toolchain image provides and the headers of earlier builds. Out: a [`BuildGraph`] with the
//! specs of the run and, for each, the specs that must be published before its build.
//!
//! - A goal is a spec, or a package that a spec makes. The run has the goals, what their builds need, and what their
//!   packages need to be installed; nothing else.
//! - A buildroot is a set of packages that are installed together: what satisfies the `BuildRequires`, with all they
//!   require. A build needs the specs of that set. Rings among packages are therefore legal, RPM installs a set in one
//!   transaction; a ring of builds is an error that names the requirement on each side.
//! - What the toolchain image provides is satisfied: nothing is built for it.
//! - What no spec makes and the image does not have may come from a remote repository ([`remote`]): such a package is
//!   in a buildroot, and nothing is built for it.
//! - What `%generate_buildrequires` asked for in an earlier build joins the build's needs, as far as anything satisfies it.
//! - What `%check` requires joins the build's needs where no ring comes of it. Where one would, that check stands apart
//!   in [`BuildGraph::checks`], and the build goes on without it.
//! - Who provides a generated capability (`pkgconfig(x)`, a soname, a path) is known from earlier builds; before the
//!   first one it is guessed from file lists and names, and every guess is kept in [`BuildGraph::guesses`]. All packages
//!   that something speaks for are candidates, and a few of those that have a pattern for all such files; one that cannot be built, or needs what it is taken for, gives way to the next, and
//!   so does one whose build shows or fails to show what it provides ([`BuildGraph::unsure`]).
//!
//! [`solve()`] is the exact answer for one buildroot or image, over real RPMs.

mod capability;
mod closure;
mod commands;
mod entries;
mod error;
mod formula;
mod given;
mod glob;
mod held;
mod home;
mod leaf;
mod model;
mod names;
mod near;
mod partial;
mod remote;
mod resolve;
mod ring;
mod rules;
mod sets;
mod solve;
mod svg;
mod text;
mod universe;
mod unresolved;
mod why;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use crate::package::{Nevra, Provides, Requirement, RpmHeader};
use crate::remote::RemotePackage;
use crate::spec::SourcePackage;

pub use error::{GraphError, LookedAt, Near, Requirer, Ring, UnknownGoal, Unresolved};
pub use held::specs_held;
pub use model::{BuildGraph, Choice, Edge, Guess, GuessReason, Node, Relation};
pub use names::{spec_named, specs_named};
pub use near::Direction;
pub use partial::{Obstacle, Partial};
pub use remote::RemoteIndex;
pub use resolve::{missing_paths, resolve, resolve_partly, survey};
pub use solve::{Unsolvable, solve, solve_ranked};
pub use svg::to_svg;
pub use text::{to_dot, to_json};
pub use why::{Step, Why};

use why::write_steps;

/// What to build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Goals {
    /// Every spec that is not excluded for this arch.
    All,
    /// These words, each a spec's name or something a spec provides, and what they need.
    Named(Vec<String>),
}

/// What the graph is made of.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// The specs, sorted by name.
    pub specs: &'a [SourcePackage],
    /// What the toolchain image provides.
    pub given: &'a Provides,
    /// Packages that the toolchain image has: where a spec makes one in this version and release, all that is known or
    /// guessed of that package is there. Epochs do not count.
    pub installed: &'a [Nevra],
    /// RPMs known from earlier builds; tells generated provides. The `source_rpm` of a header names its spec's package.
    pub known: &'a [RpmHeader],
    /// Specs, by name, whose builds have ended in this run: what their packages provide is known, and nothing else is
    /// guessed of them.
    pub finished: &'a BTreeSet<String>,
    /// Specs, by name, whose builds have failed in this run: another package is taken where these were only guessed.
    pub failed: &'a BTreeSet<String>,
    /// Packages of remote repositories, the preferred ones first; used for what nothing else provides.
    pub remote: &'a [RemotePackage],
    /// Specs whose `%check` runs, by name; their check requirements count as build requirements.
    pub checked: &'a BTreeSet<String>,
    /// What `%generate_buildrequires` asked for in earlier builds of specs, by name. What of it can be satisfied counts as
    /// a build requirement; the rest is for the build to tell, which may ask for something else by now.
    pub generated: &'a BTreeMap<String, Vec<Requirement>>,
}

#[cfg(test)]
mod tests;
