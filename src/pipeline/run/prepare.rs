//! What is known before the first build: specs are read, and what is asked for is put in order.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::archives::Grounds;
use super::made::MadeStages;
use super::runner::Runner;
use super::selection::Selected;
use crate::build::{BuildError, Checks, Ended, Preview};
use crate::cache::History;
use crate::event::Event;
use crate::graph::{self, BuildGraph, Goals, GraphError, Obstacle, Partial};
use crate::image::{self, ImageError};
use crate::package::{Capability, Requirement, RpmHeader};
use crate::pipeline::error::PipelineError;
use crate::pipeline::file::Packages;
use crate::pipeline::options::Obstacles;
use crate::plan::{Exception, Owned, Taken};
use crate::remote::Remote;
use crate::repo::Repo;
use crate::source::{self, SourceError, SourceProblem};
use crate::spec::{self, LoadedSpecs, Loader, Selection, Shadowed, SourcePackage, SpecFailure};
use crate::toolchain::Toolchain;

/// Everything that is known before the first build starts.
pub struct Prepared {
    /// The image that packages are built in.
    pub toolchain: Toolchain,
    /// All specs of the folders.
    pub specs: LoadedSpecs,
    /// Where their sources may come from.
    pub(super) grounds: Grounds,
    /// Whose `%check` runs.
    pub checks: Checks,
    /// Names of specs that are built whether or not their result is at hand.
    pub(super) rebuild: BTreeSet<String>,
    /// Names of specs whose last result is taken, whatever has changed.
    pub(super) ignored: BTreeSet<String>,
    /// The specs of the run and their order.
    pub graph: BuildGraph,
    /// What specs may do that others may not.
    pub(super) exceptions: BTreeMap<String, BTreeSet<Exception>>,
    /// What the run is to reach.
    pub(super) goals: Goals,
    /// The remote repositories.
    pub(super) remote: Remote,
    /// Specs that were asked for or are needed and are not in the graph, since they cannot be built, with the reason.
    pub left_out: BTreeMap<String, String>,
}

/// The specs of a graph, sorted by name.
fn in_graph<'a>(specs: &'a LoadedSpecs, graph: &'a BuildGraph) -> impl Iterator<Item = &'a SourcePackage> {
    specs.packages.iter().filter(|package| graph.needs.contains_key(&package.spec))
}

/// Refuses a run of which nothing is for this architecture.
fn some_for_this_arch(graph: &BuildGraph, arch: &str) -> Result<(), PipelineError> {
    if graph.needs.is_empty() && !graph.excluded.is_empty() {
        return Err(PipelineError::OtherArch { arch: arch.to_owned(), specs: graph.excluded.clone() });
    }
    Ok(())
}

/// True when a spec that does not parse is asked for by its name.
pub(super) fn is_named(failure: &SpecFailure, goals: &Goals) -> bool {
    matches!(goals, Goals::Named(words) if words.iter().any(|word| failure.is_of(word)))
}

/// The specs whose sources cannot be had.
pub(super) fn of_sources(problems: &[SourceProblem]) -> impl Iterator<Item = (String, Obstacle)> {
    problems.iter().map(|problem| (problem.spec.clone(), Obstacle::Sources(problem.to_string())))
}

/// What earlier builds told.
pub(super) struct Learned {
    /// Headers of the RPMs in the repository.
    known: Vec<RpmHeader>,
    /// What `%generate_buildrequires` asked for, by spec; only for specs that have not changed since.
    generated: BTreeMap<String, Vec<Requirement>>,
    /// The RPMs in the repository, by spec.
    pub(super) owned: Vec<Owned>,
    /// How builds of this run have ended.
    pub(super) ended: Ended,
}

/// What a graph is made of.
pub(super) struct Read {
    toolchain: Toolchain,
    pub(super) specs: LoadedSpecs,
    grounds: Grounds,
    pub(super) learned: Learned,
    remote: Remote,
    checks: Checks,
    exceptions: BTreeMap<String, BTreeSet<Exception>>,
    pub(super) selected: Selected,
    /// Specs that would make RPMs of others.
    pub(super) rivals: BTreeMap<String, Taken>,
}

