//! What the pipeline says of one toolchain stage, checked.

use std::path::{Path, PathBuf};

use crate::package::Capability;

/// One stage: where its file system comes from and what is done to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Its name, unique in the pipeline.
    pub name: String,
    /// What it starts from.
    pub origin: Origin,
    /// Packages that the image's own package manager installs first.
    pub install: Vec<String>,
    /// The containerfile to carry out.
    pub containerfile: Option<Instructions>,
    /// What RPM may take as given in it, besides what the stage below provides: its RPM database says so, too.
    pub provides: Vec<Capability>,
    /// The file that lists some of these, absolute.
    pub manifest: Option<PathBuf>,
}

/// What a stage starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The first of these that can be had; never empty.
    Bases(Vec<Base>),
    /// The image of the stage with this name, which stands above in the pipeline.
    Stage(String),
}

/// A base that does not come from another stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Base {
    /// An image of a registry, `NAME@sha256:…`.
    Image(String),
    /// A rootfs tar, a `docker save` tar, or an OCI layout as tar or folder; absolute.
    Archive(PathBuf),
    /// A Debian-like root made by mmdebstrap.
    Debootstrap(Debootstrap),
}

/// What mmdebstrap is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Debootstrap {
    /// Such as `bookworm`.
    pub suite: String,
    /// The archive's address; None for those that the host's apt configuration names for this suite.
    pub mirror: Option<String>,
}

/// A containerfile and the folder that it copies from, both absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instructions {
    /// The file.
    pub path: PathBuf,
    /// The folder.
    pub context: PathBuf,
}

impl Origin {
    /// The stage below.
    pub fn below(&self) -> Option<&str> {
        match self {
            Self::Bases(_) => None,
            Self::Stage(name) => Some(name),
        }
    }
}

/// The file that stands for an archive: an OCI layout in a folder is named by its index, which names all the rest.
pub(super) fn file_of_archive(path: &Path) -> PathBuf {
    if path.is_dir() { path.join("index.json") } else { path.to_owned() }
}

impl Base {
    /// The file that stands for it, if it is an archive.
    pub(super) fn archive(&self) -> Option<PathBuf> {
        if let Self::Archive(path) = self { Some(file_of_archive(path)) } else { None }
    }

    /// The base in the pipeline's words.
    pub fn describe(&self) -> String {
        match self {
            Self::Image(reference) => format!("image {reference}"),
            Self::Archive(path) => format!("archive {}", path.display()),
            Self::Debootstrap(debootstrap) => format!("debootstrap {}", debootstrap.suite),
        }
    }
}
