//! `drydock clean`: removes what can be made again.

use std::path::Path;
use std::process::ExitCode;

use super::Project;
use super::fault::Fault;
use crate::event::Event;
use crate::removal;

/// Removes intermediate files: work in progress and logs, unless more is asked for
#[derive(clap::Args)]
#[command(after_help = "Example: drydock clean --results")]
pub(super) struct Args {
    /// Also finished results: the store, toolchain images, unpacked layers and caches of this project, and its images in Docker and Podman
    #[arg(long)]
    results: bool,
    /// Also what is in the output folder
    #[arg(long)]
    output: bool,
    /// Also downloaded sources, which other projects of yours use, too
    #[arg(long)]
    sources: bool,
}

pub(super) async fn run(project: &Project, args: &Args) -> Result<ExitCode, Fault> {
    let locks = (project.lock()?, project.lock_for_push()?);
    let store = project.store()?;
    // Folders of the embedded engine may belong to users of a user namespace, which only the engine can remove.
    let engine = project.engine(&store);
    let layout = &project.layout;
    let mut gone = vec![
        layout.work(),
        layout.build().join("logs"),
        layout.build_state_json(),
        layout.build_state_csv(),
        layout.for_verification().build().to_owned(),
    ];
    if args.results {
        let wiped = engine.wipe().await.map_err(|error| Fault::host_error(&error).with_hint(error.hint()))?;
        for what in wiped {
            project.tell(&Event::Note { text: format!("removed {what}") });
        }
        gone.extend([layout.store(), layout.oci(), layout.embedded(), layout.state(), layout.stages()]);
    }
    if args.output {
        gone.extend([layout.rpms(), layout.srpms(), layout.images()]);
    }
    if args.sources {
        gone.extend([layout.sources(), layout.indexes()]);
    }
    for path in gone {
        remove(project, &path)?;
    }
    drop(locks);
    Ok(ExitCode::SUCCESS)
}

fn remove(project: &Project, path: &Path) -> Result<(), Fault> {
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    match removal::remove(path) {
        Ok(()) => project.tell(&Event::Note { text: format!("removed {}", path.display()) }),
        Err(error) => return Err(Fault::host(format!("cannot remove `{}`: {error}", path.display()))),
    }
    Ok(())
}