/// What graphs are made of.
fn inputs<'a>(
    toolchain: &'a Toolchain,
    specs: &'a LoadedSpecs,
    remote: &'a Remote,
    checks: &'a Checks,
    learned: &'a Learned,
) -> graph::Inputs<'a> {
    graph::Inputs {
        specs: &specs.packages,
        given: &toolchain.provides,
        installed: &toolchain.packages,
        known: &learned.known,
        finished: &learned.ended.finished,
        failed: &learned.ended.failed,
        remote: remote.packages(),
        checked: &checks.asked,
        generated: &learned.generated,
    }
}

impl Read {
    pub(super) fn inputs(&self) -> graph::Inputs<'_> {
        inputs(&self.toolchain, &self.specs, &self.remote, &self.checks, &self.learned)
    }

    /// Makes goals of so many layers of specs that need the goals: those whose buildroots have packages of them, and so on.
    fn add_layers(&mut self, layers: u32) -> Result<(), GraphError> {
        let Goals::Named(words) = &self.selected.goals else { return Ok(()) };
        if layers == 0 {
            return Ok(());
        }
        let asked = graph::resolve_partly(self.inputs(), &self.selected.goals)?.graph.goals;
        let all = graph::resolve_partly(self.inputs(), &Goals::All)?.graph;
        let more = all.layers_after(&asked, layers);
        self.selected.goals = Goals::Named(words.iter().cloned().chain(more).collect());
        Ok(())
    }

    fn prepared(self, mut graph: BuildGraph) -> Prepared {
        let Self { mut toolchain, specs, grounds, remote, checks, exceptions, selected, rivals, .. } = self;
        let Selected { goals, rebuild, ignored } = selected;
        toolchain.provides.extend(graph.assumed.iter().map(|name| Capability::new(name.clone(), None)));
        graph.take_as_built(&ignored);
        let left_out = rivals.iter().map(|(spec, taken)| (spec.clone(), taken.to_string())).collect();
        Prepared { toolchain, specs, grounds, checks, rebuild, ignored, graph, exceptions, goals, remote, left_out }
    }
}

impl Prepared {
    /// What graphs are made of, with what is `learned` of builds.
    pub(super) fn inputs<'a>(&'a self, learned: &'a Learned) -> graph::Inputs<'a> {
        inputs(&self.toolchain, &self.specs, &self.remote, &self.checks, learned)
    }

    /// Fails when a spec is left out.
    pub(super) fn refuse_left_out(&self) -> Result<(), PipelineError> {
        let Some((spec, why)) = self.left_out.first_key_value() else { return Ok(()) };
        Err(PipelineError::Taken { spec: spec.clone(), why: why.clone() })
    }

    /// The specs of the run, sorted by name.
    pub(super) fn packages(&self) -> impl Iterator<Item = &SourcePackage> {
        in_graph(&self.specs, &self.graph)
    }
}

