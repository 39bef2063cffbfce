//! Source packages by themselves: read, fetched or downloaded, packed, published.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::archives::Grounds;
use super::made::MadeStages;
use super::packages::counts;
use super::runner::Runner;
use crate::build::srpm::verify::{self, Expected, Verified};
use crate::build::srpm::{self, Downloaded, SrpmContext, SrpmFolder, SrpmOutcome};
use crate::build::{BuildError, Failure};
use crate::cache::Store;
use crate::event::Event;
use crate::pipeline::error::PipelineError;
use crate::pipeline::file::Packages;
use crate::source::signatures::{self, Signatures, SignaturesError};
use crate::source::{self, Checkout, FetchOptions, SignatureMode, SourceProblem, WantedSource};
use crate::spec::{Selection, SourcePackage, SpecFailure};
use crate::toolchain::Toolchain;

/// Which source packages are asked for.
#[derive(Clone, Copy, Debug)]
pub struct SrpmWish<'a> {
    /// Names of specs; all when there is none.
    pub names: &'a [String],
    /// What is done with signatures files.
    pub signatures: SignatureMode,
    /// URLs of folders with SRPMs, tried before a spec is packed; none to pack all.
    pub urls: &'a [String],
}

/// What became of the source packages. Names are those of specs; each spec is in one place.
#[derive(Debug, Default)]
pub struct SrpmSummary {
    /// New ones that were packed.
    pub packed: BTreeSet<String>,
    /// New ones that came from a URL.
    pub downloaded: BTreeSet<String>,
    /// Those that were there already.
    pub up_to_date: BTreeSet<String>,
    /// Specs that are not for this architecture, and why; they were not asked for by name.
    pub excluded: BTreeMap<String, String>,
    /// Those that there are none of.
    pub missing: BTreeMap<String, NoSrpm>,
    /// Not begun or not finished when the run was cancelled.
    pub unfinished: BTreeSet<String>,
}

/// Why there is no SRPM.
#[derive(Debug)]
pub enum NoSrpm {
    /// The spec does not parse.
    Unreadable(SpecFailure),
    /// The spec was asked for and is not for this architecture: `ExclusiveArch: aarch64`.
    Excluded(String),
    /// Sources are not at hand.
    Sources(Vec<SourceProblem>),
    /// `rpmbuild -bs` failed, or the SRPM could not be published.
    Failed(Failure),
}

/// What the steps of one run share.
struct Work<'a> {
    context: SrpmContext<'a>,
    folder: SrpmFolder,
    summary: SrpmSummary,
}

