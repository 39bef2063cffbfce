//! The image stage: disk images from the packages in the repository.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use super::made::MadeStages;
use super::runner::{Runner, toolchain_of};
use crate::build::BuildError;
use crate::event::{Event, Report};
use crate::image::{self, AssembledImage, AvailableRpm, ImageContext};
use crate::pipeline::error::PipelineError;
use crate::pipeline::file::{Images, Packages, distinct_images};
use crate::repo::{PublishedRpm, Repo};
use crate::spec;

/// So many RPMs of specs that are gone are told by name.
const MOST_TOLD: usize = 10;

impl Runner<'_> {
    /// Makes the images of `configs`, one after the other, each unless it is up to date. They are made of RPMs whose specs
    /// are in the folders of `packages`; without these, of all RPMs.
    pub async fn images(
        &self,
        (images, packages): (&Images, Option<&Packages>),
        configs: &[PathBuf],
        made: &MadeStages,
    ) -> Result<Vec<AssembledImage>, PipelineError> {
        distinct_images(configs)?;
        let started = Instant::now();
        (self.report)(Event::StageStarted { stage: "images".to_owned() });
        let assembly = toolchain_of(&images.toolchain, made)?;
        let packages = self.available(packages)?;
        let context = ImageContext {
            engine: self.engine,
            assembly: &assembly,
            packages: &packages,
            version: &images.version,
            layout: self.layout,
            report: self.report,
            cancel: self.cancel,
        };
        let mut assembled = Vec::new();
        for config in configs {
            assembled.push(Box::pin(image::assemble(&context, config)).await?);
        }
        let outcome = format!("{} images", assembled.len());
        (self.report)(Event::StageFinished { stage: "images".to_owned(), elapsed: started.elapsed(), outcome });
        Ok(assembled)
    }

    /// The binary packages that images may hold.
    fn available(&self, packages: Option<&Packages>) -> Result<Vec<AvailableRpm>, PipelineError> {
        let repo = self.repo()?;
        let rpms = match packages {
            Some(packages) => of_specs(&repo, &packages.specs, self.report)?,
            None => repo.packages(),
        };
        let binaries = rpms.into_iter().filter(|published| !published.rpm.is_source());
        let available = binaries.map(|published| AvailableRpm {
            path: published.path,
            header: published.rpm.header,
            sha256: published.rpm.sha256,
        });
        Ok(available.collect())
    }
}

/// The RPMs of `repo` whose specs are in `folders`. The others are told and left out, and forgotten when their files are
/// gone as well.
fn of_specs(repo: &Repo, folders: &[PathBuf], report: Report<'_>) -> Result<Vec<PublishedRpm>, PipelineError> {
    let specs: BTreeSet<String> = spec::names(folders)?.into_iter().collect();
    repo.forget_missing(|spec| !specs.contains(spec)).map_err(BuildError::Repository)?;
    let (kept, gone): (_, Vec<_>) = repo.packages().into_iter().partition(|rpm| specs.contains(&rpm.spec));
    if let Some(text) = told_gone(&gone) {
        report(Event::Note { text });
    }
    Ok(kept)
}

/// What is said of RPMs whose specs are gone.
fn told_gone(rpms: &[PublishedRpm]) -> Option<String> {
    let binaries: Vec<&PublishedRpm> =
        rpms.iter().filter(|published| !published.rpm.is_source() && published.path.exists()).collect();
    let first = binaries.first()?;
    let of_spec = |published: &&PublishedRpm| format!("\n  `{}` of `{}.spec`", published.rpm.file, published.spec);
    let mut lines: String = binaries.iter().take(MOST_TOLD).map(of_spec).collect();
    if let Some(more) = binaries.len().checked_sub(MOST_TOLD).filter(|more| *more > 0) {
        let _ = write!(lines, "\n  and {more} more");
    }
    let folder = first.path.ancestors().nth(2)?.display();
    Some(format!(
        "no image takes RPMs whose specs are gone; remove them from `{folder}`, or bring the specs back{lines}"
    ))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::sync::Mutex;

    use super::*;
    use crate::cache::{BuildTimes, CheckOutcome, StoredResult, describe};
    use crate::digest::Sha256;
    use crate::layout::Layout;

    /// Publishes one package of the spec `name`.
    fn publish(repo: &Repo, place: &Path, name: &str) {
        let folder = place.join("store").join(name);
        fs::create_dir_all(folder.join("rpms")).unwrap();
        let file = folder.join("rpms").join(format!("{name}-1-1.noarch.rpm"));
        rpm::PackageBuilder::new(name, "1", "MIT", "noarch", "a test").build().unwrap().write_file(&file).unwrap();
        let (key, times, check) = (Sha256::of_bytes(name.as_bytes()), BuildTimes::default(), CheckOutcome::Off);
        let result = StoredResult { key, folder, rpms: vec![describe(&file).unwrap()], check, times, log: key };
        repo.publish(&[(name, &result)]).unwrap();
    }

    #[test]
    fn no_image_takes_packages_of_specs_that_are_gone() {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name);
        let repo = Repo::open(&Layout::new(path("build"), path("out"), path("cache"))).unwrap();
        fs::create_dir_all(path("SPECS/a")).unwrap();
        fs::write(path("SPECS/a/a.spec"), "does not parse").unwrap();
        for name in ["a", "b"] {
            publish(&repo, place.path(), name);
        }
        let taken = || {
            let told = Mutex::new(Vec::new());
            let report = |event: Event| {
                if let Event::Note { text } = event {
                    told.lock().unwrap().push(text.replace(&place.path().display().to_string(), ""));
                }
            };
            let rpms = of_specs(&repo, &[path("SPECS")], &report).unwrap();
            (rpms.into_iter().map(|rpm| rpm.spec).collect::<Vec<_>>(), told.into_inner().unwrap())
        };
        let note = "no image takes RPMs whose specs are gone; remove them from `/out/RPMS`, or bring the specs back\n  \
                    `b-1-1.noarch.rpm` of `b.spec`";
        assert_eq!(taken(), (vec!["a".to_owned()], vec![note.to_owned()]));

        fs::remove_dir_all(path("out")).unwrap();
        assert_eq!(taken(), (vec!["a".to_owned()], vec![]), "a build of `a` brings it back");
        assert_eq!(repo.packages().len(), 1);
    }
}
