//! The places of the network that may have a file, tried one after the other, several files at a time.

use std::collections::BTreeMap;
use std::path::PathBuf;

use futures_util::StreamExt;
use reqwest::Url;
use tokio::sync::OnceCell;

use super::archive::Archives;
use super::download::{Downloaded, Downloader};
use super::error::{SourceError, SourceProblem, Tried, Wrong};
use super::transfer::Fault;
use super::{FetchOptions, FetchedSource, SignatureMode, WantedSource, whole_file};
use crate::address::{below, shown};
use crate::digest::{KeyBuilder, Sha256};
use crate::event::{Event, Report};
use crate::layout::Layout;
use crate::regular;

/// Downloads that run at a time.
const AT_A_TIME: usize = 4;

/// A file that has to be downloaded.
#[derive(Clone, Copy)]
pub(super) struct Away<'a> {
    pub(super) file: &'a WantedSource,
    /// The digest that it must have; None to take what comes.
    pub(super) expected: Option<Sha256>,
    /// The digest that it had so far.
    pub(super) formerly: Option<Sha256>,
}

type Found<'a> = Vec<(&'a WantedSource, FetchedSource)>;

/// Downloads every file once, also when several specs name it; gives what was found and what was not.
pub(super) async fn download_all<'a>(
    away: Vec<Away<'a>>,
    options: &FetchOptions,
    layout: &Layout,
    report: Report<'_>,
) -> Result<(Found<'a>, Vec<SourceProblem>), SourceError> {
    let network = Network::new(options, layout, report)?;
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for (same, outcome) in network.first_places(away, Wish::File).await? {
        match outcome {
            Ok(source) => found.extend(same.iter().map(|one| (one.file, source.clone()))),
            Err(tried) => missing.extend(not_found(&same, &tried)),
        }
    }
    Ok((found, missing))
}

/// Which files no place says it has; nothing of them is downloaded.
pub(super) async fn look_for_all(
    away: Vec<Away<'_>>,
    options: &FetchOptions,
    layout: &Layout,
    report: Report<'_>,
) -> Result<Vec<SourceProblem>, SourceError> {
    let network = Network::new(options, layout, report)?;
    let outcomes = network.first_places(away, Wish::Word).await?;
    let lost = outcomes.into_iter().filter_map(|(same, outcome)| Some((same, outcome.err()?)));
    Ok(lost.flat_map(|(same, tried)| not_found(&same, &tried)).collect())
}

fn not_found(same: &[Away<'_>], tried: &[Tried]) -> Vec<SourceProblem> {
    let wrong = |one: &Away<'_>| Wrong::NotFound { expected: one.expected.or(one.formerly), tried: tried.to_vec() };
    same.iter().map(|one| one.file.problem(wrong(one))).collect()
}

/// What a place is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// The file.
    File,
    /// Whether it has the file.
    Word,
}

/// Those of one content together: it is asked for once.
fn grouped<'a>(away: Vec<Away<'a>>) -> Vec<Vec<Away<'a>>> {
    let mut same: BTreeMap<(String, String), Vec<Away<'a>>> = BTreeMap::new();
    for one in away {
        let key = match one.expected {
            Some(digest) => (String::new(), digest.to_string()),
            None => (one.file.spec.clone(), one.file.file.clone()),
        };
        same.entry(key).or_default().push(one);
    }
    same.into_values().collect()
}

/// The files of one digest and what became of them.
type Outcome<'a> = (Vec<Away<'a>>, Result<FetchedSource, Vec<Tried>>);

struct Network<'a> {
    downloader: Downloader<'a>,
    archives: OnceCell<Archives<'a>>,
    options: &'a FetchOptions,
    cache: PathBuf,
    indexes: PathBuf,
    report: Report<'a>,
}

impl<'a> Network<'a> {
    fn new(options: &'a FetchOptions, layout: &Layout, report: Report<'a>) -> Result<Self, SourceError> {
        let cache = layout.sources();
        let downloader = Downloader::with_access(cache.clone(), options.patience, report, &options.access)
            .map_err(SourceError::Client)?;
        Ok(Self { downloader, archives: OnceCell::new(), options, cache, indexes: layout.indexes(), report })
    }

