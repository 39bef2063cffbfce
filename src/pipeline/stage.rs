//! The stages of a toolchain as a pipeline file gives them, checked.

use std::path::{Path, PathBuf};

use super::config::{Check, Packages, Pipeline};
use super::error::PipelineError;
use super::manifest;
use super::raw::{RawBase, RawPackages, RawRpms, RawStage, RawStagePackages};
use crate::graph::Goals;
use crate::package::{Capability, Nevra, Requirement};
use crate::toolchain::{self, Base, Debootstrap, Instructions, Origin};

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

    fn stage(&mut self, mut raw: RawStage, above: &[Stage]) -> Stage {
        let name = &raw.stage;
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || !name.chars().all(plain) {
            self.faults.push(format!("stage `{name}`: a name has letters, digits, `-` and `_` only"));
        }
        if let Some(rpms) = raw.rpms.take() {
            Stage::Rpms(Box::new(self.rpm_stage(raw, rpms, above)))
        } else if raw.packages.is_some() || raw.packages_of.is_some() {
            Stage::Packages(Box::new(self.package_stage(raw, above)))
        } else {
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
        if raw.context.is_some() && containerfile.is_none() {
            self.faults.push(format!("stage `{name}`: `context` stands without a containerfile"));
        }
        let context = raw.context.as_ref().map(|path| self.folder(path, &format!("stage `{name}`: context")));
        let containerfile = containerfile.map(|path| {
            let context = context.unwrap_or_else(|| path.parent().unwrap_or(&path).to_owned());
            Instructions { path, context }
        });
        let mut provides: Vec<Capability> = raw.provides.iter().map(|text| Capability::parse(text)).collect();
        let manifest = raw
            .provides_manifest
            .as_ref()
            .map(|path| self.manifest(path, &format!("stage `{name}`: provides-manifest")))
            .unwrap_or_default();
        provides
            .extend(manifest.iter().map(|package| Capability::new(package.name.clone(), Some(package.evr.clone()))));
        let is_plain =
            |name: &&String| !name.starts_with('-') && !name.contains(char::is_whitespace) && !name.is_empty();
        for wrong in raw.install.iter().filter(|name| !is_plain(name)) {
            self.faults.push(format!("stage `{name}`: install: `{wrong}` is no name of a package"));
        }
        let install = raw.install.clone();
        let manifest = raw.provides_manifest.as_ref().map(|path| self.project.join(path));
        toolchain::Stage { name: name.clone(), origin, install, containerfile, provides, manifest }
    }

    fn package_stage(&mut self, raw: RawStage, above: &[Stage]) -> PackageStage {
        self.no_image_keys(&raw);
        let name = raw.stage;
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

    /// Tells keys that only stages with a containerfile have.
    fn no_image_keys(&mut self, raw: &RawStage) {
        let keys = [
            ("base", raw.base.is_empty()),
            ("containerfile", raw.containerfile.is_none()),
            ("context", raw.context.is_none()),
            ("provides", raw.provides.is_empty()),
            ("provides-manifest", raw.provides_manifest.is_none()),
        ];
        for (key, _) in keys.iter().filter(|(_, is_absent)| !is_absent) {
            self.faults.push(format!("stage `{}`: a stage that is made of packages has no `{key}`", raw.stage));
        }
    }

    fn rpm_stage(&mut self, raw: RawStage, rpms: RawRpms, above: &[Stage]) -> RpmStage {
        self.no_image_keys(&raw);
        let (name, from) = (raw.stage, raw.from.unwrap_or_default());
        self.known(&from, above, &format!("stage `{name}`: `from`"));
        if raw.packages.is_some() || raw.packages_of.is_some() || !raw.install.is_empty() {
            self.faults.push(format!("stage `{name}`: `rpms` stands alone, without `packages` and `install`"));
        }
        let expanded = |text: &str| text.replace("$basearch", std::env::consts::ARCH);
        let manifest = self.project.join(expanded(&rpms.manifest));
        let listed = self.manifest(&manifest, &format!("stage `{name}`: rpms: manifest"));
        if rpms.urls.is_empty() && rpms.folders.is_empty() {
            self.faults.push(format!("stage `{name}`: rpms: neither `urls` nor `folders` says where they are"));
        }
        if rpms.gpg_keys.is_empty() && rpms.gpg_check != Some(false) {
            self.faults.push(format!(
                "stage `{name}`: rpms: `gpg-keys` names no file; `gpg-check: false` takes RPMs whoever made them"
            ));
        }
        let gpg_keys = if rpms.gpg_check == Some(false) { Vec::new() } else { rpms.gpg_keys };
        let keys = gpg_keys.iter().map(|path| self.file(path, &format!("stage `{name}`: rpms: gpg-keys"))).collect();
        let folders = rpms.folders.iter().map(|path| self.project.join(path)).collect();
        let urls = rpms.urls.iter().map(|url| expanded(url)).collect();
        RpmStage { name, from, manifest, rpms: listed, urls, folders, keys }
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
    fn manifest(&mut self, path: &Path, place: &str) -> Vec<Nevra> {
        let path = self.file(path, place);
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
