//! The files of the user that a stage is made from.

use std::path::PathBuf;

use super::containerfile::{self, Instruction};
use super::ignored;
use super::{Base, Instructions, Origin, Stage};
use crate::text_file;

/// The containerfile of `stage`, what it copies and what leaves files out of that, the archives that it may start from, and the list of what it provides:
/// files and folders, absolute.
/// What a containerfile copies that cannot be read or is wrong is left out; building the stage tells about it.
pub fn inputs(stage: &Stage) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = stage.manifest.iter().cloned().collect();
    if let Origin::Bases(bases) = &stage.origin {
        let archive = |base: &Base| if let Base::Archive(path) = base { Some(path.clone()) } else { None };
        found.extend(bases.iter().filter_map(archive));
    }
    if let Some(instructions) = &stage.containerfile {
        found.push(instructions.path.clone());
        found.extend(ignored::file(&instructions.path, &instructions.context));
        found.extend(copied(instructions));
    }
    found
}

fn copied(Instructions { path, context }: &Instructions) -> Vec<PathBuf> {
    let Ok(text) = text_file::read(path) else { return Vec::new() };
    let Ok(file) = containerfile::parse(path, &text, None) else { return Vec::new() };
    let names = file.steps.into_iter().flat_map(|(_, instruction)| match instruction {
        Instruction::Copy { from, .. } => from,
        _ => Vec::new(),
    });
    names.map(|name| context.join(name)).collect()
}
