//! Versions of other specs as macros: `%azl_kernel_version` is the version of `kernel.spec`.
//!
//! As Azure Linux's `versionsprocessor` makes them: for each spec `<prefix>_<name>_version`, `_release` without the
//! distribution's tag, and `_epoch` where there is one; a `-` in the name is a `_`. Only the macros that a spec's own text
//! names are defined for it. A spec is read after those whose versions it names, so that their versions are final.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::cache::{Cache, Outcome};
use super::error::reading;
use super::key::{KeyedSpec, Uses};
use super::{SourcePackage, SpecError};
use crate::regular;

const FIELDS: [&str; 3] = ["_version", "_release", "_epoch"];

/// The versions that specs may ask for.
pub(super) struct Versions {
    /// With the `_` after it.
    prefix: String,
    /// What is cut off a release.
    dist: String,
    /// Spec names by the name that macros have for them.
    specs: HashMap<String, String>,
    known: BTreeMap<String, String>,
}

impl Versions {
    /// Nothing is known yet of `specs`.
    pub(super) fn new(prefix: &str, dist: Option<&String>, specs: &[KeyedSpec]) -> Self {
        let name = |spec: &KeyedSpec| (macro_name(&spec.file.name), spec.file.name.clone());
        Self {
            prefix: format!("{prefix}_"),
            dist: dist.cloned().unwrap_or_default(),
            specs: specs.iter().map(name).collect(),
            known: BTreeMap::new(),
        }
    }

    /// Finds out which of the macros each spec names; reads only specs that the cache does not know.
    pub(super) fn find(&self, specs: &mut [KeyedSpec], cache: &Cache) -> Result<(), SpecError> {
        for spec in specs {
            let known = cache.names(&spec.file.name, spec.key).map(|names| names.cloned().collect::<Vec<_>>());
            let names = if let Some(names) = known {
                names
            } else {
                let text = match regular::read_text(&spec.file.path) {
                    // Of that spec alone it is told, when it is to be read.
                    Err(long) if regular::is_too_long(&long) => Vec::new(),
                    text => text.map_err(reading(&spec.file.path))?,
                };
                self.named(&String::from_utf8_lossy(&text))
            };
            spec.uses = names.into_iter().map(|name| (name, None)).collect();
        }
        Ok(())
    }

    /// The macros that stand in a spec's text.
    fn named(&self, text: &str) -> Vec<String> {
        version_macros(text, self.prefix.trim_end_matches('_')).into_iter().collect()
    }

    /// What a macro is called without prefix and field: the spec whose version it is, as macros write its name.
    fn spec_of<'m>(&self, name: &'m str) -> Option<&'m str> {
        let rest = name.strip_prefix(&self.prefix)?;
        FIELDS.iter().find_map(|field| rest.strip_suffix(field)).filter(|spec| !spec.is_empty())
    }

    /// The specs whose versions `spec` takes.
    fn needs<'s>(&'s self, spec: &'s KeyedSpec) -> impl Iterator<Item = &'s str> {
        spec.uses.keys().filter_map(|name| self.specs.get(self.spec_of(name)?)).map(String::as_str)
    }

    /// Takes those specs out of `open` that need the version of no other spec in it, and gives them their macros.
    pub(super) fn ready(&self, open: &mut Vec<KeyedSpec>) -> Vec<KeyedSpec> {
        let waiting: BTreeSet<&str> = open.iter().map(|spec| spec.file.name.as_str()).collect();
        let is_ready: Vec<bool> =
            open.iter().map(|spec| self.needs(spec).all(|need| !waiting.contains(need))).collect();
        let (mut ready, mut rest) = (Vec::new(), Vec::new());
        for (mut spec, is_ready) in open.drain(..).zip(is_ready) {
            if is_ready {
                for (name, value) in &mut spec.uses {
                    *value = self.known.get(name).cloned();
                }
                ready.push(spec);
            } else {
                rest.push(spec);
            }
        }
        *open = rest;
        ready
    }

    /// Learns the versions of a spec that was read.
    pub(super) fn learn(&mut self, spec: &str, outcome: &Outcome) {
        let Outcome::Package(package) = outcome else { return };
        let SourcePackage { nevra, .. } = &**package;
        let name = format!("{}{}", self.prefix, macro_name(spec));
        let release = nevra.evr.release.replacen(&self.dist, "", 1);
        self.known.insert(format!("{name}_version"), nevra.evr.version.clone());
        self.known.insert(format!("{name}_release"), release);
        if let Some(epoch) = nevra.evr.epoch {
            self.known.insert(format!("{name}_epoch"), epoch.to_string());
        }
    }
}

