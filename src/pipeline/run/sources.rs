//! The sources of a run.
//!
//! Signatures say which digest each source has, and build keys are made of digests: a run first finds out what it will
//! build, and then fetches the sources of that alone. Whether those can be had that are only perhaps needed is asked for
//! before the first build, too; so all that is missing is told at once.

use std::collections::BTreeSet;
use std::future::Future;
use std::path::PathBuf;

use super::archives::Grounds;
use super::made::MadeStages;
use super::prepare::{Prepared, of_sources};
use super::runner::Runner;
use crate::build::{self, Survey};
use crate::graph::Partial;
use crate::pipeline::error::PipelineError;
use crate::pipeline::file::Packages;
use crate::source::{self, Checkout, FetchOptions, Patience, SignatureMode, SourceProblem, Sources, WantedSource};
use crate::spec::SourcePackage;

/// Sources that were found, and problems with others.
type Found = (Sources, Vec<SourceProblem>);

/// What is known of the sources of a run before its first build.
pub(super) struct Gathered {
    /// Those of all specs of the graph; those of what is built are at hand.
    pub(super) sources: Sources,
    /// What is built.
    pub(super) survey: Survey,
    /// What cannot be had, sorted by spec and file; the specs are not in the graph any more.
    pub(super) problems: Vec<SourceProblem>,
}

