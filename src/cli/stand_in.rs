//! A project for tests without an engine: its toolchain stage counts as made, and what its specs say is known.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Parser;

use super::bench::{Bench, Look};
use super::interrupt::Interrupt;
use super::{Cli, Command, Project};
use crate::oci::{ImageConfig, Member, MemberKind, MemberWriter, Store};
use crate::pipeline::{Pipeline, Stage};
use crate::report::Printer;
use crate::spec;
use crate::toolchain::{self, Installed, ReadStage};

const PIPELINE: &str = "name: p\ntoolchain:\n- stage: base\n  base: [{ archive: none.tar }]\n  provides: [gcc]\n\
    packages:\n  toolchain: base\n  specs: [SPECS]\n";

/// A small project in a temporary folder.
pub(super) struct Small {
    folder: tempfile::TempDir,
}

impl Small {
    /// A project with these specs, each a name and the tags that count; see [`spec::stand_in`].
    pub(super) fn new(specs: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("SPECS")).unwrap();
        std::fs::write(folder.path().join("p.yaml"), PIPELINE).unwrap();
        for (name, tags) in specs {
            let text = format!("Name: {name}\nVersion: 1\nRelease: 1\n{tags}\n");
            std::fs::write(folder.path().join(format!("SPECS/{name}.spec")), text).unwrap();
        }
        Self { folder }
    }

    /// A project with `app`, which needs `lib`, and with specs that are for another architecture, alone, and in need of what
    /// nobody has.
    pub(super) fn of_every_kind() -> Self {
        Self::new(&[
            ("app", "BuildRequires: lib"),
            ("lib", "BuildRequires: gcc"),
            ("far", "ExclusiveArch: s390x"),
            ("lone", ""),
            ("lost", "BuildRequires: nothing-such"),
        ])
    }

    /// The project as `words` open it, and their command.
    pub(super) fn open(&self, words: &[&str]) -> (Project, Command) {
        let folder = self.folder.path().display().to_string();
        let first = ["drydock", "--project", &folder, "--pipeline", "p.yaml", "--engine", "embedded"];
        let (project, command) = project(first.iter().chain(words).copied());
        read_specs(&project);
        (project, command)
    }

    /// `text` without the place of the project.
    pub(super) fn shown(&self, text: &str) -> String {
        let real: PathBuf = self.folder.path().canonicalize().unwrap();
        text.replace(&real.display().to_string(), "[DIR]")
    }
}

/// The project that a command line opens, which tells nothing, and the command.
pub(super) fn project<'w>(words: impl Iterator<Item = &'w str>) -> (Project, Command) {
    let cli = Cli::try_parse_from(words).unwrap();
    let mut project = Project::open(&cli.global, &Interrupt::default()).ok().unwrap();
    project.printer = Arc::new(Printer::silent());
    (project, cli.command)
}

/// Makes the pipeline's stage and reads its specs.
pub(super) fn read_specs(project: &Project) {
    let pipeline = project.pipeline().ok().unwrap();
    let bench = Bench::new(project).ok().unwrap();
    make_stage(project, &pipeline, &bench.store);
    let look = Look::at(&bench, &pipeline).ok().unwrap();
    let toolchain = look.runner.toolchain(look.packages, &look.made).unwrap();
    spec::stand_in::read(&project.layout, &toolchain, &look.packages.specs);
}

/// Makes the stage that packages are built in, as far as keys go: an image of its own for each key, with a layer more for
/// what it provides.
fn make_stage(project: &Project, pipeline: &Pipeline, store: &Store) {
    let Some(Stage::Image(stage)) = pipeline.stages.first() else { panic!("no stage") };
    let read = |stage: &toolchain::Stage| ReadStage::of(stage, &project.layout, &project.cancel).unwrap();
    let (key, plain) = (read(stage).key(None), toolchain::Stage { provides: Vec::new(), ..stage.clone() });
    let config = ImageConfig { env: vec![format!("KEY={}", read(&plain).key(None))], ..ImageConfig::default() };
    let base = store.from_rootfs_tar(&layer(project, "base"), &config).unwrap();
    let image = store.append_layer(&base, &layer(project, &format!("{:?}", stage.provides)), &config).unwrap().manifest;
    toolchain::keep_image(key, image, &project.layout).unwrap();
    let installed = project.layout.toolchain_state().join(format!("toolchain/installed/{image}.json"));
    std::fs::create_dir_all(installed.parent().unwrap()).unwrap();
    std::fs::write(installed, serde_json::to_vec(&Installed::default()).unwrap()).unwrap();
}

/// A layer with one file of the text `text`.
fn layer(project: &Project, text: &str) -> std::path::PathBuf {
    let member = Member {
        path: b"file".to_vec(),
        kind: MemberKind::File,
        mode: 0o644,
        size: text.len() as u64,
        uid: 0,
        gid: 0,
        mtime: 0,
        xattrs: BTreeMap::default(),
    };
    let mut writer = MemberWriter::new(Vec::new());
    writer.append(&member, &mut text.as_bytes()).unwrap();
    let path = project.layout.build().join("layer.tar");
    std::fs::create_dir_all(project.layout.build()).unwrap();
    std::fs::write(&path, writer.finish().unwrap()).unwrap();
    path
}