impl Runner<'_> {
    /// Packs or downloads the source packages of `wish` that are not up to date. A spec that cannot be packed does not stop
    /// the others.
    pub async fn srpms(
        &self,
        packages: &Packages,
        made: &MadeStages,
        wish: SrpmWish<'_>,
    ) -> Result<SrpmSummary, PipelineError> {
        let started = Instant::now();
        (self.report)(Event::StageStarted { stage: "srpms".to_owned() });
        let toolchain = self.toolchain(packages, made)?;
        let selection = if wish.names.is_empty() { Selection::All } else { Selection::Named(wish.names) };
        let specs = self.load(packages, &toolchain, selection).await?;
        let store = self.results()?;
        let folder = SrpmFolder::open(self.layout).map_err(BuildError::Records)?;
        let mut work = Work { context: self.srpm_context(&toolchain, &store), folder, summary: SrpmSummary::default() };
        for failure in specs.failures {
            work.unreadable(failure, wish.names);
        }
        let asked = specs.packages.iter().filter(|one| wish.names.is_empty() || wish.names.contains(&one.spec));
        let mut open = work.for_this_arch(asked, wish.names);
        if !wish.urls.is_empty() {
            open = self.download_srpms(&mut work, open, wish).await?;
        }
        self.pack_srpms(&mut work, open, (&self.grounds(packages, made), wish.signatures)).await?;
        let Work { folder, summary, .. } = work;
        store.remember();
        folder.close().map_err(BuildError::Records)?;
        let outcome = describe(&summary);
        (self.report)(Event::StageFinished { stage: "srpms".to_owned(), elapsed: started.elapsed(), outcome });
        Ok(summary)
    }

    fn srpm_context<'a>(&'a self, toolchain: &'a Toolchain, store: &'a Store) -> SrpmContext<'a> {
        SrpmContext {
            engine: self.engine,
            toolchain,
            layout: self.layout,
            store,
            jobs: self.options.jobs.get(),
            report: self.report,
            cancel: self.cancel,
        }
    }

    /// Publishes what is at hand by the digests of signatures, and packs the rest.
    async fn pack_srpms(
        &self,
        work: &mut Work<'_>,
        mut open: Vec<&SourcePackage>,
        (grounds, mode): (&Grounds, SignatureMode),
    ) -> Result<(), PipelineError> {
        if mode == SignatureMode::Enforce {
            open = self.publish_known(work, open, &grounds.checkout).await?;
        }
        let wanted: Vec<WantedSource> = open.iter().flat_map(|package| package.wanted_sources()).collect();
        let (sources, problems) = self.fetch_wanted(&wanted, grounds, mode).await?;
        let lacking = by_spec(problems);
        let ready: Vec<&SourcePackage> = open.into_iter().filter(|one| !lacking.contains_key(&one.spec)).collect();
        work.summary.missing.extend(lacking.into_iter().map(|(spec, problems)| (spec, NoSrpm::Sources(problems))));
        for (spec, outcome) in srpm::pack_all(&work.context, &ready, &sources, &mut work.folder).await? {
            work.summary.note(spec, outcome, Way::Packed);
        }
        Ok(())
    }

    /// Publishes the SRPMs that were packed before from what the signatures say; gives the other specs. What is wrong with
    /// sources is told when those are packed.
    async fn publish_known<'b>(
        &self,
        work: &mut Work<'_>,
        open: Vec<&'b SourcePackage>,
        checkout: &Checkout,
    ) -> Result<Vec<&'b SourcePackage>, PipelineError> {
        let wanted: Vec<WantedSource> = open.iter().flat_map(|package| package.wanted_sources()).collect();
        let (sources, problems) = source::signed(&wanted, checkout, self.layout, &|_| {}).await?;
        let (lacking, mut left) = (by_spec(problems), Vec::new());
        for package in open {
            let known = if lacking.contains_key(&package.spec) {
                None
            } else {
                srpm::packed_before(&work.context, package, &sources, &mut work.folder).await?
            };
            match known {
                Some(outcome) => work.summary.note(package.spec.clone(), outcome, Way::Packed),
                None => left.push(package),
            }
        }
        Ok(left)
    }

    /// Takes SRPMs from the URLs of `wish`; gives the specs that are to be packed since no URL has them.
    async fn download_srpms<'b>(
        &self,
        work: &mut Work<'_>,
        open: Vec<&'b SourcePackage>,
        wish: SrpmWish<'_>,
    ) -> Result<Vec<&'b SourcePackage>, PipelineError> {
        let signatures = open.iter().map(|package| signatures_of(package, wish.signatures)).collect::<Vec<_>>();
        let (mut away, mut left) = (Vec::new(), Vec::new());
        for (package, signatures) in open.into_iter().zip(&signatures) {
            // A signatures file that cannot be read is told when the spec is packed.
            let Ok(signatures) = signatures else {
                left.push(package);
                continue;
            };
            let expected = Expected { package, signatures: signatures.as_ref() };
            let key = verify::key(&expected, wish.urls);
            match srpm::known(&work.context, package, key, &mut work.folder).await? {
                Some(outcome) => work.summary.note(package.spec.clone(), outcome, Way::Downloaded),
                None => away.push((package, expected, key)),
            }
        }
        let files: Vec<String> = away.iter().map(|(package, ..)| package.nevra.file_name()).collect();
        let accept = |at: usize, path: &std::path::Path| {
            let Verified { has_same_spec } = verify::verify(path, &away[at].1)?;
            if !has_same_spec {
                let text = format!("the spec in `{}` is not the one here", files[at]);
                (self.report)(Event::Note { text });
            }
            Ok(())
        };
        let options =
            FetchOptions { mirrors: wish.urls.to_vec(), archives: Vec::new(), ..self.fetch_options(wish.signatures) };
        let found = source::first_accepted(&files, &accept, (&options, self.layout, self.report));
        let found = self.unless_cancelled(found).await?;
        for ((package, _, key), found) in away.iter().zip(found) {
            let package = *package;
            match found {
                Ok(source::Accepted { path, url }) => {
                    let downloaded = Downloaded { path: &path, url: &url, key: *key };
                    let outcome = srpm::keep(&work.context, package, downloaded, &mut work.folder).await?;
                    work.summary.note(package.spec.clone(), outcome, Way::Downloaded);
                }
                Err(tried) => {
                    let tried: String =
                        tried.iter().map(|tried| format!("\n  {}: {}", tried.place, tried.reason)).collect();
                    let text = format!("`{}` is packed from its spec, since no URL has its SRPM:{tried}", package.spec);
                    (self.report)(Event::Warning { text });
                    left.push(package);
                }
            }
        }
        Ok(left)
    }
}

