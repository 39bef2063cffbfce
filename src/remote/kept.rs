//! What is kept of a repository from run to run: which `repomd.xml` it had, and when it was asked.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::config::RepositoryConfig;
use super::load::LoadOptions;
use super::repomd::{self, Repomd};
use crate::digest::{KeyBuilder, Sha256};
use crate::openpgp::Keys;
use crate::source::whole_file;

/// A repository that was asked less long ago is not asked again, unless it is on this machine.
pub const FRESH: Duration = Duration::from_hours(24);

/// What a repository said of itself.
pub(super) struct Answer {
    /// Digest of its `repomd.xml`.
    pub(super) digest: Sha256,
    pub(super) repomd: Repomd,
    /// When it was asked.
    pub(super) asked: SystemTime,
    /// True when an earlier run has asked.
    pub(super) is_kept: bool,
}

/// The file that is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    repomd: Sha256,
    signature: Option<Sha256>,
    asked: u64,
}

/// What an earlier run has kept in `folder`, when it is whole and may be used without asking.
pub(super) fn read(config: &RepositoryConfig, keys: &Keys, folder: &Path, options: &LoadOptions) -> Option<Answer> {
    if options.refresh || config.urls.iter().any(|url| is_near(url)) {
        return None;
    }
    let kept: Kept = serde_json::from_slice(&std::fs::read(path(config, folder)).ok()?).ok()?;
    let asked = UNIX_EPOCH.checked_add(Duration::from_secs(kept.asked))?;
    // An answer of a time to come was given while a clock was wrong: how old it is is not known.
    let age = options.now.duration_since(asked).ok()?;
    let content = std::fs::read(folder.join(kept.repomd.to_string())).ok()?;
    if age >= FRESH || Sha256::of_bytes(&content) != kept.repomd {
        return None;
    }
    let repomd = repomd::parse(&content).ok()?;
    if config.repo_gpg_check {
        let signature = std::fs::read_to_string(folder.join(kept.signature?.to_string())).ok()?;
        keys.verify_detached(&content, &signature).ok()?;
    }
    Some(Answer { digest: kept.repomd, repomd, asked, is_kept: true })
}

/// Keeps what a repository said at `now`. That only saves a question; not being able to write it is no fault.
pub(super) fn write(
    config: &RepositoryConfig,
    folder: &Path,
    (repomd, signature, now): (Sha256, Option<Sha256>, SystemTime),
) {
    let asked = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let bytes = serde_json::to_vec(&Kept { repomd, signature, asked }).unwrap_or_default();
    if let Err(error) = whole_file::replace(&path(config, folder), &bytes) {
        tracing::warn!(%error, "cannot keep the state of a repository");
    }
}

/// Makes the next run ask the repository.
pub(super) fn forget(config: &RepositoryConfig, folder: &Path) {
    let _ = std::fs::remove_file(path(config, folder));
}

fn path(config: &RepositoryConfig, folder: &Path) -> PathBuf {
    let key = config.urls.iter().fold(KeyBuilder::new("repository"), |key, url| key.field("url", url));
    folder.join("repositories").join(format!("{}.json", key.finish()))
}

/// True for a folder or server of this machine, which costs nothing to ask and whose user has just changed it.
fn is_near(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.strip_prefix('[') {
        Some(bracketed) => bracketed.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let is_loopback = host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    scheme == "file" || host == "localhost" || host.ends_with(".localhost") || is_loopback
}

/// How long ago `asked` was, for people.
pub(super) fn age(asked: SystemTime, now: SystemTime) -> String {
    let seconds = now.duration_since(asked).unwrap_or_default().as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_on_this_machine_is_near() {
        for near in [
            "file:///srv/r",
            "http://localhost:8000/r",
            "http://127.8.0.1/r",
            "http://[::1]:80/r",
            "https://u:p@a.localhost/r",
        ] {
            assert!(is_near(near), "{near}");
        }
        for far in
            ["http://r.test/localhost", "http://10.0.0.1/r", "http://localhost.test/r", "http://127.0.0.1@r.test/"]
        {
            assert!(!is_near(far), "{far}");
        }
    }

    #[test]
    fn an_age_is_told_in_whole_units() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let told: Vec<String> = [5, 119, 7200].map(|seconds| age(at(0), at(seconds))).into();
        assert_eq!(told, ["5 s", "1 min", "2 h"]);
        assert_eq!(age(at(9), at(3)), "0 s");
    }
}
