//! What an image is to those who read specs and build packages in it, without what a stage says that it provides.
//!
//! That stands in the RPM database alone, in a layer of its own on top of the others. `rpmbuild` compares `BuildRequires`
//! with it, and nothing else of a build depends on it but what asks the database. So the rest of the image names what is
//! read and built, and one more line in `provides` changes only what needs it.

use crate::digest::{KeyBuilder, Sha256};
use crate::oci::{OciError, Store};
use crate::package::Capability;

/// The digest of `image` without its last layer, where its stage provides `given` and so has made that; of all of it
/// otherwise. Whether there is such a layer counts: it makes the database.
pub fn essence(image: Sha256, given: &[Capability], store: &Store) -> Result<Sha256, OciError> {
    let image = store.image(image)?;
    let config = store.config(&image)?;
    let layers = image.layers.len().saturating_sub(usize::from(!given.is_empty()));
    let mut key = KeyBuilder::new("image without what is given")
        .field("given", [u8::from(!given.is_empty())])
        .field("created", config.created.to_le_bytes())
        .field("workdir", config.workdir.unwrap_or_default())
        .field("user", config.user.unwrap_or_default());
    for layer in &image.layers[..layers] {
        key = key.field("layer", layer.diff_id.as_bytes());
    }
    for variable in &config.env {
        key = key.field("env", variable);
    }
    for word in &config.cmd {
        key = key.field("cmd", word);
    }
    for (name, value) in &config.labels {
        key = key.field("label", name).field("value", value);
    }
    Ok(key.finish())
}
