//! `drydock toolchain`: images of the pipeline's stages.

mod compare;
mod registry;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use super::Project;
use super::bench::Bench;
use super::fault::Fault;
use super::options::WorkArgs;
use crate::digest::Sha256;
use crate::event::Event;
use crate::oci::{ImageConfig, OciError};
use crate::pipeline::{self, Pipeline, Recipes};
use crate::report;

/// Makes, lists, exports, imports, pushes and pulls toolchain images
#[derive(clap::Args)]
#[command(after_help = "Example: drydock toolchain build bootstrap")]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Makes the images of these stages, or of all, with what they need of the stages below
    Build {
        /// Names of stages
        stages: Vec<String>,
        #[command(flatten)]
        work: Box<WorkArgs>,
    },
    /// Lists the stages with their images
    List,
    /// Writes a stage's image as an archive that `docker load` and `podman load` take
    Export {
        /// Name of a stage
        stage: String,
        /// The archive
        file: PathBuf,
    },
    /// Takes an image archive or rootfs tar into the store and prints its digest
    Import {
        /// The archive
        file: PathBuf,
    },
    /// Gives a stage's image to a registry
    Push {
        /// Name of a stage
        stage: String,
        /// Where to: `REGISTRY/NAME:TAG`; the place where other machines look for the stage in the registry when not given
        reference: Option<String>,
        /// A PEM file with an ECDSA P-256 key that the image is signed with, as `cosign sign --key` signs
        #[arg(long, value_name = "FILE")]
        sign_key: Option<PathBuf>,
    },
    /// Takes an image from a registry into the store and prints its digest
    Pull {
        /// Which one: `REGISTRY/NAME:TAG` or `REGISTRY/NAME@sha256:…`
        reference: String,
    },
    /// Builds the packages of a stage again and compares the RPMs with those at hand
    Verify {
        /// Name of a stage that is made of packages
        stage: String,
        /// Names of its packages; all when none is given
        names: Vec<String>,
        #[command(flatten)]
        work: Box<WorkArgs>,
    },
    /// Compares the RPMs of two stages that are made of the same packages
    Compare {
        /// Name of a stage that is made of packages
        first: String,
        /// Name of another
        second: String,
    },
}

pub(super) async fn run(project: &Project, args: Args) -> Result<ExitCode, Fault> {
    match args.action {
        Action::Build { stages, work } => build(project, &stages, &work).await,
        Action::List => list(project),
        Action::Export { stage, file } => export(project, &stage, &file),
        Action::Import { file } => import(project, &file),
        Action::Push { stage, reference, sign_key } => {
            let (pipeline, recipes) = (project.pipeline()?, Recipes::new(&project.layout, &project.cancel));
            let image = made(project, (&pipeline, &recipes), &stage)?;
            let reference = reference.map_or_else(|| reference_of(project, (&pipeline, &recipes), &stage), Ok)?;
            registry::push(project, image, &reference, sign_key.as_deref()).await
        }
        Action::Pull { reference } => registry::pull(project, &reference).await,
        Action::Verify { stage, names, work } => compare::verify(project, &stage, &names, &work).await,
        Action::Compare { first, second } => compare::stages(project, &first, &second),
    }
}

async fn build(project: &Project, wanted: &[String], work: &WorkArgs) -> Result<ExitCode, Fault> {
    let pipeline = project.pipeline()?;
    let used = pipeline.used_stages();
    for name in wanted {
        pipeline.stage(name)?;
    }
    let options = work.options(&project.folder)?;
    let _lock = project.lock()?;
    let bench = Bench::new(project)?;
    let runner = bench.runner(options);
    let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
    runner.stages(&pipeline, if wanted.is_empty() { &used } else { &wanted }).await?;
    Ok(ExitCode::SUCCESS)
}

fn list(project: &Project) -> Result<ExitCode, Fault> {
    let line = |(stage, image): (String, Option<Sha256>)| {
        format!("{stage}\t{}\n", image.map_or_else(|| "not made".to_owned(), Sha256::to_oci))
    };
    let finished = finished(project, (&project.pipeline()?, &Recipes::new(&project.layout, &project.cancel)))?;
    report::data(&finished.into_iter().map(line).collect::<String>())?;
    Ok(ExitCode::SUCCESS)
}

fn export(project: &Project, stage: &str, file: &std::path::Path) -> Result<ExitCode, Fault> {
    let image = made(project, (&project.pipeline()?, &Recipes::new(&project.layout, &project.cancel)), stage)?;
    let store = project.store()?;
    let written = store.image(image).and_then(|image| {
        store.write_archive(&image, &format!("localhost/drydock-{stage}:latest"), &project.folder.join(file))
    });
    written.map_err(|error| Fault::host_error(&error).with_hint(error.hint()))?;
    project.tell(&Event::Note { text: format!("wrote {}", file.display()) });
    Ok(ExitCode::SUCCESS)
}

fn import(project: &Project, file: &std::path::Path) -> Result<ExitCode, Fault> {
    let _lock = project.lock()?;
    let store = project.store()?;
    let imported = store.import_archive(&project.folder.join(file), &ImageConfig::default());
    let image = imported.map_err(|error| {
        // What cannot be read or understood is the archive.
        let is_host = matches!(error, OciError::Write { .. });
        let fault = if is_host { Fault::host_error(&error) } else { Fault::usage_error(&error) };
        fault.with_hint(error.hint())
    })?;
    report::data(&format!("{}\n", image.manifest.to_oci()))?;
    Ok(ExitCode::SUCCESS)
}

/// The image of the stage.
fn made(project: &Project, of: (&Pipeline, &Recipes<'_>), stage: &str) -> Result<Sha256, Fault> {
    of.0.stage(stage)?;
    let image = finished(project, of)?.into_iter().find_map(|(name, image)| image.filter(|_| name == stage));
    image.ok_or_else(|| {
        Fault::usage(format!("stage `{stage}` is not made")).with_hint(Some(format!("drydock toolchain build {stage}")))
    })
}

/// Where other machines look for the stage.
fn reference_of(
    project: &Project,
    (pipeline, recipes): (&Pipeline, &Recipes<'_>),
    stage: &str,
) -> Result<String, Fault> {
    let registry = project.registry.over(pipeline.registry.as_ref()).ok_or_else(|| {
        let hint =
            "name a place, as in `drydock toolchain push STAGE REGISTRY/NAME:TAG`, or a registry by `--registry`";
        Fault::usage("there is no registry to push to").with_hint(Some(hint.to_owned()))
    })?;
    Ok(registry.reference(pipeline, stage, recipes)?)
}

fn finished(
    project: &Project,
    (pipeline, recipes): (&Pipeline, &Recipes<'_>),
) -> Result<Vec<(String, Option<Sha256>)>, Fault> {
    let finished = pipeline::finished_stages(&pipeline.stages, recipes, &project.store()?);
    Ok(finished?.into_iter().map(|(name, made)| (name, made.map(|made| made.image))).collect())
}
