//! The folder that a build's container sees: our scripts, the spec with its sources in `sources/`, and the run's macro
//! files in `macros/`.
//!
//! Files are copied and hashed on their way, so that what is built is what the build key says, whatever the user does to
//! the checkout meanwhile. Owner and time of the copies do not matter: `build.sh` sets them.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::BuildError;
use super::container::{BUILD_SCRIPT, CHECK_SCRIPT, SETUP_SCRIPT};
use crate::digest::{HashingWriter, KeyBuilder, Sha256};
use crate::removal;
use crate::source::Sources;
use crate::spec::SourcePackage;
use crate::toolchain::MacroFile;

/// A file of a build's inputs.
#[derive(Clone, Debug)]
pub(super) struct InputFile {
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) sha256: Sha256,
    /// A source package keeps the executable bit of its sources.
    pub(super) executable: bool,
}

/// The spec and its sources, each file once.
pub(super) fn files(package: &SourcePackage, sources: &Sources) -> Result<Vec<InputFile>, BuildError> {
    let spec = InputFile {
        name: format!("{}.spec", package.spec),
        path: package.spec_path.clone(),
        sha256: package.spec_digest,
        executable: false,
    };
    let mut files = BTreeMap::from([(spec.name.clone(), spec)]);
    for source in &package.sources {
        let missing = || BuildError::NoSource { spec: package.spec.clone(), file: source.name.clone() };
        let found = sources.files.get(&(package.spec.clone(), source.name.clone())).ok_or_else(missing)?;
        let (name, path) = (source.name.clone(), found.path.clone());
        let file = InputFile { name, sha256: found.sha256, executable: is_executable(&path), path };
        files.insert(source.name.clone(), file);
    }
    Ok(files.into_values().collect())
}

impl From<&MacroFile> for InputFile {
    fn from(file: &MacroFile) -> Self {
        Self { name: file.name.clone(), path: file.path.clone(), sha256: file.digest, executable: false }
    }
}

impl InputFile {
    /// What the file is to a build.
    pub(super) fn digest(&self) -> Sha256 {
        if self.executable {
            KeyBuilder::new("executable").field("content", self.sha256.as_bytes()).finish()
        } else {
            self.sha256
        }
    }
}

/// Makes `folder` hold the scripts, `files` and `macro_files`, in place of whatever it held.
pub(super) fn prepare(folder: &Path, files: &[InputFile], macro_files: &[MacroFile]) -> Result<(), BuildError> {
    let wrong = |path: &Path| {
        let path = path.to_owned();
        move |source| BuildError::Folder { path, source }
    };
    let (sources, macros) = (folder.join("sources"), folder.join("macros"));
    removal::remove(folder).map_err(wrong(folder))?;
    fs::create_dir_all(&sources).map_err(wrong(&sources))?;
    for (name, content) in [BUILD_SCRIPT, CHECK_SCRIPT, SETUP_SCRIPT] {
        add_script(folder, name, content)?;
    }
    fs::create_dir_all(&macros).map_err(wrong(&macros))?;
    let macro_files: Vec<InputFile> = macro_files.iter().map(InputFile::from).collect();
    let macro_files = macro_files.iter().map(|file| (file, &macros));
    for (file, into) in files.iter().map(|file| (file, &sources)).chain(macro_files) {
        let not_copied = |source| BuildError::Copy { path: file.path.clone(), into: into.clone(), source };
        if copy(file, &into.join(&file.name)).map_err(not_copied)? != file.sha256 {
            return Err(BuildError::Changed { path: file.path.clone() });
        }
    }
    // The container's user is nobody that the host's umask knows.
    [folder, &sources, &macros].into_iter().try_for_each(|path| readable(path, 0o755)).map_err(wrong(folder))
}

/// Puts a file into `folder` that every user may read and run.
pub(super) fn add_script(folder: &Path, name: &str, content: &str) -> Result<(), BuildError> {
    let path = folder.join(name);
    let written = fs::write(&path, content).and_then(|()| readable(&path, 0o755));
    written.map_err(|source| BuildError::Folder { path, source })
}

fn copy(from: &InputFile, to: &Path) -> io::Result<Sha256> {
    let mut writer = HashingWriter::new(File::create(to)?);
    io::copy(&mut File::open(&from.path)?, &mut writer)?;
    readable(to, if from.executable { 0o755 } else { 0o644 })?;
    Ok(writer.finish().1)
}

fn readable(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode))
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o100 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(folder: &Path, name: &str, content: &str, mode: u32) -> InputFile {
        let path = folder.join(name);
        fs::write(&path, content).unwrap();
        readable(&path, mode).unwrap();
        let executable = is_executable(&path);
        InputFile { name: name.to_owned(), path, sha256: Sha256::of_bytes(content.as_bytes()), executable }
    }

    #[test]
    fn a_build_gets_copies_that_everybody_can_read() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("work/a");
        let (plain, script) = (input(place.path(), "a.spec", "spec", 0o600), input(place.path(), "run", "#!", 0o700));
        fs::create_dir_all(folder.join("out")).unwrap();
        prepare(&folder, &[plain, script], &[]).unwrap();
        let mode = |name: &str| fs::metadata(folder.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode("sources/a.spec"), 0o644);
        assert_eq!(mode("sources/run"), 0o755);
        assert_eq!(mode("build.sh"), 0o755);
        assert!(!folder.join("out").exists());
    }

    #[test]
    fn a_changed_source_is_noticed() {
        let place = tempfile::tempdir().unwrap();
        let file = input(place.path(), "a.spec", "spec", 0o644);
        fs::write(&file.path, "changed").unwrap();
        let error = prepare(&place.path().join("work"), &[file], &[]).unwrap_err();
        assert!(matches!(error, BuildError::Changed { .. }));
    }

    #[test]
    fn the_executable_bit_of_a_source_counts() {
        let place = tempfile::tempdir().unwrap();
        let (plain, script) = (input(place.path(), "a", "x", 0o644), input(place.path(), "b", "x", 0o755));
        assert_eq!(plain.digest(), plain.sha256);
        assert_ne!(script.digest(), script.sha256);
    }
}