impl Runner<'_> {
    /// Reads the specs of `packages` and finds what `goals` need.
    pub async fn prepare(
        &self,
        packages: &Packages,
        made: &MadeStages,
        goals: &Goals,
    ) -> Result<Prepared, PipelineError> {
        let read = self.read(packages, made, goals).await?;
        let graph = graph::resolve(read.inputs(), &read.selected.goals);
        if matches!(graph, Err(GraphError::Unresolved(_))) {
            for text in read.remote.ages() {
                (self.report)(Event::Note { text });
            }
        }
        let graph = graph.map_err(|error| match error {
            error @ GraphError::Unresolved(_) if self.options.remote.locked => PipelineError::NotLocked(error),
            error => error.into(),
        })?;
        let graph = read.without_rivals(graph);
        some_for_this_arch(&graph, &read.toolchain.arch)?;
        self.tell_rivals(&read.rivals, &read.specs, &graph);
        Ok(read.prepared(graph))
    }

    /// Reads the specs of `packages` and finds what `goals` need, also where that cannot be built; and why it cannot.
    pub async fn survey(
        &self,
        packages: &Packages,
        made: &MadeStages,
        goals: &Goals,
    ) -> Result<(Prepared, Partial), PipelineError> {
        let read = self.read(packages, made, goals).await?;
        let mut partial = graph::survey(read.inputs(), &read.selected.goals)?;
        let graph = std::mem::take(&mut partial.graph);
        Ok((read.prepared(graph), partial))
    }

    /// What a run would do, and what stands in the way of what cannot be built, which is left out of it.
    pub async fn preview_partly(
        &self,
        packages: &Packages,
        made: &MadeStages,
        goals: &Goals,
    ) -> Result<(Prepared, Preview, Partial), PipelineError> {
        let (read, mut partial) = self.read_partly(packages, made, goals).await?;
        let wanted: Vec<_> = in_graph(&read.specs, &partial.graph).flat_map(SourcePackage::wanted_sources).collect();
        let (sources, problems) = source::signed(&wanted, &read.grounds.checkout, self.layout, &|_| {}).await?;
        partial.leave_out(of_sources(&problems));
        self.tell_rivals(&BTreeMap::new(), &read.specs, &partial.graph);
        partial.leave_out(read.rivals.iter().map(|(spec, taken)| (spec.clone(), Obstacle::Taken(taken.to_string()))));
        let prepared = read.prepared(std::mem::take(&mut partial.graph));
        let preview = self.preview_with(&prepared, &sources)?;
        Ok((prepared, preview, partial))
    }

    /// As [`Runner::prepare`], without what cannot be built; the graph is that of the second value.
    pub(super) async fn prepare_partly(
        &self,
        packages: &Packages,
        made: &MadeStages,
        goals: &Goals,
    ) -> Result<(Prepared, Partial), PipelineError> {
        let (read, mut partial) = self.read_partly(packages, made, goals).await?;
        self.tell_rivals(&read.rivals, &read.specs, &partial.graph);
        let mut prepared = read.prepared(std::mem::take(&mut partial.graph));
        partial.graph = std::mem::take(&mut prepared.graph);
        Ok((prepared, partial))
    }

    /// Reads the specs of `packages` and finds what of `goals` can be built.
    async fn read_partly(
        &self,
        packages: &Packages,
        made: &MadeStages,
        goals: &Goals,
    ) -> Result<(Read, Partial), PipelineError> {
        let read = self.read(packages, made, goals).await?;
        let mut partial = graph::resolve_partly(read.inputs(), &read.selected.goals)?;
        partial.graph = read.without_rivals(partial.graph);
        if partial.left_out.is_empty() {
            some_for_this_arch(&partial.graph, &read.toolchain.arch)?;
        }
        Ok((read, partial))
    }

    /// Tells what stands in the way, each thing once.
    pub(super) fn tell_obstacles(&self, partial: Partial, problems: Vec<SourceProblem>) {
        let count = partial.left_out.len();
        if count == 0 {
            return;
        }
        let mut texts: Vec<String> = partial.errors().iter().map(ToString::to_string).collect();
        if !problems.is_empty() {
            texts.push(SourceError::Unavailable(problems).to_string());
        }
        texts.push(format!("{count} of the specs that are asked for or needed cannot be built and are left out"));
        (self.report)(Event::Warning { text: texts.join("\n") });
    }

    /// Reads all specs of `packages`, what is asked for of them, and what is known of earlier builds.
    async fn read(&self, packages: &Packages, made: &MadeStages, goals: &Goals) -> Result<Read, PipelineError> {
        let toolchain = self.toolchain(packages, made)?;
        let specs = self.load(packages, &toolchain, Selection::All).await?;
        let goals = &self.readable(goals, &specs.failures)?;
        let selected = self.select(goals, &specs.packages, &toolchain.arch)?;
        let checks = self.options.checks.select(packages, &specs)?;
        let remote = self.remote(packages, made, &toolchain).await?;
        let learned = self.learned(&specs.packages)?;
        let exceptions = self.exceptions(&packages.exceptions, &specs.packages);
        let grounds = self.grounds(packages, made);
        let rivals = BTreeMap::new();
        let mut read = Read { toolchain, specs, grounds, learned, remote, checks, exceptions, selected, rivals };
        read.add_layers(self.options.wishes.extra_layers)?;
        read.selected.goals = self.options.checks.with_goals(&read.selected.goals);
        if !read.remote.packages().is_empty() {
            let paths = graph::missing_paths(read.inputs(), &read.selected.goals)?;
            if !paths.is_empty() {
                self.add_files(&mut read, &paths, (packages, made)).await?;
            }
        }
        read.rivals = read.leave_out_rivals()?;
        Ok(read)
    }

    /// Adds to remote packages which of `paths` they have. Metadata that name a list of files which is gone are asked for
    /// again.
    async fn add_files(
        &self,
        read: &mut Read,
        paths: &BTreeSet<String>,
        (packages, made): (&Packages, &MadeStages),
    ) -> Result<(), PipelineError> {
        match self.unless_cancelled(read.remote.add_files(paths, self.report)).await {
            Err(PipelineError::Remote(error)) if error.is_outdated() => {
                read.remote = self.remote(packages, made, &read.toolchain).await?;
                self.unless_cancelled(read.remote.add_files(paths, self.report)).await
            }
            added => added,
        }
    }

    /// Tells which specs do not parse. What of `goals` is left; nothing when one of them is among those specs and obstacles
    /// are refused.
    fn readable(&self, goals: &Goals, failures: &[SpecFailure]) -> Result<Goals, PipelineError> {
        let asked: Vec<SpecFailure> = failures.iter().filter(|failure| is_named(failure, goals)).cloned().collect();
        if !asked.is_empty() && self.options.obstacles == Obstacles::Refuse {
            return Err(PipelineError::Unreadable(asked));
        }
        for failure in failures {
            (self.report)(Event::Warning { text: format!("{failure}\n  it is left out") });
        }
        Ok(match goals {
            Goals::All => Goals::All,
            Goals::Named(words) => {
                let is_readable = |word: &&String| !asked.iter().any(|failure| failure.is_of(word));
                Goals::Named(words.iter().filter(is_readable).cloned().collect())
            }
        })
    }

    /// For each of `configs`, image configurations, its name and the specs of which the image holds packages.
    pub fn specs_of_images(
        &self,
        configs: &[PathBuf],
        prepared: &Prepared,
    ) -> Result<BTreeMap<String, BTreeSet<String>>, PipelineError> {
        let learned = self.learned(&prepared.specs.packages)?;
        let inputs = prepared.inputs(&learned);
        let mut held = BTreeMap::new();
        for path in configs {
            let config = image::config::read(path).map_err(ImageError::from)?;
            let wanted = image::packages::wanted(&config, &prepared.toolchain.arch);
            held.insert(config.name, graph::specs_held(&wanted, inputs)?);
        }
        Ok(held)
    }

    /// What builds have told of `packages` up to now.
    pub(super) fn learned(&self, packages: &[SourcePackage]) -> Result<Learned, BuildError> {
        let repo = Repo::open(self.layout).map_err(BuildError::Repository)?;
        let (known, owned) = (repo.packages().into_iter().map(|rpm| rpm.rpm.header).collect(), repo.owned());
        let mut asked = History::new(self.layout).asked().map_err(BuildError::Records)?;
        let asked = packages.iter().filter_map(|package| Some((package, asked.remove(&package.spec)?)));
        let unchanged = asked.filter(|(package, asked)| asked.spec_digest == package.spec_digest);
        let generated = unchanged.map(|(package, asked)| (package.spec.clone(), asked.requirements)).collect();
        Ok(Learned { known, generated, owned, ended: Ended::default() })
    }

    /// What RPM makes of the specs of `packages`.
    pub async fn load(
        &self,
        packages: &Packages,
        toolchain: &Toolchain,
        selection: Selection<'_>,
    ) -> Result<LoadedSpecs, PipelineError> {
        let loader = Loader {
            engine: self.engine,
            toolchain,
            layout: self.layout,
            jobs: self.options.jobs,
            limits: spec::Limits { seconds: self.options.spec_seconds, memory_bytes: self.options.memory_bytes },
            report: self.report,
            cancel: self.cancel,
        };
        let specs = spec::load(&loader, &packages.specs, selection).await?;
        for Shadowed { name, taken, left_out } in &specs.shadowed {
            let (taken, left_out) = (taken.display(), left_out.display());
            let text = format!("`{name}` is there twice: `{taken}` counts, `{left_out}` is left out");
            (self.report)(Event::Warning { text });
        }
        if let Some(first) = specs.deeper.first() {
            let (count, first) = (specs.deeper.len(), first.display());
            let text = format!("{count} spec files lie too deep to be read, more than one folder down: `{first}`, …");
            (self.report)(Event::Warning { text });
        }
        Ok(specs)
    }
}
