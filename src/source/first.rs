//! Files that nobody signs: each is downloaded from the first URL whose answer the caller accepts.

use std::path::{Path, PathBuf};

use futures_util::StreamExt;

use super::FetchOptions;
use super::download::Downloader;
use super::error::{SourceError, Tried};
use super::places::http_url;
use super::transfer::Fault;
use crate::address::{below, shown};
use crate::event::{Event, Report};
use crate::layout::Layout;

/// Downloads that run at a time.
const AT_A_TIME: usize = 4;

/// A file that was downloaded and accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The file, in the source cache under its digest.
    pub path: PathBuf,
    /// Where it came from, as it may be shown.
    pub url: String,
}

/// For each of `files` what the first of the mirrors of `options` gave that `accept` took, or all that were tried; in the
/// order of `files`. `accept` gets the number of the file, and gives the reason why it is not taken.
pub async fn first_accepted(
    files: &[String],
    accept: &(dyn Fn(usize, &Path) -> Result<(), String> + Sync),
    (options, layout, report): (&FetchOptions, &Layout, Report<'_>),
) -> Result<Vec<Result<Accepted, Vec<Tried>>>, SourceError> {
    let downloader = Downloader::with_access(layout.sources(), options.patience, report, &options.access)
        .map_err(SourceError::Client)?;
    let downloads = files.iter().enumerate().map(|(at, file)| {
        let downloader = &downloader;
        async move {
            let mut tried = Vec::new();
            for mirror in &options.mirrors {
                let place = below(mirror, file);
                match one(downloader, &place, |path| accept(at, path)).await? {
                    Ok((path, bytes)) => {
                        let url = shown(&place);
                        report(Event::SourceFetched { file: file.clone(), from: url.clone(), bytes });
                        return Ok(Ok(Accepted { path, url }));
                    }
                    Err(reason) => tried.push(Tried::new(&place, reason)),
                }
            }
            Ok(Err(tried))
        }
    });
    let results: Vec<_> = futures_util::stream::iter(downloads).buffered(AT_A_TIME).collect().await;
    results.into_iter().collect()
}

/// The file and its size, or why it is not taken.
async fn one(
    downloader: &Downloader<'_>,
    place: &str,
    accept: impl Fn(&Path) -> Result<(), String>,
) -> Result<Result<(PathBuf, u64), String>, SourceError> {
    let url = match http_url(place) {
        Ok(url) => url,
        Err(reason) => return Ok(Err(reason)),
    };
    let downloaded = match downloader.download(&url, None).await {
        Ok(downloaded) => downloaded,
        Err(Fault::Disk { path, source }) => return Err(SourceError::Cache { path, source }),
        Err(fault) => return Ok(Err(fault.to_string())),
    };
    let path = downloaded.path;
    Ok(match tokio::task::block_in_place(|| accept(&path)) {
        Ok(()) => Ok((path, downloaded.bytes)),
        Err(reason) => {
            // Nothing will ask for it by its digest.
            let _ = std::fs::remove_file(&path);
            Err(reason)
        }
    })
}
