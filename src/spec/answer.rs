//! Reads what `rpmspec` said of one spec into a [`SourcePackage`]. Pure.
//!
//! In: the answers that [`super::script`] describes. A record that is not as described, or a dependency that is not one,
//! makes the whole answer wrong: half a package would be built in the wrong order.

use std::collections::BTreeMap;

use super::find::SpecFile;
use super::parsed::{self, Parsed};
use super::{BinaryPackage, SourceFile, SourcePackage};
use crate::digest::Sha256;
use crate::package::{Capability, Comparison, Evr, Nevra, Requirement};
use crate::printable;
use crate::source::SourceKind;

/// File systems take no longer name, in bytes.
const LONGEST_NAME: usize = 255;

/// Flags of a dependency (`rpmds.h`): a feature of rpm itself, and one that may stay unsatisfied.
const RPMLIB: u32 = 1 << 24;
const MISSING_OK: u32 = 1 << 19;
/// How a dependency's version compares (`rpmds.h`).
const LESS: u32 = 1 << 1;
const GREATER: u32 = 1 << 2;
const EQUAL: u32 = 1 << 3;

/// What `rpmspec` wrote about one spec.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer<'a> {
    /// The source package without checks.
    pub(super) source: &'a str,
    /// Its binary packages.
    pub(super) binary: &'a str,
    /// The source package with checks, where the spec asks for them.
    pub(super) checked: Option<&'a str>,
    /// The expanded spec.
    pub(super) parsed: &'a str,
}

/// The package that `file`, with digest `digest`, makes on `arch`; or why the answer makes no sense.
pub(super) fn package(
    file: &SpecFile,
    digest: Sha256,
    arch: &str,
    answer: Answer<'_>,
) -> Result<SourcePackage, String> {
    let source = Records::read(answer.source)?;
    let mut nevra = source.nevras()?.pop().ok_or("rpmspec told no source package")?;
    let excluded = excluded(&source, &nevra.arch, arch);
    let build_arch = std::mem::replace(&mut nevra.arch, "src".to_owned());
    let words = |tag: &str| source.values(tag).map(str::to_owned).collect();
    let build_requires = source.requirements("R")?;
    let mut check_requires = match answer.checked {
        Some(checked) => Records::read(checked)?.requirements("R")?,
        None => Vec::new(),
    };
    check_requires.retain(|requirement| !build_requires.contains(requirement));
    let parsed = parsed::read(answer.parsed, &nevra.name);
    Ok(SourcePackage {
        spec: file.name.clone(),
        spec_path: file.path.clone(),
        spec_digest: digest,
        nevra,
        binaries: binaries(answer.binary)?,
        build_requires,
        check_requires,
        sources: sources(&source, &parsed)?,
        has_check: parsed.has_check,
        excluded,
        build_arch,
        exclusive_arch: words("XA"),
        exclude_arch: words("EA"),
        version_macros: BTreeMap::new(),
        asks_database: false,
        changelog_time: source.values("C").next().and_then(|time| time.parse().ok()),
        files: parsed.files,
    })
}

/// Sources, then patches, each in the spec's order; the header has them in another one and without URLs.
fn sources(source: &Records<'_>, parsed: &Parsed) -> Result<Vec<SourceFile>, String> {
    let mut files = Vec::new();
    for (tag, kind) in [("S", SourceKind::Source), ("P", SourceKind::Patch)] {
        if let Some(wrong) = source.values(tag).find(|name| name.len() > LONGEST_NAME || !printable::is_file_name(name))
        {
            let (what, wrong) = (if tag == "S" { "Source" } else { "Patch" }, wrong.escape_debug());
            return Err(format!("{what}: `{wrong}` is no name of a file; rpm takes what stands behind the last `/`"));
        }
        let named = source.values(tag).map(|name| {
            let place = parsed.sources.iter().position(|text| parsed::file_name(text) == name);
            let url = place.and_then(|place| parsed::url(&parsed.sources[place]));
            (place.unwrap_or(usize::MAX), SourceFile { name: name.to_owned(), url, kind })
        });
        let mut named: Vec<_> = named.collect();
        named.sort_by_key(|(place, _)| *place);
        files.extend(named.into_iter().map(|(_, file)| file));
    }
    Ok(files)
}

fn binaries(text: &str) -> Result<Vec<BinaryPackage>, String> {
    let records = Records::read(text)?;
    let starts = records.0.iter().enumerate().filter(|(_, record)| record[0] == "N").map(|(at, _)| at);
    let mut starts: Vec<usize> = starts.collect();
    starts.push(records.0.len());
    let each = starts.windows(2).map(|ends| Records(records.0[ends[0]..ends[1]].to_vec()));
    each.map(|records| {
        let nevra = records.nevras()?.pop().ok_or("rpmspec told a package without name")?;
        Ok(BinaryPackage {
            nevra,
            provides: records.provides()?,
            requires: records.requirements("R")?,
            conflicts: records.requirements("X")?,
            obsoletes: records.requirements("O")?,
        })
    })
    .collect()
}

