//! The stages of a toolchain as a pipeline file gives them, checked.

use std::path::PathBuf;

use super::packages::Packages;
use crate::graph::Goals;
use crate::package::{Nevra, Requirement};
use crate::toolchain;

/// One stage of a toolchain. Each gives one image.
#[derive(Clone, Debug)]
pub enum Stage {
    /// A base or another stage, and the commands of a containerfile.
    Image(toolchain::Stage),
    /// Packages, installed into an empty root.
    Packages(Box<PackageStage>),
    /// RPMs that others have built, installed into an empty root.
    Rpms(Box<RpmStage>),
}

/// A stage that is made of packages.
#[derive(Clone, Debug)]
pub struct PackageStage {
    /// Its name, unique in the pipeline.
    pub name: String,
    /// The packages, which are built in the image of the stage `packages.toolchain`.
    pub packages: Packages,
    /// What its image has, with what that needs; empty for all that the packages make.
    pub install: Vec<Requirement>,
}

/// A stage that is made of RPMs which others have built.
#[derive(Clone, Debug)]
pub struct RpmStage {
    /// Its name, unique in the pipeline.
    pub name: String,
    /// The stage whose rpm installs them.
    pub from: String,
    /// The file that lists the RPMs, absolute.
    pub manifest: PathBuf,
    /// The RPMs; their epochs are not known.
    pub rpms: Vec<Nevra>,
    /// Servers that have them, `URL/<file>`, in the order in which they are asked.
    pub urls: Vec<String>,
    /// Folders that may have them, absolute; looked into before any server is asked.
    pub folders: Vec<PathBuf>,
    /// Files of keys that have signed them, absolute; none when signatures are not asked for.
    pub keys: Vec<PathBuf>,
}

impl PackageStage {
    /// What is built for it.
    pub(in crate::pipeline) fn goals(&self) -> Goals {
        let build = &self.packages.build;
        if build.is_empty() { Goals::All } else { Goals::Named(build.clone()) }
    }
}

impl RpmStage {
    /// Where the folders may have the RPM `wanted`.
    pub(in crate::pipeline) fn places(&self, wanted: &Nevra) -> impl Iterator<Item = PathBuf> + use<'_> {
        let (name, arch) = (wanted.file_name(), wanted.arch.clone());
        self.folders.iter().flat_map(move |folder| [folder.join(&name), folder.join(&arch).join(&name)])
    }
}

impl Stage {
    /// Its name, unique in the pipeline.
    pub fn name(&self) -> &str {
        match self {
            Self::Image(stage) => &stage.name,
            Self::Packages(stage) => &stage.name,
            Self::Rpms(stage) => &stage.name,
        }
    }

    /// The stage that it starts from, or whose image its packages are built in.
    pub fn below(&self) -> Option<&str> {
        match self {
            Self::Image(stage) => stage.origin.below(),
            Self::Packages(stage) => Some(&stage.packages.toolchain),
            Self::Rpms(stage) => Some(&stage.from),
        }
    }

    /// The files and folders of the user that it is made from, absolute.
    pub fn inputs(&self) -> Vec<PathBuf> {
        match self {
            Self::Image(stage) => toolchain::inputs(stage),
            Self::Packages(stage) => stage.packages.specs.iter().chain(&stage.packages.macro_files).cloned().collect(),
            Self::Rpms(stage) => {
                // Without keys, the RPMs at hand count as they are.
                let folders = stage.folders.iter().filter(|_| stage.keys.is_empty());
                folders.chain(&stage.keys).chain([&stage.manifest]).cloned().collect()
            }
        }
    }
}