    async fn first_places<'b>(&self, away: Vec<Away<'b>>, wish: Wish) -> Result<Vec<Outcome<'b>>, SourceError> {
        let asked = grouped(away).into_iter().map(|same| self.first_place(same, wish));
        let outcomes: Vec<_> = futures_util::stream::iter(asked).buffer_unordered(AT_A_TIME).collect().await;
        outcomes.into_iter().collect()
    }

    async fn first_place<'b>(&self, same: Vec<Away<'b>>, wish: Wish) -> Result<Outcome<'b>, SourceError> {
        let one = same[0];
        if let Some(source) = self.known_by_url(one) {
            return Ok((same, Ok(source)));
        }
        let mut tried: Vec<Tried> = same.iter().filter_map(|one| one.file.tried_beside()).collect();
        for candidate in self.urls(&same) {
            let outcome = self.try_place(one, (&candidate, wish), &mut tried).await?;
            if let Some(source) = outcome {
                return Ok((same, Ok(source)));
            }
        }
        let found = self.by_digest(one, wish, &mut tried).await?;
        Ok((same, found.ok_or(tried)))
    }

    /// Mirrors, then the spec's own URL.
    fn urls(&self, same: &[Away<'_>]) -> Vec<String> {
        let mut urls = Vec::new();
        for one in same {
            for mirror in &self.options.mirrors {
                urls.push(below(mirror, &one.file.file));
                if let Some(digest) = one.expected.or(one.formerly) {
                    urls.push(below(mirror, &format!("{}/{digest}/{}", one.file.spec, one.file.file)));
                }
            }
        }
        // The fragment of a spec's URL says how the file is called, not what is asked of the server.
        let own = same.iter().filter_map(|one| one.file.url.as_deref());
        urls.extend(own.map(|url| url.split('#').next().unwrap_or(url).to_owned()));
        let mut seen = std::collections::BTreeSet::new();
        urls.retain(|url| seen.insert(url.clone()));
        urls
    }

    async fn by_digest(
        &self,
        one: Away<'_>,
        wish: Wish,
        tried: &mut Vec<Tried>,
    ) -> Result<Option<FetchedSource>, SourceError> {
        let Some(digest) = one.expected.or(one.formerly) else { return Ok(None) };
        let looked = self.archives().await?.find(digest).await;
        let urls = match looked {
            Ok(urls) => urls,
            Err(reason) => {
                tried.push(Tried::new("package archives", reason));
                return Ok(None);
            }
        };
        for url in urls {
            // What an index promises is known: it must be that, also where nothing is expected.
            let promised = Away { expected: Some(digest), ..one };
            if let Some(source) = self.try_place(promised, (url.as_str(), wish), tried).await? {
                return Ok(Some(source));
            }
        }
        Ok(None)
    }

    async fn archives(&self) -> Result<&Archives<'a>, SourceError> {
        let make = async || {
            let folder = self.indexes.clone();
            let downloader = Downloader::new(folder.clone(), self.options.patience, self.report)?;
            Ok(Archives::new(&self.options.archives, downloader, folder, self.options.now))
        };
        self.archives.get_or_try_init(make).await.map_err(SourceError::Client)
    }

    async fn try_place(
        &self,
        one: Away<'_>,
        (place, wish): (&str, Wish),
        tried: &mut Vec<Tried>,
    ) -> Result<Option<FetchedSource>, SourceError> {
        let url = match http_url(place) {
            Ok(url) => url,
            Err(reason) => {
                tried.push(Tried::new(place, reason));
                return Ok(None);
            }
        };
        let answer = match (wish, one.expected.or(one.formerly)) {
            (Wish::Word, Some(sha256)) => {
                let path = self.cache.join(sha256.to_string());
                self.downloader.look(&url).await.map(|()| FetchedSource { path, sha256, bytes: 0 })
            }
            _ => self.downloader.download(&url, one.expected).await.map(|file| self.take(one, place, file)),
        };
        match answer {
            Ok(source) => Ok(Some(source)),
            Err(Fault::Disk { path, source }) => Err(SourceError::Cache { path, source }),
            Err(fault) => {
                if let Fault::Mismatch { .. } = &fault {
                    (self.report)(Event::Warning { text: format!("`{}` {fault}", shown(place)) });
                }
                tried.push(Tried::new(place, fault.to_string()));
                Ok(None)
            }
        }
    }

    fn take(&self, one: Away<'_>, place: &str, downloaded: Downloaded) -> FetchedSource {
        let Downloaded { path, digest, bytes } = downloaded;
        if one.expected.is_none() {
            // Only saves a download; not being able to write it is no fault.
            let _ = whole_file::replace(&self.by_url_path(one), digest.to_string().as_bytes());
        }
        (self.report)(Event::SourceFetched { file: one.file.file.clone(), from: shown(place), bytes });
        FetchedSource { path, sha256: digest, bytes }
    }

    /// What an earlier run downloaded for a file that nobody signed.
    fn known_by_url(&self, one: Away<'_>) -> Option<FetchedSource> {
        if self.options.mode != SignatureMode::Skip || one.expected.is_some() {
            return None;
        }
        let digest: Sha256 = regular::read_to_string(&self.by_url_path(one)).ok()?.parse().ok()?;
        let path = self.cache.join(digest.to_string());
        let (sha256, bytes) = Sha256::of_reader(&mut regular::open(&path).ok()?).ok()?;
        (sha256 == digest).then_some(FetchedSource { path, sha256, bytes })
    }

    fn by_url_path(&self, one: Away<'_>) -> PathBuf {
        let url = one.file.url.as_deref().unwrap_or_default();
        let key = KeyBuilder::new("by-url").field("file", &one.file.file).field("url", url);
        self.cache.join("by-url").join(key.finish().to_string())
    }
}

pub(super) fn http_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("is not a URL: {error}"))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(format!("`{other}` is not a way to download; `http` and `https` are")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_http_is_spoken() {
        assert!(http_url("https://x.test/a").is_ok());
        assert!(http_url("ftp://x.test/a").unwrap_err().contains("`ftp`"));
        assert!(http_url("a.tar").unwrap_err().contains("not a URL"));
    }
}
