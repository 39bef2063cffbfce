//! `drydock toolchain push` and `pull`: images of a registry, signed and verified.

use std::path::Path;
use std::process::ExitCode;

use crate::attest::{self, AttestError, PublicKey, SigningKey};
use crate::cli::access;
use crate::cli::fault::Fault;
use crate::cli::project::Project;
use crate::digest::Sha256;
use crate::event::Event;
use crate::oci::registry::{self, Access, Patience};
use crate::report;

pub(super) async fn push(
    project: &Project,
    image: Sha256,
    reference: &str,
    sign_key: Option<&Path>,
) -> Result<ExitCode, Fault> {
    let _lock = project.lock_for_push()?;
    let store = project.store()?;
    let (credentials, report) = (access::credentials(), |event: Event| project.tell(&event));
    let access =
        Access { credentials: &credentials, patience: Patience::default(), report: &report, cancel: &project.cancel };
    let pushed = async {
        if let Some(path) = sign_key {
            let key = SigningKey::read(&project.folder.join(path))?;
            attest::sign_all(reference, image, &key, (&store, &access)).await?;
        }
        registry::push(&store, image, reference, &access).await?;
        Ok(())
    };
    pushed.await.map_err(|error| fault(&error))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn pull(project: &Project, reference: &str) -> Result<ExitCode, Fault> {
    let _lock = project.lock()?;
    let store = project.store()?;
    let (credentials, report) = (access::credentials(), |event: Event| project.tell(&event));
    let access =
        Access { credentials: &credentials, patience: Patience::default(), report: &report, cancel: &project.cancel };
    let pulled = async {
        let key = project.registry.key.as_deref().map(PublicKey::read).transpose()?;
        let Some(digest) = registry::resolve(reference, &access).await? else { return Ok(None) };
        Ok(Some(attest::pull_trusted(reference, digest, key.as_ref(), (&store, &access)).await?))
    };
    let pulled = pulled.await.map_err(|error| fault(&error))?.ok_or_else(|| {
        let hint = "check its name and its tag".to_owned();
        Fault::usage(format!("there is no image `{reference}`")).with_hint(Some(hint))
    })?;
    report::data(&format!("{}\n", pulled.image.manifest.to_oci()))?;
    Ok(ExitCode::SUCCESS)
}

fn fault(error: &AttestError) -> Fault {
    let fault = if error.is_usage() { Fault::usage_error(error) } else { Fault::host_error(error) };
    fault.with_hint(error.hint())
}