fn by_spec(problems: Vec<SourceProblem>) -> BTreeMap<String, Vec<SourceProblem>> {
    let mut found: BTreeMap<String, Vec<SourceProblem>> = BTreeMap::new();
    for problem in problems {
        found.entry(problem.spec.clone()).or_default().push(problem);
    }
    found
}

/// What the SRPM of `package` must hold; None when signatures do not count.
fn signatures_of(package: &SourcePackage, mode: SignatureMode) -> Result<Option<Signatures>, SignaturesError> {
    match mode {
        SignatureMode::Enforce => signatures::read(&signatures::path_of(&package.spec_path)).map(Some),
        SignatureMode::Skip | SignatureMode::Update => Ok(None),
    }
}

#[derive(Clone, Copy)]
enum Way {
    Packed,
    Downloaded,
}

impl Work<'_> {
    /// Notes a spec that does not parse; one that was read for its version only is told.
    fn unreadable(&mut self, failure: SpecFailure, names: &[String]) {
        let spec = failure.spec();
        if names.is_empty() || names.contains(&spec) {
            self.summary.missing.insert(spec, NoSrpm::Unreadable(failure));
        } else {
            (self.context.report)(Event::Warning { text: failure.to_string() });
        }
    }

    /// Leaves out what is not for this architecture.
    fn for_this_arch<'b>(
        &mut self,
        packages: impl Iterator<Item = &'b SourcePackage>,
        names: &[String],
    ) -> Vec<&'b SourcePackage> {
        let mut open = Vec::new();
        for package in packages {
            match &package.excluded {
                None => open.push(package),
                Some(why) if names.is_empty() => {
                    self.summary.excluded.insert(package.spec.clone(), why.clone());
                }
                Some(why) => {
                    self.summary.missing.insert(package.spec.clone(), NoSrpm::Excluded(why.clone()));
                }
            }
        }
        open
    }
}

impl SrpmSummary {
    fn note(&mut self, spec: String, outcome: SrpmOutcome, way: Way) {
        match (outcome, way) {
            (SrpmOutcome::Made, Way::Packed) => drop(self.packed.insert(spec)),
            (SrpmOutcome::Made, Way::Downloaded) => drop(self.downloaded.insert(spec)),
            (SrpmOutcome::UpToDate, _) => drop(self.up_to_date.insert(spec)),
            (SrpmOutcome::Failed(failure), _) => drop(self.missing.insert(spec, NoSrpm::Failed(failure))),
            (SrpmOutcome::Cancelled, _) => drop(self.unfinished.insert(spec)),
        }
    }
}

fn describe(summary: &SrpmSummary) -> String {
    let always = [("packed", summary.packed.len()), ("up to date", summary.up_to_date.len())];
    let others = [
        ("downloaded", summary.downloaded.len()),
        ("not for this arch", summary.excluded.len()),
        ("missing", summary.missing.len()),
        ("not finished", summary.unfinished.len()),
    ];
    counts(always, others)
}
