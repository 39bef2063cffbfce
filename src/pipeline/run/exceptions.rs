//! What of a pipeline's exceptions holds on the day of a run.

use std::collections::{BTreeMap, BTreeSet};

use super::runner::Runner;
use crate::event::Event;
use crate::pipeline::file::{Allowance, on_day};
use crate::plan::Exception;
use crate::spec::SourcePackage;
use crate::suggest::nearest;

impl Runner<'_> {
    /// What of `list` holds on the day of the run, by spec; tells what has run out, and what is of no spec.
    pub(super) fn exceptions(
        &self,
        list: &[Allowance],
        specs: &[SourcePackage],
    ) -> BTreeMap<String, BTreeSet<Exception>> {
        for Allowance { spec, .. } in list.iter().filter(|one| !specs.iter().any(|source| source.spec == one.spec)) {
            let nearest = nearest(spec, specs.iter().map(|source| source.spec.as_str()));
            let hint = nearest.first().map(|name| format!("; nearest: `{name}`")).unwrap_or_default();
            let text = format!("packages: exceptions: there is no spec file of the name `{spec}`{hint}");
            (self.report)(Event::Warning { text });
        }
        let (holding, ended) = on_day(list, self.options.now);
        for Allowance { spec, allow, reason, until } in ended {
            let text = format!("`{spec}` is not allowed `{allow}` any more, which it was until {until} ({reason})");
            (self.report)(Event::Warning { text });
        }
        holding
    }
}
