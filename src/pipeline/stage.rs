//! The stages of a toolchain as a pipeline file gives them, checked.

use std::path::PathBuf;

use super::config::{Check, Packages, Pipeline};
use super::error::PipelineError;
use super::manifest;
use super::raw::{RawBase, RawPackages, RawStage, RawStagePackages};
use crate::graph::Goals;
use crate::package::{Capability, Nevra, Requirement};
use crate::toolchain::{self, Base, Debootstrap, Origin};

/// One stage of a toolchain. Each gives one image.
#[derive(Clone, Debug)]
pub enum Stage {
    /// A base or another stage, and the commands of a containerfile.
    Image(toolchain::Stage),
    /// Packages, installed into an empty root.
    Packages(Box<PackageStage>),
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

impl PackageStage {
    /// What is built for it.
    pub(super) fn goals(&self) -> Goals {
        let build = &self.packages.build;
        if build.is_empty() { Goals::All } else { Goals::Named(build.clone()) }
    }
}

impl Stage {
    /// Its name, unique in the pipeline.
    pub fn name(&self) -> &str {
        match self {
            Self::Image(stage) => &stage.name,
            Self::Packages(stage) => &stage.name,
        }
    }

    /// The stage that it starts from, or whose image its packages are built in.
    pub fn below(&self) -> Option<&str> {
        match self {
            Self::Image(stage) => stage.origin.below(),
            Self::Packages(stage) => Some(&stage.packages.toolchain),
        }
    }

    /// The files and folders of the user that it is made from, absolute.
    pub fn inputs(&self) -> Vec<PathBuf> {
        match self {
            Self::Image(stage) => toolchain::inputs(stage),
            Self::Packages(stage) => stage.packages.specs.iter().chain(&stage.packages.macro_files).cloned().collect(),
        }
    }
}

impl Pipeline {
    /// The stages below the stage `name`, and its packages in place of the pipeline's.
    pub fn of_stage(mut self, name: &str) -> Result<Self, PipelineError> {
        let wrong = |problem| PipelineError::NotOfPackages { stage: name.to_owned(), problem };
        let at = self.stages.iter().position(|stage| stage.name() == name).ok_or_else(|| {
            let names: Vec<&str> = self.stages.iter().map(Stage::name).collect();
            wrong(format!("the pipeline has no such stage; it has `{}`", names.join("`, `")))
        })?;
        let Stage::Packages(stage) = self.stages.swap_remove(at) else {
            return Err(wrong("it is not made of packages".to_owned()));
        };
        self.stages.truncate(at);
        Ok(Self { name: self.name, stages: self.stages, packages: Some(stage.packages), images: None })
    }
}

impl Check<'_> {
    /// The stages, which may name those above them.
    pub(super) fn stages(&mut self, raw: Vec<RawStage>) -> Vec<Stage> {
        if raw.is_empty() {
            self.faults.push("`toolchain` lists no stage".to_owned());
        }
        let mut stages: Vec<Stage> = Vec::new();
        for one in raw {
            if stages.iter().any(|above| above.name() == one.stage) {
                self.faults.push(format!("two stages are named `{}`", one.stage));
            }
            let stage = self.stage(one, &stages);
            stages.push(stage);
        }
        stages
    }

    fn stage(&mut self, raw: RawStage, above: &[Stage]) -> Stage {
        let name = &raw.stage;
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || !name.chars().all(plain) {
            self.faults.push(format!("stage `{name}`: a name has letters, digits, `-` and `_` only"));
        }
        if raw.packages.is_some() || raw.packages_of.is_some() {
            Stage::Packages(Box::new(self.package_stage(raw, above)))
        } else {
            if !raw.install.is_empty() {
                self.faults.push(format!("stage `{name}`: `install` needs `packages` or `packages-of`"));
            }
            Stage::Image(self.image_stage(&raw, above))
        }
    }

    fn image_stage(&mut self, raw: &RawStage, above: &[Stage]) -> toolchain::Stage {
        let name = &raw.stage;
        let origin = match (&raw.from, raw.base.is_empty()) {
            (Some(from), true) => {
                self.known(from, above, &format!("stage `{name}`: `from`"));
                Origin::Stage(from.clone())
            }
            (None, false) => Origin::Bases(raw.base.iter().map(|base| self.base(name, base)).collect()),
            _ => {
                self.faults.push(format!("stage `{name}` needs either `from` or `base`"));
                Origin::Bases(Vec::new())
            }
        };
        let containerfile =
            raw.containerfile.as_ref().map(|path| self.file(path, &format!("stage `{name}`: containerfile")));
        let mut provides: Vec<Capability> = raw.provides.iter().map(|text| Capability::parse(text)).collect();
        let manifest = raw.provides_manifest.as_ref().map(|path| self.manifest(path, name)).unwrap_or_default();
        provides
            .extend(manifest.iter().map(|package| Capability::new(package.name.clone(), Some(package.evr.clone()))));
        toolchain::Stage { name: name.clone(), origin, containerfile, provides, packages: manifest }
    }

