//! Whether a run's results are all there; what failed was told when it happened.

use super::fault::Fault;
use crate::build::Summary;
use crate::image::{AssembledImage, Outcome};

/// Fails when a package has no RPMs.
pub(super) fn of_packages(summary: &Summary) -> Result<(), Fault> {
    if summary.is_success() {
        return Ok(());
    }
    let lacking = summary.lacking();
    let all = lacking + summary.built.len() + summary.up_to_date.len();
    let mut lines = vec![format!("{lacking} of {all} packages have no RPMs")];
    lines.extend(summary.failed.iter().map(|(spec, failure)| {
        format!("  {spec}: {}: {}, log: {}", failure.phase, failure.status, failure.log.display())
    }));
    lines.extend(summary.blocked.iter().map(|(spec, by)| format!("  {spec}: blocked by {by}")));
    lines.extend(summary.unfinished.iter().map(|spec| format!("  {spec}: not finished")));
    if !summary.left_out.is_empty() {
        lines.push(format!("  {} were left out before the first build, see above", summary.left_out.len()));
    }
    lines.extend(summary.unreadable.iter().map(|path| format!("  `{}` does not parse, see above", path.display())));
    let hint = summary
        .failed
        .keys()
        .next()
        .map(|spec| format!("look at `drydock logs {spec}`, then run the same command: what is finished is kept"));
    Err(Fault::failed(lines.join("\n")).with_hint(hint))
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
