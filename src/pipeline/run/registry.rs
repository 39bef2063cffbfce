//! Images of stages in a registry. A stage is looked up there by what it is made from before it is made, so that one
//! machine builds a toolchain and all others pull it, without the stages below.
//!
//! The tag of an image has the stage's name, the architecture and the digest of all that the stage is made from, down to
//! its base ([`Recipes`]): whoever has the same files finds the same image. A registry that cannot be asked is told, and
//! the stage is made here; an image that is there and cannot be trusted or pulled ends the run.

use std::path::Path;

use super::made::{Made, chain, with_essence};
use super::recipe::Recipes;
use super::runner::Runner;
use crate::attest::{self, PublicKey};
use crate::causes;
use crate::digest::Sha256;
use crate::event::Event;
use crate::oci::registry::{self, Access, Patience};
use crate::oci::{OciError, Store};
use crate::pipeline::error::PipelineError;
use crate::pipeline::file::{Pipeline, Stage, StageRegistry};
use crate::toolchain::{self, Installed};

impl StageRegistry {
    /// The name of the image of the stage `name` of `pipeline`.
    pub fn reference(&self, pipeline: &Pipeline, name: &str, recipes: &Recipes<'_>) -> Result<String, PipelineError> {
        Ok(self.reference_of(name, recipes.of_chain(&chain(&pipeline.stages, name))?))
    }

    /// The name of the image of `stage`, which is made from what `recipe` is the digest of.
    fn reference_of(&self, stage: &str, recipe: Sha256) -> String {
        format!("{}:{}", self.name, tag_of(stage, recipe))
    }
}

impl Runner<'_> {
    /// The stage at the end of `chain` from the registry; None when it has none.
    pub(super) async fn pulled(
        &self,
        (chain, recipes): (&[&Stage], &Recipes<'_>),
        registry: &StageRegistry,
    ) -> Result<Option<Made>, PipelineError> {
        let recipe = recipes.of_chain(chain)?;
        let name = chain.last().map(|stage| stage.name()).unwrap_or_default();
        let reference = registry.reference_of(name, recipe);
        let access = self.access();
        let digest = match registry::resolve(&reference, &access).await {
            Ok(Some(digest)) => digest,
            Ok(None) => return Ok(None),
            Err(error @ OciError::Stopped { .. }) => return Err(error.into()),
            Err(error) => {
                let text = format!("{}; the stage is made here", causes::in_one_line(&error));
                (self.report)(Event::Warning { text });
                return Ok(None);
            }
        };
        (self.report)(Event::StageStarted { stage: format!("toolchain {name}") });
        let key = registry.key.as_deref().map(PublicKey::read).transpose()?;
        let pulled = attest::pull_trusted(&reference, digest, key.as_ref(), (self.store, &access)).await?;
        let image = pulled.image.manifest;
        let installed = toolchain::installed(name, image, &self.stage_context()).await?;
        let exact = registry::with_digest(&reference, digest)?;
        toolchain::keep_pulled(recipe, image, &exact, self.layout)?;
        of_pulled((chain, self.store), (image, installed), exact).map(Some)
    }

    /// False for the stage at the end of `chain` when it was pulled while no signature was asked for, and `key` has not
    /// signed it.
    pub(super) fn is_trusted(
        &self,
        made: &Made,
        (chain, recipes): (&[&Stage], &Recipes<'_>),
        key: Option<&Path>,
    ) -> Result<bool, PipelineError> {
        let (Some(reference), Some(key), Some(stage)) = (&made.pulled, key, chain.last()) else { return Ok(true) };
        let tag = tag_of(stage.name(), recipes.of_chain(chain)?);
        let key = PublicKey::read(key)?;
        let digest = reference.rsplit_once('@').and_then(|(_, digest)| digest.parse().ok());
        Ok(attest::verify_signature(self.store, digest.unwrap_or(made.image), Some(&tag), &key).is_ok())
    }

    fn access(&self) -> Access<'_> {
        Access {
            credentials: &self.credentials,
            patience: Patience::default(),
            report: self.report,
            cancel: self.cancel,
        }
    }
}

/// The stage at the end of `chain`, when it was pulled in an earlier run.
pub(super) fn pulled_before(
    chain: &[&Stage],
    recipes: &Recipes<'_>,
    store: &Store,
) -> Result<Option<Made>, PipelineError> {
    let layout = recipes.layout;
    let found = toolchain::pulled(recipes.of_chain(chain)?, layout, store);
    let Some((image, reference)) = found else { return Ok(None) };
    let Some(installed) = toolchain::known_packages(&layout.toolchain_state(), image) else { return Ok(None) };
    of_pulled((chain, store), (image, installed), reference).map(Some)
}

/// The tag of the image of `stage`, which is made from what `recipe` is the digest of.
fn tag_of(stage: &str, recipe: Sha256) -> String {
    format!("{stage}-{}-{recipe}", std::env::consts::ARCH)
}

fn of_pulled(
    (chain, store): (&[&Stage], &Store),
    (image, installed): (Sha256, Installed),
    reference: String,
) -> Result<Made, PipelineError> {
    let base = Some((reference.clone(), image));
    let image = with_essence(chain, image, store)?;
    Ok(Made { base, pulled: Some(reference), ..Made::of(chain, image, installed) })
}
