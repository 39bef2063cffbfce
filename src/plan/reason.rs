//! Why a package is built: what differs between the last build's inputs and the next one's.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::Sha256;

use super::{BuildInputs, Exception};

/// One difference. Lists of reasons are in the order of these variants.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
#[allow(missing_docs, reason = "`old` and `new` are the values of the two builds; None where that build has none")]
pub enum Reason {
    /// There is no earlier build.
    NeverBuilt,
    /// The user asked for it whatever changed.
    Forced,
    /// A file of the last build's result is not there any more.
    ResultMissing { file: String },
    /// Drydock builds in another way.
    KeyVersionChanged { old: u32, new: u32 },
    /// The spec file has another content.
    SpecChanged { old: Sha256, new: Sha256 },
    /// A source or patch has another content, is new or is gone.
    SourceChanged { file: String, old: Option<Sha256>, new: Option<Sha256> },
    /// A macro of the run has another body, is new or is gone.
    MacroChanged { name: String, old: Option<String>, new: Option<String> },
    /// A file of macros has another content, is new or is gone.
    MacroFileChanged { file: String, old: Option<Sha256>, new: Option<Sha256> },
    /// The toolchain image is another one.
    ToolchainChanged { old: Sha256, new: Sha256 },
    /// The toolchain's stage provides something now that is required, or does not any more.
    GivenTurned { capability: String, given: bool },
    /// It is built for another architecture.
    ArchChanged { old: String, new: String },
    /// `%check` runs and did not, or the other way round.
    CheckTurned { runs: bool },
    /// It may do something now that others may not, or may not any more.
    ExceptionTurned { exception: Exception, allowed: bool },
    /// An RPM of the buildroot, named by NEVRA, provides something else to a build.
    DependencyChanged { nevra: String, old: Sha256, new: Sha256 },
    /// Another version of an RPM is in the buildroot; both are NEVRAs.
    DependencyUpdated { old: String, new: String },
    /// An RPM is in the buildroot that was not.
    DependencyAdded { nevra: String },
    /// An RPM was in the buildroot and is not.
    DependencyRemoved { nevra: String },
}

/// Everything that differs, sorted; empty when the inputs are the same and the package is up to date.
pub fn reasons(old: Option<&BuildInputs>, new: &BuildInputs) -> Vec<Reason> {
    let Some(old) = old else { return vec![Reason::NeverBuilt] };
    let mut found = Vec::new();
    if old.key_version != new.key_version {
        found.push(Reason::KeyVersionChanged { old: old.key_version, new: new.key_version });
    }
    if old.spec_digest != new.spec_digest {
        found.push(Reason::SpecChanged { old: old.spec_digest, new: new.spec_digest });
    }
    for (file, old, new) in differences(&old.sources, &new.sources) {
        found.push(Reason::SourceChanged { file: file.clone(), old: old.copied(), new: new.copied() });
    }
    for (name, old, new) in differences(&old.macros, &new.macros) {
        found.push(Reason::MacroChanged { name: name.clone(), old: old.cloned(), new: new.cloned() });
    }
    for (file, old, new) in differences(&old.macro_files, &new.macro_files) {
        found.push(Reason::MacroFileChanged { file: file.clone(), old: old.copied(), new: new.copied() });
    }
    if old.image != new.image {
        found.push(Reason::ToolchainChanged { old: old.image, new: new.image });
    }
    for capability in old.given.symmetric_difference(&new.given) {
        let given = new.given.contains(capability);
        found.push(Reason::GivenTurned { capability: capability.clone(), given });
    }
    if old.arch != new.arch {
        found.push(Reason::ArchChanged { old: old.arch.clone(), new: new.arch.clone() });
    }
    if old.check != new.check {
        found.push(Reason::CheckTurned { runs: new.check });
    }
    for &exception in old.exceptions.symmetric_difference(&new.exceptions) {
        found.push(Reason::ExceptionTurned { exception, allowed: new.exceptions.contains(&exception) });
    }
    found.extend(buildroot_reasons(&old.buildroot, &new.buildroot));
    found.sort();
    found
}

type Difference<'a, V> = (&'a String, Option<&'a V>, Option<&'a V>);

/// The names under which two maps differ.
fn differences<'a, V: PartialEq>(
    old: &'a BTreeMap<String, V>,
    new: &'a BTreeMap<String, V>,
) -> impl Iterator<Item = Difference<'a, V>> {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let pairs = names.into_iter().map(|name| (name, old.get(name), new.get(name)));
    pairs.filter(|(_, old, new)| old != new)
}

