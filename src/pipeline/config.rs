//! Reads a pipeline file and checks it.
//!
//! The raw types mirror the file and refuse unknown keys; [`read`] gives a [`Pipeline`] whose stages exist, stand in
//! order, and name each other rightly. Relative paths count from the project's folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::archives::WantedArchive;
use super::exceptions::{self, Allowance};
use super::images::distinct_images;
use super::raw::{RawArchive, RawImages, RawPackages, RawPipeline, RawRegistry, RawRepository};
use super::registry::StageRegistry;
use super::stage::Stage;
use crate::address;
use crate::causes;
use crate::oci::registry;
use crate::remote::{Place, WantedRepository};
use crate::source::WebAccess;
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

/// Which packages are built, and in which image.
#[derive(Clone, Debug, Default)]
pub struct Packages {
    /// Name of the toolchain stage.
    pub toolchain: String,
    /// Folders with specs, absolute.
    pub specs: Vec<PathBuf>,
    /// Names of packages; empty for all.
    pub build: Vec<String>,
    /// Specs whose `%check` runs.
    pub check: BTreeSet<String>,
    /// RPM macros.
    pub macros: BTreeMap<String, String>,
    /// Files of RPM macros, absolute, in the order in which they are loaded.
    pub macro_files: Vec<PathBuf>,
    /// The prefix of macros with versions of other specs.
    pub version_macros: Option<String>,
    /// Remote repositories, in the order in which they are given.
    pub repositories: Vec<WantedRepository>,
    /// What `$releasever` stands for.
    pub release_version: Option<String>,
    /// What single packages may do that others may not.
    pub exceptions: Vec<Allowance>,
    /// Suites of package archives that sources are looked for in, besides the host's.
    pub archives: Vec<WantedArchive>,
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

/// The pipeline in the file `path`; relative paths in it count from `project`.
pub fn read(path: &Path, project: &Path) -> Result<Pipeline, PipelineFileError> {
    let mut raw: RawPipeline = yaml::read(path)?;
    if let Some(other) = &raw.toolchain_of {
        let other = project.join(other);
        let below: RawPipeline = yaml::read(&other)?;
        if below.toolchain_of.is_some() {
            let fault =
                "`toolchain-of` of a pipeline that another one names in its `toolchain-of`: name the first directly";
            return Err(PipelineFileError::Content { path: other, faults: vec![fault.to_owned()] });
        }
        raw.toolchain.splice(0..0, below.toolchain);
        raw.archives.splice(0..0, below.archives);
    }
    checked(path, project, raw)
}

/// The pipeline in `text`, the content of `path`.
#[cfg(fuzzing)]
pub(super) fn parse(path: &Path, project: &Path, text: &str) -> Result<Pipeline, PipelineFileError> {
    checked(path, project, yaml::parse(path, text)?)
}

fn checked(path: &Path, project: &Path, raw: RawPipeline) -> Result<Pipeline, PipelineFileError> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.yaml");
        std::fs::write(&path, text).unwrap();
        read(&path, folder.path()).unwrap_err().to_string().replace(&folder.path().display().to_string(), "[DIR]")
    }

    #[test]
    fn every_fault_is_told_at_once() {
        insta::assert_snapshot!(faults(
            "name: x\ntoolchain:\n  - stage: a\n    base: [{image: 'registry.example/debian:12'}]\n    containerfile: a.containerfile\n    \
             context: nowhere\n  - stage: a\n    from: b\n    context: .\npackages: {toolchain: c, specs: [SPECS]}\n"
        ), @r"
        `[DIR]/p.yaml` is not right:
          stage `a`: image `registry.example/debian:12` needs a digest, `NAME@sha256:…`: a tag can move
          stage `a`: containerfile: there is no file `[DIR]/a.containerfile`
          stage `a`: context: there is no folder `[DIR]/nowhere`
          two stages are named `a`
          stage `a`: `from` names the stage `b`; stages above it: `a`
          stage `a`: `context` stands without a containerfile
          packages: `toolchain` names the stage `c`; stages above it: `a`, `a`
          packages: specs: there is no folder `[DIR]/SPECS`
        ");
    }

    #[test]
    fn faults_of_repositories_are_told() {
        let text = faults(
            "name: x\ntoolchain:\n  - {stage: a, base: [{archive: a.tar}]}\npackages:\n  toolchain: a\n  specs: [.]\n  \
             repositories:\n    - {url: 'http://a.test', file: a.repo}\n    - {file: b.repo, gpg-keys: [k], ca: c}\n",
        );
        for line in [
            "packages: repository 1 needs either `url` or `file`",
            "packages: repository 2: there is no file `[DIR]/b.repo`",
            "packages: repository 2: gpg-keys: there is no file `[DIR]/k`",
            "packages: repository 2: ca: there is no file `[DIR]/c`",
        ] {
            assert!(text.contains(line), "{text}");
        }
    }

    #[test]
    fn two_images_of_one_name_are_refused() {
        let text = faults(
            "name: x\ntoolchain:\n  - {stage: a, base: [{archive: a.tar}]}\n\
             images: {toolchain: a, version: '1', configs: [one/x.json, one/x.json, two/y.json, two/x.yaml]}\n",
        );
        let told = "images: configs: `[DIR]/one/x.json` and `[DIR]/two/x.yaml` both make the image `x`";
        assert!(text.contains(told), "{text}");
    }

    #[test]
    fn an_unknown_key_is_told_with_its_place() {
        let text = faults("name: x\ntoolchain:\n  - stage: a\n    bsae: []\n");
        assert!(text.contains("[DIR]/p.yaml") && text.contains("bsae") && text.contains("base"), "{text}");
    }
}
