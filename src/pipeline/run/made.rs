//! What is known of a stage that is made.

use std::collections::BTreeMap;

use crate::digest::Sha256;
use crate::oci::Store;
use crate::package::{Capability, Nevra};
use crate::pipeline::error::PipelineError;
use crate::pipeline::file::Stage;
use crate::toolchain::{self, Installed};

/// A stage that is made.
#[derive(Clone, Debug)]
pub struct Made {
    /// Its image.
    pub image: Sha256,
    /// The digest of its image without what the stage itself provides.
    pub essence: Sha256,
    /// What the stage itself provides.
    pub given: Vec<Capability>,
    /// What it provides, with what the stages below it provide.
    pub provides: Vec<Capability>,
    /// The packages that its RPM database has.
    pub packages: Vec<Nevra>,
    /// The base that it was made from and the digest of its image; None for a stage that starts from another.
    pub base: Option<(String, Sha256)>,
    /// `NAME@sha256:…`, when it was pulled and not made here.
    pub pulled: Option<String>,
}

/// What the stage at the end of `chain` provides besides those below it.
fn given<'a>(chain: &[&'a Stage]) -> &'a [Capability] {
    match chain.last() {
        Some(Stage::Image(stage)) => &stage.provides,
        _ => &[],
    }
}

/// `image`, that of the stage at the end of `chain`, and what it is without what the stage provides.
pub(super) fn with_essence(chain: &[&Stage], image: Sha256, store: &Store) -> Result<(Sha256, Sha256), PipelineError> {
    Ok((image, toolchain::essence(image, given(chain), store)?))
}

/// Stages that are made, by name.
pub type MadeStages = BTreeMap<String, Made>;

impl Made {
    /// The stage at the end of `chain` with its image: what the pipeline says of it and of the images below it, and what
    /// the RPM database says where that knows packages. Builds ask that database; so a package of a manifest that it does
    /// not know counts by its name alone, which the stage has recorded there.
    pub(super) fn of(chain: &[&Stage], (image, essence): (Sha256, Sha256), installed: Installed) -> Self {
        let given = given(chain).to_vec();
        let (provides, packages) = (Vec::new(), Vec::new());
        let mut made = Self { image, essence, given, provides, packages, base: None, pulled: None };
        for stage in chain {
            match stage {
                Stage::Image(stage) => made.provides.extend(stage.provides.iter().cloned()),
                // Nothing of what is below is left.
                Stage::Packages(_) | Stage::Rpms(_) => made.provides.clear(),
            }
        }
        if !installed.packages.is_empty() {
            made.provides.extend(installed.provides);
            made.packages = installed.packages;
        }
        made
    }
}

/// The stages that the stage `name` stands on, the lowest first, and itself; empty when there is none of that name.
pub(super) fn chain<'a>(stages: &'a [Stage], name: &str) -> Vec<&'a Stage> {
    let mut chain = Vec::new();
    let mut next = Some(name);
    while let Some(stage) = next.and_then(|name| stages.iter().find(|stage| stage.name() == name)) {
        chain.push(stage);
        next = stage.below();
    }
    chain.reverse();
    chain
}

/// The image of the stage `name`.
pub(super) fn below_image(name: &str, made: &MadeStages) -> Result<Sha256, PipelineError> {
    let below = made.get(name).ok_or_else(|| PipelineError::NoStage { stage: name.to_owned() })?;
    Ok(below.image)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::Evr;
    use crate::toolchain::Origin;

    #[test]
    fn a_package_that_the_database_does_not_know_is_given_by_its_name_alone() {
        let zlib = Capability::new("zlib-devel", Some(Evr::parse("1.3-1")));
        let stage = Stage::Image(toolchain::Stage {
            name: "base".to_owned(),
            origin: Origin::Bases(Vec::new()),
            install: Vec::new(),
            containerfile: None,
            provides: vec![zlib.clone()],
            manifest: None,
        });
        let made = |installed| {
            let (image, essence) = (Sha256::of_bytes(b"image"), Sha256::of_bytes(b"essence"));
            Made::of(&[&stage], (image, essence), installed)
        };
        let without = made(Installed::default());
        assert_eq!((without.provides, without.packages), (vec![zlib.clone()], Vec::new()));
        let nevra = Nevra { name: "zlib-devel".to_owned(), evr: Evr::parse("1.3-1"), arch: "x86_64".to_owned() };
        let pc = Capability::parse("pkgconfig(zlib) = 1.3");
        let with = made(Installed { packages: vec![nevra.clone()], provides: vec![pc.clone()] });
        assert_eq!((with.provides, with.packages), (vec![zlib, pc], vec![nevra]));
    }
}
