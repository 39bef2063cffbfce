//! Whose `%check` runs: what the pipeline lists, unless the user asks for something else.

use std::collections::BTreeMap;

use crate::build::{Check, Checks};
use crate::event::SkippedCheck;
use crate::graph::{Goals, GraphError, spec_named, specs_named};
use crate::pipeline::error::PipelineError;
use crate::pipeline::file::Packages;
use crate::pipeline::options::{CheckOptions, CheckedPackages};
use crate::spec::LoadedSpecs;

impl CheckOptions {
    /// The checks that the pipeline lists; a failing one fails its package.
    pub fn of_pipeline() -> Self {
        Self { on_failure: Check::Fail, of: CheckedPackages::Listed, ignored: Vec::new() }
    }

    /// The checks of a run over `specs`.
    pub(super) fn select(&self, packages: &Packages, specs: &LoadedSpecs) -> Result<Checks, PipelineError> {
        let all = &specs.packages;
        let wanted = match &self.of {
            CheckedPackages::All => Ok(all.iter().map(|source| source.spec.clone()).collect()),
            CheckedPackages::Only(words) => specs_named(words, all),
            // A spec that cannot be read is told elsewhere.
            CheckedPackages::Listed => {
                specs_named(packages.check.iter().filter(|name| !specs.is_unreadable(name)), all)
            }
            CheckedPackages::ListedIfThere => {
                specs_named(packages.check.iter().filter(|name| spec_named(name, all).is_ok()), all)
            }
        };
        let (asked, ignored) = match (wanted, specs_named(&self.ignored, all)) {
            (Ok(wanted), Ok(ignored)) => (wanted, ignored),
            (Err(unknown), Ok(_)) | (Ok(_), Err(unknown)) => return Err(GraphError::unknown_goals(unknown).into()),
            (Err(first), Err(second)) => {
                return Err(GraphError::unknown_goals(first.into_iter().chain(second).collect()).into());
            }
        };
        if self.on_failure == Check::Off && matches!(self.of, CheckedPackages::Only(_) | CheckedPackages::All) {
            return Err(PipelineError::CheckedAndOff);
        }
        let both: Vec<String> = asked.intersection(&ignored).cloned().collect();
        if matches!(self.of, CheckedPackages::Only(_)) && !both.is_empty() {
            return Err(PipelineError::CheckedAndIgnored { specs: both });
        }
        if self.on_failure == Check::Off {
            return Ok(Checks::off());
        }
        let left_out: BTreeMap<String, SkippedCheck> =
            both.into_iter().map(|spec| (spec, SkippedCheck::Ignored)).collect();
        Ok(Checks { on_failure: self.on_failure, asked: asked.difference(&ignored).cloned().collect(), left_out })
    }

    /// `goals` and the packages whose checks alone are asked for.
    pub(super) fn with_goals(&self, goals: &Goals) -> Goals {
        match (goals, &self.of) {
            (Goals::Named(names), CheckedPackages::Only(checked)) => {
                Goals::Named(names.iter().chain(checked).cloned().collect())
            }
            _ => goals.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::package::{Evr, Nevra};
    use crate::spec::{SourcePackage, zlib};

    fn specs() -> LoadedSpecs {
        let spec = |name: &str| SourcePackage {
            spec: name.into(),
            nevra: Nevra { name: name.into(), evr: Evr::parse("1-1"), arch: "src".into() },
            ..zlib()
        };
        LoadedSpecs { packages: ["kmod", "musl", "zlib"].map(spec).into(), ..LoadedSpecs::default() }
    }

    fn select(of: CheckedPackages, ignored: &[&str]) -> Result<Checks, String> {
        let check = BTreeSet::from(["zlib".to_owned(), "musl".to_owned()]);
        let packages = Packages { check, ..Packages::default() };
        let ignored = ignored.iter().map(|&name| name.to_owned()).collect();
        let options = CheckOptions { on_failure: Check::Warn, of, ignored };
        options.select(&packages, &specs()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_command_line_narrows_and_widens_what_the_pipeline_lists() {
        let asked = |of, ignored: &[&str]| select(of, ignored).unwrap().asked.into_iter().collect::<Vec<_>>();
        assert_eq!(asked(CheckedPackages::Listed, &[]), ["musl", "zlib"]);
        assert_eq!(asked(CheckedPackages::Listed, &["musl"]), ["zlib"]);
        assert_eq!(asked(CheckedPackages::All, &["musl"]), ["kmod", "zlib"]);
        assert_eq!(asked(CheckedPackages::Only(vec!["kmod".into()]), &[]), ["kmod"]);
        let checks = select(CheckedPackages::Listed, &["musl", "kmod"]).unwrap();
        assert_eq!(checks.left_out, BTreeMap::from([("musl".to_owned(), SkippedCheck::Ignored)]));
    }

    #[test]
    fn every_unknown_name_is_told_with_what_is_near() {
        let error = select(CheckedPackages::Only(vec!["zlbi".into()]), &["mussl"]).unwrap_err();
        insta::assert_snapshot!(error, @r"
        no spec and no package is named `mussl`
          nearest: `musl`
        no spec and no package is named `zlbi`
          nearest: `zlib`
        ");
        let error = select(CheckedPackages::Only(vec!["zlib".into()]), &["zlib"]).unwrap_err();
        assert_eq!(error, "the checks of `zlib` are to run alone and to be ignored at the same time");
    }
}
