//! New images: from a root file system, from an image and one more layer, from an image with other settings.

use std::fs::File;
use std::io::{self, BufReader, Write as _};
use std::path::Path;

use super::blob::TemporaryFile;
use super::compress::{Format, decompressed};
use super::difference::Difference;
use super::document::{write_image, write_manifest};
use super::lower::Lower;
use super::normal::{self, normalize, read_table};
use super::{Compression, ImageConfig, Layer, OciError, Store, StoredImage};

impl Store {
    /// An image with one layer: the tar archive `rootfs` of a root file system, plain or compressed.
    pub fn from_rootfs_tar(&self, rootfs: &Path, config: &ImageConfig) -> Result<StoredImage, OciError> {
        let layer = self.normal_layer(rootfs, config.created)?;
        write_image(self, vec![layer], config)
    }

    /// The image `base` with one more layer, what the tar archive `layer` (plain or compressed, whiteouts as OCI has them)
    /// changes in it, and with the settings `config` in place of its own.
    pub fn append_layer(
        &self,
        base: &StoredImage,
        layer: &Path,
        config: &ImageConfig,
    ) -> Result<StoredImage, OciError> {
        let mut layers = base.layers.clone();
        layers.push(self.layer_on(base, layer, config.created)?);
        write_image(self, layers, config)
    }

    /// An image of these layers, given as tar archives, lowest first.
    pub fn from_layer_tars(&self, layers: &[&Path], config: &ImageConfig) -> Result<StoredImage, OciError> {
        let layers = layers.iter().map(|layer| self.normal_layer(layer, config.created)).collect::<Result<_, _>>()?;
        write_image(self, layers, config)
    }

    /// The files of `base` with the settings `config` in place of its own.
    pub fn with_config(&self, base: &StoredImage, config: &ImageConfig) -> Result<StoredImage, OciError> {
        write_image(self, base.layers.clone(), config)
    }

    /// The same image with its layers compressed in another way; its configuration, and so its name in Docker and
    /// Podman, stays.
    pub fn recompressed(&self, image: &StoredImage, compression: Compression) -> Result<StoredImage, OciError> {
        let layers = image.layers.iter().map(|layer| {
            if layer.media_type == compression.media_type() {
                Ok(layer.clone())
            } else {
                self.recompress(layer, compression)
            }
        });
        write_manifest(self, &self.read_blob(image.config)?, layers.collect::<Result<_, OciError>>()?)
    }

    fn recompress(&self, layer: &Layer, compression: Compression) -> Result<Layer, OciError> {
        let mut tar = self.open_layer(layer)?;
        self.write_layer(compression, |into| {
            io::copy(&mut tar, into).map(drop).map_err(|source| self.damaged(layer.digest, source))
        })
    }

    fn normal_layer(&self, tar: &Path, epoch: u64) -> Result<Layer, OciError> {
        let plain = self.plain_tar(tar)?;
        self.write_layer(Compression::default(), |into| {
            normalize(plain.file(), epoch, into).map_err(OciError::read(tar))
        })
    }

    /// A layer of what the archive `tar` changes in `base`.
    fn layer_on(&self, base: &StoredImage, tar: &Path, epoch: u64) -> Result<Layer, OciError> {
        let plain = self.plain_tar(tar)?;
        let table = read_table(plain.file()).map_err(OciError::read(tar))?;
        let difference = Difference::new(table, plain.file(), epoch);
        let mut lower = Lower::default();
        for layer in &base.layers {
            let added = lower.add(self.open_layer(layer)?, &|member| difference.may_equal(member));
            if let Err(source) = added {
                // A damaged blob is told and mended as such.
                self.check_blob(layer.digest)?;
                return Err(OciError::Read { path: self.blob_path(layer.digest), source });
            }
        }
        let table = difference.against(&lower).map_err(OciError::read(tar))?;
        self.write_layer(Compression::default(), |into| {
            normal::write(&table, plain.file(), epoch, into).map_err(OciError::read(tar))
        })
    }

    /// The archive `path` without its compression, as a file that can be read at any place.
    pub(super) fn plain_tar(&self, path: &Path) -> Result<PlainTar, OciError> {
        use std::io::{BufRead as _, Seek as _};
        let fault = |source| OciError::Read { path: path.to_owned(), source };
        let mut reader = BufReader::with_capacity(1 << 18, File::open(path).map_err(fault)?);
        if Format::of(reader.fill_buf().map_err(fault)?) == Format::Plain {
            let mut file = reader.into_inner();
            file.rewind().map_err(fault)?;
            return Ok(PlainTar::Given(file));
        }
        let mut temporary = self.temporary()?;
        let mut plain = decompressed(reader).map_err(fault)?;
        io::copy(&mut plain, &mut temporary.file).map_err(fault)?;
        temporary.file.flush().map_err(fault)?;
        Ok(PlainTar::Unpacked(temporary))
    }
}

/// A tar archive that is not compressed.
pub(super) enum PlainTar {
    /// As the user gave it.
    Given(File),
    /// Removed when it is dropped.
    Unpacked(TemporaryFile),
}

impl PlainTar {
    pub(super) fn file(&self) -> &File {
        match self {
            Self::Given(file) => file,
            Self::Unpacked(temporary) => &temporary.file,
        }
    }
}
