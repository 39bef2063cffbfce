//! Stages that are made of RPMs which others have built: those of a manifest, from folders and servers, signed.
//!
//! The manifest is that of the Azure Linux toolkit, which lists no digests: an RPM is taken when its header says that it is
//! the one listed and one of the keys has signed it. All that cannot be had is told at once, before anything is installed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::made::{Made, MadeStages, below_image};
use super::recipe::RpmInputs;
use super::root::Root;
use super::runner::Runner;
use super::statements;
use crate::attest::Material;
use crate::cache::{self, BuiltRpm};
use crate::causes;
use crate::digest::Sha256;
use crate::event::Event;
use crate::openpgp::Keys;
use crate::package::{Nevra, header};
use crate::pipeline::error::PipelineError;
use crate::pipeline::file::{RpmStage, Stage};
use crate::pipeline::missing::MissingRpm;
use crate::regular;
use crate::source::{self, Tried};
use crate::toolchain::StageRpm;

impl Runner<'_> {
    pub(super) async fn rpm_stage(
        &self,
        inputs: &RpmInputs,
        recipe: Sha256,
        chain: &[&Stage],
        made: &MadeStages,
    ) -> Result<(&'static str, Made), PipelineError> {
        let stage = &inputs.stage;
        let below = below_image(&stage.from, made)?;
        let found = self.find_rpms(stage).await?;
        let vendor = &statements::vendor_of(found.first().map(|(path, _)| path.as_path()));
        let material = |rpm: &BuiltRpm| Material { uri: statements::purl_of(vendor, rpm), digest: rpm.sha256 };
        let root = Root {
            stage: &stage.name,
            recipe,
            seen: Some(&inputs.seen),
            from: (&stage.from, below),
            rpms: found.iter().map(|(path, rpm)| stage_rpm(path, rpm)).collect(),
            listed: found.iter().map(|(path, rpm)| (path.as_path(), rpm)).collect(),
            vendor,
            materials: found.iter().map(|(_, rpm)| material(rpm)).collect(),
        };
        self.root(root, chain).await
    }

    /// The files of all RPMs of the manifest, in its order.
    async fn find_rpms(&self, stage: &RpmStage) -> Result<Vec<(PathBuf, BuiltRpm)>, PipelineError> {
        let keys = Keys::read(&stage.keys).map_err(|error| PipelineError::StageKey {
            stage: stage.name.clone(),
            problem: causes::in_one_line(&error),
        })?;
        for text in keys.passed_over() {
            (self.report)(Event::Warning { text: text.clone() });
        }
        let accept = |wanted: &Nevra, path: &Path| is_it(wanted, path, &keys);
        let (mut found, mut tried) = (BTreeMap::new(), BTreeMap::<usize, Vec<Tried>>::new());
        for (at, wanted) in stage.rpms.iter().enumerate() {
            for path in stage.places(wanted).filter(|path| path.is_file()) {
                match tokio::task::block_in_place(|| accept(wanted, &path)) {
                    Ok(()) => _ = found.entry(at).or_insert(path),
                    Err(reason) => {
                        tried.entry(at).or_default().push(Tried { place: path.display().to_string(), reason });
                    }
                }
            }
        }
        let away: Vec<usize> = (0..stage.rpms.len()).filter(|at| !found.contains_key(at)).collect();
        let files: Vec<String> = away.iter().map(|at| stage.rpms[*at].file_name()).collect();
        let options =
            source::FetchOptions { mirrors: stage.urls.clone(), ..self.fetch_options(self.options.signatures) };
        let taken = |at: usize, path: &Path| accept(&stage.rpms[away[at]], path);
        let answers = source::first_accepted(&files, &taken, (&options, self.layout, self.report));
        let answers = self.unless_cancelled(answers).await?;
        let mut missing = Vec::new();
        for ((at, file), answer) in away.into_iter().zip(files).zip(answers) {
            match answer {
                Ok(accepted) => _ = found.insert(at, accepted.path),
                Err(more) => {
                    let tried = tried.remove(&at).into_iter().flatten().chain(more).collect();
                    missing.push(MissingRpm { file, tried });
                }
            }
        }
        if !missing.is_empty() {
            return Err(PipelineError::MissingRpms { stage: stage.name.clone(), missing });
        }
        let describe = |path: PathBuf| cache::describe(&path).map(|rpm| (path, rpm));
        tokio::task::block_in_place(|| found.into_values().map(describe).collect::<Result<_, _>>())
            .map_err(|source| PipelineError::StageRpm { stage: stage.name.clone(), source })
    }
}

/// Whether the file is the RPM `wanted`, signed by a key; without keys signatures are not asked for.
fn is_it(wanted: &Nevra, path: &Path, keys: &Keys) -> Result<(), String> {
    let file = regular::open(path).map_err(|error| error.to_string())?;
    let header = header::read(&mut std::io::BufReader::new(file)).map_err(|error| causes::in_one_line(&error))?;
    if header.nevra.nvra() != wanted.nvra() {
        return Err(format!("it is `{}`", header.nevra.nvra()));
    }
    if keys.is_empty() { Ok(()) } else { keys.verify_rpm(path).map_err(|unsigned| format!("it {unsigned}")) }
}

fn stage_rpm(path: &Path, rpm: &BuiltRpm) -> StageRpm {
    let source = rpm.header.source_rpm.as_deref().unwrap_or(&rpm.header.nevra.name);
    // `name-version-release.src.rpm`
    let spec = source.rsplitn(3, '-').last().unwrap_or(source).to_owned();
    StageRpm {
        path: path.to_owned(),
        file: rpm.header.nevra.file_name(),
        content: rpm.content,
        spec,
        build_time: rpm.build_time,
    }
}
