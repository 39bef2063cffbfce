//! An image as an archive that every Docker and Podman loads: the format of `docker save`, with plain layers.
//!
//! The store's layers are compressed by zstd, which Docker knows since version 23; and on one machine packing only costs
//! time. The configuration goes byte by byte, so that the engine gives the image the name that the store knows. Format:
//! <https://github.com/moby/docker-image-spec/blob/v1.1.0/v1.1.md#combined-image-json--filesystem-changeset-format>.

use std::fs;
use std::io::{self, Read, Write};

use tar::{Builder, Header};

use crate::oci::OciError;
use crate::oci::Store;
use crate::oci::StoredImage;

/// Why the archive cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// A layer is missing or damaged.
    #[error("a layer cannot be read")]
    Layer(#[from] OciError),
    /// The archive cannot be written, or a layer breaks off.
    #[error("the archive cannot be written")]
    Write(#[from] io::Error),
}

/// Writes `image` under the name `name` (`NAME:TAG`).
pub(super) fn write(store: &Store, image: &StoredImage, name: &str, into: &mut dyn Write) -> Result<(), ArchiveError> {
    let mut archive = Builder::new(into);
    let config = fs::read(store.blob_path(image.config))?;
    let config_name = format!("{}.json", image.config);
    append(&mut archive, &config_name, config.len() as u64, &mut config.as_slice())?;
    let mut names = Vec::new();
    for layer in &image.layers {
        let layer_name = format!("{}.tar", layer.diff_id);
        if !names.contains(&layer_name) {
            // The header comes first and needs the size, which is not noted anywhere.
            let bytes = match io::copy(&mut store.open_layer(layer)?, &mut io::sink()) {
                Ok(bytes) => bytes,
                Err(fault) => {
                    // When the blob is to blame, that is what is told.
                    store.check_blob(layer.digest)?;
                    return Err(fault.into());
                }
            };
            append(&mut archive, &layer_name, bytes, &mut store.open_layer(layer)?)?;
        }
        names.push(layer_name);
    }
    let manifest = serde_json::json!([{ "Config": config_name, "RepoTags": [name], "Layers": names }]).to_string();
    append(&mut archive, "manifest.json", manifest.len() as u64, &mut manifest.as_bytes())?;
    archive.finish()?;
    Ok(())
}

fn append(archive: &mut Builder<&mut dyn Write>, name: &str, bytes: u64, content: &mut dyn Read) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_size(bytes);
    header.set_mode(0o644);
    archive.append_data(&mut header, name, content)
}