    fn package_stage(&mut self, raw: RawStage, above: &[Stage]) -> PackageStage {
        let name = raw.stage;
        let keys = [
            ("base", raw.base.is_empty()),
            ("containerfile", raw.containerfile.is_none()),
            ("provides", raw.provides.is_empty()),
            ("provides-manifest", raw.provides_manifest.is_none()),
        ];
        for (key, _) in keys.iter().filter(|(_, is_absent)| !is_absent) {
            self.faults.push(format!("stage `{name}`: a stage that is made of packages has no `{key}`"));
        }
        let from = raw.from.unwrap_or_default();
        self.known(&from, above, &format!("stage `{name}`: `from`"));
        let (packages, mut install) = match (raw.packages, raw.packages_of) {
            (Some(packages), None) => (self.packages_of_stage(packages, &from, above), Vec::new()),
            (None, Some(other)) => self.same_packages(&name, &other, &from, above),
            _ => {
                self.faults.push(format!("stage `{name}` needs either `packages` or `packages-of`"));
                (Packages::default(), Vec::new())
            }
        };
        if !raw.install.is_empty() {
            install = self.requirements(&name, &raw.install);
        }
        PackageStage { name, packages, install }
    }

    fn packages_of_stage(&mut self, raw: RawStagePackages, from: &str, above: &[Stage]) -> Packages {
        let RawStagePackages { specs, build, macros, macro_files, version_macros, exceptions } = raw;
        // `from` is checked already.
        let toolchain = above.iter().find(|stage| stage.name() == from).or(above.last()).map(Stage::name);
        let raw = RawPackages {
            toolchain: toolchain.unwrap_or_default().to_owned(),
            specs,
            build,
            macros,
            macro_files,
            version_macros,
            exceptions,
            ..RawPackages::default()
        };
        self.packages(raw, above)
    }

    /// The packages of the stage `other`, built in the stage `from`.
    fn same_packages(&mut self, name: &str, other: &str, from: &str, above: &[Stage]) -> (Packages, Vec<Requirement>) {
        let found = above.iter().find_map(|stage| match stage {
            Stage::Packages(stage) if stage.name == other => Some(stage),
            _ => None,
        });
        if let Some(stage) = found {
            return (Packages { toolchain: from.to_owned(), ..stage.packages.clone() }, stage.install.clone());
        }
        self.faults
            .push(format!("stage `{name}`: `packages-of` names `{other}`, which is no stage of packages above it"));
        (Packages::default(), Vec::new())
    }

    fn requirements(&mut self, name: &str, texts: &[String]) -> Vec<Requirement> {
        let parsed = texts.iter().map(|text| (text, text.parse::<Requirement>()));
        let mut requirements = Vec::new();
        for (text, result) in parsed {
            match result {
                Ok(requirement) => requirements.push(requirement),
                Err(error) => self.faults.push(format!("stage `{name}`: install: `{text}`: {error}")),
            }
        }
        requirements
    }

    /// The packages of a toolchain manifest: one `name-version-release.arch.rpm` a line.
    fn manifest(&mut self, path: &std::path::Path, stage: &str) -> Vec<Nevra> {
        let place = format!("stage `{stage}`: provides-manifest");
        let path = self.file(path, &place);
        if !path.is_file() {
            return Vec::new();
        }
        match manifest::read(&path) {
            Ok(packages) => packages,
            Err(faults) => {
                self.faults.extend(faults.into_iter().map(|fault| format!("{place}: {fault}")));
                Vec::new()
            }
        }
    }

    fn base(&mut self, stage: &str, raw: &RawBase) -> Base {
        match raw {
            RawBase::Image(reference) => {
                if !reference.contains("@sha256:") {
                    let fault =
                        format!("stage `{stage}`: image `{reference}` needs a digest, `NAME@sha256:…`: a tag can move");
                    self.faults.push(fault);
                }
                Base::Image(reference.clone())
            }
            RawBase::Archive(path) => Base::Archive(self.project.join(path)),
            RawBase::Debootstrap(raw) => {
                Base::Debootstrap(Debootstrap { suite: raw.suite.clone(), mirror: raw.mirror.clone() })
            }
        }
    }
}
