//! What is compared: the project's repository, and those of their own that stand inside it or that links lead to.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::git::{GitError, Repository};
use crate::pipeline::{Pipeline, Stage};
use crate::regular;

/// The two sides of a change; None is the working tree.
#[derive(Clone, Debug)]
pub struct Range {
    /// The repository.
    pub repository: Repository,
    /// A commit.
    pub from: String,
    /// A commit.
    pub to: Option<String>,
}

/// Everything that is compared.
pub struct Ranges {
    /// The first is that of the project's own repository. No two are of one repository.
    pub all: Vec<Range>,
    /// What the others are compared with, in words.
    pub notes: Vec<String>,
}

/// The revision `from` and the revision `to`, or the working tree, of the project's repository, and what that is for the
/// others that files of `pipeline` are in.
pub async fn ranges(project: &Path, pipeline: &Pipeline, (from, to): (&str, Option<&str>)) -> Result<Ranges, GitError> {
    let repository = Repository::of(project).await?;
    let commit = repository.commit(from).await?;
    let end = match to {
        Some(to) => Some(repository.commit(to).await?),
        None => None,
    };
    let own = Range { repository, from: commit, to: end };
    let (mut notes, mut others) = (Vec::new(), Vec::new());
    for root in roots(pipeline).into_iter().filter(|root| root != own.repository.root()) {
        let (range, compared) = own.inside(Repository::of(&root).await?, (from, to)).await?;
        notes.push(format!("`{}` is a repository of its own and is compared with {compared}", root.display()));
        others.push(range);
    }
    Ok(Ranges { all: std::iter::once(own).chain(others).collect(), notes })
}

impl Range {
    /// The texts of the file `path` before and after; None where there is none.
    pub(super) async fn both(&self, path: &Path) -> Result<(Option<String>, Option<String>), GitError> {
        Ok((self.repository.text(&self.from, path).await?, self.after(path).await?))
    }

    /// The text of the file `path` after the change; None where there is none.
    pub(super) async fn after(&self, path: &Path) -> Result<Option<String>, GitError> {
        match &self.to {
            Some(commit) => self.repository.text(commit, path).await,
            None => Ok(regular::read_to_string(path).ok()),
        }
    }

    /// The same of another `repository`; and, in words, what it is compared with: the commit that this one records for it,
    /// what it calls by the same name, or else its last commit.
    async fn inside(
        &self,
        repository: Repository,
        (from, to): (&str, Option<&str>),
    ) -> Result<(Self, String), GitError> {
        let recorded = self.repository.recorded(&self.from, repository.root()).await?;
        let (commit, words) = match (recorded, repository.commit(from).await) {
            (Some(commit), _) => (commit, "the commit that is recorded for it".to_owned()),
            (None, Ok(commit)) => (commit, format!("its own `{from}`")),
            (None, Err(_)) => (repository.commit("HEAD").await?, "its last commit".to_owned()),
        };
        let to = match (&self.to, to) {
            (Some(own), Some(word)) => match self.repository.recorded(own, repository.root()).await? {
                Some(commit) => Some(commit),
                None => repository.commit(word).await.ok(),
            },
            _ => None,
        };
        Ok((Self { repository, from: commit, to }, words))
    }
}

/// The top folders of the repositories that files of `pipeline` are in, without links.
fn roots(pipeline: &Pipeline) -> BTreeSet<PathBuf> {
    let packages = pipeline.packages.iter();
    let files = packages.clone().flat_map(|packages| packages.specs.iter().chain(&packages.macro_files)).cloned();
    let specs = packages.flat_map(|packages| &packages.specs);
    let below = specs.flat_map(|folder| std::fs::read_dir(folder).into_iter().flatten().flatten());
    let all = files.chain(below.map(|entry| entry.path())).chain(pipeline.stages.iter().flat_map(Stage::inputs));
    let real = all.filter_map(|path| path.canonicalize().ok());
    // Most of them share their folder.
    let folders: BTreeSet<PathBuf> =
        real.filter_map(|path| if path.is_dir() { Some(path) } else { path.parent().map(Path::to_owned) }).collect();
    folders.iter().filter_map(|folder| top(folder)).map(Path::to_owned).collect()
}

fn top(folder: &Path) -> Option<&Path> {
    folder.ancestors().find(|folder| folder.join(".git").exists())
}
