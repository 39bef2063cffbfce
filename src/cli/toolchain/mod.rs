//! `drydock toolchain`: images of the pipeline's stages.

mod registry;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use super::Project;
use super::bench::Bench;
use super::fault::Fault;
use super::options;
use crate::digest::Sha256;
use crate::event::Event;
use crate::oci::ImageConfig;
use crate::pipeline;

/// Makes, lists, exports, imports, pushes and pulls toolchain images
#[derive(clap::Args)]
#[command(after_help = "Example: drydock toolchain build bootstrap")]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Makes the images of these stages, or of all, with the stages below them
    Build {
        /// Names of stages
        stages: Vec<String>,
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
        /// Where to: `REGISTRY/NAME:TAG`
        reference: String,
        /// A PEM file with an ECDSA P-256 key that the image is signed with, as `cosign sign --key` signs
        #[arg(long, value_name = "FILE")]
        sign_key: Option<PathBuf>,
    },
    /// Takes an image from a registry into the store and prints its digest
    Pull {
        /// Which one: `REGISTRY/NAME:TAG` or `REGISTRY/NAME@sha256:…`
        reference: String,
        /// A PEM file with a public key: an image that this key has not signed is refused
        #[arg(long, value_name = "KEY")]
        require_signature: Option<PathBuf>,
    },
}

pub(super) async fn run(project: &Project, args: Args) -> Result<ExitCode, Fault> {
    match args.action {
        Action::Build { stages } => build(project, &stages).await,
        Action::List => list(project),
        Action::Export { stage, file } => export(project, &stage, &file),
        Action::Import { file } => import(project, &file),
        Action::Push { stage, reference, sign_key } => {
            registry::push(project, made(project, &stage)?, &reference, sign_key.as_deref()).await
        }
        Action::Pull { reference, require_signature } => {
            registry::pull(project, &reference, require_signature.as_deref()).await
        }
    }
}

async fn build(project: &Project, wanted: &[String]) -> Result<ExitCode, Fault> {
    let pipeline = project.pipeline()?;
    for name in wanted {
        if !pipeline.stages.iter().any(|stage| stage.name() == name) {
            return Err(no_stage(name, &pipeline));
        }
    }
    let _lock = project.lock()?;
    let bench = Bench::new(project)?;
    let runner = bench.runner(options::looking());
    let last =
        pipeline.stages.iter().rposition(|stage| wanted.is_empty() || wanted.iter().any(|name| name == stage.name()));
    let upto = last.map_or(0, |last| last + 1);
    runner.stages(&pipeline.stages[..upto]).await?;
    Ok(ExitCode::SUCCESS)
}

#[expect(clippy::print_stdout, reason = "the list is the command's data")]
fn list(project: &Project) -> Result<ExitCode, Fault> {
    for (stage, image) in finished(project)? {
        println!("{stage}\t{}", image.map_or_else(|| "not made".to_owned(), Sha256::to_oci));
    }
    Ok(ExitCode::SUCCESS)
}

fn export(project: &Project, stage: &str, file: &std::path::Path) -> Result<ExitCode, Fault> {
    let image = made(project, stage)?;
    let store = project.store()?;
    let written = store.image(image).and_then(|image| {
        store.write_archive(&image, &format!("localhost/drydock-{stage}:latest"), &project.folder.join(file))
    });
    written.map_err(|error| Fault::host_error(&error).with_hint(error.hint()))?;
    project.tell(&Event::Note { text: format!("wrote {}", file.display()) });
    Ok(ExitCode::SUCCESS)
}

#[expect(clippy::print_stdout, reason = "the digest is the command's data")]
fn import(project: &Project, file: &std::path::Path) -> Result<ExitCode, Fault> {
    let _lock = project.lock()?;
    let store = project.store()?;
    let imported = store.import_archive(&project.folder.join(file), &ImageConfig::default());
    let image = imported.map_err(|error| Fault::usage_error(&error).with_hint(error.hint()))?;
    println!("{}", image.manifest.to_oci());
    Ok(ExitCode::SUCCESS)
}

/// The image of the stage.
fn made(project: &Project, stage: &str) -> Result<Sha256, Fault> {
    let pipeline = project.pipeline()?;
    let found = finished(project)?.into_iter().find(|(name, _)| name == stage);
    let (_, image) = found.ok_or_else(|| no_stage(stage, &pipeline))?;
    image.ok_or_else(|| {
        Fault::usage(format!("stage `{stage}` is not made")).with_hint(Some(format!("drydock toolchain build {stage}")))
    })
}

fn finished(project: &Project) -> Result<Vec<(String, Option<Sha256>)>, Fault> {
    let store = project.store()?;
    let finished = pipeline::finished_stages(&project.pipeline()?.stages, &project.layout, &store);
    Ok(finished?.into_iter().map(|(name, made)| (name, made.map(|made| made.image))).collect())
}

fn no_stage(name: &str, pipeline: &pipeline::Pipeline) -> Fault {
    let names: Vec<&str> = pipeline.stages.iter().map(pipeline::Stage::name).collect();
    Fault::usage(format!("pipeline `{}` has no stage `{name}`; it has `{}`", pipeline.name, names.join("`, `")))
}
