//! What a pipeline file says, once it is checked.

use std::path::PathBuf;

use super::packages::Packages;
use super::stage::{PackageStage, Stage};
use crate::pipeline::error::PipelineError;
use crate::yaml;

/// What to build, from toolchain to disk images.
#[derive(Clone, Debug, Default)]
pub struct Pipeline {
    /// Its name.
    pub name: String,
    /// Another pipeline's file, absolute, whose stages come first.
    pub toolchain_of: Option<PathBuf>,
    /// Toolchain stages; each starts from a base or from one above it, or is built in one above it. Never empty.
    pub stages: Vec<Stage>,
    /// The package stage.
    pub packages: Option<Packages>,
    /// The image stage.
    pub images: Option<Images>,
    /// Where images of its stages are kept.
    pub registry: Option<StageRegistry>,
}

impl Pipeline {
    /// The stages that packages or disk images are built in, and those that no other stage starts from; in order.
    pub fn used_stages(&self) -> Vec<&str> {
        let named = [
            self.packages.as_ref().map(|packages| packages.toolchain.as_str()),
            self.images.as_ref().map(|images| images.toolchain.as_str()),
        ];
        let is_used =
            |name: &&str| named.contains(&Some(name)) || !self.stages.iter().any(|stage| stage.below() == Some(name));
        self.stages.iter().map(Stage::name).filter(is_used).collect()
    }

    /// The stage `name`.
    pub fn stage(&self, name: &str) -> Result<&Stage, PipelineError> {
        let unknown = || PipelineError::UnknownStage {
            pipeline: self.name.clone(),
            stage: name.to_owned(),
            known: self.stages.iter().map(|stage| stage.name().to_owned()).collect(),
        };
        self.stages.iter().find(|stage| stage.name() == name).ok_or_else(unknown)
    }

    /// The stage `name`, which is made of packages.
    pub fn package_stage(&self, name: &str) -> Result<&PackageStage, PipelineError> {
        match self.stage(name)? {
            Stage::Packages(stage) => Ok(stage),
            Stage::Image(_) | Stage::Rpms(_) => Err(PipelineError::NotOfPackages { stage: name.to_owned() }),
        }
    }

    /// The same with its packages built in the stage `name`.
    pub fn with_toolchain(mut self, name: &str) -> Result<Self, PipelineError> {
        self.stage(name)?;
        if let Some(packages) = &mut self.packages {
            name.clone_into(&mut packages.toolchain);
        }
        Ok(self)
    }

    /// The stages below the stage `name`, and its packages in place of the pipeline's.
    pub fn of_stage(mut self, name: &str) -> Result<Self, PipelineError> {
        let packages = self.package_stage(name)?.packages.clone();
        self.stages = self.stages.into_iter().take_while(|stage| stage.name() != name).collect();
        Ok(Self { packages: Some(packages), images: None, ..self })
    }
}

/// Which disk images are made, and in which image.
#[derive(Clone, Debug)]
pub struct Images {
    /// Name of the toolchain stage with the tools.
    pub toolchain: String,
    /// Image configurations, absolute.
    pub configs: Vec<PathBuf>,
    /// Version in the names of the files.
    pub version: String,
}

/// Where images of stages are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageRegistry {
    /// `REGISTRY/NAME`, without a tag.
    pub name: String,
    /// A PEM file, absolute: an image that this key has not signed is refused.
    pub key: Option<PathBuf>,
}

/// Why a pipeline file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PipelineFileError {
    /// It is not YAML of the right shape.
    #[error(transparent)]
    File(#[from] yaml::ConfigFileError),
    /// Its parts do not fit together.
    #[error("`{}` is not right:{}", path.display(), faults.iter().map(|fault| format!("\n  {fault}")).collect::<String>())]
    Content {
        /// The file.
        path: PathBuf,
        /// Every fault found.
        faults: Vec<String>,
    },
}
