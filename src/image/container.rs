//! An OCI image of an installed tree, in one archive that `docker load` and `podman load` take.

use std::collections::BTreeMap;
use std::path::Path;

use crate::oci::{Compression, ImageConfig, OciError, Store};

/// Who the image is.
#[derive(Clone, Copy, Debug)]
pub struct Name<'a> {
    /// Its repository, before the `:`.
    pub name: &'a str,
    /// Its tag.
    pub version: &'a str,
    /// Its time, in seconds since 1970.
    pub epoch: u64,
}

/// Writes the archive `path` from the tar archive `rootfs`; `work` is an empty folder for what is in between.
pub fn write(rootfs: &Path, name: Name<'_>, work: &Path, path: &Path) -> Result<(), OciError> {
    let store = Store::open(work)?;
    let config = ImageConfig {
        env: vec!["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()],
        cmd: vec!["/bin/sh".to_owned()],
        labels: BTreeMap::from([
            ("org.opencontainers.image.title".to_owned(), name.name.to_owned()),
            ("org.opencontainers.image.version".to_owned(), name.version.to_owned()),
        ]),
        created: name.epoch,
        ..ImageConfig::default()
    };
    let image = store.from_rootfs_tar(rootfs, &config)?;
    // Older Dockers load layers compressed by gzip only.
    let image = store.recompressed(&image, Compression::Gzip)?;
    store.write_archive(&image, &tag(name), path)
}

/// `NAME:VERSION` in the letters that a reference may have.
fn tag(name: Name<'_>) -> String {
    let plain = |text: &str, also: &str| -> String {
        let letter = |letter: char| if letter.is_ascii_alphanumeric() || also.contains(letter) { letter } else { '-' };
        text.chars().map(letter).collect()
    };
    let repository = plain(name.name, "._").to_lowercase();
    format!("{}:{}", repository.trim_matches(['.', '_', '-']), plain(name.version, "._").trim_start_matches(['.', '-']))
}
