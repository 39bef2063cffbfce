//! What the stages of a pipeline run with: the image store, the engine, and the project's printer.

use std::sync::atomic::AtomicBool;

use super::fault::Fault;
use super::{Project, access, goals, options, project};
use crate::engine::Engine;
use crate::event::Event;
use crate::graph::Partial;
use crate::layout::LOCK_FILE;
use crate::oci::Store;
use crate::pipeline::{self, MadeStages, Options, Packages, Pipeline, Prepared, Runner};

/// So many specs that cannot be built are told by name.
const MOST_TOLD: usize = 5;

/// The store and the engine of a project, opened.
pub(super) struct Bench<'a> {
    project: &'a Project,
    /// Holds images.
    pub(super) store: Store,
    /// Runs containers.
    pub(super) engine: Engine,
    report: Box<dyn Fn(Event) + Send + Sync + 'a>,
}

impl<'a> Bench<'a> {
    pub(super) fn new(project: &'a Project) -> Result<Self, Fault> {
        let store = project.store()?;
        let engine = project.engine(&store);
        Ok(Self { project, store, engine, report: Box::new(|event| project.tell(&event)) })
    }

    /// What runs the stages.
    pub(super) fn runner(&self, options: Options) -> Runner<'_> {
        Runner {
            engine: &self.engine,
            store: &self.store,
            layout: &self.project.layout,
            archives: pipeline::host_archives(),
            credentials: access::credentials(),
            report: &*self.report,
            cancel: &self.project.cancel,
            options: Options {
                remote: self.project.remote(),
                registry: self.project.registry.clone(),
                spec_seconds: self.project.spec_seconds,
                ..options
            },
            lock_file: self.project.folder.join(LOCK_FILE),
            refreshed: AtomicBool::new(false),
        }
    }
}

/// The package stage of a pipeline whose toolchain is made, to look at.
pub(super) struct Look<'a> {
    /// Makes nothing.
    pub(super) runner: Runner<'a>,
    /// The package stage.
    pub(super) packages: &'a Packages,
    /// The toolchain's stages.
    pub(super) made: MadeStages,
}

impl<'a> Look<'a> {
    /// Refuses when the toolchain is not made.
    pub(super) fn at(bench: &'a Bench<'a>, pipeline: &'a Pipeline) -> Result<Self, Fault> {
        let packages = project::packages_of(pipeline)?;
        let made = bench.project.made(pipeline, &packages.toolchain, &bench.store)?;
        Ok(Self { runner: bench.runner(options::looking()), packages, made })
    }

    /// What `names` need, or what the pipeline builds; what cannot be built is told and is there all the same.
    pub(super) async fn survey(&self, names: &[String]) -> Result<Prepared, Fault> {
        let goals = goals::of(names, self.packages);
        let (prepared, partial) = self.runner.survey(self.packages, &self.made, &goals).await?;
        if let Some(text) = told(&partial) {
            (self.runner.report)(Event::Warning { text });
        }
        Ok(prepared)
    }
}

/// Which specs cannot be built; None when all can.
fn told(partial: &Partial) -> Option<String> {
    let count = partial.left_out.len();
    let lines = partial.left_out.iter().take(MOST_TOLD).map(|(spec, why)| format!("\n  {spec}: {why}"));
    let more = if count > MOST_TOLD {
        format!("\n  and {} more: see `drydock plan`", count - MOST_TOLD)
    } else {
        String::new()
    };
    let specs = if count == 1 { "spec" } else { "specs" };
    let text = format!(
        "{count} {specs} cannot be built; what is known of them is told all the same{}{more}",
        lines.collect::<String>()
    );
    (count > 0).then_some(text)
}
