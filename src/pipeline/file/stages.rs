//! Checks the stages that a pipeline file lists: each may name those above it.

use std::path::Path;

use super::check::Check;
use super::manifest;
use super::packages::Packages;
use super::raw::{RawBase, RawPackages, RawRpms, RawStage, RawStagePackages};
use super::stage::{PackageStage, RpmStage, Stage};
use crate::package::{Capability, Nevra, Requirement};
use crate::toolchain::{self, Base, Debootstrap, Instructions, Origin};

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
