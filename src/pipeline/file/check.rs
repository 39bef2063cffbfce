//! Checks what a pipeline file says, all but its stages: every fault is noted, and told at once.

use std::path::{Path, PathBuf};

use super::config::{Images, Pipeline, PipelineFileError, StageRegistry};
use super::exceptions;
use super::images::distinct_images;
use super::packages::{Packages, WantedArchive};
use super::raw::{RawArchive, RawImages, RawPackages, RawPipeline, RawRegistry, RawRepository};
use super::stage::Stage;
use crate::address;
use crate::causes;
use crate::oci::registry;
use crate::printable;
use crate::remote::{Place, WantedRepository};
use crate::source::WebAccess;

/// The pipeline that `raw`, read from `path`, says, if its parts fit together.
pub(super) fn checked(path: &Path, project: &Path, raw: RawPipeline) -> Result<Pipeline, PipelineFileError> {
    let mut check = Check { project, archives: Vec::new(), faults: Vec::new() };
    let pipeline = check.pipeline(raw);
    if check.faults.is_empty() {
        Ok(pipeline)
    } else {
        Err(PipelineFileError::Content { path: path.to_owned(), faults: check.faults })
    }
}

/// A pipeline file on its way to being checked.
pub(super) struct Check<'a> {
    pub(super) project: &'a Path,
    /// Those of the pipeline, which count for all its packages.
    archives: Vec<WantedArchive>,
    pub(super) faults: Vec<String>,
}

impl Check<'_> {
    fn pipeline(&mut self, raw: RawPipeline) -> Pipeline {
        if !printable::is_name(&raw.name) {
            self.faults.push(format!("`name` is {:?}; it is printed, and has no control character", raw.name));
        }
        self.archives = raw.archives.into_iter().map(|archive| self.archive(archive)).collect();
        let stages = self.stages(raw.toolchain);
        let toolchain_of = raw.toolchain_of.map(|path| self.project.join(path));
        let packages = raw.packages.map(|packages| self.packages(packages, &stages));
        let images = raw.images.map(|images| self.images(images, &stages));
        let registry = raw.registry.map(|registry| self.registry(registry));
        Pipeline { name: raw.name, toolchain_of, stages, packages, images, registry }
    }

    fn archive(&mut self, raw: RawArchive) -> WantedArchive {
        let is_name =
            |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-._/".contains(c));
        for wrong in raw.components.iter().chain([&raw.suite]).filter(|name| !is_name(name)) {
            self.faults.push(format!("archives: `{wrong}` is no name of a suite or component"));
        }
        let is_url = |url: &&String| !url.starts_with("http://") && !url.starts_with("https://");
        if let Some(wrong) = raw.mirror.as_ref().filter(is_url) {
            self.faults.push(format!("archives: `mirror`: `{}` is no HTTP address", address::shown(wrong)));
        }
        let keyring = raw.keyring.map(|path| self.file(&path, "archives: keyring"));
        let components = if raw.components.is_empty() { vec!["main".to_owned()] } else { raw.components };
        WantedArchive { suite: raw.suite, components, mirror: raw.mirror, keyring }
    }

    fn registry(&mut self, raw: RawRegistry) -> StageRegistry {
        if let Err(error) = registry::repository(&raw.name) {
            self.faults.push(format!("registry: `name`: {}", causes::in_one_line(&error)));
        }
        let key = raw.require_signature.map(|path| self.file(&path, "registry: require-signature"));
        StageRegistry { name: raw.name, key }
    }

    pub(super) fn packages(&mut self, raw: RawPackages, stages: &[Stage]) -> Packages {
        self.known(&raw.toolchain, stages, "packages: `toolchain`");
        if raw.specs.is_empty() {
            self.faults.push("packages: `specs` lists no folder".to_owned());
        }
        let specs = raw.specs.iter().map(|path| self.folder(path, "packages: specs")).collect();
        let macro_files = raw.macro_files.iter().map(|path| self.file(path, "packages: macro-files")).collect();
        let is_prefix = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric());
        if let Some(wrong) = raw.version_macros.as_deref().filter(|prefix| !is_prefix(prefix)) {
            self.faults
                .push(format!("packages: `version-macros`: `{wrong}` has something else than letters and digits"));
        }
        let numbered = raw.repositories.into_iter().enumerate();
        let repositories = numbered.filter_map(|(place, raw)| self.repository(place + 1, raw)).collect();
        self.faults.extend(exceptions::faults(&raw.exceptions));
        Packages {
            archives: self.archives.clone(),
            exceptions: raw.exceptions,
            repositories,
            release_version: raw.release_version,
            toolchain: raw.toolchain,
            specs,
            build: raw.build,
            check: raw.check,
            macros: raw.macros,
            macro_files,
            version_macros: raw.version_macros,
        }
    }

    /// The `number`th repository of the list, counted from 1.
    fn repository(&mut self, number: usize, raw: RawRepository) -> Option<WantedRepository> {
        let said_in = format!("packages: repository {number}");
        let place = match (raw.url, &raw.file) {
            (Some(url), None) => Place::Url(url),
            (None, Some(path)) => Place::File(self.file(path, &said_in)),
            _ => {
                self.faults.push(format!("{said_in} needs either `url` or `file`"));
                return None;
            }
        };
        let keys = raw.gpg_keys.iter().chain(&raw.gpg_key);
        let keys = keys.map(|path| self.file(path, &format!("{said_in}: gpg-keys"))).collect();
        let mut pem =
            |path: Option<PathBuf>, key: &str| path.map(|path| self.file(&path, &format!("{said_in}: {key}")));
        let access = WebAccess {
            ca: pem(raw.ca, "ca"),
            client_certificate: pem(raw.client_certificate, "client-certificate"),
            client_key: pem(raw.client_key, "client-key"),
        };
        let (gpg_check, repo_gpg_check, priority) = (raw.gpg_check, raw.repo_gpg_check, raw.priority);
        Some(WantedRepository { said_in, place, keys, gpg_check, repo_gpg_check, priority, access })
    }

    fn images(&mut self, raw: RawImages, stages: &[Stage]) -> Images {
        self.known(&raw.toolchain, stages, "images: `toolchain`");
        let configs: Vec<PathBuf> = raw.configs.iter().map(|path| self.file(path, "images: configs")).collect();
        if let Err(same) = distinct_images(&configs) {
            self.faults.push(format!("images: configs: {same}"));
        }
        if !printable::is_file_name(&raw.version) {
            let fault = format!(
                "images: `version` is {:?}; it is part of file names, without `/` and control characters",
                raw.version
            );
            self.faults.push(fault);
        }
        Images { toolchain: raw.toolchain, configs, version: raw.version }
    }

    pub(super) fn known(&mut self, name: &str, stages: &[Stage], place: &str) {
        let names: Vec<&str> = stages.iter().map(Stage::name).collect();
        if !names.contains(&name) {
            let there = if names.is_empty() { "none".to_owned() } else { format!("`{}`", names.join("`, `")) };
            self.faults.push(format!("{place} names the stage `{name}`; stages above it: {there}"));
        }
    }

    pub(super) fn file(&mut self, path: &Path, place: &str) -> PathBuf {
        let path = self.project.join(path);
        if !path.is_file() {
            self.faults.push(format!("{place}: there is no file `{}`", path.display()));
        }
        path
    }

    pub(super) fn folder(&mut self, path: &Path, place: &str) -> PathBuf {
        let path = self.project.join(path);
        if !path.is_dir() {
            self.faults.push(format!("{place}: there is no folder `{}`", path.display()));
        }
        path
    }
}