/// An RPM that is gone and one of the same name that came are one update.
fn buildroot_reasons(old: &BTreeMap<String, Sha256>, new: &BTreeMap<String, Sha256>) -> Vec<Reason> {
    let (mut found, mut gone, mut came) = (Vec::new(), BTreeMap::new(), Vec::new());
    for (nevra, old, new) in differences(old, new) {
        match (old, new) {
            (Some(&old), Some(&new)) => found.push(Reason::DependencyChanged { nevra: nevra.clone(), old, new }),
            (Some(_), None) => {
                gone.insert(package_name(nevra), nevra);
            }
            _ => came.push(nevra),
        }
    }
    for nevra in came {
        found.push(match gone.remove(package_name(nevra)) {
            Some(old) => Reason::DependencyUpdated { old: old.clone(), new: nevra.clone() },
            None => Reason::DependencyAdded { nevra: nevra.clone() },
        });
    }
    found.extend(gone.into_values().map(|nevra| Reason::DependencyRemoved { nevra: nevra.clone() }));
    found
}

/// The name in a NEVRA: version and release have no dash.
fn package_name(nevra: &str) -> &str {
    nevra.rsplitn(3, '-').nth(2).unwrap_or(nevra)
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |old: &Sha256, new: &Sha256| format!("({} → {})", old.short(), new.short());
        match self {
            Self::NeverBuilt => f.write_str("it was never built"),
            Self::Forced => f.write_str("building it again was asked for"),
            Self::ResultMissing { file } => write!(f, "`{file}` of its last build is missing"),
            Self::KeyVersionChanged { old, new } => {
                write!(f, "this version of drydock builds in another way (key version {old} → {new})")
            }
            Self::SpecChanged { old, new } => write!(f, "its spec file changed {}", short(old, new)),
            Self::SourceChanged { file, old: Some(old), new: Some(new) } => {
                write!(f, "its source `{file}` changed {}", short(old, new))
            }
            Self::SourceChanged { file, old: None, .. } => write!(f, "its source `{file}` is new"),
            Self::SourceChanged { file, .. } => write!(f, "its source `{file}` is not used any more"),
            Self::MacroChanged { name, old: Some(old), new: Some(new) } => {
                write!(f, "the macro `%{name}` changed (`{old}` → `{new}`)")
            }
            Self::MacroChanged { name, old: None, new } => {
                write!(f, "the macro `%{name}` is new (`{}`)", new.as_deref().unwrap_or_default())
            }
            Self::MacroChanged { name, old: Some(old), .. } => {
                write!(f, "the macro `%{name}` is not set any more (it was `{old}`)")
            }
            Self::MacroFileChanged { file, old: Some(old), new: Some(new) } => {
                write!(f, "the macro file `{file}` changed {}", short(old, new))
            }
            Self::MacroFileChanged { file, old: None, .. } => write!(f, "the macro file `{file}` is new"),
            Self::MacroFileChanged { file, .. } => write!(f, "the macro file `{file}` is not loaded any more"),
            Self::ToolchainChanged { old, new } => write!(f, "the toolchain image changed {}", short(old, new)),
            Self::GivenTurned { capability, given: true } => {
                write!(f, "the toolchain's stage provides `{capability}` now")
            }
            Self::GivenTurned { capability, .. } => {
                write!(f, "the toolchain's stage does not provide `{capability}` any more")
            }
            Self::ArchChanged { old, new } => write!(f, "it is built for another architecture ({old} → {new})"),
            Self::CheckTurned { runs: true } => f.write_str("its %check runs now"),
            Self::CheckTurned { runs: false } => f.write_str("its %check does not run any more"),
            Self::ExceptionTurned { exception, allowed: true } => write!(f, "the pipeline allows it `{exception}` now"),
            Self::ExceptionTurned { exception, .. } => {
                write!(f, "the pipeline does not allow it `{exception}` any more")
            }
            Self::DependencyChanged { nevra, old, new } => {
                write!(f, "`{nevra}` in its buildroot has other content {}", short(old, new))
            }
            Self::DependencyUpdated { old, new } => write!(f, "`{new}` is in its buildroot instead of `{old}`"),
            Self::DependencyAdded { nevra } => write!(f, "`{nevra}` is in its buildroot and was not"),
            Self::DependencyRemoved { nevra } => write!(f, "`{nevra}` is not in its buildroot any more"),
        }
    }
}
