//! The image of a stage that is made of RPMs: they are installed into an empty root, and what it is made of is said of it.

use std::path::Path;

use super::made::{Made, with_essence};
use super::recipe::same_files;
use super::runner::Runner;
use super::statements::{self, About};
use crate::attest::Material;
use crate::cache::BuiltRpm;
use crate::digest::Sha256;
use crate::pipeline::error::PipelineError;
use crate::pipeline::file::Stage;
use crate::source::seen::Seen;
use crate::toolchain::{self, StageRpm};

/// What such an image is made of.
pub(super) struct Root<'a> {
    pub(super) stage: &'a str,
    /// Digest of all that the stage is made from.
    pub(super) recipe: Sha256,
    /// The user's files that are still read, as they are to be.
    pub(super) seen: Option<&'a Seen>,
    /// The stage whose image installs the RPMs, and that image.
    pub(super) from: (&'a str, Sha256),
    pub(super) rpms: Vec<StageRpm>,
    /// The same RPMs as they are listed.
    pub(super) listed: Vec<(&'a Path, &'a BuiltRpm)>,
    /// Who makes them.
    pub(super) vendor: &'a str,
    /// What they were made from.
    pub(super) materials: Vec<Material>,
}

impl Runner<'_> {
    /// Makes the image of the stage at the end of `chain`.
    pub(super) async fn root(&self, root: Root<'_>, chain: &[&Stage]) -> Result<(&'static str, Made), PipelineError> {
        let Root { stage, recipe, seen, from, rpms, listed, vendor, materials } = root;
        let context = self.stage_context();
        let (image, was_there) = toolchain::assemble(stage, from.1, &rpms, &context).await?;
        statements::attach(&About { stage, vendor, from, image }, &listed, materials, self.store)?;
        let installed = toolchain::installed(stage, image, &context).await?;
        seen.map_or(Ok(()), |seen| same_files(stage, seen))?;
        toolchain::keep_image(recipe, image, self.layout)?;
        let image = with_essence(chain, image, self.store)?;
        Ok((if was_there { "the same image" } else { "made" }, Made::of(chain, image, installed)))
    }
}
