//! What specs say, for tests without `rpmspec`: a few tags with one value each, `%include FILE`, `%(cat FILE)`, and macros with versions of
//! other specs. What is found is kept where a run looks for it, under the keys of the real reading.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::cache::{Cache, Outcome};
use super::key::{self, KeyedSpec};
use super::versions::Versions;
use super::{SourceFile, SourcePackage, find, package};
use crate::layout::Layout;
use crate::package::{Capability, Evr, Nevra};
use crate::source::SourceKind;
use crate::source::remembered::FileDigests;
use crate::toolchain::Toolchain;

/// Reads every spec in `folders` and keeps what it says for the next [`super::load`].
pub(crate) fn read(layout: &Layout, toolchain: &Toolchain, folders: &[PathBuf]) {
    let files = find::spec_files(folders).unwrap().files;
    let mut open = key::keyed(files, &FileDigests::open(layout, "stand-in")).unwrap();
    let mut cache = Cache::open(&layout.spec_state(), key::context(toolchain), toolchain.digest);
    let prefix = toolchain.version_macros.as_deref();
    let mut versions = prefix.map(|prefix| Versions::new(prefix, toolchain.macros.get("dist"), &open));
    if let Some(versions) = &versions {
        versions.find(&mut open, &cache).unwrap();
    }
    while !open.is_empty() {
        let ready = match &versions {
            Some(versions) => versions.ready(&mut open),
            None => std::mem::take(&mut open),
        };
        assert!(!ready.is_empty(), "specs take each other's versions");
        for mut spec in ready {
            spec.asks_database = super::asks_database(&std::fs::read(&spec.file.path).unwrap());
            let outcome = outcome(&spec, toolchain);
            if let Some(versions) = &mut versions {
                versions.learn(&spec.file.name, &outcome);
            }
            cache.insert(&spec, outcome);
        }
    }
    cache.save().unwrap();
}

fn outcome(spec: &KeyedSpec, toolchain: &Toolchain) -> Outcome {
    let folder = spec.file.path.parent().unwrap();
    let mut lines = Vec::new();
    match expand(&spec.file.path, (folder, &spec.seen()), &mut lines) {
        Ok(()) => Outcome::Package(Box::new(package_of(spec, &lines, toolchain))),
        Err(error) => Outcome::Failure(error),
    }
}

/// The lines of the file `path` with what they read.
fn expand(
    path: &Path,
    (folder, macros): (&Path, &BTreeMap<String, String>),
    lines: &mut Vec<String>,
) -> Result<(), String> {
    let text = |path: &Path| std::fs::read_to_string(path).map_err(|error| format!("error: {error}"));
    for line in text(path)?.lines() {
        if let Some(name) = line.strip_prefix("%include ") {
            expand(&folder.join(name), (folder, macros), lines)?;
            continue;
        }
        let mut line = line.to_owned();
        while let Some((before, rest)) = line.split_once("%(cat ") {
            let (name, after) = rest.split_once(')').ok_or("error: an open bracket")?;
            line = format!("{before}{}{after}", text(&folder.join(name))?.trim());
        }
        for (name, value) in macros {
            line = line.replace(&format!("%{{{name}}}"), value);
        }
        lines.push(line);
    }
    Ok(())
}

fn package_of(spec: &KeyedSpec, lines: &[String], toolchain: &Toolchain) -> SourcePackage {
    let values = |tag: &str| {
        let start = format!("{tag}: ");
        lines.iter().filter_map(|line| line.strip_prefix(&start)).map(str::to_owned).collect::<Vec<_>>()
    };
    let one = |tag: &str| values(tag).pop().unwrap_or_else(|| "0".to_owned());
    let release = one("Release").replace("%{?dist}", toolchain.macros.get("dist").map_or("", String::as_str));
    let evr = Evr::parse(&format!("{}-{release}", one("Version")));
    let name = spec.file.name.clone();
    let nevra = |arch: &str| Nevra { name: name.clone(), evr: evr.clone(), arch: arch.to_owned() };
    let file = |text: String, kind| SourceFile {
        name: text.rsplit('/').next().unwrap_or_default().to_owned(),
        url: text.contains("://").then(|| text.clone()),
        kind,
    };
    let other_arch = values("ExclusiveArch").into_iter().find(|arch| *arch != toolchain.arch);
    let sources = values("Source").into_iter().map(|text| file(text, SourceKind::Source));
    let binary = package::BinaryPackage {
        provides: vec![Capability::new(name.clone(), Some(evr.clone()))],
        ..package::BinaryPackage::new(nevra("noarch"))
    };
    SourcePackage {
        spec: name.clone(),
        spec_path: spec.file.path.clone(),
        spec_digest: spec.digest,
        nevra: nevra("src"),
        binaries: vec![binary],
        build_requires: values("BuildRequires").iter().map(|text| text.parse().unwrap()).collect(),
        sources: sources.chain(values("Patch").into_iter().map(|text| file(text, SourceKind::Patch))).collect(),
        has_check: lines.iter().any(|line| line == "%check"),
        excluded: other_arch.map(|arch| format!("ExclusiveArch: {arch}")),
        build_arch: "noarch".to_owned(),
        version_macros: spec.seen(),
        asks_database: spec.asks_database,
        ..package::tests::zlib()
    }
}
