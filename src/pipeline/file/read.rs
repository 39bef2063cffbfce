//! Reads a pipeline file.

use std::path::Path;

use super::check::checked;
use super::config::{Pipeline, PipelineFileError};
use super::raw::RawPipeline;
use crate::yaml;

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
pub(in crate::pipeline) fn parse(path: &Path, project: &Path, text: &str) -> Result<Pipeline, PipelineFileError> {
    checked(path, project, yaml::parse(path, text)?)
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
    fn names_that_cannot_be_printed_or_be_files_are_refused() {
        insta::assert_snapshot!(faults(
            "name: \"a\\eb\"\ntoolchain:\n  - {stage: a, base: [{archive: a.tar}]}\nimages: {toolchain: a, version: ../1, configs: []}\n"
        ), @r#"
        `[DIR]/p.yaml` is not right:
          `name` is "a\u{1b}b"; it is printed, and has no control character
          images: `version` is "../1"; it is part of file names, without `/` and control characters
        "#);
        let until = faults(
            "name: x\npackages: {toolchain: a, specs: [], exceptions: [{spec: a, allow: root, reason: b, until: soon}]}\n",
        );
        assert!(until.contains("`until` is \"soon\", and a day such as `2027-06-30` is expected"), "{until}");
    }

    #[test]
    fn a_base_is_one_thing() {
        for base in ["{}", "{ image: a, archive: b }", "{ debootstrap: { suite: trixie }, image: a }"] {
            let text = faults(&format!("name: x\ntoolchain:\n  - stage: a\n    base:\n      - {base}\n"));
            assert!(text.contains("one of `image`, `archive` and `debootstrap` is expected"), "{text}");
            assert!(text.contains("toolchain[0].base") && text.contains("line 5, column 7"), "{text}");
        }
    }

    #[test]
    fn an_unknown_key_is_told_with_its_place() {
        let text = faults("name: x\ntoolchain:\n  - stage: a\n    bsae: []\n");
        assert!(text.contains("[DIR]/p.yaml") && text.contains("bsae") && text.contains("base"), "{text}");
    }
}
