//! What the `git` program says has changed; nothing in the repository is written.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use tokio::process::Command;

/// A changed file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileChange {
    /// Its path, absolute; of a renamed or copied file the new one.
    pub path: PathBuf,
    /// Its path before it was renamed, or that of the file it is a copy of; absolute.
    pub before: Option<PathBuf>,
    /// What happened to it.
    pub change: Change,
}

impl FileChange {
    /// Its path, and the one before.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        std::iter::once(self.path.as_path()).chain(self.before.as_deref())
    }
}

/// What happened to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// It is new.
    Added,
    /// Its content, mode or kind is another one.
    Modified,
    /// It is gone.
    Deleted,
    /// It has another path.
    Renamed,
    /// It is a copy of another one.
    Copied,
}

/// Why git cannot tell.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// The program cannot be started.
    #[error("cannot start `git`")]
    Start(#[source] io::Error),
    /// The project is in no git repository that git would use.
    #[error("`{}` is in no git repository: {said}", folder.display())]
    NoRepository {
        /// The project's folder.
        folder: PathBuf,
        /// What git said.
        said: String,
    },
    /// A revision names no commit.
    #[error("git knows no commit `{revision}` in `{}`", root.display())]
    Revision {
        /// The user's word.
        revision: String,
        /// The repository.
        root: PathBuf,
    },
    /// Something else went wrong.
    #[error("`git {command}` failed in `{}`: {said}", folder.display())]
    Failed {
        /// Its subcommand.
        command: String,
        /// Where.
        folder: PathBuf,
        /// What git said.
        said: String,
    },
    /// The answer is not what git's manual promises.
    #[error("`git {command}` gave an answer that cannot be read: {answer}")]
    Answer {
        /// Its subcommand.
        command: &'static str,
        /// The part that cannot be read.
        answer: String,
    },
}

impl GitError {
    /// What the user can do.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Start(_) => "install git",
            Self::NoRepository { .. } => "this command compares revisions of the project: run it in a checkout",
            Self::Revision { .. } => "name a commit, a branch or a tag; a shallow clone may have to be fetched deeper",
            Self::Failed { .. } | Self::Answer { .. } => return None,
        };
        Some(text.to_owned())
    }
}

/// A git repository.
#[derive(Clone, Debug)]
pub struct Repository {
    /// Its top folder, absolute.
    root: PathBuf,
}

impl Repository {
    /// The repository that `folder` is in.
    pub async fn of(folder: &Path) -> Result<Self, GitError> {
        let answer = run(folder, &["rev-parse", "--show-toplevel"]).await.map_err(|error| match error {
            GitError::Failed { folder, said, .. } => GitError::NoRepository { folder, said },
            other => other,
        })?;
        Ok(Self { root: path(answer.strip_suffix(b"\n").unwrap_or(&answer)) })
    }

    /// The digest of the commit that `revision` names.
    pub async fn commit(&self, revision: &str) -> Result<String, GitError> {
        let unknown = || GitError::Revision { revision: revision.to_owned(), root: self.root.clone() };
        if revision.is_empty() || revision.starts_with('-') {
            return Err(unknown());
        }
        let commit = format!("{revision}^{{commit}}");
        match run(&self.root, &["rev-parse", "--verify", "--quiet", &commit]).await {
            Ok(answer) => Ok(String::from_utf8_lossy(&answer).trim().to_owned()),
            Err(GitError::Failed { .. }) => Err(unknown()),
            Err(other) => Err(other),
        }
    }

    /// Its top folder, absolute.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The commit of the repository in `path`, absolute, that `commit` records; None where it records none.
    pub async fn recorded(&self, commit: &str, path: &Path) -> Result<Option<String>, GitError> {
        let Some(inside) = path.strip_prefix(&self.root).ok().and_then(Path::to_str) else { return Ok(None) };
        let answer = run(&self.root, &["ls-tree", "-z", commit, "--", inside]).await?;
        // `MODE TYPE DIGEST TAB PATH`
        let answer = String::from_utf8_lossy(&answer);
        let mut words = answer.split_whitespace();
        Ok(if words.next() == Some("160000") { words.nth(1).map(str::to_owned) } else { None })
    }