/// As `rpmbuild` decides it; a package without architecture may name `noarch` among those it is built on.
fn excluded(source: &Records<'_>, main_arch: &str, arch: &str) -> Option<String> {
    let lists = [("XA", "ExclusiveArch"), ("EA", "ExcludeArch"), ("XO", "ExclusiveOS"), ("EO", "ExcludeOS")];
    lists.into_iter().find_map(|(tag, field)| {
        let words: Vec<&str> = source.values(tag).collect();
        let has = |wanted: &str| words.iter().any(|word| word.eq_ignore_ascii_case(wanted));
        let out = match tag {
            "XA" => ![words.is_empty(), has(arch), main_arch == "noarch" && has("noarch")].contains(&true),
            "EA" => has(arch),
            "XO" => !words.is_empty() && !has("linux"),
            _ => has("linux"),
        };
        out.then(|| format!("{field}: {}", words.join(" ")))
    })
}

/// The packages of several specs, in their order: what stands before each package called `boundary`.
pub(super) fn before_each(text: &str, boundary: &str) -> Vec<String> {
    let boundary = format!("N\u{1f}{boundary}\u{1f}");
    let (mut parts, mut open) = (Vec::new(), Some(String::new()));
    for record in text.split_inclusive('\u{1e}') {
        let bare = record.trim_start_matches("(none)");
        if bare.starts_with(&boundary) {
            parts.push(open.take().unwrap_or_default());
        } else if bare.starts_with("N\u{1f}") || open.is_some() {
            open.get_or_insert_default().push_str(record);
        }
    }
    parts
}

/// The source packages of several specs, in their order; each spec has one.
pub(super) fn source_packages(text: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for record in text.split_inclusive('\u{1e}') {
        match parts.last_mut() {
            Some(part) if !record.trim_start_matches("(none)").starts_with("N\u{1f}") => part.push_str(record),
            _ => parts.push(record.to_owned()),
        }
    }
    parts
}

/// Records of an answer: a tag and at least one field each.
struct Records<'a>(Vec<Vec<&'a str>>);

impl<'a> Records<'a> {
    fn read(text: &'a str) -> Result<Self, String> {
        // rpm writes `(none)` in the place of a list that the header has not.
        let records = text.split('\u{1e}').map(|record| record.trim_start_matches("(none)"));
        let records = records.filter(|record| !record.trim().is_empty()).map(|record| {
            let fields: Vec<&str> = record.split('\u{1f}').collect();
            let expected = match fields[0] {
                "N" => 6,
                "V" => 4,
                "R" | "X" | "O" => 3,
                "S" | "P" | "XA" | "EA" | "XO" | "EO" | "C" => 2,
                _ => 0,
            };
            if fields.len() == expected {
                Ok(fields)
            } else {
                Err(format!("rpmspec's answer has `{}` in it", record.escape_debug()))
            }
        });
        records.collect::<Result<_, _>>().map(Self)
    }

    fn tagged(&self, tag: &str) -> impl Iterator<Item = &[&'a str]> {
        self.0.iter().filter(move |record| record[0] == tag).map(|record| &record[1..])
    }

    fn values(&self, tag: &str) -> impl Iterator<Item = &'a str> {
        self.tagged(tag).map(|fields| fields[0])
    }

    fn nevras(&self) -> Result<Vec<Nevra>, String> {
        let nevra = |fields: &[&str]| {
            let epoch = match fields[1] {
                "(none)" => None,
                number => Some(number.parse().map_err(|_| format!("`{number}` is not an epoch"))?),
            };
            let evr = Evr { epoch, version: fields[2].to_owned(), release: fields[3].to_owned() };
            // What is kept of the answer is text, and must be read as the same version.
            if Evr::parse(&evr.to_string()) != evr {
                return Err(format!("`{}` is not a version", evr.to_string().escape_debug()));
            }
            Ok(Nevra { name: fields[0].to_owned(), evr, arch: fields[4].to_owned() })
        };
        self.tagged("N").map(nevra).collect()
    }

    fn provides(&self) -> Result<Vec<Capability>, String> {
        let capability = |fields: &[&str]| {
            let flags: u32 = fields[2].parse().map_err(|_| format!("`{}` are not flags", fields[2]))?;
            let evr = (!fields[1].is_empty()).then(|| Evr::parse(fields[1]));
            let comparison = match flags & (LESS | GREATER | EQUAL) {
                LESS => Comparison::Less,
                GREATER => Comparison::Greater,
                sense if sense == LESS | EQUAL => Comparison::LessEqual,
                sense if sense == GREATER | EQUAL => Comparison::GreaterEqual,
                _ => Comparison::Equal,
            };
            Ok(Capability { name: fields[0].to_owned(), evr, comparison })
        };
        self.tagged("V").map(capability).collect()
    }

    /// In the header's order, each once.
    fn requirements(&self, tag: &str) -> Result<Vec<Requirement>, String> {
        let mut found: Vec<Requirement> = Vec::new();
        for fields in self.tagged(tag) {
            let flags: u32 = fields[1].parse().map_err(|_| format!("`{}` are not flags", fields[1]))?;
            if flags & (RPMLIB | MISSING_OK) != 0 {
                continue;
            }
            let requirement = fields[0].parse().map_err(|error| format!("{error}"))?;
            if !found.contains(&requirement) {
                found.push(requirement);
            }
        }
        Ok(found)
    }
}
