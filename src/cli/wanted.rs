//! Flags that say which packages a command is about.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::fault::Fault;
use super::{Project, durations, numbers};
use crate::graph::Goals;
use crate::pipeline::{CheckedPackages, Options, Pipeline, Wishes};

/// Where the specs are; flattened into every command that looks at specs.
#[derive(clap::Args, Clone, Debug, Default)]
pub(super) struct SpecsArgs {
    /// A folder of specs, instead of the pipeline's; may be given several times, and of two specs of one name that of the
    /// first folder counts
    #[arg(long = "specs-dir", value_name = "DIR")]
    pub(super) folders: Vec<PathBuf>,
}

/// Packages, by name or as what an image asks for.
#[derive(clap::Args)]
pub(super) struct WantedArgs {
    /// Spec files without `.spec`, or packages that specs make
    pub(super) names: Vec<String>,
    /// Every spec that can be built, whatever packages the pipeline lists; tells why the others cannot
    #[arg(long, conflicts_with = "names")]
    pub(super) all: bool,
    /// What this image configuration asks for, as far as a spec makes it; may be given several times
    #[arg(long, value_name = "CONFIG", conflicts_with = "all")]
    image: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) specs: SpecsArgs,
}

/// Which of them are built although they need not be, or are not although they should be.
#[derive(clap::Args, Clone)]
pub(super) struct AmongArgs {
    /// Builds this package whether or not its result is at hand; may be given several times
    #[arg(long, value_name = "NAME")]
    pub(super) rebuild: Vec<String>,
    /// Takes the last result of this package, whatever has changed since; may be given several times
    #[arg(long, value_name = "NAME")]
    ignore: Vec<String>,
    /// Rebuilds what needs a rebuilt package only up to so many steps away: 0 for no dependant, 1 for those that have it in
    /// their buildroot; the others keep their last result
    #[arg(long, value_name = "N", value_parser = numbers::steps::<u32>)]
    cascade: Option<u32>,
    /// Builds so many layers of packages besides that need what is asked for
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = numbers::steps::<u32>)]
    extra_layers: u32,
    /// A build-state.json of another run: how long builds last that were never measured here; may be given several times
    #[arg(long, value_name = "FILE")]
    durations: Vec<PathBuf>,
}

impl SpecsArgs {
    /// `pipeline` with the folders of specs that are given, if any; they count from the project's folder.
    pub(super) fn pipeline(&self, project: &Project, mut pipeline: Pipeline) -> Pipeline {
        if let Some(packages) = pipeline.packages.as_mut().filter(|_| !self.folders.is_empty()) {
            packages.specs = self.folders.iter().map(|folder| project.folder.join(folder)).collect();
        }
        pipeline
    }

    /// `options` for these folders: others than the pipeline's need not have all that the pipeline checks.
    pub(super) fn options(&self, mut options: Options) -> Options {
        if !self.folders.is_empty() && options.checks.of == CheckedPackages::Listed {
            options.checks.of = CheckedPackages::ListedIfThere;
        }
        options
    }
}

impl WantedArgs {
    /// True when nothing is named.
    pub(super) fn is_empty(&self) -> bool {
        !self.all && self.names.is_empty() && self.image.is_empty()
    }

    /// The goals that are named.
    pub(super) fn goals(&self) -> Goals {
        if self.all { Goals::All } else { Goals::Named(self.names.clone()) }
    }

    /// `options` for these packages; paths count from `folder`.
    pub(super) fn options(&self, folder: &Path, mut options: Options) -> Options {
        options.wishes.images = self.image.iter().map(|path| folder.join(path)).collect();
        self.specs.options(options)
    }
}

impl AmongArgs {
    /// `options` with what is said here; paths count from `folder`.
    pub(super) fn options(&self, folder: &Path, options: Options) -> Result<Options, Fault> {
        let durations: BTreeMap<String, Duration> = durations::read(folder, &self.durations)?;
        let (rebuild, ignore) = (self.rebuild.clone(), self.ignore.clone());
        let wishes = Wishes { rebuild, ignore, images: Vec::new(), extra_layers: self.extra_layers };
        Ok(Options { durations, cascade: self.cascade, wishes, ..options })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::options::BuildArgs;
    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        wanted: WantedArgs,
        #[command(flatten)]
        build: BuildArgs,
    }

    #[test]
    fn other_folders_need_not_have_what_the_pipeline_checks() {
        let folder = Path::new("/project");
        let options = |words: &[&str]| {
            let line = Line::parse_from(["drydock"].iter().chain(words));
            line.wanted.options(folder, line.build.options(folder).unwrap())
        };
        assert_eq!(options(&["a"]).checks.of, CheckedPackages::Listed);
        assert_eq!(options(&["a", "--specs-dir", "x"]).checks.of, CheckedPackages::ListedIfThere);
        let only = options(&["a", "--specs-dir", "x", "--check-only", "b"]).checks.of;
        assert_eq!(only, CheckedPackages::Only(vec!["b".to_owned()]), "what is asked for by name has to be there");
        assert_eq!(options(&["--image", "i.yaml"]).wishes.images, [Path::new("/project/i.yaml")]);
    }
}