impl Runner<'_> {
    /// Fetches the sources of all that will be built of the graph of `partial`, which stands for that of `prepared`. What
    /// cannot be had is left out of it, with all that needs it.
    pub(super) async fn gather(&self, prepared: &Prepared, partial: &mut Partial) -> Result<Gathered, PipelineError> {
        let mode = self.options.signatures;
        let all = wanted(prepared, partial.graph.needs.keys().map(String::as_str));
        if mode != SignatureMode::Enforce {
            // Only the files themselves say what they are.
            let (sources, problems) = self.fetch_wanted(&all, &prepared.grounds, mode).await?;
            partial.leave_out(of_sources(&problems));
            let survey = self.look((prepared, &partial.graph), &sources, build::survey)?;
            return Ok(Gathered { sources, survey, problems });
        }
        let (mut sources, mut problems) =
            source::signed(&all, &prepared.grounds.checkout, self.layout, self.report).await?;
        partial.leave_out(of_sources(&problems));
        let mut survey = self.look((prepared, &partial.graph), &sources, build::survey)?;
        let (found, missing) = self.bring(&wanted(prepared, survey.built()), &prepared.grounds).await?;
        let lost = self.missing(&wanted(prepared, survey.perhaps_built()), &prepared.grounds).await?;
        let lost: Vec<SourceProblem> = missing.into_iter().chain(lost).collect();
        sources.files.extend(found.files);
        if !lost.is_empty() {
            partial.leave_out(of_sources(&lost));
            survey = self.look((prepared, &partial.graph), &sources, build::survey)?;
            problems.extend(lost);
            problems.sort_by(|a, b| (&a.spec_path, &a.file).cmp(&(&b.spec_path, &b.file)));
        }
        Ok(Gathered { sources, survey, problems })
    }

    /// The sources of every spec of the graph by their signatures, whether they are at hand or not.
    pub(super) async fn signed(&self, prepared: &Prepared) -> Result<Found, PipelineError> {
        let all: Vec<WantedSource> = prepared.packages().flat_map(SourcePackage::wanted_sources).collect();
        Ok(source::signed(&all, &prepared.grounds.checkout, self.layout, &|_| {}).await?)
    }

    /// For each spec what of its build key is its own, or why it has none: the inputs without the buildroot, what is asked
    /// of that, and what it makes.
    #[cfg(test)]
    pub(crate) async fn own_keys(&self, prepared: &Prepared) -> std::collections::BTreeMap<String, String> {
        let specs = &prepared.specs.packages;
        let wanted: Vec<WantedSource> = specs.iter().flat_map(SourcePackage::wanted_sources).collect();
        let (sources, problems) =
            source::signed(&wanted, &prepared.grounds.checkout, self.layout, &|_| {}).await.unwrap();
        let look = |context: &build::BuildContext<'_>, _: &crate::graph::BuildGraph| {
            let key = |package: &SourcePackage| {
                if let Some(problem) = problems.iter().find(|problem| problem.spec == package.spec) {
                    return format!("{:?}", problem.wrong);
                }
                let inputs = build::own_inputs(context, package).unwrap();
                let asks = if inputs.check { package.check_requires.as_slice() } else { &[] };
                format!("{inputs:#?}\n{:?} {asks:?}\n{:?}", package.build_requires, package.binaries)
            };
            Ok(specs.iter().map(|package| (package.spec.clone(), key(package))).collect())
        };
        self.look((prepared, &prepared.graph), &sources, look).unwrap()
    }

    /// Finds the sources of `wanted`, specs of `packages`.
    pub async fn fetch_for(
        &self,
        (packages, made): (&Packages, &MadeStages),
        wanted: impl Iterator<Item = &SourcePackage>,
        mode: SignatureMode,
    ) -> Result<Sources, PipelineError> {
        let wanted: Vec<WantedSource> = wanted.flat_map(SourcePackage::wanted_sources).collect();
        Ok(source::complete(self.fetch_wanted(&wanted, &self.grounds(packages, made), mode).await?)?)
    }

    /// Fetches what of `wanted` is not at hand, after what is wrong with signatures was told.
    pub(super) async fn bring(&self, wanted: &[WantedSource], grounds: &Grounds) -> Result<Found, PipelineError> {
        if wanted.is_empty() {
            return Ok(Found::default());
        }
        let options = self.fetch_options_in(grounds, self.options.signatures).await?;
        self.unless_cancelled(source::bring(wanted, &options, self.layout, self.report)).await
    }

    /// What of `wanted` no place has.
    async fn missing(&self, wanted: &[WantedSource], grounds: &Grounds) -> Result<Vec<SourceProblem>, PipelineError> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let options = self.fetch_options_in(grounds, self.options.signatures).await?;
        self.unless_cancelled(source::missing(wanted, &options, self.layout, self.report)).await
    }

    pub(super) async fn fetch_wanted(
        &self,
        wanted: &[WantedSource],
        grounds: &Grounds,
        mode: SignatureMode,
    ) -> Result<Found, PipelineError> {
        if wanted.is_empty() {
            return Ok(Found::default());
        }
        let options = self.fetch_options_in(grounds, mode).await?;
        self.unless_cancelled(source::fetch(wanted, &options, self.layout, self.report)).await
    }

    /// What `work` gives, or nothing once the user wants to stop: for work that can be broken off at any moment.
    pub(super) async fn unless_cancelled<T, E: Into<PipelineError>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, PipelineError> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(PipelineError::Cancelled),
            done = work => done.map_err(Into::into),
        }
    }

    /// The project, the folders of the specs of `packages`, and the archives that these name.
    pub(super) fn grounds(&self, packages: &Packages, made: &MadeStages) -> Grounds {
        let project = self.lock_file.parent().into_iter();
        let checkout = Checkout::new(project.chain(packages.specs.iter().map(PathBuf::as_path)));
        let bases = made.iter().filter(|(_, made)| made.base.is_some());
        let bases = bases.map(|(stage, made)| (stage.clone(), made.image)).collect();
        Grounds { checkout, archives: packages.archives.clone(), bases }
    }

    /// How the sources of specs are found that may come from `grounds`.
    pub(super) async fn fetch_options_in(
        &self,
        grounds: &Grounds,
        mode: SignatureMode,
    ) -> Result<FetchOptions, PipelineError> {
        let archives = self.archives_for(grounds).await?;
        Ok(FetchOptions { checkout: grounds.checkout.clone(), archives, ..self.fetch_options(mode) })
    }

    /// How files are found that no spec names.
    pub(super) fn fetch_options(&self, mode: SignatureMode) -> FetchOptions {
        FetchOptions {
            mode,
            checkout: Checkout::default(),
            mirrors: self.options.source_urls.clone(),
            access: self.options.access.clone(),
            archives: self.archives.clone(),
            patience: Patience::default(),
            now: self.options.now,
        }
    }
}

/// What the specs `names` of `prepared` want, in the order of all specs.
fn wanted<'a>(prepared: &Prepared, names: impl Iterator<Item = &'a str>) -> Vec<WantedSource> {
    let names: BTreeSet<&str> = names.collect();
    let packages = prepared.specs.packages.iter().filter(|package| names.contains(package.spec.as_str()));
    packages.flat_map(SourcePackage::wanted_sources).collect()
}
