//! The image stage: disk images from the packages in the repository.

use std::path::PathBuf;
use std::time::Instant;

use super::made::MadeStages;
use super::runner::{Runner, toolchain_of};
use crate::event::Event;
use crate::image::{self, AssembledImage, AvailableRpm, ImageContext};
use crate::pipeline::error::PipelineError;
use crate::pipeline::file::{Images, distinct_images};

impl Runner<'_> {
    /// Makes the images of `configs`, one after the other, each unless it is up to date.
    pub async fn images(
        &self,
        images: &Images,
        configs: &[PathBuf],
        made: &MadeStages,
    ) -> Result<Vec<AssembledImage>, PipelineError> {
        distinct_images(configs)?;
        let started = Instant::now();
        (self.report)(Event::StageStarted { stage: "images".to_owned() });
        let assembly = toolchain_of(&images.toolchain, made)?;
        let packages = self.available()?;
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

    /// The binary packages of the repository.
    fn available(&self) -> Result<Vec<AvailableRpm>, PipelineError> {
        let binaries = self.repo()?.packages().into_iter().filter(|published| !published.rpm.is_source());
        let rpms = binaries.map(|published| AvailableRpm {
            path: published.path,
            header: published.rpm.header,
            sha256: published.rpm.sha256,
        });
        Ok(rpms.collect())
    }
}
