//! The package archives that sources come from: the host's, and the suites that a pipeline names.
//!
//! A suite that the pipeline names is looked for on the mirror of its entry, of the command line, of the host's apt
//! configuration, or of that of a base image: the first of these that there is.

use std::path::Path;

use super::runner::Runner;
use crate::digest::Sha256;
use crate::pipeline::error::PipelineError;
use crate::pipeline::file::WantedArchive;
use crate::source::{Archive, Checkout, Trust, apt};
use crate::toolchain;

/// Where the sources of some packages may come from.
#[derive(Clone, Debug, Default)]
pub(super) struct Grounds {
    /// What links beside specs may lead to.
    pub(super) checkout: Checkout,
    pub(super) archives: Vec<WantedArchive>,
    /// Stages that start from a base, with their images.
    pub(super) bases: Vec<(String, Sha256)>,
}

impl Runner<'_> {
    /// The archives that sources are looked for in.
    pub(super) async fn archives_for(&self, grounds: &Grounds) -> Result<Vec<Archive>, PipelineError> {
        let mut found = self.archives.clone();
        if grounds.archives.is_empty() {
            return Ok(found);
        }
        let mut mirrors: Vec<(String, Trust)> = match &self.options.archive_mirror {
            Some(mirror) => vec![(mirror.clone(), of_machine())],
            None => mirrors_of(&self.archives),
        };
        if mirrors.is_empty() && grounds.archives.iter().any(|wanted| wanted.mirror.is_none()) {
            mirrors = mirrors_of(&self.archives_of_bases(&grounds.bases).await?);
        }
        for wanted in &grounds.archives {
            let own = wanted.mirror.clone().map(|mirror| vec![(mirror, of_machine())]);
            for (base_url, trust) in own.as_ref().unwrap_or(&mirrors) {
                let keyring = wanted.keyring.clone().map(|path| Trust::Keyrings(vec![path]));
                let base_url = base_url.trim_end_matches('/').to_owned();
                let (suite, components) = (wanted.suite.clone(), wanted.components.clone());
                found.push(Archive { base_url, suite, components, trust: keyring.unwrap_or_else(|| trust.clone()) });
            }
        }
        Ok(found)
    }

    /// The archives of the first image that knows any.
    async fn archives_of_bases(&self, bases: &[(String, Sha256)]) -> Result<Vec<Archive>, PipelineError> {
        for (stage, image) in bases {
            let folder = self.layout.work().join("apt").join(image.short());
            let found = toolchain::apt::archives_of((stage.as_str(), *image), &folder, &self.stage_context()).await?;
            if !found.is_empty() {
                return Ok(found);
            }
        }
        Ok(Vec::new())
    }
}

/// The mirrors of whole distributions among `archives`, each once: not those of updates, which hold few packages.
fn mirrors_of(archives: &[Archive]) -> Vec<(String, Trust)> {
    let mut found: Vec<(String, Trust)> = Vec::new();
    let is_whole = |archive: &&Archive| {
        !archive.suite.contains(['-', '/']) && archive.components.iter().any(|component| component == "main")
    };
    for archive in archives.iter().filter(is_whole) {
        if !found.iter().any(|(base_url, _)| *base_url == archive.base_url) {
            found.push((archive.base_url.clone(), archive.trust.clone()));
        }
    }
    found
}

fn of_machine() -> Trust {
    Trust::Keyrings(apt::keyrings(Path::new("/etc/apt")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_are_those_of_whole_distributions() {
        let archive = |base_url: &str, suite: &str, component: &str| Archive {
            base_url: base_url.to_owned(),
            suite: suite.to_owned(),
            components: vec![component.to_owned()],
            trust: Trust::Anyone,
        };
        let all = [
            archive("http://m.test/debian", "bookworm", "main"),
            archive("http://m.test/debian", "bookworm-updates", "main"),
            archive("http://m.test/debian-security", "bookworm-security", "main"),
            archive("http://n.test/debian", "trixie", "contrib"),
            archive("http://m.test/debian", "trixie", "main"),
        ];
        assert_eq!(mirrors_of(&all), [("http://m.test/debian".to_owned(), Trust::Anyone)]);
    }
}
