//! Stages that are made: found without making any, by their records and by those of images that were pulled.

use super::made::{Made, MadeStages, below_image, chain, with_essence};
use super::recipe::Recipes;
use super::registry;
use crate::oci::Store;
use crate::pipeline::error::PipelineError;
use crate::pipeline::file::Stage;
use crate::toolchain;

/// The stages that are made or were pulled, without making any: each with its image, or None.
pub fn finished_stages(
    stages: &[Stage],
    recipes: &Recipes<'_>,
    store: &Store,
) -> Result<Vec<(String, Option<Made>)>, PipelineError> {
    let mut made = MadeStages::new();
    let mut found = Vec::new();
    for stage in stages {
        let chain = chain(stages, stage.name());
        let is_ready = stage.below().is_none_or(|below| made.contains_key(below));
        let mut one = if is_ready { finished(&chain, &made, recipes, store)? } else { None };
        if one.is_none() {
            one = registry::pulled_before(&chain, recipes, store)?;
        }
        if let Some(one) = &one {
            made.insert(stage.name().to_owned(), one.clone());
        }
        found.push((stage.name().to_owned(), one));
    }
    Ok(found)
}

/// The stage at the end of `chain`, when it was made here.
fn finished(
    chain: &[&Stage],
    made: &MadeStages,
    recipes: &Recipes<'_>,
    store: &Store,
) -> Result<Option<Made>, PipelineError> {
    let Some(stage) = chain.last() else { return Ok(None) };
    let layout = recipes.layout;
    let below = stage.below().map(|below| below_image(below, made)).transpose()?;
    let key = recipes.key(stage, below)?;
    let image = toolchain::image_of(key, layout, store);
    let base = toolchain::base_of(key, layout);
    // A run that was stopped may not have asked the image for its packages yet.
    let known = image.and_then(|image| Some((image, toolchain::known_packages(&layout.toolchain_state(), image)?)));
    let Some((image, installed)) = known else { return Ok(None) };
    Ok(Some(Made { base, ..Made::of(chain, with_essence(chain, image, store)?, installed) }))
}
