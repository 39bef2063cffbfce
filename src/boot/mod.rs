//! Starts a finished image and looks at it from the inside.
//!
//! In: a disk image or ISO, and who may log in. Out: what was seen on its serial console: the login prompt, a login, what
//! `/etc/os-release` and the list of packages say, and that it powers itself off. An image that does not come that far is a
//! result, not an error. QEMU runs as a process of the user, without network, on a snapshot that is thrown away, so that the
//! image stays as it is; it dies with Drydock. An OCI image is tested in a container, see [`container`].

mod console;
pub mod container;
mod dialog;
mod disk;
mod error;
mod firmware;
mod machine;
mod report;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

pub use error::BootError;
pub use firmware::Firmware;
pub use machine::{Accelerator, DiskBus};
pub use report::{BootRun, Problem, Seen};

use disk::Kind;
use machine::Machine;

/// By which firmware an image is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirmwareChoice {
    /// What the image is made for; both for an ISO.
    Auto,
    /// This one.
    Only(Firmware),
    /// One after the other.
    Both,
}

/// A user of the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// Name.
    pub user: String,
    /// Password in plain text.
    pub password: String,
}

/// How an image is started.
#[derive(Clone, Debug)]
pub struct BootOptions {
    /// By which firmware.
    pub firmware: FirmwareChoice,
    /// Who logs in.
    pub login: Login,
    /// Time for the login prompt to appear.
    pub boot_limit: Duration,
    /// Time for each answer after it, and for powering off.
    pub answer_limit: Duration,
    /// How QEMU runs the guest.
    pub accelerator: Accelerator,
    /// How a disk is attached.
    pub bus: DiskBus,
    /// Memory of the machine in MiB.
    pub memory_mib: u32,
    /// An existing folder for transcripts, named after image and firmware.
    pub logs: PathBuf,
}

impl BootOptions {
    /// Ten minutes for the prompt, as emulation is slow, one for each answer; 1 GiB of memory.
    pub fn new(login: Login, logs: PathBuf) -> Self {
        Self {
            firmware: FirmwareChoice::Auto,
            login,
            boot_limit: Duration::from_mins(10),
            answer_limit: Duration::from_mins(1),
            accelerator: Accelerator::Tcg,
            bus: DiskBus::Virtio,
            memory_mib: 1024,
            logs,
        }
    }
}

/// Starts `image` by each wanted firmware, one after the other, and tells how each went.
pub async fn test(image: &Path, options: &BootOptions, cancel: &CancellationToken) -> Result<Vec<BootRun>, BootError> {
    let path = image.to_owned();
    let kind = tokio::task::spawn_blocking(move || disk::kind(&path)).await.map_err(BootError::Task)??;
    let mut runs = Vec::new();
    for firmware in firmwares(options.firmware, &kind) {
        runs.push(run(image, &kind, (firmware, options), cancel).await?);
    }
    Ok(runs)
}

fn firmwares(choice: FirmwareChoice, kind: &Kind) -> Vec<Firmware> {
    match choice {
        FirmwareChoice::Only(firmware) => vec![firmware],
        FirmwareChoice::Both => vec![Firmware::Bios, Firmware::Uefi],
        FirmwareChoice::Auto => kind.firmwares().to_vec(),
    }
}

async fn run(
    image: &Path,
    kind: &Kind,
    (firmware, options): (Firmware, &BootOptions),
    cancel: &CancellationToken,
) -> Result<BootRun, BootError> {
    let name = image.file_name().unwrap_or(OsStr::new("image")).to_string_lossy();
    let transcript = options.logs.join(format!("{name}.{firmware}.log"));
    let variables = match firmware {
        Firmware::Bios => None,
        Firmware::Uefi => Some(firmware::prepare(&options.logs.join(format!("{name}.variables"))).await?),
    };
    let arguments = Machine { image, kind, options, firmware: variables.as_ref() }.arguments();
    let started = Instant::now();
    let talk = dialog::talk(&arguments, options, &transcript);
    let result = tokio::select! {
        result = talk => result,
        () = cancel.cancelled() => Err(BootError::Cancelled),
    };
    if let Some(variables) = &variables {
        // A copy that nobody needs any more; one that stays is harmless.
        let _ = tokio::fs::remove_file(&variables.variables).await;
    }
    let (seen, problem) = result?;
    Ok(BootRun { image: image.to_owned(), firmware, seen, problem, elapsed: started.elapsed(), transcript })
}
