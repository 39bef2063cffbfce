//! Whether a run's results are all there; what failed was told when it happened.

use super::fault::Fault;
use crate::build::Summary;
use crate::image::{AssembledImage, Outcome};

/// Fails when a package has no RPMs.
pub(super) fn of_packages(summary: &Summary) -> Result<(), Fault> {
    if summary.is_success() {
        return Ok(());
    }
    let hint = summary
        .failed
        .keys()
        .next()
        .map(|spec| format!("look at `drydock logs {spec}`, then run the same command: what is finished is kept"));
    Err(Fault::failed(summary.account()).with_hint(hint))
}

/// Fails when an image was not made.
pub(super) fn of_images(assembled: &[AssembledImage]) -> Result<(), Fault> {
    let mut lines = Vec::new();
    for image in assembled {
        if let Outcome::Failed { phase, status, excerpt, log } = &image.outcome {
            lines.push(format!("image {} failed while {phase}: {status}", image.name));
            lines.extend(excerpt.iter().map(|line| format!("  | {line}")));
            lines.push(format!("  log: {}", log.display()));
        }
    }
    if lines.is_empty() { Ok(()) } else { Err(Fault::failed(lines.join("\n"))) }
}
