//! Where a stage starts: the image below, or the first of its bases that can be had.

use super::debootstrap;
use super::error::ToolchainError;
use super::record::Record;
use super::stage::{Base, Debootstrap, Origin, Stage};
use super::{StageContext, record};
use crate::causes;
use crate::digest::KeyBuilder;
use crate::digest::Sha256;
use crate::event::Event;
use crate::oci::ImageConfig;
use crate::oci::registry::{self, Access, Patience};
use crate::removal;

/// 2026-01-01 00:00:00 UTC in seconds since 1970: a file of an image that is newer gets this time, so that layers made on
/// different days are equal. It is later than the files of the bases, whose times tell what they are.
pub(super) const NEWEST_FILE: u64 = 1_767_225_600;

/// The image that the stage's first instruction starts from.
pub(super) async fn obtain(
    stage: &Stage,
    below: Option<Sha256>,
    context: &StageContext<'_>,
) -> Result<Record, ToolchainError> {
    match &stage.origin {
        Origin::Stage(name) => from_stage(stage, name, below, context),
        Origin::Bases(bases) => first_of(stage, bases, context).await,
    }
}

fn from_stage(
    stage: &Stage,
    name: &str,
    below: Option<Sha256>,
    context: &StageContext<'_>,
) -> Result<Record, ToolchainError> {
    let missing = || ToolchainError::NoStageBelow { stage: stage.name.clone(), below: name.to_owned() };
    let image = below.ok_or_else(missing)?;
    let apt_lines =
        record::load(&context.layout.toolchain_state(), image).map(|record| record.apt_lines).unwrap_or_default();
    Ok(Record { image, apt_lines, base: format!("stage {name}"), base_image: None })
}

async fn first_of(stage: &Stage, bases: &[Base], context: &StageContext<'_>) -> Result<Record, ToolchainError> {
    let mut tried = Vec::new();
    for base in bases {
        if context.cancel.is_cancelled() {
            return Err(ToolchainError::Cancelled { stage: stage.name.clone() });
        }
        match obtain_one(base, context).await {
            Ok(record) => return Ok(record),
            Err(_) if context.cancel.is_cancelled() => {
                return Err(ToolchainError::Cancelled { stage: stage.name.clone() });
            }
            Err(reason) => {
                let text = format!("stage `{}`: {} cannot be had: {reason}", stage.name, base.describe());
                (context.report)(Event::Note { text });
                tried.push((base.describe(), reason));
            }
        }
    }
    Err(ToolchainError::NoBase { stage: stage.name.clone(), tried })
}

async fn obtain_one(base: &Base, context: &StageContext<'_>) -> Result<Record, String> {
    let record = |image, apt_lines| Record { image, apt_lines, base: base.describe(), base_image: Some(image) };
    match base {
        Base::Image(reference) => {
            let access = Access {
                credentials: context.credentials,
                patience: Patience::default(),
                report: context.report,
                cancel: context.cancel,
            };
            let pulled = registry::pull(reference, context.store, &access).await;
            let image = pulled.map_err(|error| causes::in_one_line(&error))?.image;
            Ok(record(image.manifest, Vec::new()))
        }
        Base::Archive(path) if !path.exists() => Err("there is no such file".to_owned()),
        Base::Archive(path) => {
            let config = root_config();
            let imported = tokio::task::block_in_place(|| context.store.import_archive(path, &config));
            let image = imported.map_err(|error| causes::in_one_line(&error))?;
            Ok(record(image.manifest, Vec::new()))
        }
        Base::Debootstrap(wanted) => {
            let (image, apt_lines) = by_debootstrap(wanted, context).await?;
            Ok(record(image, apt_lines))
        }
    }
}

/// A fresh root is kept under the key of what was asked for, so that a stage that fails later does not fetch it again.
async fn by_debootstrap(wanted: &Debootstrap, context: &StageContext<'_>) -> Result<(Sha256, Vec<String>), String> {
    let apt_lines = debootstrap::apt_lines(wanted, context.archives);
    let key =
        KeyBuilder::new("debootstrap").field("suite", &wanted.suite).field("lines", apt_lines.join("\n")).finish();
    let known = record::load(&context.layout.toolchain_state(), key);
    if let Some(known) = known.filter(|known| context.store.has(known.image)) {
        return Ok((known.image, apt_lines));
    }
    let work = context.layout.work().join("toolchain/debootstrap");
    let image = async {
        let tar = debootstrap::make(wanted, &apt_lines, (&work, context)).await?;
        let stored = tokio::task::block_in_place(|| context.store.from_rootfs_tar(&tar, &root_config()));
        stored.map_err(|error| causes::in_one_line(&error))
    }
    .await;
    let removed = removal::remove(&work);
    let image = image?.manifest;
    if let Err(error) = removed {
        tracing::warn!(path = %work.display(), %error, "cannot remove a folder of work in progress");
    }
    let kept =
        Record { image, apt_lines: apt_lines.clone(), base: format!("debootstrap {}", wanted.suite), base_image: None };
    record::save(&context.layout.toolchain_state(), key, &kept).map_err(|error| causes::in_one_line(&error))?;
    Ok((image, apt_lines))
}

/// The configuration of a root that comes without one.
fn root_config() -> ImageConfig {
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned();
    ImageConfig { env: vec![path], created: NEWEST_FILE, ..ImageConfig::default() }
}