/// The specs with these names, and those whose versions they take.
pub(super) fn selected(specs: Vec<KeyedSpec>, names: &[String], versions: Option<&Versions>) -> Vec<KeyedSpec> {
    let mut wanted: BTreeSet<String> = names.iter().cloned().collect();
    loop {
        let inside = specs.iter().filter(|spec| wanted.contains(&spec.file.name));
        let needs = inside.flat_map(|spec| versions.into_iter().flat_map(|versions| versions.needs(spec)));
        let more: Vec<String> = needs.filter(|need| !wanted.contains(*need)).map(str::to_owned).collect();
        if more.is_empty() {
            return specs.into_iter().filter(|spec| wanted.contains(&spec.file.name)).collect();
        }
        wanted.extend(more);
    }
}

/// Why specs that take each other's versions are not read.
pub(super) fn ring(uses: &Uses) -> Outcome {
    let names: Vec<String> = uses.keys().map(|name| format!("`%{name}`")).collect();
    Outcome::Failure(format!("error: {} cannot be known: specs take each other's versions", names.join(", ")))
}

/// The macros in `text` that begin with `prefix` and would have the version, release or epoch of a spec.
pub fn version_macros(text: &str, prefix: &str) -> BTreeSet<String> {
    let is_inside = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let start = format!("{prefix}_");
    let words = text.match_indices(&start).filter_map(|(at, _)| {
        let starts = !text[..at].ends_with(is_inside);
        let end = text[at..].find(|letter| !is_inside(letter)).map_or(text.len(), |length| at + length);
        let spec = FIELDS.iter().find_map(|field| text[at + start.len()..end].strip_suffix(field));
        (starts && spec.is_some_and(|spec| !spec.is_empty())).then(|| text[at..end].to_owned())
    });
    words.collect()
}

/// The name of a spec as macros with its version write it.
pub fn macro_name(spec: &str) -> String {
    spec.replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Sha256;
    use crate::spec::find::SpecFile;

    fn spec(name: &str, uses: &[&str]) -> KeyedSpec {
        let relative = format!("{name}.spec");
        let file = SpecFile { name: name.to_owned(), path: relative.clone().into(), folder: 0, relative, linked: None };
        let digest = Sha256::of_bytes(b"");
        let uses = uses.iter().map(|name| ((*name).to_owned(), None)).collect();
        KeyedSpec { file, digest, key: digest, uses, loses_section: false, asks_database: false, reads_far: false }
    }

    fn names(specs: &[KeyedSpec]) -> Vec<&str> {
        specs.iter().map(|spec| spec.file.name.as_str()).collect()
    }

    #[test]
    fn macros_are_found_in_the_text() {
        let versions = Versions::new("azl", None, &[]);
        let text =
            "%global v %azl_kernel_version\n%{?azl_k_hwe_release}\n0%{azl} %{my_azl_x_version} %azl_ui azl__epoch";
        assert_eq!(versions.named(text), ["azl_k_hwe_release", "azl_kernel_version"]);
    }

    #[test]
    fn a_selected_spec_brings_those_whose_versions_it_takes() {
        let all = || {
            vec![
                spec("kernel", &[]),
                spec("ofa", &["azl_kernel_release"]),
                spec("knem", &["azl_ofa_version"]),
                spec("zlib", &[]),
            ]
        };
        let versions = Versions::new("azl", None, &all());
        assert_eq!(names(&selected(all(), &["knem".to_owned()], Some(&versions))), ["kernel", "ofa", "knem"]);
        assert_eq!(names(&selected(all(), &["knem".to_owned()], None)), ["knem"]);
    }

    #[test]
    fn a_spec_waits_for_those_whose_versions_it_takes() {
        let mut open = vec![
            spec("kernel-hwe", &[]),
            spec("ofa", &["azl_kernel_hwe_release"]),
            spec("knem", &["azl_ofa_release", "azl_none_version"]),
            spec("a", &["azl_b_version"]),
            spec("b", &["azl_a_version"]),
        ];
        let mut versions = Versions::new("azl", Some(&".azl3".to_owned()), &open);
        assert_eq!(names(&versions.ready(&mut open)), ["kernel-hwe"]);
        versions.known.insert("azl_kernel_hwe_release".into(), "2".into());
        let second = versions.ready(&mut open);
        assert_eq!(names(&second), ["ofa"]);
        assert_eq!(second[0].seen(), BTreeMap::from([("azl_kernel_hwe_release".to_owned(), "2".to_owned())]));
        let third = versions.ready(&mut open);
        assert_eq!((names(&third), third[0].seen().len()), (vec!["knem"], 0));
        assert!(versions.ready(&mut open).is_empty());
        assert_eq!(names(&open), ["a", "b"]);
    }
}
