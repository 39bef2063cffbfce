//! What is there already and need not be installed or built.

use crate::package::{Capability, Dependency, Nevra, Provides, Requirement};

/// Name, version, release and arch.
pub(super) fn without_epoch(nevra: &Nevra) -> (&str, &str, &str, &str) {
    (&nevra.name, &nevra.evr.version, &nevra.evr.release, &nevra.arch)
}

/// Capabilities that are there, asked with requirements.
#[derive(Clone, Copy)]
pub(super) struct Given<'a>(pub(super) &'a Provides);

impl<'a> Given<'a> {
    /// What is given under `name`, in whatever version.
    pub(super) fn versions(self, name: &str) -> &'a [Capability] {
        self.0.named(name)
    }

    /// All names, some more than once.
    pub(super) fn names(self) -> impl Iterator<Item = &'a str> {
        self.0.iter().map(|capability| capability.name.as_str())
    }

    /// Whether one dependency, or what `with` and `without` make of several, is satisfied. A condition never is by
    /// itself: its parts are asked for one by one.
    pub(super) fn satisfies(self, part: &Requirement) -> bool {
        match part {
            Requirement::Simple(wanted) => self.has(&[wanted]),
            Requirement::And(all) => all.iter().all(|part| self.satisfies(part)),
            Requirement::Or(all) => all.iter().any(|part| self.satisfies(part)),
            Requirement::With(all) => self.satisfies_together(all),
            Requirement::Without(wanted, unwanted) => self.satisfies(wanted) && !self.satisfies(unwanted),
            Requirement::If(..) | Requirement::Unless(..) => false,
        }
    }

    /// Parts on one name must be satisfied by one capability. Which package a capability comes from is not known, so
    /// parts on several names are satisfied by any.
    fn satisfies_together(self, parts: &[Requirement]) -> bool {
        let simple: Option<Vec<&Dependency>> = parts
            .iter()
            .map(|part| if let Requirement::Simple(dependency) = part { Some(dependency) } else { None })
            .collect();
        match simple {
            Some(all) if all.windows(2).all(|pair| pair[0].name == pair[1].name) => self.has(&all),
            _ => parts.iter().all(|part| self.satisfies(part)),
        }
    }

    /// Whether one capability satisfies all of `wanted`, which have one name.
    pub(super) fn has(self, wanted: &[&Dependency]) -> bool {
        let versions = wanted.first().map_or(&[][..], |first| self.versions(&first.name));
        versions.iter().any(|given| wanted.iter().all(|dependency| dependency.accepts(given)))
    }
}
