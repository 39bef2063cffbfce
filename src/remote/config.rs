//! From what the user says of repositories to what is asked of them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::RemoteError;
use super::repo_file::{self, RepoSection, Variables, expanded};
use crate::address::shown;
use crate::regular;
use crate::source::WebAccess;

/// A repository as the user names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedRepository {
    /// Where it is said, for messages: `--repo`, `packages.repositories[1]`.
    pub said_in: String,
    /// The repository, or the file that describes some.
    pub place: Place,
    /// Files of keys, absolute; they take the place of those that a `.repo` file names.
    pub keys: Vec<PathBuf>,
    /// Whether packages must be signed; by default what the `.repo` file says, else when there are keys.
    pub gpg_check: Option<bool>,
    /// Whether `repomd.xml` must be signed; by default what the `.repo` file says, else not.
    pub repo_gpg_check: Option<bool>,
    /// Lower is preferred.
    pub priority: Option<i32>,
    /// How its server is spoken to; takes the place of what a `.repo` file says.
    pub access: WebAccess,
}

/// A repository, or a file that describes some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The folder that has `repodata/`.
    Url(String),
    /// A `.repo` file, absolute.
    File(PathBuf),
}

/// A repository, ready to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryConfig {
    /// Its name: that of its section, else its address as it may be shown.
    pub name: String,
    /// Addresses with the same content; never empty.
    pub urls: Vec<String>,
    /// Files of keys.
    pub keys: Vec<PathBuf>,
    /// Whether packages must be signed by one of the keys.
    pub gpg_check: bool,
    /// Whether `repomd.xml` must be.
    pub repo_gpg_check: bool,
    /// Lower is preferred.
    pub priority: i32,
    /// How its server is spoken to.
    pub access: WebAccess,
}

impl WantedRepository {
    /// The repository or `.repo` file `text` of the command line; paths count from `folder`.
    pub fn from_argument(text: &str, folder: &Path) -> Self {
        let place = if text.contains("://") { Place::Url(text.to_owned()) } else { Place::File(folder.join(text)) };
        Self {
            said_in: format!("--repo {}", shown(text)),
            place,
            keys: Vec::new(),
            gpg_check: None,
            repo_gpg_check: None,
            priority: None,
            access: WebAccess::default(),
        }
    }
}

/// The repositories of `wanted`, the preferred ones first; of equal priority in the order in which they are given. Reads
/// `.repo` files.
///
/// # Errors
/// Everything that is wrong.
pub fn configure(wanted: &[WantedRepository], variables: Variables<'_>) -> Result<Vec<RepositoryConfig>, RemoteError> {
    let (mut found, mut faults) = (Vec::new(), Vec::new());
    for one in wanted {
        match sections(one, variables) {
            Ok(sections) => {
                for section in sections.into_iter().filter(|section| section.enabled) {
                    match checked(one, section) {
                        Ok(config) => found.push(config),
                        Err(wrong) => faults.push(format!("{}: {wrong}", one.said_in)),
                    }
                }
            }
            Err(wrong) => faults.push(format!("{}: {wrong}", one.said_in)),
        }
    }
    let mut names = BTreeSet::new();
    faults.extend(
        found
            .iter()
            .filter(|config: &&RepositoryConfig| !names.insert(&config.name))
            .map(|config| format!("two repositories are named `{}`", config.name)),
    );
    if !faults.is_empty() {
        return Err(RemoteError::Configuration(faults));
    }
    found.sort_by_key(|config| config.priority);
    Ok(found)
}

fn sections(wanted: &WantedRepository, variables: Variables<'_>) -> Result<Vec<RepoSection>, String> {
    match &wanted.place {
        Place::File(path) => {
            let at = path.display();
            let text = regular::read_to_string(path).map_err(|error| format!("cannot read `{at}`: {error}"))?;
            repo_file::parse(&text, variables).map_err(|error| format!("`{at}` {error}"))
        }
        Place::Url(url) => {
            let url = expanded(url, variables)?;
            let mut section = RepoSection::new(shown(&url), 0);
            section.urls = vec![url];
            Ok(vec![section])
        }
    }
}