    /// What differs between the commit `from` and the commit `to`, or the working tree with its untracked files; sorted.
    pub async fn changes(&self, from: &str, to: Option<&str>) -> Result<Vec<FileChange>, GitError> {
        let mut arguments =
            vec!["diff", "--name-status", "-z", "--find-renames", "--no-relative", "--no-ext-diff", from];
        arguments.extend(to);
        arguments.push("--");
        let mut found = self.parse(&run(&self.root, &arguments).await?)?;
        if to.is_none() {
            let untracked = run(&self.root, &["ls-files", "--others", "--exclude-standard", "-z"]).await?;
            let names = untracked.split(|byte| *byte == 0).filter(|name| !name.is_empty());
            found.extend(names.map(|name| self.file(name, None, Change::Added)));
        }
        found.sort();
        Ok(found)
    }

    /// The content of the file `path`, absolute, in `commit`; None where it is not in it, or no text.
    pub async fn text(&self, commit: &str, path: &Path) -> Result<Option<String>, GitError> {
        let Some(inside) = path.strip_prefix(&self.root).ok().and_then(Path::to_str) else { return Ok(None) };
        match run(&self.root, &["cat-file", "blob", &format!("{commit}:{inside}")]).await {
            Ok(content) => Ok(String::from_utf8(content).ok()),
            Err(GitError::Failed { .. }) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// `STATUS NUL PATH NUL`, and for renamed and copied files `STATUS NUL OLD NUL NEW NUL`.
    fn parse(&self, answer: &[u8]) -> Result<Vec<FileChange>, GitError> {
        let wrong = |part: &[u8]| {
            let answer = format!("`{}`", String::from_utf8_lossy(part));
            GitError::Answer { command: "diff", answer }
        };
        let mut parts = answer.split(|byte| *byte == 0);
        let mut found = Vec::new();
        while let Some(status) = parts.next().filter(|status| !status.is_empty()) {
            let mut name = || parts.next().filter(|name| !name.is_empty()).ok_or_else(|| wrong(status));
            found.push(match status[0] {
                b'A' => self.file(name()?, None, Change::Added),
                b'D' => self.file(name()?, None, Change::Deleted),
                b'M' | b'T' | b'U' => self.file(name()?, None, Change::Modified),
                b'R' | b'C' => {
                    let (before, after) = (name()?, name()?);
                    let change = if status[0] == b'R' { Change::Renamed } else { Change::Copied };
                    self.file(after, Some(before), change)
                }
                _ => return Err(wrong(status)),
            });
        }
        Ok(found)
    }

    fn file(&self, name: &[u8], before: Option<&[u8]>, change: Change) -> FileChange {
        let whole = |name: &[u8]| self.root.join(path(name));
        FileChange { path: whole(name), before: before.map(whole), change }
    }
}

fn path(bytes: &[u8]) -> PathBuf {
    OsStr::from_bytes(bytes).into()
}

/// What `git` writes to its standard output.
async fn run(folder: &Path, arguments: &[&str]) -> Result<Vec<u8>, GitError> {
    let mut command = Command::new("git");
    // Without it, git may write a refreshed index.
    command.env("GIT_OPTIONAL_LOCKS", "0").env("LC_ALL", "C").current_dir(folder).args(arguments);
    let output =
        command.stdin(std::process::Stdio::null()).kill_on_drop(true).output().await.map_err(GitError::Start)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().trim_start_matches("fatal: ").replace('\n', "; ");
    let command = arguments.first().copied().unwrap_or_default().to_owned();
    Err(GitError::Failed { command, folder: folder.to_owned(), said })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renames_and_odd_names_are_read() {
        let repository = Repository { root: "/p".into() };
        let found = repository.parse(b"M\0a b/c\nd\0R087\0old name\0new name\0T\0link\0").unwrap();
        let file = |path: &str, before: Option<&str>, change| FileChange {
            path: path.into(),
            before: before.map(PathBuf::from),
            change,
        };
        assert_eq!(
            found,
            [
                file("/p/a b/c\nd", None, Change::Modified),
                file("/p/new name", Some("/p/old name"), Change::Renamed),
                file("/p/link", None, Change::Modified),
            ]
        );
        assert!(repository.parse(b"R100\0only one\0").is_err());
        assert!(repository.parse(b"?\0x\0").is_err());
    }
}