fn checked(wanted: &WantedRepository, section: RepoSection) -> Result<RepositoryConfig, String> {
    let name = section.id;
    for url in &section.urls {
        if !["http://", "https://", "file://"].iter().any(|scheme| url.starts_with(scheme)) {
            return Err(format!("`{}` is not an address: `http`, `https` and `file` are spoken", shown(url)));
        }
    }
    let keys = if wanted.keys.is_empty() { section.keys } else { wanted.keys.clone() };
    let gpg_check = wanted.gpg_check.unwrap_or(section.gpgcheck || !wanted.keys.is_empty());
    let repo_gpg_check = wanted.repo_gpg_check.unwrap_or(section.repo_gpgcheck);
    if (gpg_check || repo_gpg_check) && keys.is_empty() {
        let foreign = if section.foreign_keys.is_empty() {
            String::new()
        } else {
            format!(" (`{}` is not fetched: keys never come from the network)", section.foreign_keys.join("`, `"))
        };
        return Err(format!("the repository `{name}` is to be checked, and no file of a key is named{foreign}"));
    }
    let of_section =
        WebAccess { ca: section.ca, client_certificate: section.client_certificate, client_key: section.client_key };
    Ok(RepositoryConfig {
        name,
        urls: section.urls,
        keys,
        gpg_check,
        repo_gpg_check,
        priority: wanted.priority.unwrap_or(section.priority),
        access: if wanted.access == WebAccess::default() { of_section } else { wanted.access.clone() },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const VARIABLES: Variables<'_> = Variables { arch: "x86_64", release: None };

    #[test]
    fn every_fault_is_told_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.repo");
        std::fs::write(
            &file,
            "[a]\nbaseurl=http://a.test\ngpgcheck=1\ngpgkey=https://a.test/key\n[b]\nbaseurl=ftp://b.test\n",
        )
        .unwrap();
        let wanted = ["a.repo", "none.repo", "http://x.test/$releasever"];
        let wanted: Vec<_> = wanted.iter().map(|text| WantedRepository::from_argument(text, folder.path())).collect();
        let error = configure(&wanted, VARIABLES).unwrap_err().to_string();
        let error = error.replace(&folder.path().display().to_string(), "[DIR]");
        insta::assert_snapshot!(error, @r"
        the repositories cannot be used as they are given:
          --repo a.repo: the repository `a` is to be checked, and no file of a key is named (`https://a.test/key` is not fetched: keys never come from the network)
          --repo a.repo: `ftp://b.test` is not an address: `http`, `https` and `file` are spoken
          --repo none.repo: cannot read `[DIR]/none.repo`: No such file or directory (os error 2)
          --repo http://x.test/$releasever: `$releasever` is not known; say it by `packages.release-version` in the pipeline file
        ");
    }

    #[test]
    fn the_preferred_come_first_and_keys_of_the_user_win() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("a.repo"),
            "[a]\nbaseurl=http://a.test\ngpgcheck=1\ngpgkey=file:///x\n[off]\nenabled=0\n[b]\nbaseurl=http://b.test\npriority=5\n",
        )
        .unwrap();
        let mut file = WantedRepository::from_argument("a.repo", folder.path());
        file.keys = vec!["/mine".into()];
        let url = WantedRepository::from_argument("http://c.test/$basearch", folder.path());
        let found = configure(&[file, url], VARIABLES).unwrap();
        let names: Vec<&str> = found.iter().map(|config| config.name.as_str()).collect();
        assert_eq!(names, ["b", "a", "http://c.test/x86_64"]);
        assert_eq!(found[1].keys, [PathBuf::from("/mine")]);
        assert!(found[0].gpg_check && found[1].gpg_check && !found[2].gpg_check, "who gives keys wants them used");
    }
}
